"""From pytest's items to checks: what an item judges, when it runs, what is refused.

Knows how a function's parameters and pytest's own make subjects. Must not run anything.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Sequence
from enum import IntEnum
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tollproof.access import Cell
from tollproof.cases import PASSIVE, SUBJECTS, WHOLE, Case, Selection
from tollproof.declare import spec_of
from tollproof.errors import CatalogueError
from tollproof.model import CheckSpec, Impact, Severity
from tollproof.pytest_plugin.shared import CASE
from tollproof.resources import bundled


def case_of(item: pytest.Function, found: dict[str, Case]) -> Case:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return next(iter(found.values()))
    given = {name: value for name, value in callspec.params.items() if name in SUBJECTS}
    # pytest's id of a subject is the subject, mostly: no search through a thousand.
    likely = found.get(callspec.id)
    for case in chain((likely,) if likely else (), found.values()):
        if dict(case.arguments) == given or (
            not case.arguments and not any(given.values())
        ):
            break
    else:
        case = Case(subject=WHOLE)
    if set(callspec.params) - set(given):
        # The author's own parameters tell subjects apart as well.
        return Case(
            subject=callspec.id,
            arguments=case.arguments,
            inapplicable=case.inapplicable,
            left_out=case.left_out,
        )
    return case


def spec_for(function: Callable[..., Any], module: str) -> CheckSpec:
    """Return what a check declares, or what a plain test of a user's amounts to."""
    declared = spec_of(function)
    if declared is not None:
        return declared
    suite = _slug(module.rpartition(".")[2])
    # Methods of the same name in two classes of a file are two checks.
    names = function.__qualname__.rpartition("<locals>.")[2].split(".")
    slug = "-".join(filter(None, map(_slug, names)))
    title = inspect.cleandoc(function.__doc__ or slug.replace("-", " "))
    return CheckSpec(
        id=f"{suite or 'tests'}.{slug}",
        title=title.splitlines()[0].rstrip("."),
        severity=Severity.MEDIUM,
        rationale=title,
    )


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower().removeprefix("test")).strip("-")


#: The fixture that gives the deployment under judgement.
TARGET = "target"


class Turn(IntEnum):
    """When an item runs; past ANY, no other process sends anything any more."""

    FIRST = 0
    ANY = 1
    UNDISTURBED = 2
    MEASURED = 3
    KEPT = 4
    LAST = 5


def turn(item: pytest.Item) -> Turn:
    if CASE not in item.stash:
        return Turn.ANY
    spec, _ = item.stash[CASE]
    if spec.suite == "preflight":
        return Turn.FIRST  # it explains what fails later
    # What is kept of a run, in logs and stores, is looked at when all of it was sent;
    # what judges every exchange looks at those as well.
    if is_passive(item):
        return Turn.LAST
    if spec.suite == "secrets":
        return Turn.KEPT
    # What measures spends the allowance of keys, and counts what others send: of all
    # who share it, where more than keys are counted.
    if spec.impact is Impact.LOAD:
        return Turn.MEASURED
    return Turn.UNDISTURBED if spec.impact is Impact.LIFECYCLE else Turn.ANY


def kin(item: pytest.Item) -> str:
    """Name what one process is to run together with this.

    All about a cell of the access matrix rests on one write, whose effect may come but
    once. What another check finds out may be asked again, but need not be.
    """
    spec, case = item.stash[CASE]
    cells = (value for value in case.arguments.values() if isinstance(value, Cell))
    cell = next(cells, None)
    return spec.id if cell is None else cell.label


def is_passive(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and PASSIVE in item.fixturenames


def is_direct(item: pytest.Function) -> bool:
    """Whether a check asks nothing of pytest: no fixture, mark or parameter."""
    if CASE not in item.stash or item.cls is not None or spec_of(item.function) is None:
        return False
    if inspect.iscoroutinefunction(item.function):
        return False
    marks = {mark.name for mark in item.iter_markers()} - {"check", "parametrize"}
    given = getattr(getattr(item, "callspec", None), "params", ())
    # The fixture `target` asks for `request`; a check that does so is not direct.
    fixtures = {*item.fixturenames} - {"request"}
    asked = {*fixtures, *given, *inspect.signature(item.function).parameters}
    return not marks and asked <= {TARGET, PASSIVE, *SUBJECTS}


def refuse_collisions(items: list[pytest.Item]) -> None:
    owners: dict[str, Callable[..., Any]] = {}
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        spec, _ = item.stash[CASE]
        function = inspect.unwrap(item.function)
        for name in (spec.id, *spec.aliases):
            owner = owners.setdefault(name, function)
            if owner.__code__ is not function.__code__:
                raise pytest.UsageError(
                    str(
                        CatalogueError(
                            f"two checks call themselves {name!r}: "
                            f"{_place(owner)} and {_place(function)}; rename one"
                        )
                    )
                )


def is_partial(config: pytest.Config) -> bool:
    """Whether pytest was asked for less than every suite that is installed."""
    narrowing = ("keyword", "markexpr", "lf", "deselect", "stepwise")
    if any(config.getoption(name, default=None) for name in narrowing):
        return True
    own = bundled("suites").resolve()
    given = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return not any(path == own or path in own.parents for path in given)


def refuse_unknown(selection: Selection, specs: Sequence[CheckSpec]) -> None:
    """Refuse a name that stands for nothing: it would be taken for judged."""
    ids = {name for spec in specs for name in (spec.id, *spec.aliases)}
    suites = {spec.suite for spec in specs}
    for kind, wanted, known in (
        *(("suite", name, suites) for name in selection.suites),
        *(("check", name, ids) for name in selection.checks),
    ):
        if not any(fnmatchcase(name, wanted) for name in known):
            near = difflib.get_close_matches(wanted, sorted(known), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise pytest.UsageError(f"there is no {kind} {wanted!r}{hint}")
    if selection.suites:
        _refuse_apart(selection, specs)


def _refuse_apart(selection: Selection, specs: Sequence[CheckSpec]) -> None:
    """Refuse a check that is in none of the suites which alone are to be run."""
    inside = {
        name
        for spec in specs
        if any(fnmatchcase(spec.suite, suite) for suite in selection.suites)
        for name in (spec.id, *spec.aliases)
    }
    for wanted in selection.checks:
        if not any(fnmatchcase(name, wanted) for name in inside):
            raise pytest.UsageError(
                f"the check {wanted!r} is not in the suite "
                f"{' or '.join(map(repr, selection.suites))}, and only what is in "
                "both would be run: leave one of them out"
            )


def _place(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
