"""Exchanges laid out for reading, each once, the telling ones first, within a budget.

Knows which results matter most to a reader. Must not know HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tollproof.model import Exchange, Request, Response
from tollproof.reporting.curl import curl
from tollproof.reporting.summary import Case, State
from tollproof.reporting.text import clip, one_line, visible

__all__ = ["Evidence", "lay_out"]

#: Characters of evidence in one report; the JSON record and the HAR hold the rest.
BUDGET = 4_000_000
_MOST_TELLING = {State.FAILED: 5, State.INCONCLUSIVE: 3, State.WAIVED: 3}
_BODY, _HEADERS = 4_000, 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One exchange as text.

    Attributes:
        anchor: id in the page; made here, never taken from the run.
        told_at: anchor of the place that shows it already, or empty.
        request: request line, headers, body.
        response: status line, headers, body; or how the attempt ended.
    """

    anchor: str
    title: str
    identity: str
    at: str
    milliseconds: str
    status: int
    request: str = ""
    response: str = ""
    answered: bool = True
    curl: str = ""
    leaks: tuple[str, ...] = ()
    told_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is shown of a result's exchanges, and how many are not."""

    exhibits: tuple[Exhibit, ...] = ()
    more: int = 0


def lay_out(
    cases: Sequence[Case], exchanges: Iterable[Exchange], *, budget: int = BUDGET
) -> Mapping[int, Evidence]:
    """Return case number → evidence, spending the budget on failures first."""
    known = {item.id: item for item in exchanges}
    cited = {
        case.number: tuple(dict.fromkeys(case.verdict.exchanges)) for case in cases
    }
    laid: dict[int, list[Exhibit]] = {number: [] for number in cited}
    shown: dict[str, Exhibit] = {}
    for number, ident in _in_turn(cases, cited):
        exchange = known.get(ident)
        if exchange is None:
            continue
        if ident in shown:
            exhibit, cost = _again(shown[ident]), 200
        else:
            exhibit = _exhibit(exchange, f"x{len(shown) + 1}")
            cost = 400 + len(exhibit.request) + len(exhibit.response)
            cost += len(exhibit.curl)
        if cost <= budget:
            budget -= cost
            shown.setdefault(ident, exhibit)
            laid[number].append(exhibit)
    return {
        number: Evidence(
            exhibits=tuple(exhibits), more=len(cited[number]) - len(exhibits)
        )
        for number, exhibits in laid.items()
    }


def _in_turn(
    cases: Sequence[Case], cited: Mapping[int, Sequence[str]]
) -> Iterator[tuple[int, str]]:
    """Yield (case, exchange): of each failure the first, then the second, and so on."""
    for state in State:
        of_state = [case.number for case in cases if case.state is state]
        for turn in range(_MOST_TELLING.get(state, 1)):
            for number in of_state:
                if turn < len(cited[number]):
                    yield number, cited[number][turn]


def _exhibit(exchange: Exchange, anchor: str) -> Exhibit:
    response, failure = exchange.response, exchange.failure
    if response:
        answer = _response(response)
    elif failure:
        answer = f"{failure.kind}: {clip(visible(failure.detail), 1_000)}"
    else:
        answer = "There is no response."
    return Exhibit(
        anchor=anchor,
        title=clip(one_line(exchange.purpose or "probe"), 200),
        identity=clip(one_line(exchange.identity), 100),
        at=clip(one_line(exchange.at), 40),
        milliseconds=f"{exchange.seconds * 1000:,.1f} ms",
        status=exchange.status,
        request=_request(exchange.request),
        response=answer,
        answered=response is not None,
        curl=curl(exchange.request),
        leaks=tuple(
            f"{'the whole' if leak.complete else 'a telling part'} of "
            f"{clip(one_line(leak.credential), 80)}, "
            f"{clip(one_line(leak.encoding), 40)}, in {clip(one_line(leak.place), 80)}"
            for leak in exchange.leaks[:10]
        ),
    )


def _again(exhibit: Exhibit) -> Exhibit:
    return Exhibit(
        anchor="",
        told_at=exhibit.anchor,
        title=exhibit.title,
        identity=exhibit.identity,
        at=exhibit.at,
        milliseconds=exhibit.milliseconds,
        status=exhibit.status,
        answered=exhibit.answered,
    )


def _request(request: Request) -> str:
    how = "  (written byte by byte)" if request.raw else ""
    head = f"{one_line(request.method)} {clip(one_line(request.url), 2_000)}{how}"
    return _message(head, request.headers, request.body, request.body_bytes)


def _response(response: Response) -> str:
    head = f"{one_line(response.http_version)} {response.status}"
    text = _message(head, response.headers, response.body, response.body_bytes)
    return text + "\n[the client stopped reading here]" if response.truncated else text


def _message(
    head: str, headers: tuple[tuple[str, str], ...], body: str, size: int
) -> str:
    lines = "\n".join(f"{one_line(name)}: {one_line(value)}" for name, value in headers)
    parts = [head, clip(lines, _HEADERS)] if lines else [head]
    if body:
        parts += ["", clip(visible(body), _BODY)]
    elif size:
        parts += ["", f"[{size:,} bytes, not recorded]"]
    return "\n".join(parts)
