"""What is decided, what is left out and why; and that nothing planned can vanish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploying import ALPHA, deployment_of, identity, profile_at
from tollproof.cases import NONE, WHOLE, Case, Selection, cases
from tollproof.deployment import Deployment
from tollproof.model import (
    CheckSpec,
    Impact,
    Outcome,
    Planned,
    Reason,
    Result,
    Severity,
    Tier,
    Verdict,
)
from tollproof.opening import Options
from tollproof.plan import Plan, reconcile

SPEC = CheckSpec(id="suite.slug", title="It holds", severity=Severity.LOW)
ALL = Selection(tier=Tier.LOAD)

OPERATIONS = """
[[target.operations]]
method = "GET"
path = "/things"
[[target.operations]]
method = "GET"
path = "/things/{id}"
[[target.operations]]
method = "PUT"
path = "/things/{id}"
body = { name = "x" }
[[target.operations]]
method = "POST"
path = "/notes"
body_text = "x"
content_type = "text/plain"
[[target.operations]]
method = "GET"
path = "/health"
public = true
"""
BETA = identity("beta")
REVOKED = identity("gone", 'state = "revoked"')
WRITES = "\n[consent]\nwrites = true\n"

Open = Callable[..., Deployment]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open a deployment on a profile of these parts; nothing is sent to it."""

    def open_it(*parts: str, production: bool = False, **options: object) -> Deployment:
        profile = profile_at(tmp_path / "p.toml", "http://127.0.0.1:9", *parts)
        if production:
            target = profile.target.model_copy(update={"environment": "production"})
            profile = profile.model_copy(update={"target": target})
        given = Options(**options)  # type: ignore[arg-type]
        with deployment_of(profile, options=given) as deployment:
            return deployment

    return open_it


def plan(deployment: Deployment, *names: str, spec: CheckSpec = SPEC) -> list[Case]:
    return list(cases(spec, ("target", *names), deployment, ALL))


def subjects(found: list[Case]) -> list[str]:
    return [case.subject for case in found if not (case.left_out or case.inapplicable)]


# -- subjects ------------------------------------------------------------------------


def test_a_check_without_a_subject_is_about_the_whole(opened: Open) -> None:
    assert plan(opened(OPERATIONS, ALPHA)) == [Case(subject=WHOLE)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "operation",
            ["GET /things", "GET /things/{id}", "PUT /things/{id}", "POST /notes"],
        ),
        ("public_operation", ["GET /health"]),
        ("read_operation", ["GET /things", "GET /things/{id}"]),
        ("body_operation", ["PUT /things/{id}"]),
        ("path_operation", ["GET /things", "GET /things/{id}", "POST /notes"]),
        ("identity", ["alpha", "beta"]),
    ],
)
def test_every_subject_of_a_kind(opened: Open, name: str, expected: list[str]) -> None:
    deployment = opened(OPERATIONS, ALPHA, BETA, REVOKED, WRITES)

    assert subjects(plan(deployment, name)) == expected


def test_two_kinds_of_subject_are_combined(opened: Open) -> None:
    deployment = opened(OPERATIONS, ALPHA, BETA)
    found = plan(deployment, "read_operation", "identity")

    assert subjects(found) == [
        "GET /things as alpha",
        "GET /things as beta",
        "GET /things/{id} as alpha",
        "GET /things/{id} as beta",
    ]
    for case in found:
        operation, identity = case.arguments.values()
        assert case.subject == f"{operation.label} as {identity.name}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "parts", "sentence"),
    [
        ("public_operation", (ALPHA,), "no public operation"),
        ("body_operation", (ALPHA,), "takes a JSON body"),
        ("identity", (), "no live identity"),
    ],
)
def test_no_subject_of_a_kind_is_not_applicable_with_the_sentence(
    opened: Open, name: str, parts: tuple[str, ...], sentence: str
) -> None:
    one = '\n[[target.operations]]\nmethod = "GET"\npath = "/x"\n'
    (case,) = plan(opened(one, *parts), name)

    assert (case.subject, case.left_out) == (NONE, "")
    assert sentence in case.inapplicable


# -- what keeps a check from running -------------------------------------------------


def test_a_missing_need_is_not_applicable_and_says_what_to_add(opened: Open) -> None:
    spec = replace(SPEC, needs=("identity.live", "identity.revoked"))
    (case,) = plan(opened(OPERATIONS, ALPHA), "operation", spec=spec)

    assert case.subject == NONE
    assert 'add one with state = "revoked"' in case.inapplicable
    assert subjects(plan(opened(OPERATIONS, ALPHA, REVOKED), "identity", spec=spec))


def test_an_operation_that_may_change_something_needs_consent(opened: Open) -> None:
    found = plan(opened(OPERATIONS, ALPHA), "operation")
    left_out = {case.subject: case.left_out for case in found if case.left_out}

    assert list(left_out) == ["PUT /things/{id}", "POST /notes"]
    assert "`consent.writes = true`" in left_out["POST /notes"]
    assert "`target.read_only`" in left_out["POST /notes"]


