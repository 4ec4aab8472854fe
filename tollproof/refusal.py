"""Judging whether callers were let in: what most bypass checks share.

Knows that an answer is a success, the control's own answer, or a refusal, and nothing
of why a caller should be refused. The status of a refusal is judged elsewhere: here a
404 to a stranger is as good as a 401.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tollproof.client import Probe
from tollproof.declare import failed, inconclusive, passed
from tollproof.model import Exchange, Reason, Verdict
from tollproof.operations import Operation
from tollproof.target import Target
from tollproof.wire import request_bytes


def not_let_in(
    target: Target, operation: Operation, probes: Iterable[Probe], how: str
) -> Verdict:
    """Send probes that must not be let in, and say whether any was.

    A target that hangs up on a malformed request has refused it. Whatever else cannot
    be told from the control's own answer is inconclusive, never failed.

    Args:
        how: what all probes have in common: "without a credential".

    Raises:
        Undetermined: the operation does not even work for whom it must let in, or it
            is open to everybody, or the target did not answer.
    """
    control = target.control(operation)
    target.must_be_refused([target.stranger(operation)])
    return judge(target, control, target.answers(probes), how)


def judge(
    target: Target, control: Exchange, exchanges: Sequence[Exchange], how: str
) -> Verdict:
    """Return the verdict on exchanges of which none may have been let in."""
    let_in, doubtful = target.let_in(exchanges, control)
    if let_in:
        first = let_in[0]
        kinds = _purposes(let_in)
        return failed(
            f"{first.request.method} {first.operation.partition(' ')[2]} lets callers "
            f"in {how}: {kinds}.",
            *let_in[:5],
            control,
            expected="a refusal (401)",
            actual=f"{first.status} {_excerpt(first)}".rstrip(),
            measurements={"probes": len(exchanges), "let_in": len(let_in)},
        )
    if doubtful:
        return inconclusive(
            Reason.PRECONDITION,
            f"The answer to {_purposes(doubtful)} is {doubtful[0].status}, the same as "
            "to the control, so nobody can tell whether it was let in; give the "
            "profile an example request that succeeds (target.path_parameters).",
            doubtful[0],
            control,
        )
    statuses = ", ".join(sorted({_word(item) for item in exchanges}))
    return passed(
        f"All {len(exchanges)} probes {how} were refused ({statuses}).",
        exchanges[0],
        measurements={"probes": len(exchanges)},
    )


def _word(exchange: Exchange) -> str:
    return str(exchange.status) if exchange.response else "connection closed"


def _purposes(exchanges: Sequence[Exchange]) -> str:
    names = list(dict.fromkeys(item.purpose or item.identity for item in exchanges))
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _excerpt(exchange: Exchange) -> str:
    body = exchange.response.body if exchange.response else ""
    return body[:120].replace("\n", " ")


def made_like(exchange: Exchange) -> tuple[object, ...]:
    """Return what an answer is made of, without its values: status and JSON keys.

    Two answers of one operation are made alike though times and ids in them differ.
    """
    response = exchange.response
    if response is None:
        return ()
    try:
        document = json.loads(response.body)
    except ValueError:
        return (response.status, response.header("Content-Type"), response.body[:64])
    return (response.status, _keys(document))


def _keys(value: object) -> object:
    if isinstance(value, dict):
        return tuple(sorted((key, _keys(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("[]", _keys(value[0])) if value else ("[]",)
    return type(value).__name__


def raw_probe(
    target: Target,
    operation: Operation,
    fields: Sequence[tuple[bytes, bytes]],
    *,
    purpose: str,
    who: str = "anonymous",
    method: bytes | None = None,
    line_target: bytes | None = None,
) -> Probe:
    """Return the operation's example request written byte by byte.

    Args:
        fields: header fields exactly as they shall stand on the wire.
        method, line_target: other than the operation's own.
    """
    bare = target.probe(operation, purpose=purpose)
    given = {name.lower() for name, _ in fields}
    lines = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in bare.headers
        if name.lower().encode() not in given
    ]
    verb = bare.method.encode() if method is None else method
    where = bare.target.encode() if line_target is None else line_target
    payload = request_bytes(
        verb,
        where,
        target.host.encode(),
        [*lines, (b"Connection", b"close"), *fields],
        bare.body,
    )
    return Probe(
        method=verb.decode("latin-1"),
        target=where.decode("latin-1"),
        identity=who,
        operation=operation.label,
        purpose=purpose,
        raw=payload,
    )
