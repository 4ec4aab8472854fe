"""Faults of what is answered: each spoils one thing of some answers on their way out.

Knows finished answers. What a blemish does not name it leaves as it was, so that one
promise is broken and no other.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Mapping

from tollproof.reference.sparkient.errors import CODES, envelope
from tollproof.reference.sparkient.fields import INVALID_TOKEN
from tollproof.reference.sparkient.keys import Flaw
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.oauth import PATH as TOKEN_PATH
from tollproof.reference.sparkient.routes import Service

Blemish = Callable[[Service, Call, Answer], None]

_TRACE = (
    "Traceback (most recent call last): "
    "File \"/srv/sparkient/routes.py\", line 118, in locate: KeyError: 'path'"
)
_SQL = (
    "sqlite3.OperationalError: no such column: k.hash in "
    "SELECT k.salt, k.hash FROM keys k WHERE k.id = ?"
)


def _is(call: Call, label: str) -> bool:
    """Tell whether a call is of an operation; HEAD is its GET without a body."""
    route = call.route
    return route is not None and f"{route.method} {route.path}" == label


def _is_success(call: Call, answer: Answer) -> bool:
    return call.principal is not None and 200 <= answer.status < 300


def _replace(answer: Answer, other: Answer) -> None:
    """Put another status, body and type in place; keep all other fields."""
    answer.status, answer.body = other.status, other.body
    answer.fields["content-type"] = other.fields["content-type"]


def _say(answer: Answer, status: int, message: str, code: str | None = None) -> None:
    if answer.status == status:
        _replace(answer, envelope(status, message, code=code))


# -- refusals ------------------------------------------------------------------------


def _refused_with_403(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 401 and _is(call, "GET /api/v1/me"):
        _replace(answer, envelope(403, "This key is not allowed to do this"))
        del answer.fields["www-authenticate"]


def _no_challenge(service: Service, call: Call, answer: Answer) -> None:
    answer.fields.pop("www-authenticate", None)


def _malformed_challenge(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 401:
        answer.fields["www-authenticate"] = 'Bearer realm="sparkient'


def _wrong_challenge_error(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 401:
        answer.fields["www-authenticate"] = INVALID_TOKEN


def _tells_revoked(service: Service, call: Call, answer: Answer) -> None:
    if call.flaw is Flaw.REVOKED:
        _say(answer, 401, "This API key has been revoked")


# -- the envelope --------------------------------------------------------------------


def _html_404(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 404:
        answer.body = b"<!doctype html><title>Not found</title><h1>Not found</h1>"
        answer.fields["content-type"] = "text/html; charset=utf-8"


def _text_plain(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 401:
        answer.fields["content-type"] = "text/plain; charset=utf-8"


def _shape_404(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 404:
        answer.body = b'{"detail":"Not Found"}'


def _server_400(service: Service, call: Call, answer: Answer) -> None:
    if call.unread:
        answer.body = b'{"detail":"Invalid HTTP request received."}'


def _code_mismatch(service: Service, call: Call, answer: Answer) -> None:
    _say(answer, 404, "There is nothing at this path", CODES[403])


def _empty_message(service: Service, call: Call, answer: Answer) -> None:
    _say(answer, 404, "")


def _stack_trace(service: Service, call: Call, answer: Answer) -> None:
    _say(answer, 404, _TRACE)


def _sql(service: Service, call: Call, answer: Answer) -> None:
    _say(answer, 401, _SQL)


def _unknown_path_200(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 404 and call.route is None:
        _replace(answer, Answer.of_json({"status": "ok"}))


def _method_404(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 405:
        _replace(answer, envelope(404, "There is nothing at this path"))
        del answer.fields["allow"]


def _no_allow(service: Service, call: Call, answer: Answer) -> None:
    answer.fields.pop("allow", None)


def _raw_500(service: Service, call: Call, answer: Answer) -> None:
    if call.unread == "request line":
        _replace(answer, envelope(500, "Something went wrong on our side"))


def _head_differs(service: Service, call: Call, answer: Answer) -> None:
    if call.method == "HEAD" and _is_success(call, answer):
        answer.fields["content-type"] = "text/plain; charset=utf-8"


# -- header fields -------------------------------------------------------------------


def _no_rate_headers_on_404(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 404:
        for name in [name for name in answer.fields if "ratelimit" in name]:
            del answer.fields[name]


def _rate_headers_on_public(service: Service, call: Call, answer: Answer) -> None:
    if call.route is not None and call.route.public:
        reset_at = math.ceil(time.time() + service.window)
        answer.fields["x-ratelimit-limit"] = str(service.limit)
        answer.fields["x-ratelimit-remaining"] = str(service.limit - 1)
        answer.fields["x-ratelimit-reset"] = str(reset_at)


def _wrong_limit(service: Service, call: Call, answer: Answer) -> None:
    if call.decision is not None:
        answer.fields["x-ratelimit-limit"] = str(call.decision.limit + 100)


def _negative_remaining(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 429:
        answer.fields["x-ratelimit-remaining"] = "-1"


def _reset_delta(service: Service, call: Call, answer: Answer) -> None:
    if call.decision is not None:
        left = max(0, math.ceil(call.decision.reset_at - time.time()))
        answer.fields["x-ratelimit-reset"] = str(left)


def _malformed_ietf(service: Service, call: Call, answer: Answer) -> None:
    if call.decision is not None:
        answer.fields["ratelimit"] = 'default"; r=; t'


def _no_retry_after(service: Service, call: Call, answer: Answer) -> None:
    answer.fields.pop("retry-after", None)


def _fractional_retry_after(service: Service, call: Call, answer: Answer) -> None:
    if (decision := call.decision) and "retry-after" in answer.fields:
        answer.fields["retry-after"] = f"{decision.retry_after:.3f}"


def _retry_after_on_success(service: Service, call: Call, answer: Answer) -> None:
    if _is_success(call, answer):
        answer.fields["retry-after"] = "1"


def _no_cache_control(service: Service, call: Call, answer: Answer) -> None:
    if _is_success(call, answer):
        answer.fields.pop("cache-control", None)


def _no_vary(service: Service, call: Call, answer: Answer) -> None:
    del answer.fields["vary"]


def _reflected_origin(service: Service, call: Call, answer: Answer) -> None:
    if origin := call.value(b"origin"):
        answer.fields["access-control-allow-origin"] = origin.decode("latin-1")
        answer.fields["access-control-allow-credentials"] = "true"


def _wildcard(service: Service, call: Call, answer: Answer) -> None:
    if call.value(b"origin"):
        answer.fields["access-control-allow-origin"] = "*"
        answer.fields["access-control-allow-credentials"] = "true"


def _cookie(service: Service, call: Call, answer: Answer) -> None:
    if _is_success(call, answer):
        answer.fields["set-cookie"] = (
            "session=1; Path=/; HttpOnly; Secure; SameSite=Strict"
        )


def _server_version(service: Service, call: Call, answer: Answer) -> None:
    answer.fields["server"] = "sparkient/2.4.1"


def _no_nosniff(service: Service, call: Call, answer: Answer) -> None:
    if answer.status >= 400:
        del answer.fields["x-content-type-options"]


def _no_content_type(service: Service, call: Call, answer: Answer) -> None:
    if answer.status == 200 and _is(call, "GET /api/v1/me"):
        del answer.fields["content-type"]


def _no_hsts(service: Service, call: Call, answer: Answer) -> None:
    answer.fields.pop("strict-transport-security", None)


def _no_request_id(service: Service, call: Call, answer: Answer) -> None:
    if answer.status >= 400:
        del answer.fields["x-request-id"]


def _debug_header(service: Service, call: Call, answer: Answer) -> None:
    if _is_success(call, answer):
        answer.fields["x-debug"] = json.dumps({"cache": "miss"})


def _cacheable_token(service: Service, call: Call, answer: Answer) -> None:
    if call.path == TOKEN_PATH:
        answer.fields["cache-control"] = "max-age=60"


def _of_the_api(spoil: Blemish) -> Blemish:
    """Spare the token endpoint, which keeps promises of its own."""

    def spoiled(service: Service, call: Call, answer: Answer) -> None:
        if call.path != TOKEN_PATH:
            spoil(service, call, answer)

    return spoiled


_BLEMISHES: Mapping[str, Blemish] = {
    "oauth-cacheable": _cacheable_token,
    "auth-refused-with-403": _refused_with_403,
    "challenge-missing": _of_the_api(_no_challenge),
    "challenge-malformed": _of_the_api(_malformed_challenge),
    "challenge-error-wrong": _of_the_api(_wrong_challenge_error),
    "refusal-tells-revoked": _tells_revoked,
    "envelope-html-404": _html_404,
    "envelope-text-plain": _of_the_api(_text_plain),
    "envelope-shape-404": _shape_404,
    "envelope-server-400": _server_400,
    "envelope-code-mismatch": _code_mismatch,
    "envelope-empty-message": _empty_message,
    "envelope-stack-trace": _of_the_api(_stack_trace),
    "envelope-sql": _of_the_api(_sql),
    "unknown-path-200": _unknown_path_200,
    "method-not-allowed-404": _method_404,
    "allow-missing": _no_allow,
    "raw-request-500": _raw_500,
    "head-differs": _head_differs,
    "ratelimit-headers-missing-on-404": _no_rate_headers_on_404,
    "ratelimit-headers-on-public": _rate_headers_on_public,
    "ratelimit-limit-wrong": _wrong_limit,
    "ratelimit-remaining-negative": _negative_remaining,
    "ratelimit-reset-delta": _reset_delta,
    "ietf-malformed": _malformed_ietf,
    "retry-after-missing": _no_retry_after,
    "retry-after-fractional": _fractional_retry_after,
    "retry-after-on-success": _retry_after_on_success,
    "cache-control-missing": _no_cache_control,
    "cors-vary-missing": _no_vary,
    "cors-reflects-origin": _reflected_origin,
    "cors-wildcard-credentials": _wildcard,
    "sets-cookie": _cookie,
    "server-version": _server_version,
    "nosniff-missing": _no_nosniff,
    "content-type-missing": _no_content_type,
    "hsts-missing": _no_hsts,
    "request-id-missing": _no_request_id,
    "debug-header": _debug_header,
}


def blemishes(faults: Collection[str]) -> tuple[Blemish, ...]:
    """Return what spoils the answers of a deployment with these faults."""
    return tuple(spoil for name, spoil in _BLEMISHES.items() if name in faults)
