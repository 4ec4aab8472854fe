"""The ways a credential is written where it should not be.

Knows encodings. Must not know the redactor: these are made from the standard library,
so that a mistake of ours in one place does not hide in the other.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote

ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda text: json.dumps({"key": text}),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "url": lambda text: quote(text, safe=""),
    "every letter in url": lambda text: "".join(f"%{ord(x):02X}" for x in text),
    "escapes": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "html": html.escape,
    "entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "hex": lambda text: text.encode().hex(),
    "upper hex": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, shifted by one": lambda text: base64.b64encode(
        b"a:" + text.encode()
    ).decode(),
    "base64, shifted by two": lambda text: base64.b64encode(
        b"ab:" + text.encode()
    ).decode(),
    "base64url": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "md5": lambda text: hashlib.md5(text.encode()).hexdigest(),
    "sha1": lambda text: hashlib.sha1(text.encode()).hexdigest(),
    "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "upper case": str.upper,
}
