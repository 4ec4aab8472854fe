"""How callers are turned away: the status, the challenge, and nothing that tells more.

RFC 9110, 11.6.1: "A server generating a 401 (Unauthorized) response MUST send a
WWW-Authenticate header field containing at least one challenge."
RFC 6750, 3.1: "If the request lacks any authentication information … the resource
server SHOULD NOT include an error code or other error information"; "invalid_token:
The access token provided is expired, revoked, malformed, or invalid for other reasons."
"""

import re
import string

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Exchange,
    Operation,
    Probe,
    Reason,
    Severity,
    Target,
    Tier,
    Verdict,
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.challenge import Challenge, ChallengeError, parse_challenges
from tollproof.timing import compare


def _refusals(target: Target, operation: Operation) -> tuple[Exchange, Exchange]:
    """Return the answers to no credential and to an unknown one.

    Raises:
        Undetermined: the operation does not work, or one of them was let in: what
            they say is not a refusal then, and another check reports it.
    """
    target.control(operation)
    identity = target.caller(operation)
    unknown = identity.variant(_rotated, "rotated")
    stranger = target.stranger(operation)
    shown = target.send(
        target.showing(operation, identity.showing(unknown.value), who=unknown.label)
    )
    target.must_be_refused((stranger, shown))
    return stranger, shown


def _rotated(value: str) -> str:
    """Keep the form of a credential: each letter becomes the next of its kind."""
    head, separator, rest = value.rpartition("_")
    lower, upper, digits = (
        string.ascii_lowercase,
        string.ascii_uppercase,
        string.digits,
    )
    table = str.maketrans(
        lower + upper + digits,
        lower[1:] + lower[0] + upper[1:] + upper[0] + digits[1:] + digits[0],
    )
    return head + separator + rest.translate(table)


@check(
    id="authentication.refusal-status",
    title="A caller without a valid credential is refused with the promised status",
    severity=Severity.MEDIUM,
    references=(CWE(394), API(2, 2023), RFC(9110, "15.5.2"), RFC(6750, "3.1")),
    remediation="Answer 401 when who is calling is not known; 403 when it is.",
    needs=("identity.live",),
)
def test_refusal_status(target: Target, operation: Operation) -> Verdict:
    """Clients renew their credential on 401 and give up on 403.

    A redirect to a login page, a 404, or a validation error before authentication
    leave a client guessing, and the last tells strangers how requests are made.
    """
    expected = target.profile.promises.refusal.unauthenticated
    refusals = _refusals(target, operation)
    wrong = [item for item in refusals if item.status != expected]
    if any(item.status >= 500 for item in wrong):
        return inconclusive(
            Reason.PRECONDITION,
            f"The target failed ({wrong[0].status}) instead of refusing; "
            "see authentication.no-server-error.",
            *wrong,
        )
    if wrong:
        return failed(
            f"A caller with {wrong[0].purpose or wrong[0].identity} is refused with "
            f"{wrong[0].status}.",
            *wrong,
            expected=str(expected),
            actual=", ".join(str(item.status) for item in wrong),
        )
    return passed(f"Refusals have status {expected}.", *refusals)


def _challenged(target: Target, operation: Operation) -> tuple[Exchange, ...]:
    return tuple(item for item in _refusals(target, operation) if item.status == 401)


@check(
    id="authentication.challenge",
    title="A 401 says how to authenticate",
    severity=Severity.LOW,
    references=(RFC(9110, "11.6.1"), RFC(6750, "3"), CWE(1059)),
    remediation='Send `WWW-Authenticate: Bearer realm="…"` with every 401.',
    needs=("identity.live",),
)
def test_challenge(target: Target, operation: Operation) -> Verdict:
    """Without a challenge a client cannot know which credential is missing."""
    if target.profile.promises.challenge is False:
        return not_applicable("The profile says that no challenge is promised.")
    refusals = _challenged(target, operation)
    bare = [item for item in refusals if not _challenge(item)]
    if bare:
        return failed(
            "A 401 carries no WWW-Authenticate field.",
            *bare,
            expected="WWW-Authenticate with at least one challenge",
            actual="no such field",
        )
    if not refusals:
        return inconclusive(
            Reason.PRECONDITION,
            "No refusal had status 401; see authentication.refusal-status.",
        )
    return passed("Each 401 carries a challenge.", *refusals)


