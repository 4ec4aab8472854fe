"""A key service on loopback whose keys live as a test says.

Knows HTTP/1.1, and keys that are created, listed, used and revoked. Must not know the
package under test: what it does wrong, it does because a test asks for it.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.servers import Connection, Server, scripted

ADMIN = "admin_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3Ws5J"

#: A profile of it; `%s` is its origin.
PROFILE = """\
name = "Key service"
[target]
base_url = "%s"
environment = "staging"
timeout = 5.0
[[target.operations]]
method = "GET"
path = "/me"
[identities.admin]
kind = "api_key"
key = { env = "ADMIN_KEY" }
[promises.keys]
prefix = "tk_live_"
format = "^tk_live_[0-9a-f]{40}$"
entropy_bits = 128.0
[promises.rotation]
active_within = 0.5
revoked_within = 0.5
stays_revoked_for = 1.5
[lifecycle]
by = "admin"
create = { method = "POST", path = "/keys" }
list = { method = "GET", path = "/keys", items = "/keys" }
revoke = { method = "DELETE", path = "/keys/{id}" }
[consent]
writes = true
key_lifecycle = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One key, with the moments of its life on the monotonic clock.

    Attributes:
        number: of creations so far, from 1.
        asked: how often it was shown since it was revoked.
    """

    number: int
    id: str
    value: str
    created: float
    revoked: float | None = None
    asked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer: status, document, further header fields."""

    status: int
    document: object
    headers: tuple[tuple[str, str], ...] = ()


def _lives(life: Life, now: float) -> bool:
    return life.revoked is None


@dataclass(slots=True, kw_only=True)
class Keys:
    """The service.

    Attributes:
        is_live: whether a key is let in at a moment.
        create, revoke, listed: change what those calls answer; the key that a creation
            is about may be changed as well.
        writes: every creation and revocation that was asked for, in order.
    """

    is_live: Callable[[Life, float], bool] = _lives
    create: Callable[[Life, Told], tuple[Life, Told]] = lambda life, told: (life, told)
    revoke: Callable[[Told], Told] = lambda told: told
    listed: Callable[[list[Life], float], Told] | None = None
    writes: list[str] = field(default_factory=list)
    made: int = 0
    lives: dict[str, Life] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, connection: Connection) -> None:
        """Answer every request of a connection."""
        while raw := connection.request():
            head = raw.partition(b"\r\n\r\n")[0].decode("latin-1")
            line, *fields = head.split("\r\n")
            method, path, _ = line.split(" ")
            shown = ""
            for name, _, value in (one.partition(":") for one in fields):
                if name.lower() == "authorization":
                    shown = value.strip().removeprefix("Bearer ")
            with self.lock:
                told = self.answer(method, path.partition("?")[0], shown)
            connection.send(_written(told, bare=told.status == 204))
            if "connection: close" in head.lower():
                return

    def answer(self, method: str, path: str, shown: str) -> Told:
        """Answer one request."""
        now = time.monotonic()
        if path == "/me":
            return Told(status=200, document={}) if self.knows(shown, now) else _NO
        if shown != ADMIN:
            return _NO
        if (method, path) == ("POST", "/keys"):
            self.writes.append("POST")
            return self.created(now)
        if (method, path) == ("GET", "/keys"):
            live = [life for life in self.lives.values() if life.revoked is None]
            if self.listed is not None:
                return self.listed(live, now)
            keys = [{"id": life.id} for life in live]
            return Told(status=200, document={"keys": keys})
        if method == "DELETE":
            self.writes.append("DELETE")
            return self.revoked(path.rpartition("/")[2], now)
        return Told(status=404, document={})

    def knows(self, shown: str, now: float) -> bool:
        """Say whether a key is let in, and count that it was asked."""
        if shown == ADMIN:
            return True
        life = self.lives.get(shown)
        if life is None:
            return False
        if life.revoked is not None:
            life = self.lives[shown] = replace(life, asked=life.asked + 1)
        return self.is_live(life, now)

    def created(self, now: float) -> Told:
        """Make a key and show it."""
        self.made += 1
        life = Life(
            number=self.made,
            id=secrets.token_hex(4),
            value=f"tk_live_{secrets.token_hex(20)}",
            created=now,
        )
        document = {"id": life.id, "key": life.value}
        life, told = self.create(life, Told(status=201, document=document))
        self.lives[life.value] = life
        return told

    def revoked(self, key_id: str, now: float) -> Told:
        """Revoke a key."""
        told = self.revoke(Told(status=204, document=None))
        for value, life in list(self.lives.items()):
            if life.id == key_id and life.revoked is None and told.status < 300:
                self.lives[value] = replace(life, revoked=now)
        return told

    @property
    def left(self) -> int:
        """How many keys were not revoked."""
        return sum(life.revoked is None for life in self.lives.values())


_NO = Told(status=401, document={"error": "unauthorized"})


def _written(told: Told, *, bare: bool) -> bytes:
    body = b"" if bare else json.dumps(told.document).encode()
    lines = [f"HTTP/1.1 {told.status} Told", "Content-Type: application/json"]
    lines += [] if bare else [f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in told.headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def keyed(keys: Keys) -> Iterator[Server]:
    """Serve the keys for the length of a `with` block."""
    with scripted(keys.serve) as server:
        yield server
