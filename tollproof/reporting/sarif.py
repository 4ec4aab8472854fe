"""SARIF 2.1.0 for code scanning: every failure at the line that made the promise.

Knows the OASIS schema and what GitHub's code scanning accepts. Must not know where the
file goes.

What becomes what:

- a failed result: `kind` fail, level error, warning or note by severity;
- a waived failure: the same, with a `suppressions` entry that is accepted, so that
  GitHub shows the alert as dismissed;
- an inconclusive result: level note, *without* a kind. `kind: review` would say it
  better, but SARIF then demands level none, and GitHub shows no alert for it: a
  verdict that nobody could reach must not vanish. Its rule tags it `inconclusive`;
- passed and not applicable: no result. GitHub opens an alert for whatever it finds.

GitHub refuses a file whole when one result lacks a relative location, and reopens
alerts when a fingerprint changes: each result is anchored at the most exact place in
`run.about.anchors` (its subject, its check, its suite), else at the profile's first
line, and its fingerprint is made of check id and subject alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from tollproof.model import Anchor, CheckSpec, Run, Severity
from tollproof.reporting.summary import Case, State, Summary, summarise
from tollproof.reporting.text import clip, visible, visible_json

__all__ = ["render"]

_TEXT = 4_000
_MAX_RESULTS = 5_000  # GitHub keeps no more of a run, and takes no more than 25,000
_MAX_TAGS = 10
_LEVEL = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# GitHub's bands: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, else low.
_SCORE = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.5",
    Severity.INFO: "0.1",
}
_SHOWN = (State.FAILED, State.WAIVED, State.INCONCLUSIVE)


def render(run: Run) -> str:
    """Return the log as JSON text."""
    summary = summarise(run)
    cases = sorted(
        summary.of(*_SHOWN),
        key=lambda case: (_SHOWN.index(case.state), -case.spec.severity.rank),
    )[:_MAX_RESULTS]
    specs: dict[str, CheckSpec] = {case.spec.id: case.spec for case in cases}
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/"
        "schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [_run(run, summary, cases, specs)],
    }
    return json.dumps(visible_json(log), indent=1, allow_nan=False) + "\n"


def _run(
    run: Run,
    summary: Summary,
    cases: Sequence[Case],
    specs: Mapping[str, CheckSpec],
) -> dict[str, Any]:
    about = run.about
    index = {check: number for number, check in enumerate(specs)}
    name, _, version = about.tool.partition(" ")
    driver = {"name": name or "tollproof", "rules": [_rule(s) for s in specs.values()]}
    if re.fullmatch(r"\d+\.\d+\.\d+[\w.+-]*", version, re.ASCII):
        driver["semanticVersion"] = version
    category = f"{name or 'tollproof'}/{_slug(about.profile)}/{_slug(about.command)}/"
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": category},
        "columnKind": "utf16CodeUnits",
        "invocations": [
            {
                "executionSuccessful": not about.interrupted,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": clip(problem, _TEXT)}}
                    for problem in run.problems[:100]
                    if problem
                ],
            }
        ],
        "properties": {
            "decision": summary.decision.value,
            "deployment": about.deployment,
            "baseUrl": about.base_url,
            "runId": about.run_id,
            "tally": {state.value: total for state, total in summary.tally.items()},
        },
        "results": [_result(run, case, index[case.spec.id]) for case in cases],
    }


def _rule(spec: CheckSpec) -> dict[str, Any]:
    title = clip(spec.title, 500) or spec.id or "-"
    rationale = clip(spec.rationale, _TEXT) or title
    links = [f"{item.label} {item.title}".strip() for item in spec.references]
    text = "\n\n".join(
        part for part in (rationale, spec.remediation, "\n".join(links)) if part
    )
    markdown = "\n\n".join(
        _markdown(part)
        for part in (rationale, spec.remediation and f"Remedy: {spec.remediation}")
        if part
    )
    rule: dict[str, Any] = {
        "id": _rule_id(spec),
        "name": _pascal(spec.id),
        "shortDescription": {"text": _sentence(title)},
        "fullDescription": {"text": _sentence(rationale)},
        "help": {
            "text": clip(text, _TEXT),
            "markdown": "\n".join([markdown, "", *_links(spec)]),
        },
        "defaultConfiguration": {"level": _LEVEL[spec.severity]},
        "properties": {
            "tags": _tags(spec),
            "precision": "very-high",
            "problem.severity": _problem_severity(spec.severity),
            "security-severity": _SCORE[spec.severity],
        },
    }
    for item in spec.references:
        if _is_web(item.url):
            rule["helpUri"] = item.url
            break
    return rule


def _result(run: Run, case: Case, index: int) -> dict[str, Any]:
    verdict, subject = case.verdict, clip(case.result.subject, 500)
    words = [f"{case.spec.title}: {verdict.summary}"]
    if verdict.expected or verdict.actual:
        words.append(f"Expected: {verdict.expected}\nActual: {verdict.actual}")
    if case.state is State.INCONCLUSIVE:
        words.insert(0, f"Inconclusive ({verdict.reason or 'no reason given'}).")
    message = clip(f"[{subject}] " + "\n".join(words), _TEXT)
    result: dict[str, Any] = {
        "ruleId": _rule_id(case.spec),
        "ruleIndex": index,
        "level": "note"
        if case.state is State.INCONCLUSIVE
        else _LEVEL[case.spec.severity],
        # A placeholder is `{0}`, a link `[text](1)`: both are escaped by the format.
        "message": {
            "text": re.sub(r"[\\\[\]]", r"\\\g<0>", message)
            .replace("{", "{{")
            .replace("}", "}}")
        },
        "locations": [_location(run, case)],
        "partialFingerprints": {"tollproof/v1": _fingerprint(case)},
        "properties": {
            "state": case.state.value,
            "subject": subject,
            "exchanges": list(verdict.exchanges[:20]),
        },
    }
    if case.state is not State.INCONCLUSIVE:
        result["kind"] = "fail"
    waiver = case.result.waiver
    if case.state is State.WAIVED and waiver:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": clip(
                    f"{waiver.reason} (waived by {waiver.owner} until "
                    f"{waiver.expires.isoformat()})",
                    _TEXT,
                ),
            }
        ]
    return result


def _location(run: Run, case: Case) -> dict[str, Any]:
    anchors = run.about.anchors
    names = (case.result.subject, case.spec.id, *case.spec.aliases, case.spec.suite)
    anchor = next((anchors[name] for name in names if name in anchors), None)
    anchor = anchor or Anchor(file=run.about.profile)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(anchor.file)},
            "region": {"startLine": min(max(1, anchor.line), 2**31 - 1)},
        },
        "logicalLocations": [
            {"fullyQualifiedName": clip(case.result.subject, 500), "kind": "resource"}
        ],
    }


def _uri(file: str) -> str:
    """Return the path as a relative URI; GitHub matches no other to a checkout."""
    path = PurePosixPath(visible(file).replace("\\", "/"))
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    relative = quote("/".join(parts), safe="/-._~")
    return relative or "profile.toml"


def _fingerprint(case: Case) -> str:
    """Made of check id and subject alone, as GitHub tells alerts apart by it."""
    told = json.dumps([case.spec.id, case.result.subject])
    return hashlib.sha256(told.encode()).hexdigest()[:32] + ":1"


def _rule_id(spec: CheckSpec) -> str:
    """The check's id; one that breaks the declared form is made to keep to it."""
    return re.sub(r"[^\w.-]", "_", spec.id, flags=re.ASCII)[:255] or "unnamed"