def _challenge(exchange: Exchange) -> str:
    response = exchange.response
    return (response.header("WWW-Authenticate") or "") if response else ""


def _parsed(
    target: Target, operation: Operation
) -> tuple[tuple[Exchange, tuple[Challenge, ...]], ...] | Verdict:
    """Return each 401 with its challenges, or the verdict when there are none."""
    if target.profile.promises.challenge is False:
        return not_applicable("The profile says that no challenge is promised.")
    found = []
    for exchange in _challenged(target, operation):
        if text := _challenge(exchange):
            try:
                found.append((exchange, parse_challenges(text)))
            except ChallengeError as error:
                return failed(
                    "The challenge cannot be parsed.",
                    exchange,
                    expected="a list of challenges by RFC 9110, 11.3",
                    actual=f"{text} ({error})",
                )
    if not found:
        return inconclusive(
            Reason.PRECONDITION,
            "No refusal carried a challenge; see authentication.challenge.",
        )
    return tuple(found)


@check(
    id="authentication.challenge-syntax",
    title="The challenge parses and offers the promised scheme",
    severity=Severity.LOW,
    references=(RFC(9110, "11.3"), RFC(6750, "3"), CWE(1286)),
    remediation="Quote parameter values and name the scheme that is really accepted.",
    needs=("identity.live",),
)
def test_challenge_syntax(target: Target, operation: Operation) -> Verdict:
    """A challenge that does not parse is ignored by the clients it is meant for."""
    parsed = _parsed(target, operation)
    if isinstance(parsed, Verdict):
        return parsed
    promises = target.profile.promises
    scheme = promises.challenge or target.caller(operation).mechanism.scheme
    for exchange, challenges in parsed:
        offered = [item for item in challenges if _same(item.scheme, scheme or "")]
        if scheme and not offered:
            return failed(
                f"The challenge does not offer {scheme}.",
                exchange,
                expected=str(scheme),
                actual=", ".join(item.scheme for item in challenges),
            )
        realms = {item.parameters.get("realm") for item in offered or challenges}
        if promises.realm and promises.realm not in realms:
            return failed(
                "The challenge names another realm.",
                exchange,
                expected=f'realm="{promises.realm}"',
                actual=_challenge(exchange),
            )
    return passed("Every challenge parses.", *(exchange for exchange, _ in parsed))


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


@check(
    id="authentication.challenge-error",
    title="The challenge's error code fits what was wrong",
    severity=Severity.INFO,
    references=(RFC(6750, "3.1"), CWE(394)),
    remediation=(
        "Send no error code to a request without a credential, and "
        '`error="invalid_token"` when the credential is not accepted.'
    ),
    needs=("identity.live",),
)
def test_challenge_error(target: Target, operation: Operation) -> Verdict:
    """`invalid_token` makes a client renew; on a first request it makes it give up."""
    parsed = _parsed(target, operation)
    if isinstance(parsed, Verdict):
        # A challenge that does not parse is reported by challenge-syntax alone.
        if parsed.expected:
            return inconclusive(Reason.PRECONDITION, parsed.summary)
        return parsed
    judged = 0
    for exchange, challenges in parsed:
        for challenge in challenges:
            if not _same(challenge.scheme, "Bearer"):
                continue
            judged += 1
            code = challenge.parameters.get("error")
            shown = exchange.identity != "anonymous"
            wrong = code not in (None, "invalid_token") if shown else code is not None
            if wrong:
                return failed(
                    "The challenge's error code does not fit.",
                    exchange,
                    expected='error="invalid_token"' if shown else "no error code",
                    actual=_challenge(exchange),
                )
    if not judged:
        return not_applicable("No challenge is of the Bearer scheme.")
    return passed("Error codes fit.", *(exchange for exchange, _ in parsed))


# -- what refusals tell --------------------------------------------------------------

#: Fields that differ between any two answers and tell nothing.
_VARYING = {
    "date",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "traceparent",
    "cf-ray",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "server-timing",
    "x-response-time",
    "x-runtime",
    "age",
    "etag",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "content-length",
    "connection",
    "keep-alive",
}
_UNIQUE = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:?\d\d)?"
    r"|\b\d{10,13}(\.\d+)?\b|\b[0-9a-f]{16,64}\b|\[redacted:[^\]]*\]"
)


