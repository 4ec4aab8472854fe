"""Real verifiers and token endpoints, to be right about."""
