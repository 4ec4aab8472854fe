"""Rate-limit fields: present exactly where promised, in the promised form and unit.

Whether what they say is true takes load and is the suite `ratelimit`'s business.

draft-ietf-httpapi-ratelimit-headers: "Malformed RateLimit header fields MUST be
ignored". RFC 6585, 4: "Responses … MAY include a Retry-After header indicating how long
to wait". RFC 9110, 10.2.3: "Retry-After = HTTP-date / delay-seconds".
"""

from tollproof import (
    API,
    CWE,
    RFC,
    Exchange,
    Response,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    not_applicable,
    passed,
)
from tollproof.profile.promises import RateHeaders, RateLimit
from tollproof.ratelimit.headers import (
    parse_count,
    parse_http_date,
    parse_rate_limit_fields,
    parse_reset,
    parse_retry_after,
)
from tollproof.ratelimit.promise import Ietf, ResetForm

#: Answers that may be given before anybody knows who is calling.
BEFORE_ROUTING = (400, 408, 413, 414, 431, 502, 503, 504)
#: Seconds by which the deployment's clock may be off where it tells no `Date`.
CLOCK = 120.0

LIMITED = API(4, 2023)


def _promise(target: Target) -> tuple[RateLimit, RateHeaders]:
    limit = target.profile.promises.rate_limit
    if limit is None or limit.headers is None:
        raise LookupError("the check needs promises.rate_limit.headers")
    return limit, limit.headers


def _names(headers: RateHeaders) -> tuple[str, ...]:
    own = (headers.limit, headers.remaining, headers.reset)
    fields = {
        "": (),
        "draft-6": ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
        "draft-7": ("RateLimit",),
        "draft-10": ("RateLimit",),
    }[headers.ietf]
    return (*(name for name in own if name), *fields)


def _response(exchange: Exchange) -> Response:
    if exchange.response is None:
        raise LookupError("only answered exchanges are judged")
    return exchange.response


@check(
    id="headers.rate-limit-present",
    title="Rate-limit fields are on every response that promises them",
    severity=Severity.MEDIUM,
    references=(LIMITED, CWE(1059), RFC(6585, "4")),
    remediation="Add the fields where responses leave the server, errors included.",
    needs=("promises.rate_limit.headers",),
)
def test_present(target: Target, exchange: Exchange) -> Verdict:
    """A client that is told its allowance only when all is well cannot keep to it."""
    _, headers = _promise(target)
    if exchange.status in BEFORE_ROUTING or not target.means(headers.on, exchange):
        return not_applicable("The fields are not promised here.")
    missing = [
        name for name in _names(headers) if not _response(exchange).header_list(name)
    ]
    if missing:
        return failed(
            f"a response without {missing[0]}",
            expected=", ".join(_names(headers)),
            actual=f"{exchange.operation}: {exchange.status} without "
            + ", ".join(missing),
        )
    return passed("The promised fields are there.")


@check(
    id="headers.rate-limit-scope",
    title="Rate-limit fields are nowhere but where they are promised",
    severity=Severity.LOW,
    references=(LIMITED, CWE(200)),
    remediation="Send the fields only to callers whose allowance they tell.",
    needs=("promises.rate_limit.headers.exactly",),
)
def test_scope(target: Target, exchange: Exchange) -> Verdict:
    """To a stranger they tell of somebody else's allowance, or of a shared one."""
    _, headers = _promise(target)
    if target.means(headers.on, exchange):
        return not_applicable("The fields are promised here.")
    if exchange.identity != "anonymous" and exchange.status != 401:
        return not_applicable("Whoever called was let in; that is judged elsewhere.")
    there = [name for name in _names(headers) if _response(exchange).header_list(name)]
    if there:
        return failed(
            f"a response with {there[0]} where none is promised",
            expected="no rate-limit fields",
            actual=f"{exchange.status} with {', '.join(there)}",
        )
    return passed("No field strays.")


