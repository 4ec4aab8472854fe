"""Errors provoked on purpose: each gets the status that its cause deserves.

That every one of these answers also has the promised body is judged by the checks of
`test_shape`, over all exchanges of the run.

RFC 9110, 15.5: "The 4xx (Client Error) class of status code indicates that the client
seems to have erred."
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Exchange,
    Impact,
    Operation,
    Probe,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.client import origin_of
from tollproof.model import FailureKind
from tollproof.refusal import raw_probe

VALIDATION = (CWE(20), ASVS("5.0.0", "2.2.1"))
UNLIKELY = "tollproof-no-such-thing"


def _status(
    exchanges: Sequence[Exchange], wanted: str, allowed: range | tuple[int, ...]
) -> Verdict:
    """Return the verdict on answers that must have one of the allowed statuses.

    A failing server (5xx) is reported by the checks that look for just that.
    """
    wrong = [item for item in exchanges if item.response and item.status not in allowed]
    if any(item.status >= 500 for item in wrong):
        return inconclusive(
            Reason.PRECONDITION,
            f"The server failed ({wrong[0].status}); see envelope.hostile-body.",
            *wrong[:3],
        )
    if wrong:
        return failed(
            f"{wrong[0].purpose} is answered with {wrong[0].status}.",
            *wrong[:5],
            expected=wanted,
            actual=", ".join(sorted({str(item.status) for item in wrong})),
        )
    seen = ", ".join(sorted({str(item.status or "closed") for item in exchanges}))
    return passed(f"{len(exchanges)} answered as promised ({seen}).", *exchanges[:3])


def _as_caller(target: Target, operation: Operation, purpose: str) -> Probe:
    return target.probe(operation, target.caller(operation), purpose=purpose)


def _simplest(target: Target) -> Operation:
    """Return a protected operation that reads, or any, to provoke errors around."""
    operations = [item for item in target.operations if not item.public]
    operations.sort(key=lambda item: (item.changes, len(item.parameters)))
    return operations[0]


@check(
    id="envelope.unknown-path",
    title="An unknown path is not found",
    severity=Severity.LOW,
    references=(RFC(9110, "15.5.5"), API(9, 2023)),
    remediation="Answer 404 to what no route serves; serve no page in its place.",
    needs=("identity.live",),
)
def test_unknown_path(target: Target) -> Verdict:
    """A catch-all that answers 200 hides typing errors and every missing route."""
    operation = _simplest(target)
    target.control(operation)
    bare = _as_caller(target, operation, "an unknown path")
    prefix = target.deployment.prefix
    probes = [
        replace(bare, method="GET", target=path, body=b"", operation="")
        for path in (f"{prefix}/{UNLIKELY}", f"{prefix}/{UNLIKELY}/below?x=1")
    ]
    return _status(target.send_all(probes), "404", (404, 401, 403))


@check(
    id="envelope.method-not-allowed",
    title="A method that a path does not have is refused with 405",
    severity=Severity.LOW,
    references=(RFC(9110, "15.5.6"),),
    remediation="Answer 405 with Allow when the path exists and the method does not.",
    needs=("promises.errors.status.405", "identity.live"),
)
def test_method_not_allowed(target: Target, path_operation: Operation) -> Verdict:
    """404 for a path that exists sends its caller looking for a typing error."""
    target.control(path_operation)
    known = {
        item.method for item in target.operations if item.path == path_operation.path
    }
    method = next(
        (name for name in ("PATCH", "PUT", "DELETE", "POST") if name not in known), None
    )
    if method is None:
        return not_applicable("The path has every method.")
    label = f"{method} {path_operation.path}"
    if target.profile.target.is_excluded(label):
        return not_applicable("The profile excludes it.")
    bare = _as_caller(target, path_operation, f"{method}, which the path does not have")
    probe = replace(bare, method=method, body=b"")
    return _status([target.send(probe)], "405", (405,))


@check(
    id="envelope.malformed-body",
    title="A body that is not JSON is refused",
    severity=Severity.MEDIUM,
    references=(*VALIDATION, RFC(9110, "15.5.1")),
    remediation="Answer 400 to what does not parse.",
    needs=("identity.live",),
    impact=Impact.WRITES,
)
def test_malformed_body(target: Target, body_operation: Operation) -> Verdict:
    """A request that was taken though it could not be read did something else."""
    target.control(body_operation)
    bare = _as_caller(target, body_operation, "")
    whole = bare.body or b'{"a": 1}'
    bodies = {
        "a body cut short": whole[: max(len(whole) - 2, 1)],
        "a body that is no JSON": b"tollproof=1&x",
        "a body with a trailing comma": b'{"a": 1,}',
        "two documents": whole + whole,
    }
    exchanges = target.send_all(
        replace(bare, body=body, purpose=what) for what, body in bodies.items()
    )
    return _status(exchanges, "a refusal (400 or another 4xx)", range(400, 500))


@check(
    id="envelope.invalid-body",
    title="A body that breaks the operation's schema is refused",
    severity=Severity.MEDIUM,
    references=(*VALIDATION, API(3, 2023), RFC(9110, "15.5.21")),
    remediation="Validate bodies against the published schema; answer 422 or 400.",
    needs=("identity.live", "target.openapi"),
    impact=Impact.WRITES,
)
def test_invalid_body(target: Target, body_operation: Operation) -> Verdict:
    """Schemathesis makes bodies that the document forbids, from the run's seed."""
    target.control(body_operation)
    document = target.deployment.document
    bodies = (
        document.invalid_bodies(body_operation, run_seed=target.seed)
        if document
        else ()
    )
    if not bodies:
        return not_applicable("The schema of its body refuses nothing.")
    bare = _as_caller(target, body_operation, "")
    exchanges = target.send_all(
        replace(bare, body=body, purpose=f"a body against the schema: {_short(body)}")
        for body in bodies
    )
    return _status(exchanges, "a refusal (422 or another 4xx)", range(400, 500))


