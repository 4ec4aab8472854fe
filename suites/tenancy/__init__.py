"""Whose is it: nothing of one organisation is seen or changed by another."""