@pytest.mark.parametrize(
    ("impact", "line"),
    [
        (Impact.WRITES, "writes"),
        (Impact.LIFECYCLE, "key_lifecycle"),
        (Impact.LOAD, "load"),
    ],
)
def test_without_consent_a_check_is_left_out_with_the_line_to_write(
    opened: Open, impact: Impact, line: str
) -> None:
    spec = replace(SPEC, impact=impact)
    (case,) = plan(opened(OPERATIONS, ALPHA), spec=spec)
    consent = f"\n[consent]\n{line} = true\n"

    assert case.left_out.startswith(f"set `consent.{line} = true` in the profile")
    assert plan(opened(OPERATIONS, ALPHA, consent), spec=spec)[0].left_out == ""


@pytest.mark.parametrize("impact", [Impact.LIFECYCLE, Impact.LOAD])
def test_production_needs_a_second_consent(opened: Open, impact: Impact) -> None:
    parts = (OPERATIONS, ALPHA, "\n[consent]\nload = true\nkey_lifecycle = true\n")
    spec = replace(SPEC, impact=impact)
    (once,) = plan(opened(*parts, production=True), spec=spec)
    twice = opened(*parts, production=True, production_consent=True)

    assert "--consent-to-production" in once.left_out
    assert plan(twice, spec=spec)[0].left_out == ""


def test_the_second_consent_does_not_stand_in_for_the_first(opened: Open) -> None:
    deployment = opened(OPERATIONS, ALPHA, production=True, production_consent=True)
    (case,) = plan(deployment, spec=replace(SPEC, impact=Impact.LOAD))

    assert "`consent.load = true`" in case.left_out


@pytest.mark.parametrize("asked", list(Tier))
@pytest.mark.parametrize("own", list(Tier))
def test_a_later_command_runs_the_earlier_ones_too(
    opened: Open, asked: Tier, own: Tier
) -> None:
    spec = replace(SPEC, tier=own)
    (case,) = cases(spec, ("target",), opened(OPERATIONS, ALPHA), Selection(tier=asked))

    assert bool(case.left_out) == (list(Tier).index(own) > list(Tier).index(asked))
    if case.left_out:
        assert f"tollproof {own}" in case.left_out


@pytest.mark.parametrize(
    ("selection", "runs"),
    [
        (Selection(suites=("suite",)), True),
        (Selection(suites=("other",)), False),
        (Selection(suites=("other", "suite")), True),
        (Selection(checks=("suite.slug",)), True),
        (Selection(checks=("suite.*",)), True),
        (Selection(checks=("suite.former",)), True),
        (Selection(checks=("suite.slu",)), False),
        (Selection(suites=("suite",), checks=("other.slug",)), False),
    ],
)
def test_what_was_asked_for(opened: Open, selection: Selection, runs: bool) -> None:
    spec = replace(SPEC, aliases=("suite.former",))
    (case,) = cases(spec, ("target",), opened(OPERATIONS, ALPHA), selection)

    assert (case.left_out == "") is runs


# -- the conservation law ------------------------------------------------------------

keys = st.builds(
    Planned,
    check=st.sampled_from(["a.a", "a.b", "b.a"]),
    subject=st.sampled_from(["x", "y", "deployment"]),
)
results = st.builds(
    lambda key, outcome, number: Result(
        check=key.check,
        subject=key.subject,
        verdict=Verdict(outcome=outcome, summary=str(number)),
        at="",
        seconds=0.0,
    ),
    keys,
    st.sampled_from(list(Outcome)),
    st.integers(),
)


def key_of(result: Result) -> Planned:
    return Planned(check=result.check, subject=result.subject)


@given(st.lists(keys, unique=True), st.lists(results))
def test_every_planned_case_has_exactly_one_result(
    planned: list[Planned], reached: list[Result]
) -> None:
    found = reconcile(Plan(planned=tuple(planned)), reached)
    by_key = {key_of(result): result for result in found}

    assert len(by_key) == len(found)
    assert [key_of(result) for result in found][: len(planned)] == planned
    assert set(by_key) == {*planned, *map(key_of, reached)}
    for key, result in by_key.items():
        verdicts = [item.verdict for item in reached if key_of(item) == key]
        if verdicts:
            worst = max(verdict.outcome.rank for verdict in verdicts)
            assert result.verdict.outcome.rank == worst
            assert result.verdict in verdicts
        else:
            assert result.verdict.outcome is Outcome.INCONCLUSIVE
            assert result.verdict.reason is Reason.NOT_RUN
            assert result.verdict.summary


@given(st.lists(keys, unique=True), st.lists(results), st.randoms())
def test_the_order_in_which_results_arrive_does_not_matter(
    planned: list[Planned], reached: list[Result], random: object
) -> None:
    shuffled = list(reached)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plan = Plan(planned=tuple(planned))

    def outcomes(found: tuple[Result, ...]) -> dict[Planned, Outcome]:
        return {key_of(result): result.verdict.outcome for result in found}

    assert outcomes(reconcile(plan, reached)) == outcomes(reconcile(plan, shuffled))