@check(
    id="headers.rate-limit-limit",
    title="The limit field tells the promised limit",
    severity=Severity.MEDIUM,
    references=(LIMITED, CWE(394)),
    remediation="Send the number of requests that the caller's own limit admits.",
    needs=("promises.rate_limit.headers.limit",),
)
def test_limit(target: Target, exchange: Exchange) -> Verdict:
    """Clients divide their work by this number."""
    promise, headers = _promise(target)
    raw = _response(exchange).header(headers.limit or "")
    if raw is None or not target.is_authenticated(exchange):
        return not_applicable("No such field, or nobody whose limit is known.")
    identity = target.deployment.identities.get(exchange.identity)
    own = identity.limit if identity else None
    limits = {own[0] if own else promise.limit}
    limits |= {policy.limit for policy in promise.policies}
    told = parse_count(raw)
    if told.wrong or told.value not in limits:
        return failed(
            "a limit that is not the promised one",
            expected=" or ".join(str(value) for value in sorted(limits)),
            actual=f"{headers.limit}: {raw}",
        )
    return passed("The limit is the promised one.")


@check(
    id="headers.rate-limit-remaining",
    title="The remaining field is a whole number within the limit",
    severity=Severity.LOW,
    references=(LIMITED, CWE(394)),
    remediation="Send a whole number from 0 to the limit.",
    needs=("promises.rate_limit.headers.remaining",),
)
def test_remaining(target: Target, exchange: Exchange) -> Verdict:
    """A negative or missing number is a limiter that has lost count."""
    promise, headers = _promise(target)
    raw = _response(exchange).header(headers.remaining or "")
    if raw is None:
        return not_applicable("No such field.")
    identity = target.deployment.identities.get(exchange.identity)
    own = identity.limit if identity else None
    limit = own[0] if own else promise.limit
    highest = max(
        limit, promise.burst or 0, *(one.limit for one in promise.policies), 0
    )
    told = parse_count(raw)
    if told.wrong or told.value is None or not 0 <= told.value <= highest:
        return failed(
            "a number of remaining requests that cannot be",
            expected=f"a whole number from 0 to {highest}",
            actual=f"{headers.remaining}: {raw}",
        )
    return passed("What remains is a number within the limit.")


@check(
    id="headers.rate-limit-reset",
    title="The reset field has the promised unit and lies within a window",
    severity=Severity.MEDIUM,
    references=(LIMITED, CWE(394), CWE(681)),
    remediation="Send the end of the window in the unit that is documented.",
    needs=("promises.rate_limit.headers.reset",),
)
def test_reset(target: Target, exchange: Exchange) -> Verdict:
    """A client that takes seconds left for a point in time waits for ever, or never."""
    promise, headers = _promise(target)
    response = _response(exchange)
    raw = response.header(headers.reset or "")
    if raw is None or headers.reset_form is None:
        return not_applicable("No such field.")
    told = parse_reset(raw, ResetForm(headers.reset_form))
    identity = target.deployment.identities.get(exchange.identity)
    own = identity.limit if identity else None
    window = max(
        own[1] if own else promise.window, *(one.window for one in promise.policies), 0
    )
    if told.wrong or told.seconds is None:
        return failed(
            "a reset in another form than promised",
            expected=headers.reset_form.replace("_", " "),
            actual=f"{headers.reset}: {raw} ({told.wrong})",
        )
    date = parse_http_date(response.header("Date") or "")
    now = _sent(exchange) if date is None else date
    slack = 2.0 + (CLOCK if date is None else exchange.seconds)
    left = told.seconds - (0.0 if told.form is ResetForm.DELTA_SECONDS else now)
    if not -slack <= left <= window + slack:
        return failed(
            "a reset that lies outside every window",
            expected=f"at most {window:g} s ahead",
            actual=f"{headers.reset}: {raw}, {left:.0f} s ahead",
        )
    return passed("The reset lies within a window.")


def _sent(exchange: Exchange) -> float:
    from datetime import datetime

    return datetime.fromisoformat(exchange.at).timestamp()


