"""The profile of a deployment: every promise it keeps, written down.

Knows the shape of a profile as text. Secrets are named by file, so that the profile
works from any shell.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tollproof.reference.algorithms import LONGER, USUAL, leaky_capacity, sustained
from tollproof.reference.issuer import PROJECT, issuer_of
from tollproof.reference.sparkient.errors import CODES
from tollproof.reference.sparkient.keys import Role
from tollproof.reference.sparkient.oauth import PATH as TOKEN_PATH
from tollproof.reference.sparkient.oauth import REGISTRATION, SCOPES
from tollproof.reference.sparkient.seed import (
    CLIENTS,
    IDENTITIES,
    USERS,
    Cast,
    Registered,
    Seeded,
    User,
)

_GRANTS = {
    Role.ADMIN: ("*",),
    Role.MEMBER: ("*", "!* /api/v1/keys", "!* /api/v1/keys/*"),
    Role.READER: (
        "*",
        "!* /api/v1/keys",
        "!* /api/v1/keys/*",
        "!POST *",
        "!DELETE *",
    ),
}
_UUID4 = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a deployment is and what it was started with.

    Attributes:
        http_url: the plain-HTTP twin; empty without TLS.
        limit, window: the default allowance: requests, seconds.
        per: what has an allowance of its own.
        failures: wrong credentials that an address may show in a window; 0 for any
            number.
        sustained: whether a second limit holds, over several windows.
        issuer_url: where the issuer of ID tokens is.
        algorithm: how requests are counted.
        replicas: further addresses with the same keys.
    """

    folder: Path
    base_url: str
    replicas: tuple[str, ...] = ()
    http_url: str
    limit: int
    window: float
    issuer_url: str = ""
    algorithm: str = USUAL
    per: str = "key"
    failures: int = 0
    sustained: bool = False


def profile_text(place: Place, seeded: Seeded) -> str:
    """Return the profile of a deployment, as TOML."""
    return "\n".join(
        [
            f"# Written by `tollproof serve sparkient` for {place.base_url}:",
            "# a reference deployment, there to learn and to test on.",
            'name = "Sparkient API (reference deployment)"',
            "",
            *_target(place, seeded),
            *(line for cast in IDENTITIES for line in _identity(cast, place, seeded)),
            *(line for user in USERS for line in _user(user, place, seeded)),
            *(line for client in CLIENTS for line in _client(client, seeded)),
            _promises(place),
            _tokens(place),
            *_rest(place),
        ]
    )


def _quoted(value: object) -> str:
    # JSON's texts, numbers and arrays of them are TOML's too.
    return json.dumps(value, ensure_ascii=False)


def _inline(values: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name} = {_quoted(value)}" for name, value in values.items())
    return "{ " + pairs + " }"


def _file(path: Path) -> str:
    return _inline({"file": str(path)})


def _target(place: Place, seeded: Seeded) -> Iterator[str]:
    public = ["/", "/health", "/openapi.json", "/dashboard", "/dashboard.js"]
    own = {
        "decision_id": seeded.decisions["alpha"],
        "key_id": seeded.spare_keys["acme"],
    }
    yield "[target]"
    yield f"base_url = {_quoted(place.base_url)}"
    if place.replicas:
        yield f"replicas = {_quoted(place.replicas)}"
    if place.http_url:
        yield f"http_url = {_quoted(place.http_url)}"
    yield 'environment = "staging"'
    yield 'openapi = "/openapi.json"'
    yield f"public = {_quoted([f'GET {path}' for path in public])}"
    yield f"path_parameters = {_inline(own)}"
    if place.http_url:
        yield f"tls = {_inline({'ca': str(place.folder / 'ca.pem')})}"
    yield ""


def _identity(cast: Cast, place: Place, seeded: Seeded) -> Iterator[str]:
    owns = {"decision_id": seeded.decisions[cast.name]}
    if cast.role is Role.ADMIN:
        owns["key_id"] = seeded.spare_keys[cast.organisation]
    yield f"[identities.{cast.name}]"
    yield 'kind = "api_key"'
    yield f"key = {_file(seeded.key_files[cast.name])}"
    yield f"organisation = {_quoted(cast.organisation)}"
    if cast.state != "live":
        yield f"state = {_quoted(cast.state)}"
    yield f"grants = {_quoted(_GRANTS[cast.role])}"
    yield f"owns = {_inline(owns)}"
    if cast.requests:
        window = place.window
        yield f"limit = {{ requests = {cast.requests}, window = {window} }}"
    if cast.purpose:
        yield f"purpose = {_quoted(cast.purpose)}"
    yield ""


def _user(user: User, place: Place, seeded: Seeded) -> Iterator[str]:
    email = f"{user.name}@{user.organisation}.example"
    yield f"[identities.{user.name}]"
    yield 'kind = "firebase"'
    yield f"signing_key = {_file(place.folder / 'issuer.pem')}"
    yield f"subject = {_quoted(user.subject)}"
    yield f"claims = {_inline({'email': email})}"
    yield f"organisation = {_quoted(user.organisation)}"
    yield f"grants = {_quoted(_GRANTS[user.role])}"
    yield f"owns = {_inline({'decision_id': seeded.decisions[user.name]})}"
    yield ""


def _client(client: Registered, seeded: Seeded) -> Iterator[str]:
    yield f"[identities.{client.name}]"
    yield 'kind = "oauth"'
    yield f"credentials = {_file(seeded.client_files[client.name])}"
    yield f"organisation = {_quoted(client.organisation)}"
    yield f"grants = {_quoted(_GRANTS[client.role])}"
    if client.state != "live":
        yield f"state = {_quoted(client.state)}"
    yield ""


