"""What the deployment promises, one aspect each, as a check would see it.

Each function answers whether its promise is kept, and looks at nothing else: it is
named after the check whose aspect it is. They serve two tests: the correct deployment
keeps all of them, and each fault breaks exactly its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache

from tests.reference.sparkient.caller import Caller, Reply, json_of
from tollproof.reference.sparkient.errors import CODES
from tollproof.reference.sparkient.seed import TINY_LIMIT

Promise = Callable[[Caller], bool]
PROMISES: dict[str, Promise] = {}
PROTECTED = ("/api/v1/me", "/api/v1/decisions", "/api/v1/keys")
DECIDE = b'{"decision_type": "demo", "input": {"text": "hello"}}'
UUID4 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
MASKED = "x-ratelimit-"


def promise(check: str) -> Callable[[Promise], Promise]:
    def enter(function: Promise) -> Promise:
        PROMISES[check] = function
        return function

    return enter


def none_let_in(replies: Iterable[Reply]) -> bool:
    return not any(reply.let_in for reply in replies)


def decide(call: Caller, body: bytes, who: str = "alpha", **fields: str) -> Reply:
    return call("/api/v1/decide", who, method="POST", body=body, **fields)


# -- authentication --------------------------------------------------------------------


@promise("authentication.missing")
def missing(call: Caller) -> bool:
    return none_let_in(call(path) for path in PROTECTED)


@promise("authentication.malformed-header")
def malformed_header(call: Caller) -> bool:
    values = (
        b"",
        b"   ",
        b"Bearer",
        b"Bearer  ",
        b"Bearer null",
        b"Bearer ,,",
        b"\x01",
    )
    long = b"Bearer " + b"A" * 6000
    return none_let_in(
        call.get(b"Authorization: %s\r\n" % value) for value in (*values, long)
    )


@promise("authentication.scheme")
def scheme(call: Caller) -> bool:
    key = call.keys["alpha"]
    return none_let_in(
        call(path, authorization=f"{word}{key}")
        for word in ("Basic ", "Token ", "XBearer ", "")
        for path in PROTECTED
    )


@promise("authentication.scheme-case")
def scheme_case(call: Caller) -> bool:
    key = call.keys["alpha"]
    words = ("bearer", "BEARER")
    return all(call("/api/v1/keys", authorization=f"{w} {key}").let_in for w in words)


@promise("authentication.doubled-header")
def doubled_header(call: Caller) -> bool:
    live = b"Authorization: Bearer %s\r\n" % call.keys["alpha"].encode()
    false = b"Authorization: Bearer sk_live_nobody\r\n"
    return none_let_in(call.get(text) for text in (live + false, false + live))


@promise("authentication.unknown-key")
def unknown_key(call: Caller) -> bool:
    made_up = (f"sk_live_{letter * 42}" for letter in "xQ0")
    return none_let_in(call("/api/v1/me", key=key) for key in made_up)


@promise("authentication.altered-key")
def altered_key(call: Caller) -> bool:
    key = call.keys["alpha"]
    variants = [key[:-1], key + "A", key * 2, key.lower(), key.upper(), key.swapcase()]
    for place in (8, 20, 30, 44, 49):
        other = "b" if key[place] == "a" else "a"
        variants.append(key[:place] + other + key[place + 1 :])
    return none_let_in(call("/api/v1/me", key=variant) for variant in variants)


@promise("authentication.revoked-key")
def revoked_key(call: Caller) -> bool:
    return none_let_in(call(path, "revoked") for path in PROTECTED)


@promise("authentication.expired-key")
def expired_key(call: Caller) -> bool:
    return none_let_in(call(path, "expired") for path in PROTECTED)


@promise("authentication.other-environment-key")
def other_environment_key(call: Caller) -> bool:
    return none_let_in(call(path, "staging") for path in PROTECTED)


@promise("authentication.credential-location")
def credential_location(call: Caller) -> bool:
    key = call.keys["alpha"]
    body = b'{"decision_type": "d", "input": {"text": ""}, "api_key": "%s"}'
    form = f"access_token={key}".encode()
    kind = "application/x-www-form-urlencoded"
    return none_let_in(
        (
            call(f"/api/v1/me?api_key={key}"),
            call("/api/v1/me", cookie=f"token={key}"),
            call("/api/v1/me", x_api_key=key),
            call("/api/v1/me", proxy_authorization=key),
            call("/api/v1/decide", method="POST", body=body % key.encode()),
            call(call.paths["decision"], method="DELETE", body=form, content_type=kind),
        )
    )


@promise("authentication.every-method")
def every_method(call: Caller) -> bool:
    methods = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    return none_let_in(call(path, method=m) for path in PROTECTED for m in methods)


@promise("authentication.path-spelling")
def path_spelling(call: Caller) -> bool:
    spellings = (
        "/api/v1/me/", "//api/v1/me", "/api/v1//me", "/API/V1/ME", "/api/v1/%6de",
        "/api/v1/./me", "/api/v1/x/../me", "/api/v1%2fme", "/api/v1/me;v=1",
        "/api/v1/me.json", "/api/v1/me%20", "/api/v1/me%00", "/api/v1/..;/me",
    )  # fmt: skip
    return none_let_in(call.get(b"", spelling.encode()) for spelling in spellings)


@promise("authentication.override-headers")
def override_headers(call: Caller) -> bool:
    direct = [
        call("/api/v1/me", x_original_url="/health"),
        call("/api/v1/me", x_rewrite_url="/"),
        call("/api/v1/me", x_http_method_override="OPTIONS"),
        call("/api/v1/me", x_http_method="GET"),
    ]
    around = call("/health", x_original_url="/api/v1/me")
    return none_let_in(direct) and around.body == call("/health").body


@promise("authentication.forwarding-headers")
def forwarding_headers(call: Caller) -> bool:
    return none_let_in(
        (
            call("/api/v1/me", x_forwarded_for="127.0.0.1"),
            call("/api/v1/me", x_real_ip="127.0.0.1"),
            call("/api/v1/me", forwarded="for=127.0.0.1"),
        )
    )


@promise("authentication.refusal-status")
def refusal_status(call: Caller) -> bool:
    replies = [call(path, key=key) for path in PROTECTED for key in ("", "sk_live_x")]
    return all(reply.status in (200, 401) for reply in replies)


@promise("authentication.live-key")
def live_key(call: Caller) -> bool:
    paths = (*PROTECTED, call.paths["decision"])
    replies = [decide(call, DECIDE), *(call(path, "alpha") for path in paths)]
    return not any(reply.status in (401, 403) for reply in replies)


@promise("authentication.public-operations")
def public_operations(call: Caller) -> bool:
    paths = ("/", "/health", "/openapi.json", "/dashboard", "/dashboard.js")
    return all(call(path).let_in for path in paths)


def refusals(call: Caller) -> list[Reply]:
    replies = [call("/api/v1/keys"), call("/api/v1/keys", key="sk_live_x")]
    return [reply for reply in replies if reply.status == 401]


@promise("authentication.challenge")
def challenge(call: Caller) -> bool:
    return all("www-authenticate" in reply.fields for reply in refusals(call))


@promise("authentication.challenge-syntax")
def challenge_syntax(call: Caller) -> bool:
    form = re.compile(r'Bearer realm="sparkient"(, \w+="[^"]*")*')
    found = [reply.fields.get("www-authenticate") for reply in refusals(call)]
    return all(form.fullmatch(text) for text in found if text)


@promise("authentication.challenge-error")
def challenge_error(call: Caller) -> bool:
    found = call("/api/v1/keys").fields.get("www-authenticate", "")
    other = call("/api/v1/keys", key="sk_live_x").fields.get("www-authenticate", "")
    return "error=" not in found and (
        "error=" not in other or 'error="invalid_token"' in other
    )


@promise("authentication.indistinguishable")
def indistinguishable(call: Caller) -> bool:
    keys = (f"sk_live_{'q' * 42}", call.keys["revoked"], "sk_live_short")
    replies = [call("/api/v1/keys", key=key) for key in keys]
    if any(reply.let_in for reply in replies):
        return True  # another promise's business
    faces = [
        (reply.status, reply.body, sorted(set(reply.fields.items()) - varying(reply)))
        for reply in replies
    ]
    return faces[0] == faces[1] == faces[2]


def varying(reply: Reply) -> set[tuple[str, str]]:
    names = ("date", "x-request-id")
    return {(name, reply.fields[name]) for name in names if name in reply.fields}


@promise("authentication.timing")
def timing(call: Caller) -> bool:
    best = {"revoked": 9.0, "unknown": 9.0}
    for _ in range(12):
        for kind, key in (("revoked", call.keys["revoked"]), ("unknown", "sk_live_x")):
            start = time.perf_counter()
            call("/api/v1/me", key=key)
            best[kind] = min(best[kind], time.perf_counter() - start)
    return best["revoked"] < 4 * best["unknown"]


@promise("authentication.no-server-error")
def no_server_error(call: Caller) -> bool:
    values = (b"\xff\xfe", b"Bearer schl\xfcssel", b"Bearer a\x00b", b"Basic %%%")
    replies = [call.get(b"Authorization: %s\r\n" % value) for value in values]
    return all(reply.status < 500 for reply in replies)


# -- what any exchange may show --------------------------------------------------------


@lru_cache(maxsize=2)
def samples(call: Caller) -> tuple[tuple[str, Reply], ...]:
    """Return one exchange or more of every kind; `live` ones carry a live key."""
    found = [
        ("public", call("/health")),
        ("public", call("/")),
        ("public", call("/openapi.json")),
        ("anonymous", call("/api/v1/keys")),
        ("anonymous", call("/api/v1/keys", key="sk_live_x")),
        ("anonymous", call("/api/v1/keys", "revoked")),
        ("anonymous", call.raw(b"nonsense\r\n\r\n")),
        ("anonymous", call.raw(b"GET / HTTP/3.7\r\nHost: x\r\n\r\n")),
        ("anonymous", call.raw(b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n")),
        ("live", call("/api/v1/me", "alpha")),
        ("live", call("/api/v1/me", "alpha", method="HEAD")),
        ("live", call("/api/v1/keys", "alpha")),
        ("live", decide(call, DECIDE)),
        ("live", decide(call, b"{")),
        ("live", decide(call, b"{}")),
        ("live", decide(call, DECIDE, content_type="text/plain")),
        ("live", decide(call, b"x" * 1_100_000)),
        ("live", call("/api/v1/keys", "reader")),
        ("live", call("/nothing", "alpha")),
        ("live", call("/api/v1/decisions/none", "alpha")),
        ("live", call("/api/v1/keys", "alpha", method="PUT")),
        ("live", call("/api/v1/keys", "alpha", accept="text/csv")),
        ("live", call("/api/v1/keys?" + "a" * 9000, "alpha")),
        ("live", call("/api/v1/keys", "alpha", x_large="a" * 40000)),
        *(("live", call("/api/v1/keys", "tiny")) for _ in range(TINY_LIMIT + 2)),
    ]
    return tuple(found)


def errors(call: Caller) -> list[Reply]:
    return [reply for _, reply in samples(call) if reply.status >= 400]


def bodies(call: Caller) -> list[tuple[Reply, dict[str, str]]]:
    """Return the errors that are envelopes at all."""
    return [
        (reply, json_of(reply)["error"])
        for reply in errors(call)
        if reply.body.startswith(b'{"error":{')
    ]


@promise("envelope.content-type")
def envelope_content_type(call: Caller) -> bool:
    return all(
        reply.fields.get("content-type") == "application/json" for reply in errors(call)
    )


@promise("envelope.shape")
def envelope_shape(call: Caller) -> bool:
    return all(
        [*json_of(reply)] == ["error"]
        and {*json_of(reply)["error"]} == {"code", "message"}
        for reply in errors(call)
        if reply.body.startswith(b"{")
    )


@promise("envelope.code")
def envelope_code(call: Caller) -> bool:
    return all(error["code"] == CODES[reply.status] for reply, error in bodies(call))


@promise("envelope.message")
def envelope_message(call: Caller) -> bool:
    return all(error["message"] for _, error in bodies(call))


@promise("envelope.disclosure")
def envelope_disclosure(call: Caller) -> bool:
    telltale = re.compile(rb"Traceback|\.py\b|SELECT|sqlite|uvicorn|127\.0\.0\.1")
    return not any(telltale.search(reply.body) for reply in errors(call))


@promise("envelope.unknown-path")
def unknown_path(call: Caller) -> bool:
    return call("/nothing/here", "alpha").status == 404


@promise("envelope.method-not-allowed")
def method_not_allowed(call: Caller) -> bool:
    return call("/api/v1/keys", "alpha", method="PATCH").status == 405


@promise("envelope.allow-header")
def allow_header(call: Caller) -> bool:
    return all("allow" in reply.fields for reply in errors(call) if reply.status == 405)


@promise("envelope.malformed-body")
def malformed_body(call: Caller) -> bool:
    broken = (b"", b"{", b"\xff", b"NaN", DECIDE[:-1], DECIDE + b"x", b"\xef\xbb\xbf{}")
    return none_let_in(decide(call, body) for body in broken)


@promise("envelope.invalid-body")
def invalid_body(call: Caller) -> bool:
    wrong = (
        b"[]", b"null", b"1", b"{}", b'{"decision_type": "demo"}',
        b'{"decision_type": 1, "input": {"text": ""}}',
        b'{"decision_type": "No", "input": {"text": ""}}',
        b'{"decision_type": "demo", "input": {"text": 1}}',
        b'{"decision_type": "demo", "input": {"text": "", "x": 1}}',
        b'{"decision_type": "demo", "input": {"text": ""}, "x": 1}',
        b'{"decision_type": "demo", "input": {"text": "\\ud800"}}',
    )  # fmt: skip
    return none_let_in(decide(call, body) for body in wrong)


@promise("envelope.hostile-body")
def hostile_body(call: Caller) -> bool:
    hostile = (
        b"[" * 100_000, b'{"a":' * 5000, b"9" * 100_000, b"1e999999", b"-Infinity",
        b'{"decision_type": "demo", "input": {"text": "\\u0000"}}',
    )  # fmt: skip
    return all(decide(call, body).status < 500 for body in hostile)


@promise("envelope.media-type")
def media_type(call: Caller) -> bool:
    kinds = ("text/plain", "application/x-www-form-urlencoded", "application/jsonx")
    return all(decide(call, DECIDE, content_type=kind).status == 415 for kind in kinds)


@promise("envelope.too-large")
def too_large(call: Caller) -> bool:
    return decide(call, b" " * 1_200_000).status == 413


@promise("envelope.long-target")
def long_target(call: Caller) -> bool:
    lengths = (9_000, 100_000)
    return all(call(f"/health?{'a' * n}").status == 414 for n in lengths[:1]) and (
        call.get(b"", b"/" + b"a" * lengths[1]).status == 414
    )


@promise("envelope.large-headers")
def large_headers(call: Caller) -> bool:
    return all(call("/health", x_large="a" * n).status == 431 for n in (40_000, 90_000))


@promise("envelope.not-acceptable")
def not_acceptable(call: Caller) -> bool:
    return call("/api/v1/keys", "alpha", accept="image/png").status == 406


@promise("envelope.before-routing")
def before_routing(call: Caller) -> bool:
    payloads = (
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    return all(400 <= call.raw(payload).status < 500 for payload in payloads)


@promise("envelope.rate-limited")
def rate_limited(call: Caller) -> bool:
    return any(
        call("/api/v1/keys", "tiny").status == 429 for _ in range(TINY_LIMIT + 1)
    )


@promise("envelope.head-agrees")
def head_agrees(call: Caller) -> bool:
    head, get = (call("/api/v1/keys", "alpha", method=m) for m in ("HEAD", "GET"))
    kind = "content-type"
    return (head.status, head.body, head.fields.get(kind)) == (
        get.status,
        b"",
        get.fields.get(kind),
    )


# -- header fields ---------------------------------------------------------------------


def counted(call: Caller) -> list[Reply]:
    """Return the answers to callers who were known."""
    return [
        reply for who, reply in samples(call) if who == "live" and reply.status != 401
    ]


@promise("headers.rate-limit-present")
def rate_limit_present(call: Caller) -> bool:
    names = [MASKED + part for part in ("limit", "remaining", "reset")]
    return all(name in reply.fields for reply in counted(call) for name in names)


@promise("headers.rate-limit-scope")
def rate_limit_scope(call: Caller) -> bool:
    others = [reply for who, reply in samples(call) if who != "live"]
    return not any(name.startswith(MASKED) for item in others for name in item.fields)


@promise("headers.rate-limit-limit")
def rate_limit_limit(call: Caller) -> bool:
    limits = {reply.fields.get(f"{MASKED}limit") for reply in counted(call)} - {None}
    return limits == {"100000", str(TINY_LIMIT)}


@promise("headers.rate-limit-remaining")
def rate_limit_remaining(call: Caller) -> bool:
    found = [reply.fields.get(f"{MASKED}remaining", "0") for reply in counted(call)]
    return all(re.fullmatch(r"\d+", text) for text in found)


@promise("headers.rate-limit-reset")
def rate_limit_reset(call: Caller) -> bool:
    resets = [reply.fields.get(f"{MASKED}reset") for reply in counted(call)]
    return all(0 <= int(text) - time.time() + 5 <= 70 for text in resets if text)


@promise("headers.ietf-rate-limit")
def ietf_rate_limit(call: Caller) -> bool:
    policy = re.compile(r'"default";q=\d+;w=60')
    state = re.compile(r'"default";r=\d+;t=\d+')
    return all(
        policy.fullmatch(reply.fields["ratelimit-policy"])
        and state.fullmatch(reply.fields["ratelimit"])
        for reply in counted(call)
        if "ratelimit" in reply.fields
    )


def throttled(call: Caller) -> list[Reply]:
    return [reply for reply in errors(call) if reply.status == 429]


@promise("headers.retry-after-present")
def retry_after_present(call: Caller) -> bool:
    return all("retry-after" in reply.fields for reply in throttled(call))


@promise("headers.retry-after-form")
def retry_after_form(call: Caller) -> bool:
    found = [reply.fields.get("retry-after", "1") for reply in throttled(call)]
    return all(re.fullmatch(r"[1-9]\d*", text) for text in found)


@promise("headers.retry-after-scope")
def retry_after_scope(call: Caller) -> bool:
    others = [reply for _, reply in samples(call) if reply.status != 429]
    return not any("retry-after" in reply.fields for reply in others)


@promise("headers.cache-control")
def cache_control(call: Caller) -> bool:
    return all(
        reply.fields.get("cache-control") == "no-store" for reply in counted(call)
    )


@promise("headers.vary-origin")
def vary_origin(call: Caller) -> bool:
    origins = ("https://dashboard.sparkient.example", "https://evil.example")
    replies = [call("/api/v1/keys", "alpha", origin=origin) for origin in origins]
    return all(reply.fields.get("vary") == "Origin" for reply in replies)


@promise("headers.cors")
def cors(call: Caller) -> bool:
    allow = "access-control-allow-origin"
    preflight = call(
        "/api/v1/me",
        method="OPTIONS",
        origin="https://evil.example",
        access_control_request_method="GET",
    )
    plain = call("/api/v1/keys", "alpha", origin="https://evil.example")
    trusted = call(
        "/api/v1/keys", "alpha", origin="https://dashboard.sparkient.example"
    )
    return (
        allow not in preflight.fields
        and allow not in plain.fields
        and trusted.fields.get(allow) == "https://dashboard.sparkient.example"
        and "access-control-allow-credentials" not in trusted.fields
    )


def nowhere(name: str) -> Promise:
    return lambda call: not any(name in reply.fields for _, reply in samples(call))


promise("headers.no-cookies")(nowhere("set-cookie"))
promise("headers.no-server-version")(nowhere("server"))
promise("headers.forbidden")(nowhere("x-debug"))


@promise("headers.nosniff")
def nosniff(call: Caller) -> bool:
    name = "x-content-type-options"
    return all(reply.fields.get(name) == "nosniff" for _, reply in samples(call))


@promise("headers.content-type")
def content_type(call: Caller) -> bool:
    return all(
        "content-type" in reply.fields for _, reply in samples(call) if reply.body
    )


@promise("headers.required")
def required(call: Caller) -> bool:
    ids = [reply.fields.get("x-request-id", "") for _, reply in samples(call)]
    return all(UUID4.fullmatch(text) for text in ids) and len(set(ids)) == len(ids)


# -- only over TLS ---------------------------------------------------------------------

OVER_TLS: dict[str, Promise] = {}


def over_tls(check: str) -> Callable[[Promise], Promise]:
    def enter(function: Promise) -> Promise:
        OVER_TLS[check] = function
        return function

    return enter


@over_tls("headers.hsts")
def hsts(call: Caller) -> bool:
    name = "strict-transport-security"
    found = [reply.fields.get(name, "") for _, reply in samples(call)]
    return all(re.match(r"max-age=\d{7,}", text) for text in found)


@over_tls("headers.https-only")
def https_only(call: Caller) -> bool:
    live = b"Authorization: Bearer %s\r\n" % call.keys["alpha"].encode()
    request = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
    reply = call.raw(request % live, call.deployment.http_url)
    return not reply.let_in