def _pascal(identifier: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", identifier)
    return "".join(word[:1].upper() + word[1:] for word in words)[:255] or "Unnamed"


def _sentence(text: str) -> str:
    text = clip(text, 1_000)
    return text if text.endswith((".", "!", "?")) else text + "."


def _tags(spec: CheckSpec) -> list[str]:
    tags = ["security", spec.suite or "unnamed", spec.tier.value]
    for item in spec.references:
        if item.standard == "CWE":
            # The form that GitHub links to the weakness.
            tags.append(f"external/cwe/cwe-{item.clause.zfill(3)}")
        else:
            tags.append(item.label)
    return [clip(tag, 100) for tag in dict.fromkeys(tags)][:_MAX_TAGS]


def _problem_severity(severity: Severity) -> str:
    return {"error": "error", "warning": "warning"}.get(
        _LEVEL[severity], "recommendation"
    )


def _links(spec: CheckSpec) -> list[str]:
    return [
        f"- [{_markdown(item.label)}]({quote(item.url, safe=':/#?=&%-._~')}) "
        f"{_markdown(item.title)}"
        for item in spec.references
        if _is_web(item.url)
    ]


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~:.@-])", r"\\\1", clip(text, _TEXT))


def _is_web(url: str) -> bool:
    return (
        re.fullmatch(r"https://[\w.-]+(/[\w./~%#?=&+:-]*)?", url, re.ASCII) is not None
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "run"
