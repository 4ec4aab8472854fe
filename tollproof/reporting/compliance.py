"""Which clause of a standard is covered by which checks, with which verdicts.

Knows the run's references and the mappings in reports/compliance/*.json, which say of
each clause whether it shows from outside at all. Must not know the checks: a check
belongs to a clause because it cites it, and for no other reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from tollproof.model import Reference, Run
from tollproof.reporting.summary import Group, State, grouped, summarise
from tollproof.resources import bundled

__all__ = ["Clause", "Scope", "Section", "View", "views"]

_FILES = ("owasp-api-2023.json", "asvs-5.0.0.json", "rfc.json")


class Scope(StrEnum):
    """How much of a clause shows to somebody who stands outside."""

    TESTED = "tested"
    PARTLY = "partly"
    OUTSIDE = "outside"

    @property
    def label(self) -> str:
        """The words a reader sees."""
        return {
            Scope.TESTED: "shows from outside",
            Scope.PARTLY: "shows in part",
            Scope.OUTSIDE: "cannot be tested from outside",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A clause beside what the run found of it.

    Attributes:
        label: as people quote it.
        level: ASVS level 1 to 3; 0 where the standard has none.
        note: what a verdict here does not say.
        checks: the groups of cases that cite the clause.
        state: the worst of their states; None when no check of the run cites it.
    """

    label: str
    title: str
    url: str
    level: int
    scope: Scope
    note: str
    checks: tuple[Group, ...]

    @property
    def state(self) -> State | None:
        """The worst state of any case; `not applicable` alone is not `passed`."""
        states = {case.state for group in self.checks for case in group.cases}
        return next((state for state in State if state in states), None)

    @property
    def tally(self) -> Mapping[State, int]:
        """How many cases of its checks are in each state."""
        counts = [group.tally for group in self.checks]
        return {
            state: total
            for state in State
            if (total := sum(count.get(state, 0) for count in counts))
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Clauses that belong together.

    Attributes:
        requirements: how many clauses the standard has here.
        rest: why those that are not listed cannot be tested; empty when all are.
    """

    label: str
    title: str
    url: str
    requirements: int
    clauses: tuple[Clause, ...]
    rest: str

    @property
    def unlisted(self) -> int:
        """How many clauses of the section are not listed one by one."""
        return max(0, self.requirements - len(self.clauses)) if self.rest else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A standard, clause by clause."""

    key: str
    title: str
    url: str
    note: str
    sections: tuple[Section, ...]

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses listed one by one."""
        return tuple(clause for part in self.sections for clause in part.clauses)

    @property
    def cited(self) -> tuple[Clause, ...]:
        """Those that a check of the run cites."""
        return tuple(clause for clause in self.clauses if clause.checks)

    @property
    def testable(self) -> int:
        """How many of the clauses listed show from outside, at least in part."""
        return sum(clause.scope is not Scope.OUTSIDE for clause in self.clauses)

    @property
    def untestable(self) -> int:
        """How many clauses of the standard do not show from outside at all."""
        listed = sum(clause.scope is Scope.OUTSIDE for clause in self.clauses)
        return listed + sum(section.unlisted for section in self.sections)


def views(run: Run) -> tuple[View, ...]:
    """Return the OWASP API Top 10 2023, ASVS 5.0.0, the RFCs, and the CWEs cited."""
    citing = _citing(run)
    mapped = [_view(_mapping(name), citing) for name in _FILES]
    weaknesses = _weaknesses(citing)
    return (*mapped, weaknesses) if weaknesses.sections else tuple(mapped)


Citing = Mapping[tuple[str, str], tuple[Reference, tuple[Group, ...]]]


def _citing(run: Run) -> Citing:
    found: dict[tuple[str, str], tuple[Reference, tuple[Group, ...]]] = {}
    for group in grouped(summarise(run).cases):
        for reference in group.spec.references:
            key = (reference.standard, reference.clause)
            first, groups = found.get(key, (reference, ()))
            if group not in groups:
                found[key] = (first, (*groups, group))
    return found


@cache
def _mapping(name: str) -> Mapping[str, Any]:
    path = bundled("reports") / "compliance" / name
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _view(data: Mapping[str, Any], citing: Citing) -> View:
    sections = []
    for part in data["sections"]:
        is_rfc = data["standard"] == "RFC"
        standard = part["section"] if is_rfc else data["standard"]
        known = {item["clause"]: item for item in part["clauses"]}
        prefix = "" if is_rfc else part["section"]
        cited = [
            clause
            for name, clause in citing
            if name == standard and clause not in known and _within(clause, prefix)
        ]
        clauses = [
            _clause(standard, item, part["url"], citing)
            for item in [*known.values(), *(_bare(clause) for clause in cited)]
        ]
        sections.append(
            Section(
                label=part["section"],
                title=part["title"],
                url=part["url"],
                requirements=max(part["requirements"], len(clauses)),
                clauses=tuple(sorted(clauses, key=lambda it: _order(it.label))),
                rest=part["rest"],
            )
        )
    if data["standard"] == "RFC":
        sections += _unmapped_rfcs(
            {part["section"] for part in data["sections"]}, citing
        )
    return View(
        key=data["standard"],
        title=data["title"],
        url=data["url"],
        note=data["note"],
        sections=tuple(sections),
    )


def _within(clause: str, section: str) -> bool:
    """Whether `9.1.2` lies in section `9.1`; a section without name holds all."""
    return not section or clause.rpartition(".")[0] == section


def _bare(clause: str) -> dict[str, Any]:
    return {"clause": clause, "title": "", "level": 0, "scope": "tested", "note": ""}


def _clause(standard: str, item: Mapping[str, Any], url: str, citing: Citing) -> Clause:
    reference, groups = citing.get((standard, item["clause"]), (None, ()))
    label = Reference(standard=standard, clause=item["clause"], title="", url="").label
    return Clause(
        label=label,
        title=item["title"] or (reference.title if reference else ""),
        url=item.get("url") or (reference.url if reference else url),
        level=item["level"],
        scope=Scope(item["scope"]),
        note=item["note"],
        checks=groups,
    )


def _unmapped_rfcs(known: set[str], citing: Citing) -> list[Section]:
    """RFCs that a check cites and the mapping does not know of yet."""
    return [
        _cited_section(standard, citing)
        for standard in dict.fromkeys(name for name, _ in citing)
        if standard.startswith("RFC ") and standard not in known
    ]


def _weaknesses(citing: Citing) -> View:
    return View(
        key="CWE",
        title="Common Weakness Enumeration",
        url="https://cwe.mitre.org/",
        note="Only the weaknesses that a check of this run looks for.",
        sections=(_cited_section("CWE", citing),)
        if any(name == "CWE" for name, _ in citing)
        else (),
    )


def _cited_section(standard: str, citing: Citing) -> Section:
    clauses: Iterable[Clause] = (
        Clause(
            label=reference.label,
            title=reference.title,
            url=reference.url,
            level=0,
            scope=Scope.TESTED,
            note="",
            checks=groups,
        )
        for (name, _), (reference, groups) in citing.items()
        if name == standard
    )
    listed = tuple(sorted(clauses, key=lambda clause: _order(clause.label)))
    return Section(
        label="" if standard == "CWE" else standard,
        title="",
        url="",
        requirements=len(listed),
        clauses=listed,
        rest="",
    )


def _order(label: str) -> tuple[tuple[int, int, str], ...]:
    """Sort `9.2` before `9.10`: runs of digits by value, other runs by spelling."""
    runs = re.findall(r"[0-9]{1,9}|[^0-9]+", label)
    return tuple(
        (0, int(run), "") if run[0].isascii() and run.isdigit() else (1, 0, run)
        for run in runs
    )
