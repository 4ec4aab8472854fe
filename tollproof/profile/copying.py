"""What may be copied from an OpenAPI document into a profile.

Knows that documents hold secrets and what no profile can express; both stay out.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from tollproof.profile.emit import toml_value
from tollproof.profile.literals import literal_secrets


def is_valid(kind: Any, value: Any) -> bool:
    """Tell whether a value is written as one of the profile's kinds is."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def copied(path: tuple[str, ...], value: Any) -> str:
    """Write a value of the document, or "" when a profile must not hold it."""
    nested: Any = value if not isinstance(value, tuple) else list(value)
    for key in reversed(path):
        nested = {key: nested}
    if any(True for _ in literal_secrets(nested)):
        return ""
    try:
        return toml_value(value)
    except ValueError:
        return ""