def _face(exchange: Exchange) -> tuple[str, ...]:
    """Return what a caller can tell answers apart by, without what always varies."""
    response = exchange.response
    if response is None:
        return ("no answer",)
    fields = sorted(
        f"{name.lower()}: {_UNIQUE.sub('…', value)}"
        for name, value in response.headers
        if name.lower() not in _VARYING
    )
    return (str(response.status), *fields, _UNIQUE.sub("…", response.body))


@check(
    id="authentication.indistinguishable",
    title="Unknown, revoked and malformed credentials are refused alike",
    severity=Severity.LOW,
    references=(CWE(204), API(2, 2023), ASVS("5.0.0", "6.3.8")),
    remediation="Answer every credential that is not accepted with the same text.",
    needs=("identity.revoked",),
)
def test_indistinguishable(target: Target) -> Verdict:
    """Who can tell a revoked key from an unknown one knows that it was a key once."""
    exchanges = target.send_all(_three_refusals(target))
    target.must_be_refused(exchanges)
    faces = [_face(item) for item in exchanges]
    for exchange, face in zip(exchanges[1:], faces[1:], strict=True):
        if face != faces[0]:
            differing = next(
                (mine, other)
                for mine, other in zip((*faces[0], ""), (*face, ""), strict=False)
                if mine != other
            )
            return failed(
                f"{exchanges[0].purpose} and {exchange.purpose} are told apart by "
                "the answer.",
                exchanges[0],
                exchange,
                expected=differing[0][:200],
                actual=differing[1][:200],
            )
    return passed("The answers cannot be told apart by body or fields.", *exchanges)


def _three_refusals(target: Target) -> tuple[Probe, ...]:
    revoked = target.identities("revoked")[0]
    operation = next(item for item in target.operations if not item.public)
    unknown = revoked.variant(_rotated, "rotated")
    short = revoked.variant(lambda value: value[: len(value) // 2], "half of it")
    return (
        target.showing(
            operation,
            revoked.showing(unknown.value),
            who=unknown.label,
            purpose="an unknown credential",
        ),
        target.probe(operation, revoked, purpose="a revoked credential"),
        target.showing(
            operation,
            revoked.showing(short.value),
            who=short.label,
            purpose="a malformed credential",
        ),
    )


@check(
    id="authentication.timing",
    title="Unknown, revoked and malformed credentials are refused equally fast",
    severity=Severity.LOW,
    references=(CWE(208), API(2, 2023), ASVS("5.0.0", "11.2.4")),
    remediation="Do the same work for every credential, and compare in constant time.",
    needs=("identity.revoked",),
    tier=Tier.AUDIT,
)
def test_timing(target: Target) -> Verdict:
    """Time tells what the answer does not say.

    Rounds of the three kinds are interleaved, so that drift meets all of them alike.
    A difference counts when a permutation test over rounds calls it real at one in
    ten thousand and it is large enough to be seen across a network.
    """
    probes = _three_refusals(target)
    target.must_be_refused(target.send_all(probes))
    seconds: list[list[float]] = [[] for _ in probes]
    for _ in range(120):
        for kind, probe in zip(seconds, probes, strict=True):
            kind.append(target.send(probe).seconds)
    names = [probe.purpose for probe in probes]
    comparison = compare(dict(zip(names, seconds, strict=True)), seed=target.seed)
    figures = comparison.figures()
    if comparison.different:
        return failed(
            f"{comparison.slower} takes longer than {comparison.faster}.",
            expected="no difference that can be measured",
            actual=f"{comparison.difference * 1000:.2f} ms more, median of rounds",
            measurements=figures,
        )
    if comparison.resolution > comparison.margin:
        return inconclusive(
            Reason.NOISE,
            f"Differences below {comparison.resolution * 1000:.1f} ms cannot be "
            "resolved over this connection.",
            measurements=figures,
        )
    return passed(
        f"No difference above {comparison.margin * 1000:.1f} ms in 120 rounds.",
        measurements=figures,
    )
