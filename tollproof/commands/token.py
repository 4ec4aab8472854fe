"""`token`: mint, inspect and rotate by hand; the work is `identity.token_cli`'s."""

from __future__ import annotations

from tollproof.identity.token_cli import token

__all__ = ["token"]
