"""The issuer's published certificates, fetched and kept as Google's libraries do.

Knows the document and how long it may be kept. An unknown key id makes it ask again,
so that a rotation is followed at once, but not more often than once a second: whoever
invents key ids must not be able to make the deployment call the issuer at will.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: Seconds between two questions that an unknown key id causes.
COOLDOWN = 1.0
PATIENCE = 3.0
_LARGEST = 262_144
_MAX_AGE = re.compile(r"max-age=(\d+)")


class IssuerKeys:
    """The keys at a URL of certificates by key id.

    Args:
        follow: whether an unknown key id, or a document gone stale, makes it ask again.
        forget: whether a key that is no longer published is trusted no longer.
    """

    def __init__(self, url: str, *, follow: bool = True, forget: bool = True) -> None:
        self._url = url
        self._follow = follow
        self._forget = forget
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._asked = float("-inf")
        self._stale = float("-inf")

    def find(self, key_id: str) -> RSAPublicKey | None:
        """Return the key of that id, asking the issuer again if it is new."""
        with self._lock:
            now = time.monotonic()
            new = key_id not in self._keys or now >= self._stale
            if not self._keys or (
                self._follow and new and now - self._asked >= COOLDOWN
            ):
                self._ask(now)
            return self._keys.get(key_id)

    def all(self) -> tuple[RSAPublicKey, ...]:
        """Return every published key."""
        self.find("")
        return tuple(self._keys.values())

    def _ask(self, now: float) -> None:
        self._asked = now
        try:
            with urllib.request.urlopen(self._url, timeout=PATIENCE) as answer:  # noqa: S310  (the operator's own setting)
                document = json.loads(answer.read(_LARGEST))
                cache = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
        except (OSError, ValueError):
            return  # what is kept goes on being used; the next caller asks again
        found = {
            name: key
            for name, pem in document.items()
            if isinstance(
                key := x509.load_pem_x509_certificate(pem.encode()).public_key(),
                RSAPublicKey,
            )
        }
        if found:
            self._keys = found if self._forget else {**self._keys, **found}
            self._stale = now + (int(cache[1]) if cache else 300)
