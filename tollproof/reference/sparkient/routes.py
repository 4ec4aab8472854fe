"""The operations: method, path, who may call, and what each one does.

Knows the stores. Must not know HTTP beyond a call and its answer: who is calling and
whether it may has been settled before a handler is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from urllib.parse import unquote

from tollproof.reference.sparkient import bodies
from tollproof.reference.sparkient.decisions import DecisionStore
from tollproof.reference.sparkient.errors import ApiError
from tollproof.reference.sparkient.keys import KeyStore, Listed, Principal, Role
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.oauth import LIFE, REGISTRATION, TokenEndpoint

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What handlers work with.

    Attributes:
        limit, window: the default allowance: requests, seconds.
        per: what has an allowance of its own.
        failures: wrong credentials that an address may show in a window; 0 for any
            number.
    """

    keys: KeyStore
    decisions: DecisionStore
    endpoint: TokenEndpoint
    limit: int
    window: float
    per: str = "key"
    failures: int = 0
    faults: frozenset[str] = frozenset()


Handler = Callable[[Service, Call, Principal, float], Answer]
PublicHandler = Callable[[], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Attributes:
        open: answers anybody; None where a credential is needed.
        handle: answers a principal that has one of the roles.
        produces: media type of its success; empty when that has no body.
        body: what takes the place of an unreadable body under a fault; None for an
            operation that takes no body.
    """

    method: str
    path: str
    open: PublicHandler | None = None
    handle: Handler | None = None
    roles: frozenset[str] = frozenset(Role)
    produces: str = "application/json"
    body: object = None

    @property
    def public(self) -> bool:
        """Whether it needs no credential."""
        return self.open is not None


# -- what anybody may see ------------------------------------------------------------


def _health() -> Answer:
    return Answer.of_json({"status": "ok"})


@cache
def _file(name: str) -> bytes:
    return (HERE / name).read_bytes()


def _openapi() -> Answer:
    answer = Answer(status=200, body=_file("openapi.json"))
    answer.fields["content-type"] = "application/json"
    return answer


def _page(name: str) -> PublicHandler:
    def page() -> Answer:
        answer = Answer(status=200, body=_file(name))
        answer.fields["content-type"] = "text/html; charset=utf-8"
        answer.fields["content-security-policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return answer

    return page


def _script() -> Answer:
    answer = Answer(status=200, body=_file("dashboard.js"))
    answer.fields["content-type"] = "text/javascript; charset=utf-8"
    return answer


# -- what a key may do ---------------------------------------------------------------


def _me(service: Service, call: Call, who: Principal, now: float) -> Answer:
    return Answer.of_json(
        {
            who.kind: {
                "id": who.id,
                "name": who.name,
                "role": who.role,
                "environment": who.environment,
            },
            "organisation": {
                "id": who.organisation,
                "name": service.keys.organisation(who.organisation),
            },
            "limit": {
                "requests": who.requests or service.limit,
                "window": who.seconds or service.window,
            },
        }
    )


def _decide(service: Service, call: Call, who: Principal, now: float) -> Answer:
    document = bodies.parse(call.body, DECIDE, service.faults)
    kind, text = bodies.decide_request(document, service.faults)
    return Answer.of_json(service.decisions.decide(who.organisation, kind, text, now))


def _decisions(service: Service, call: Call, who: Principal, now: float) -> Answer:
    return Answer.of_json({"decisions": service.decisions.listing(who.organisation)})


def _decision(service: Service, call: Call, who: Principal, now: float) -> Answer:
    found = service.decisions.get(who.organisation, call.parameters["decision_id"])
    if found is None:
        raise ApiError(404, "No such decision")
    return Answer.of_json(found)


def _redact(service: Service, call: Call, who: Principal, now: float) -> Answer:
    if not service.decisions.redact(who.organisation, call.parameters["decision_id"]):
        raise ApiError(404, "No such decision")
    return Answer(status=204)


def _keys(service: Service, call: Call, who: Principal, now: float) -> Answer:
    listing = service.keys.listing(who.organisation)
    return Answer.of_json({"keys": [_listed(key) for key in listing]})


def _listed(key: Listed) -> Mapping[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "environment": key.environment,
        "masked": key.masked,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _create(service: Service, call: Call, who: Principal, now: float) -> Answer:
    document = bodies.parse(call.body, CREATE, service.faults)
    name, role, lifetime = bodies.key_request(document, service.faults)
    made = service.keys.create(who.organisation, name, role, now, lifetime=lifetime)
    shown = {"id": made.id, "key": made.raw, "name": name, "role": role}
    return Answer.of_json({**shown, "created_at": now}, 201)


def _revoke(service: Service, call: Call, who: Principal, now: float) -> Answer:
    if not service.keys.revoke(who.organisation, call.parameters["key_id"], now):
        raise ApiError(404, "No such key")
    return Answer(status=204)


# -- what an admin may do at the token endpoint ---------------------------------------


def _register(service: Service, call: Call, who: Principal, now: float) -> Answer:
    """Register a client of the admin's organisation, as RFC 7591 has it."""
    bodies.client_metadata(bodies.parse(call.body, {}, service.faults))
    client_id, secret = service.endpoint.register(
        token_hex(8), who.organisation, Role.MEMBER, LIFE
    )
    shown = {"client_id": client_id, "client_secret": secret}
    times = {"client_id_issued_at": int(now), "client_secret_expires_at": 0}
    return Answer.of_json({**shown, **times}, 201)


def _delete(service: Service, call: Call, who: Principal, now: float) -> Answer:
    """Delete a client, and end its tokens (RFC 7592, 2.3)."""
    client_id = call.parameters["client_id"]
    if not service.endpoint.revoke(who.organisation, client_id, now):
        raise ApiError(404, "No such client")
    return Answer(status=204)


# -- the table -----------------------------------------------------------------------

ADMINS = frozenset({Role.ADMIN})
WRITERS = frozenset({Role.ADMIN, Role.MEMBER})
DECIDE = {"decision_type": "unreadable", "input": {"text": ""}}
CREATE = {"name": "unreadable"}
HTML = "text/html"
ONE_DECISION = "/api/v1/decisions/{decision_id}"

ROUTES = (
    Route(method="GET", path="/health", open=_health),
    Route(method="GET", path="/openapi.json", open=_openapi),
    Route(method="GET", path="/", open=_page("index.html"), produces=HTML),
    Route(method="GET", path="/dashboard", open=_page("index.html"), produces=HTML),
    Route(method="GET", path="/dashboard.js", open=_script, produces="text/javascript"),
    Route(method="GET", path="/api/v1/me", handle=_me),
    Route(
        method="POST",
        path="/api/v1/decide",
        handle=_decide,
        roles=WRITERS,
        body=DECIDE,
    ),
    Route(method="GET", path="/api/v1/decisions", handle=_decisions),
    Route(method="GET", path=ONE_DECISION, handle=_decision),
    Route(
        method="DELETE",
        path=ONE_DECISION,
        handle=_redact,
        roles=WRITERS,
        produces="",
    ),
    Route(method="GET", path="/api/v1/keys", handle=_keys, roles=ADMINS),
    Route(
        method="POST",
        path="/api/v1/keys",
        handle=_create,
        roles=ADMINS,
        body=CREATE,
    ),
    Route(
        method="DELETE",
        path="/api/v1/keys/{key_id}",
        handle=_revoke,
        roles=ADMINS,
        produces="",
    ),
    # Beside the token endpoint, and like it no part of what OpenAPI describes.
    Route(method="POST", path=REGISTRATION, handle=_register, roles=ADMINS, body={}),
    Route(
        method="DELETE",
        path=REGISTRATION + "/{client_id}",
        handle=_delete,
        roles=ADMINS,
        produces="",
    ),
)

Methods = Mapping[str, Route]


def _by_path() -> tuple[dict[str, Methods], dict[str, tuple[str, Methods]]]:
    """Sort the table: whole paths, and those that end in a parameter, by what leads."""
    whole: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        methods = whole.setdefault(route.path, {})
        methods[route.method] = route
        if route.method == "GET":
            methods["HEAD"] = route
    open_ended = {}
    for path in [path for path in whole if path.endswith("}")]:
        lead, _, name = path.rpartition("/")
        open_ended[lead] = (name.strip("{}"), whole.pop(path))
    return dict(whole), dict(open_ended)


_WHOLE, _OPEN_ENDED = _by_path()


def locate(path: str) -> tuple[Methods, Mapping[str, str]] | None:
    """Return what a path can be asked, and its parameters; None for an unknown path.

    Each segment is decoded by itself, so an encoded slash separates nothing; paths are
    otherwise taken as they are written: no slash is dropped, no dot resolved.
    """
    if "%" in path:
        segments = [unquote(segment) for segment in path.split("/")]
        if any("/" in segment for segment in segments):
            return None
        path = "/".join(segments)
    if methods := _WHOLE.get(path):
        return methods, {}
    lead, _, last = path.rpartition("/")
    if last and (found := _OPEN_ENDED.get(lead)):
        name, methods = found
        return methods, {name: last}
    return None
