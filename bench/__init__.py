"""Figures as ratios, each measured within one run on one machine."""