def _short(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return text if len(text) <= 60 else f"{text[:57]}..."


@check(
    id="envelope.hostile-body",
    title="No body makes the server fail",
    severity=Severity.MEDIUM,
    references=(CWE(674), CWE(755), API(4, 2023), ASVS("5.0.0", "16.5.3")),
    remediation="Bound depth, size and numbers before anything is done with a body.",
    needs=("identity.live",),
    impact=Impact.WRITES,
)
def test_hostile_body(target: Target, body_operation: Operation) -> Verdict:
    """Deep nesting, huge numbers, wrong types and stray bytes have broken many."""
    target.control(body_operation)
    bare = _as_caller(target, body_operation, "")
    exchanges = target.answers(
        replace(bare, body=body, purpose=what)
        for what, body in _hostile(bare.body).items()
    )
    broken = [item for item in exchanges if item.status >= 500]
    if broken:
        return failed(
            f"The server fails on {broken[0].purpose}.",
            *broken[:5],
            expected="an answer below 500",
            actual=str(broken[0].status),
        )
    return passed(f"None of {len(exchanges)} bodies makes it fail.", exchanges[0])


def _hostile(body: bytes) -> dict[str, bytes]:
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    fields = document if isinstance(document, dict) else {}
    bodies = {
        "nesting 3,000 deep": b"[" * 3000 + b"]" * 3000,
        "objects 2,000 deep": b'{"a":' * 2000 + b"1" + b"}" * 2000,
        "a number of 2,000 digits": b'{"a": ' + b"9" * 2000 + b"}",
        "a huge exponent": b'{"a": 1e999999}',
        "NaN": b'{"a": NaN}',
        "null": b"null",
        "a bare string": b'"text"',
        "an empty array": b"[]",
        "an empty body": b"",
        "UTF-16": '{"a": 1}'.encode("utf-16"),
        "invalid UTF-8": b'{"a": "\xff\xfe"}',
        "a lone surrogate": b'{"a": "\\ud800"}',
        "a NUL in a name": b'{"a\\u0000b": 1}',
        "a name twice": b'{"a": 1, "a": 2}',
        "__proto__": b'{"__proto__": {"admin": true}}',
    }
    wrong: dict[str, object] = {
        "null": None,
        "an array": [],
        "an object": {},
        "a long text": "x" * 10_000,
        "a negative number": -1,
        "a NUL": "a\x00b",
    }
    for name in list(fields)[:4]:
        for what, value in wrong.items():
            changed = json.dumps({**fields, name: value}).encode()
            bodies[f"{what} as {name}"] = changed
    return bodies


@check(
    id="envelope.media-type",
    title="A body of another media type is refused with 415",
    severity=Severity.LOW,
    references=(CWE(436), RFC(9110, "15.5.16"), ASVS("5.0.0", "4.1.1")),
    remediation="Compare Content-Type before the body is read.",
    needs=("promises.errors.status.415", "identity.live"),
    impact=Impact.WRITES,
)
def test_media_type(target: Target, body_operation: Operation) -> Verdict:
    """A form that a browser may send across origins must not pass for JSON."""
    target.control(body_operation)
    bare = _as_caller(target, body_operation, "")
    rest = tuple(item for item in bare.headers if item[0].lower() != "content-type")
    exchanges = target.send_all(
        replace(
            bare,
            headers=(("Content-Type", kind), *rest),
            purpose=f"JSON sent as {kind}",
        )
        for kind in ("text/plain", "application/x-www-form-urlencoded", "text/xml")
    )
    return _status(exchanges, "415", (415,))


@check(
    id="envelope.not-acceptable",
    title="A representation that does not exist is refused with 406",
    severity=Severity.INFO,
    references=(RFC(9110, "15.5.7"),),
    remediation="Answer 406 when nothing of what Accept asks for can be made.",
    needs=("promises.errors.status.406", "identity.live"),
)
def test_not_acceptable(target: Target) -> Verdict:
    """What a client cannot read should not be sent as if it could."""
    operation = _simplest(target)
    target.control(operation)
    bare = _as_caller(target, operation, "Accept: image/x-tollproof")
    probe = replace(bare, headers=(*bare.headers, ("Accept", "image/x-tollproof")))
    return _status([target.send(probe)], "406", (406,))


@check(
    id="envelope.too-large",
    title="A body that is too large is refused with 413",
    severity=Severity.MEDIUM,
    references=(CWE(770), API(4, 2023), RFC(9110, "15.5.14"), ASVS("5.0.0", "4.2.5")),
    remediation="Refuse by Content-Length, and stop reading at the limit.",
    needs=("promises.errors.status.413", "identity.live"),
    impact=Impact.WRITES,
)
def test_too_large(target: Target) -> Verdict:
    """A server that reads whatever is sent can be filled by one caller."""
    operation = next((item for item in target.operations if item.takes_json), None)
    if operation is None:
        return not_applicable("No operation takes a JSON body.")
    target.control(operation)
    bare = _as_caller(target, operation, "a body of 16 MiB")
    body = b'{"a": "' + b"x" * (16 * 1024 * 1024) + b'"}'
    exchange = target.attempt(replace(bare, body=body))
    if exchange.response is None and _closed(exchange):
        return inconclusive(
            Reason.PRECONDITION,
            "The connection was closed while the body was being sent, so no answer "
            "could be read.",
            exchange,
        )
    return _status(target.settled([exchange]), "413", (413,))


def _closed(exchange: Exchange) -> bool:
    failure = exchange.failure
    return failure is not None and failure.kind is FailureKind.CLOSED


@check(
    id="envelope.long-target",
    title="A request target that is too long is refused with 414",
    severity=Severity.LOW,
    references=(CWE(770), API(4, 2023), RFC(9110, "15.5.15"), ASVS("5.0.0", "4.2.5")),
    remediation="Bound the request line and answer 414 beyond it.",
    needs=("promises.errors.status.414", "identity.live"),
)
def test_long_target(target: Target) -> Verdict:
    """Logs, caches and databases downstream are bounded; the edge should be too."""
    operation = _simplest(target)
    target.control(operation)  # hanging up on everything refuses nothing
    bare = target.probe(operation)
    path = bare.target.partition("?")[0]
    probe = raw_probe(
        target,
        operation,
        (),
        purpose="a request target of 60,000 characters",
        line_target=f"{path}?x={'a' * 60_000}".encode(),
    )
    return _status(target.answers([probe]), "414", (414,))


@check(
    id="envelope.large-headers",
    title="Header fields that are too large are refused with 431",
    severity=Severity.LOW,
    references=(CWE(770), API(4, 2023), RFC(6585, "5"), ASVS("5.0.0", "4.2.5")),
    remediation="Bound the header section and answer 431 beyond it.",
    needs=("promises.errors.status.431", "identity.live"),
)
def test_large_headers(target: Target) -> Verdict:
    """Memory for header fields is taken before anybody knows who is calling."""
    operation = _simplest(target)
    target.control(operation)  # hanging up on everything refuses nothing
    probe = raw_probe(
        target,
        operation,
        ((b"X-Filler", b"a" * 60_000),),
        purpose="a header field of 60,000 characters",
    )
    return _status(target.answers([probe]), "431", (431,))


@check(
    id="envelope.before-routing",
    title="A request that is no HTTP is refused, not failed on",
    severity=Severity.MEDIUM,
    references=(CWE(444), CWE(755), RFC(9112, "3"), ASVS("5.0.0", "4.2.1")),
    remediation="Answer 400 and close; let the server's own errors have the envelope.",
    needs=("identity.live",),
)
def test_before_routing(target: Target) -> Verdict:
    """What is refused before routing is refused by another piece of software.

    Framing that two pieces may read differently must be refused by the first.
    """
    operation = _simplest(target)
    target.control(operation)  # hanging up on everything refuses nothing
    host = target.host.encode()
    path = target.probe(operation).target.encode()
    head = b"Host: " + host + b"\r\n"
    requests = {
        "a request line of one word": b"GARBAGE\r\n" + head + b"\r\n",
        "a method with control characters": b"GE\x01T " + path + b" HTTP/1.1\r\n"
        + head + b"\r\n",
        "a version of letters": b"GET " + path + b" HTTP/x.y\r\n" + head + b"\r\n",
        "no host": b"GET " + path + b" HTTP/1.1\r\n\r\n",
        "two lengths": b"POST " + path + b" HTTP/1.1\r\n" + head
        + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "a length of letters": b"POST " + path + b" HTTP/1.1\r\n" + head
        + b"Content-Length: ab\r\n\r\n",
        "length and chunks": b"POST " + path + b" HTTP/1.1\r\n" + head
        + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a field without a name": b"GET " + path + b" HTTP/1.1\r\n" + head
        + b": value\r\n\r\n",
        "a blank in a field's name": b"GET " + path + b" HTTP/1.1\r\n" + head
        + b"X Y: z\r\n\r\n",
    }  # fmt: skip
    exchanges = target.answers(
        Probe(
            method="GET",
            target=path.decode(),
            purpose=what,
            origin=origin_of(target.profile.target.base_url),
            raw=payload,
        )
        for what, payload in requests.items()
    )
    broken = [item for item in exchanges if item.status >= 500 and item.status != 501]
    broken = [item for item in broken if item.status != 505]
    if broken:
        return failed(
            f"The server fails on {broken[0].purpose}.",
            *broken[:5],
            expected="a refusal (400), or the connection closed",
            actual=str(broken[0].status),
        )
    return passed(f"None of {len(exchanges)} requests makes it fail.", *exchanges[:3])


@check(
    id="envelope.rate-limited",
    title="A caller beyond its limit is refused with the promised status",
    severity=Severity.HIGH,
    references=(CWE(770), API(4, 2023), RFC(6585, "4"), ASVS("5.0.0", "2.4.1")),
    remediation="Enforce the limit before the operation is run; answer 429.",
    needs=("promises.rate_limit", "identity.small_limit"),
)
def test_rate_limited(target: Target) -> Verdict:
    """A limit that does not limit is a number in a document.

    An identity with a small limit of its own spends it, so that a gate needs no load;
    how exact the limit is, the suite `ratelimit` measures.
    """
    promise = target.profile.promises.rate_limit
    status = promise.status if promise else 429
    identity = next(
        item
        for item in target.identities("live")
        if item.limit is not None and item.limit[0] <= 20
    )
    operation = next(
        (
            item
            for item in sorted(target.operations, key=lambda item: item.changes)
            if not item.public and identity.may_call(item)
        ),
        None,
    )
    if operation is None or identity.limit is None:
        return not_applicable(f"{identity.name} may call nothing.")
    limit = identity.limit[0]
    # Twice the limit and two more: a window may turn over once while this is sent.
    exchanges = []
    for number in range(1, 2 * limit + 3):
        purpose = f"request {number} of a limit of {limit}"
        probe = target.probe(operation, identity, purpose=purpose)
        exchange = target.attempt(probe)
        exchanges.append(exchange)
        if exchange.response is None or exchange.status == status:
            break
    last = exchanges[-1]
    if last.status == status:
        return passed(
            f"{identity.name} was refused at request {len(exchanges)} ({status}).", last
        )
    target.settled(exchanges[-1:])
    if any(item.status >= 400 for item in exchanges):
        return inconclusive(
            Reason.PRECONDITION,
            f"{identity.name} is refused with {last.status} whatever its allowance.",
            last,
        )
    return failed(
        f"{identity.name} was never refused.",
        last,
        expected=f"{status} after {limit} requests",
        actual=f"{len(exchanges)} requests admitted in a row",
    )


@check(
    id="envelope.head-agrees",
    title="HEAD answers as GET does, without a body",
    severity=Severity.LOW,
    references=(RFC(9110, "9.3.2"), CWE(436)),
    remediation="Serve HEAD by the code that serves GET, and drop the body.",
    needs=("identity.live",),
)
def test_head_agrees(target: Target, read_operation: Operation) -> Verdict:
    """By RFC 9110, HEAD is GET whose answer carries no content."""
    control = target.control(read_operation)
    bare = _as_caller(target, read_operation, "HEAD")
    probe = replace(bare, method="HEAD")
    exchange = target.send(probe)
    if exchange.status in (405, 501):
        return not_applicable(f"HEAD is not served ({exchange.status}).", exchange)
    mine, other = exchange.response, control.response
    if mine is None or other is None:
        return inconclusive(Reason.UNREACHABLE, "There was no answer.", exchange)
    differs = [
        f"{name}: {mine.header(name)} instead of {other.header(name)}"
        for name in ("Content-Type",)
        if mine.header(name) != other.header(name)
    ]
    if mine.status != other.status:
        differs.insert(0, f"status {mine.status} instead of {other.status}")
    if differs:
        return failed(
            f"HEAD and GET differ in {differs[0]}.",
            exchange,
            control,
            expected="the status and fields of GET",
            actual="; ".join(differs),
        )
    return passed("HEAD and GET agree.", exchange, control)
