"""A local issuer of ID tokens, for the reference deployments and for learning.

It publishes its keys as Google does for Firebase (`/certificates`: X.509 in PEM by key
id) and as a JWK set (`/jwks`), rotates them, and mints tokens with Firebase's claims.
Knows keys and claims. Must not know who verifies them. It hands tokens to whoever asks:
it listens on loopback and belongs nowhere else.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tollproof.identity.forge import SigningKey, generate, mint, public_jwk

PROJECT = "sparkient-reference"
#: Seconds a token lives, as Firebase's do.
LIFE = 3600
#: Seconds the published keys may be kept by whoever fetched them. Google says hours;
#: this issuer is there to be rotated, and nobody should have to wait for it.
MAX_AGE = 2
_LARGEST = 65_536


def issuer_of(project: str) -> str:
    """Return the `iss` of a Firebase project's ID tokens."""
    return f"https://securetoken.google.com/{project}"


def id_claims(
    subject: str, *, project: str, now: float, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the claims of a Firebase ID token, as Firebase writes them.

    Args:
        now: Unix seconds; the user logged in and the token was issued just before.
        extra: further claims, which replace those of the same name.
    """
    since = int(now) - 1
    email = f"{subject}@example.com"
    return {
        "iss": issuer_of(project),
        "aud": project,
        "auth_time": since,
        "user_id": subject,
        "sub": subject,
        "iat": since,
        "exp": since + LIFE,
        "email": email,
        "email_verified": True,
        "firebase": {
            "identities": {"email": [email]},
            "sign_in_provider": "password",
        },
        **(extra or {}),
    }


@dataclass(slots=True)
class Issuer:
    """Signs tokens and publishes the public halves of its keys.

    Attributes:
        project: the Firebase project: audience of the tokens, end of the issuer.
    """

    project: str = PROJECT
    _keys: list[SigningKey] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        """The `iss` of its tokens."""
        return issuer_of(self.project)

    @property
    def key(self) -> SigningKey:
        """The key that signs now; made when first asked for."""
        with self._lock:
            if not self._keys:
                self._keys.append(_new_key())
            return self._keys[-1]

    def rotate(self) -> SigningKey:
        """Sign with a new key from now on; the one before stays published.

        The ones before that are withdrawn, as Google withdraws its own; but the first
        one stays, since a profile may hold its private half as a test signing key.
        """
        self.key  # noqa: B018  (the first one is made when asked for)
        with self._lock:
            kept = dict.fromkeys((0, len(self._keys) - 1))
            self._keys = [*(self._keys[place] for place in kept), _new_key()]
            return self._keys[-1]

    def retire(self, key_id: str) -> bool:
        """Withdraw a key: it is published no longer, and signs nothing any more.

        Returns:
            Whether it was there; the last key there is cannot be withdrawn.
        """
        with self._lock:
            left = [key for key in self._keys if key.key_id != key_id]
            if not left or len(left) == len(self._keys):
                return False
            self._keys = left
            return True

    def mint(self, subject: str, claims: Mapping[str, Any] | None = None) -> str:
        """Return an ID token for a user, with further claims or others."""
        full = id_claims(subject, project=self.project, now=time.time(), extra=claims)
        return mint({"typ": "JWT"}, full, self.key)

    def certificates(self) -> dict[str, str]:
        """Return the published keys as certificates in PEM, by key id."""
        return {
            key.key_id: _certificate(key, self.project) for key in self._published()
        }

    def jwks(self) -> dict[str, Any]:
        """Return the published keys as a JWK set."""
        return {
            "keys": [
                public_jwk(key.public, key.key_id, key.algorithm)
                for key in self._published()
            ]
        }

    def _published(self) -> tuple[SigningKey, ...]:
        self.key  # noqa: B018
        with self._lock:
            return tuple(self._keys)


def _new_key() -> SigningKey:
    key = generate("RS256")
    digest = hashes.Hash(hashes.SHA1())  # noqa: S303  (a name, as Google makes it)
    digest.update(
        key.public.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )
    return SigningKey(
        private=key.private, algorithm="RS256", key_id=digest.finalize().hex()
    )


def _certificate(key: SigningKey, project: str) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, project)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public)
        .serial_number(int(key.key_id[:16], 16) | 1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=16))
        .sign(key.private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


# -- over HTTP -----------------------------------------------------------------------


@contextmanager
def serving(issuer: Issuer, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Publish an issuer's keys until the block ends; yields `http://host:port`.

    `GET /certificates`, `GET /jwks`; `POST /tokens` with `{"sub", "claims"}` mints;
    `POST /rotate` answers with the new key's id and private half in PEM; `POST /retire`
    with `{"kid"}` withdraws one.
    """
    with _Server((host, port), issuer) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], issuer: Issuer) -> None:
        self.issuer = issuer
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0
    server_version = "tollproof-issuer"
    sys_version = ""

    @property
    def _issuer(self) -> Issuer:
        server = self.server
        if not isinstance(server, _Server):
            raise TypeError("serves an issuer or nothing")
        return server.issuer

    def do_GET(self) -> None:
        documents = {
            "/certificates": self._issuer.certificates,
            "/jwks": self._issuer.jwks,
        }
        if make := documents.get(self.path):
            self._answer(200, make(), f"public, max-age={MAX_AGE}")
        else:
            self._answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        if self.path == "/rotate":
            key = self._issuer.rotate()
            self._answer(200, {"kid": key.key_id, "key": key.pem().decode("ascii")})
        elif self.path == "/retire":
            self._retire()
        elif self.path == "/tokens":
            self._mint()
        else:
            self._answer(404, {"error": "not_found"})

    def _wish(self) -> Any:
        """Read the body as JSON.

        Raises:
            ValueError: it is none.
        """
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else 0
        return json.loads(self.rfile.read(min(size, _LARGEST)))

    def _retire(self) -> None:
        try:
            key_id = self._wish()["kid"]
        except (ValueError, KeyError, TypeError):
            key_id = None
        if not isinstance(key_id, str):
            self._answer(400, {"error": "invalid_request"})
        elif self._issuer.retire(key_id):
            self._answer(200, {"kid": key_id})
        else:
            self._answer(404, {"error": "not_found"})

    def _mint(self) -> None:
        try:
            wish = self._wish()
            subject, claims = wish["sub"], wish.get("claims", {})
        except (ValueError, KeyError, TypeError, AttributeError):
            subject, claims = None, None
        if not isinstance(subject, str) or not isinstance(claims, dict):
            self._answer(400, {"error": "invalid_request"})
            return
        self._answer(200, {"token": self._issuer.mint(subject, claims)})

    def _answer(self, status: int, document: object, cache: str = "no-store") -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", cache)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing on the terminal."""