@check(
    id="headers.ietf-rate-limit",
    title="RateLimit and RateLimit-Policy parse as structured fields",
    severity=Severity.LOW,
    references=(LIMITED, RFC(9651, "3.1"), CWE(1286)),
    remediation="Serialise the fields by the edition of the draft that is promised.",
    needs=("promises.rate_limit.headers.ietf",),
)
def test_ietf(target: Target, exchange: Exchange) -> Verdict:
    """A field that does not parse must be ignored, so it says nothing at all."""
    _, headers = _promise(target)
    response = _response(exchange)
    if headers.ietf == "draft-6":
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
            raw = response.header(name)
            if raw is not None and (wrong := parse_count(raw).wrong):
                return failed(
                    f"{name} does not parse",
                    expected="a whole number (draft-6)",
                    actual=f"{name}: {raw} ({wrong})",
                )
        seen = response.header("RateLimit-Limit") is not None
        return passed("They parse.") if seen else not_applicable("No such field.")
    value, policy = response.header("RateLimit"), response.header("RateLimit-Policy")
    if value is None and policy is None:
        return not_applicable("No such field.")
    told = parse_rate_limit_fields(value, policy, Ietf(headers.ietf))
    if told.wrong:
        return failed(
            "a field that does not parse",
            expected=f"the syntax of {headers.ietf}",
            actual=f"RateLimit: {value}; RateLimit-Policy: {policy} ({told.wrong[0]})",
        )
    return passed("They parse.")


# -- Retry-After ---------------------------------------------------------------------


@check(
    id="headers.retry-after-present",
    title="A refusal by the rate limit says when to come back",
    severity=Severity.MEDIUM,
    references=(LIMITED, RFC(6585, "4"), RFC(9110, "10.2.3")),
    remediation="Send Retry-After with every 429.",
    needs=("promises.rate_limit.headers.retry_after", "identity.small_limit"),
)
def test_retry_after_present(target: Target, exchange: Exchange) -> Verdict:
    """A client that is not told guesses, and the guesses of all arrive together."""
    promise, headers = _promise(target)
    if headers.retry_after == "none" or exchange.status != promise.status:
        return not_applicable("Not a refusal by the rate limit.")
    if _response(exchange).header("Retry-After") is None:
        return failed(
            "a refusal without Retry-After",
            expected="Retry-After",
            actual=f"{exchange.status} without it",
        )
    return passed("Each refusal says when to come back.")


@check(
    id="headers.retry-after-form",
    title="Retry-After is a whole number of seconds or a date",
    severity=Severity.MEDIUM,
    references=(LIMITED, RFC(9110, "10.2.3"), CWE(1286)),
    remediation="Round the delay up to whole seconds, or send an HTTP-date.",
    needs=("promises.rate_limit.headers.retry_after", "identity.small_limit"),
)
def test_retry_after_form(target: Target, exchange: Exchange) -> Verdict:
    """`9.787` is neither form: some clients take it for 9, others for an error."""
    _, headers = _promise(target)
    raw = _response(exchange).header("Retry-After")
    if raw is None or headers.retry_after == "none":
        return not_applicable("No such field.")
    told = parse_retry_after(raw)
    wanted = headers.retry_after.replace("_", " ")
    form = told.form.value.replace("_", " ").replace("-", " ") if told.form else ""
    if told.wrong or (headers.retry_after != "either" and form != wanted):
        return failed(
            "a Retry-After in another form than promised",
            expected=wanted,
            actual=f"Retry-After: {raw} ({told.wrong or form})",
        )
    return passed("Retry-After has the promised form.")


@check(
    id="headers.retry-after-scope",
    title="Retry-After is only on refusals that pass with time",
    severity=Severity.LOW,
    references=(LIMITED, RFC(9110, "10.2.3")),
    remediation="Send Retry-After with 429 and 503, and not with successes.",
    needs=("promises.retry_after_scope",),
)
def test_retry_after_scope(target: Target, exchange: Exchange) -> Verdict:
    """A client that obeys it on a success slows down for nothing."""
    promise, headers = _promise(target)
    if headers.retry_after_on_success or exchange.status in (
        *(429, 503, promise.status),
        *range(300, 400),
    ):
        return not_applicable("It may be here.")
    raw = _response(exchange).header("Retry-After")
    if raw is not None:
        return failed(
            "a Retry-After where nothing passes with time",
            expected="Retry-After on 429 and 503 only",
            actual=f"{exchange.status} with Retry-After: {raw}",
        )
    return passed("It is nowhere else.")
