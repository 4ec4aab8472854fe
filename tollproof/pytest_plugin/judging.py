"""From an item to its result: the function called, its verdict kept and redacted.

Knows how a check is given what it asks for. Must not know what becomes of a result.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tollproof.cases import SUBJECTS
from tollproof.declare import spec_of
from tollproof.evaluate import evaluate
from tollproof.model import Outcome, Result, Verdict
from tollproof.pytest_plugin.items import TARGET, is_passive
from tollproof.pytest_plugin.shared import CASE
from tollproof.session import Judged, Session


def judged(
    item: pytest.Function, session: Session, given: Mapping[str, object]
) -> Result:
    """Call an item's function and return what came of it, redacted.

    Args:
        given: values for its parameters, and perhaps others.
    """
    spec, case = item.stash[CASE]
    if is_passive(item) and not case.inapplicable:
        session.sweep(judges_of(item.session.items, session))

    def procedure() -> object:
        if case.inapplicable:
            return Verdict(outcome=Outcome.NOT_APPLICABLE, summary=case.inapplicable)
        if is_passive(item):
            return session.swept[spec.id]
        arguments = {
            name: given[name]
            for name, parameter in inspect.signature(item.obj).parameters.items()
            if parameter.default is parameter.empty
        }
        try:
            returned = item.obj(**arguments)
        except pytest.xfail.Exception as expected:  # a kind of `fail` to Python
            return Verdict(
                outcome=Outcome.NOT_APPLICABLE,
                summary=f"It fails, as it says itself: {expected.msg}",
            )
        except pytest.skip.Exception as skipped:
            return Verdict(
                outcome=Outcome.NOT_APPLICABLE, summary=f"Skipped: {skipped.msg}"
            )
        except pytest.fail.Exception as failure:
            raise AssertionError(str(failure)) from failure
        if returned is None and spec_of(item.function) is None:
            return Verdict(outcome=Outcome.PASSED, summary="Every assertion holds.")
        return returned

    return session.redacted(evaluate(spec, case.subject, procedure))


@contextmanager
def unheard() -> Iterator[None]:
    """Let nothing through that a check or a program it starts writes to the terminal.

    What shows the progress has a descriptor of its own.
    """
    # Where one is closed from the start, its number may be that of a socket by now.
    ours = ((1, sys.__stdout__), (2, sys.__stderr__))
    streams = [stream for _, stream in ours if stream is not None]
    kept = [(number, os.dup(number)) for number, stream in ours if stream is not None]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in streams:
            stream.flush()
        for number, _ in kept:
            os.dup2(nothing, number)
        yield
    finally:
        for stream in streams:
            stream.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)


def direct_arguments(item: pytest.Function, session: Session) -> Mapping[str, Any]:
    """Return what pytest would have set up for an item that :func:`is_direct`."""
    spec, case = item.stash[CASE]
    subjects = {name: case.arguments.get(name) for name in SUBJECTS}
    return {**subjects, TARGET: session.target(spec.id)}


def judges_of(items: Iterable[pytest.Item], session: Session) -> dict[str, Judged]:
    """Return the function of every check that judges exchanges, by check id."""
    judges: dict[str, Judged] = {}
    for item in items:
        if isinstance(item, pytest.Function) and CASE in item.stash:
            spec, case = item.stash[CASE]
            if is_passive(item) and not case.inapplicable:
                judges[spec.id] = Judged(
                    function=item.function, target=session.target(spec.id)
                )
    return judges
