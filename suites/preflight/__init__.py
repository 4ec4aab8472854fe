"""Shown before anything else: the identities that should work do."""
