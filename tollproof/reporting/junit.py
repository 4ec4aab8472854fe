"""JUnit XML, as the schema of Jenkins' xUnit plugin (junit-10.xsd) has it.

Knows the dialect that Jenkins, GitLab and GitHub actions read: `classname` is the
suite, `name` the check and its subject, unique; a failure is a `failure`, an
inconclusive verdict an `error`, a waived failure and what does not apply `skipped`.
Must not know where the file goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from tollproof.model import Run
from tollproof.reporting.summary import Case, State, Summary, summarise
from tollproof.reporting.text import clip, one_line, visible

__all__ = ["render"]

_TEXT, _LINE = 20_000, 1_000


def render(run: Run) -> str:
    """Return the XML document, with its declaration."""
    summary = summarise(run)
    root = ET.Element("testsuites", name="tollproof")
    names: set[tuple[str, str]] = set()
    suites: dict[str, list[Case]] = {}
    for case in summary.cases:
        suites.setdefault(case.spec.suite, []).append(case)
    if run.problems:
        root.append(_problems(run))
    for suite, cases in suites.items():
        root.append(_suite(run, suite, cases, names))
    _count(root, summary, len(run.problems))
    ET.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + ET.tostring(root, encoding="unicode")
        + "\n"
    )


def _suite(
    run: Run, suite: str, cases: list[Case], names: set[tuple[str, str]]
) -> ET.Element:
    states = [case.state for case in cases]
    element = ET.Element(
        "testsuite",
        name=one_line(clip(suite, _LINE)),
        tests=str(len(cases)),
        failures=str(states.count(State.FAILED)),
        errors=str(states.count(State.INCONCLUSIVE)),
        skipped=str(states.count(State.NOT_APPLICABLE) + states.count(State.WAIVED)),
        time=_seconds(case.result.seconds for case in cases),
        timestamp=one_line(clip(min(case.result.at for case in cases), _LINE)),
    )
    about = run.about
    properties = ET.SubElement(element, "properties")
    for name, value in (
        ("tool", about.tool),
        ("run", about.run_id),
        ("command", about.command),
        ("deployment", about.deployment),
        ("base-url", about.base_url),
        ("environment", about.environment),
        ("profile", about.profile),
        ("seed", str(about.seed)),
    ):
        ET.SubElement(
            properties, "property", name=name, value=one_line(clip(value, _LINE))
        )
    for case in cases:
        element.append(_testcase(suite, case, names))
    return element


def _testcase(suite: str, case: Case, names: set[tuple[str, str]]) -> ET.Element:
    classname = one_line(clip(suite, _LINE))
    name = one_line(clip(f"{case.spec.id} [{case.result.subject}]", _LINE))
    unique, turn = name, 1
    while (classname, unique) in names:
        # Consumers drop the second of two equal names, and with it a verdict.
        turn += 1
        unique = f"{name} ({turn})"
    names.add((classname, unique))
    element = ET.Element(
        "testcase",
        classname=classname,
        name=unique,
        time=_seconds([case.result.seconds]),
    )
    tag, kind = {
        State.FAILED: ("failure", case.spec.severity.value),
        State.INCONCLUSIVE: ("error", case.verdict.reason or "inconclusive"),
        State.WAIVED: ("skipped", "waived"),
        State.NOT_APPLICABLE: ("skipped", "not_applicable"),
        State.PASSED: ("", ""),
    }[case.state]
    if tag:
        message = _waived(case) if case.state is State.WAIVED else case.verdict.summary
        child = ET.SubElement(
            element, tag, type=str(kind), message=one_line(clip(message, _LINE))
        )
        child.text = visible(clip("\n".join(_body(case)), _TEXT))
    return element


def _body(case: Case) -> Iterable[str]:
    verdict = case.verdict
    yield f"{case.spec.title} ({case.spec.severity})"
    yield verdict.summary
    if verdict.expected or verdict.actual:
        yield f"expected: {verdict.expected}"
        yield f"actual:   {verdict.actual}"
    if case.spec.remediation and case.state in (State.FAILED, State.WAIVED):
        yield f"remedy: {case.spec.remediation}"
    if case.spec.references:
        yield "see: " + ", ".join(item.label for item in case.spec.references)
    if verdict.exchanges:
        yield "evidence: " + ", ".join(verdict.exchanges[:10])


def _waived(case: Case) -> str:
    waiver = case.result.waiver
    if waiver is None:
        return case.verdict.summary
    return (
        f"waived until {waiver.expires.isoformat()} by {waiver.owner}: "
        f"{waiver.reason} (failed: {case.verdict.summary})"
    )


def _problems(run: Run) -> ET.Element:
    """What fails the gate besides results fails a consumer of this file as well."""
    total = str(len(run.problems))
    element = ET.Element(
        "testsuite", name="profile", tests=total, failures=total, errors="0"
    )
    for number, problem in enumerate(run.problems, 1):
        case = ET.SubElement(
            element, "testcase", classname="profile", name=f"problem {number}"
        )
        text = one_line(clip(problem, _LINE))
        ET.SubElement(case, "failure", type="problem", message=text)
    return element


def _count(root: ET.Element, summary: Summary, problems: int) -> None:
    root.set("tests", str(len(summary.cases) + problems))
    root.set("failures", str(summary.tally[State.FAILED] + problems))
    root.set("errors", str(summary.tally[State.INCONCLUSIVE]))
    root.set("time", _seconds(case.result.seconds for case in summary.cases))


def _seconds(values: Iterable[float]) -> str:
    """Three decimals, as the schema wants; never negative, never `nan`."""
    total = sum(value for value in values if 0 < value < 1e9)
    return f"{total:.3f}"
