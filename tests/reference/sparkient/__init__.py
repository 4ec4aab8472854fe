"""Tests of the Sparkient reference deployment."""
