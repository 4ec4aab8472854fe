"""The header fields of every response the run has seen, not of a sample."""