def _tokens(place: Place) -> str:
    command = [sys.executable, "-m", "tollproof.identity.token_cli"]
    issuer = ["--issuer-url", place.issuer_url]
    rotate = [*command, "rotate", *issuer]
    retire = [*command, "retire", *issuer, "--key-id", "{kid}"]
    return f"""\
[promises.tokens]
issuer = {_quoted(issuer_of(PROJECT))}
audience = {_quoted(PROJECT)}
algorithms = ["RS256"]
certificates = {_quoted(place.issuer_url + "/certificates")}
max_age = 3600
rotate = {_quoted(rotate)}
followed_within = 5.0
retire = {_quoted(retire)}
retired_within = 5.0

[promises.tokens.first_login_provisions]
operation = "GET /api/v1/me"
pointer = "/user/id"
organisation = "/organisation/id"

[promises.oauth]
token_url = {_quoted(place.base_url + TOKEN_PATH)}
expires_in = 300
scopes = {_quoted(SCOPES)}
revoked_within = 1.0
"""


def _shape(place: Place) -> str:
    """Return what an algorithm promises beside its name."""
    if place.algorithm == "sliding_log":
        return "\nany_window = true"
    if place.algorithm == "leaky_bucket":
        return f"\nburst = {leaky_capacity(place.limit)}"
    return ""


def _failures(place: Place) -> str:
    """Return the limit on wrong credentials, where there is one."""
    if not place.failures:
        return ""
    return (
        f"\nfailed_authentications = {{ limit = {place.failures}, "
        f'window = {place.window}, per = "address" }}'
    )


def _ietf(place: Place) -> str:
    # Its fields would name one limit at a time, by one name.
    return "" if place.sustained else 'ietf = "draft-10"\n'


def _sustained(place: Place) -> str:
    """Return the second limit, where there is one."""
    if not place.sustained:
        return ""
    return (
        f"\npolicies = [{{ limit = {sustained(place.limit)}, "
        f"window = {LONGER * place.window} }}]"
    )


def _promises(place: Place) -> str:
    codes = ", ".join(f"{status} = [{_quoted(code)}]" for status, code in CODES.items())
    # 408 and 500 are kept in shape, but nobody should have to wait for them.
    statuses = [status for status in CODES if status not in (408, 500)]
    return f"""\
[promises]
challenge = "Bearer"
realm = "sparkient"
refusal = {{ unauthenticated = 401, forbidden = 403, not_owned = 404 }}
doubled_header = "refuse"

[promises.errors]
content_type = "application/json"
code = "/error/code"
message = "/error/message"
codes = {{ {codes} }}
statuses = {_quoted(statuses)}

[promises.errors.schema]
type = "object"
required = ["error"]
additionalProperties = false

[promises.errors.schema.properties.error]
type = "object"
required = ["code", "message"]
additionalProperties = false
properties = {{ code = {{ type = "string" }}, message = {{ type = "string" }} }}

[[promises.headers]]
name = "X-Request-Id"
on = ["all"]
value = "{_UUID4}"

[[promises.headers]]
name = "X-Debug"
rule = "forbidden"

[promises.rate_limit]
limit = {place.limit}
window = {place.window}
per = {_quoted(place.per)}
algorithm = {_quoted(place.algorithm)}{_shape(place)}
counts = {{ errors = true, rejected = false }}
status = 429{_failures(place)}{_sustained(place)}

[promises.rate_limit.headers]
limit = "X-RateLimit-Limit"
remaining = "X-RateLimit-Remaining"
reset = "X-RateLimit-Reset"
reset_form = "unix_seconds"
on = ["authenticated"]
exactly = true
retry_after = "delay_seconds"
{_ietf(place)}
[promises.load]
p50 = 1000.0
errors = 0.0
refused = 0.5
per_second = 10.0

[promises.keys]
format = "^sk_live_[A-Za-z0-9]{{42}}$"
prefix = "sk_live_"
entropy_bits = 128
masked = '^sk_live_\\*+[A-Za-z0-9]{{4}}$'

[promises.rotation]
overlap = true
active_within = 1.0
revoked_within = 1.0
stays_revoked_for = 2.0

[promises.secrets]
at_rest = "hmac-sha256"
"""


def _rest(place: Place) -> Iterator[str]:
    source = _quoted(str(place.folder / "source"))
    sqlite = _inline({"sqlite": str(place.folder / "sparkient.db")})
    yield f"""\
[lifecycle]
by = "alpha"

[lifecycle.create]
method = "POST"
path = "/api/v1/keys"
body = {{ name = "tollproof" }}
key = "/key"
id = "/id"

[lifecycle.list]
method = "GET"
path = "/api/v1/keys"
items = "/keys"
id = "/id"
shown = "/masked"

[lifecycle.revoke]
method = "DELETE"
path = "/api/v1/keys/{{id}}"

[client_lifecycle]
by = "alpha"

[client_lifecycle.create]
method = "POST"
path = {_quoted(REGISTRATION)}
body = {{ client_name = "tollproof", grant_types = ["client_credentials"] }}

[client_lifecycle.revoke]
method = "DELETE"
path = {_quoted(REGISTRATION + "/{id}")}

[places]
logs = [{_file(place.folder / "server.log")}, {_file(place.folder / "worker.log")}]
stores = [{sqlite}]
pages = ["/", "/dashboard"]
source = [{source}]
history = {str((place.folder / "source" / ".git").is_dir()).lower()}

# The deployment is ours, and ends with the process that serves it.
[consent]
writes = true
load = true
key_lifecycle = true
# One worker answers no more in time on a small machine.
budget = {{ per_second = 2000.0 }}
"""
