"""tollproof."""
