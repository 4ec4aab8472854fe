"""Signed tokens: the signature is verified, with the right key, and every claim."""
