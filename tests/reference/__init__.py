"""Tests of the reference deployments."""
