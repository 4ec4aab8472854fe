"""Values survive the way to JSON and back, whatever they hold."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.model import (
    CheckSpec,
    Exchange,
    LeftOut,
    Outcome,
    Planned,
    Reference,
    Response,
    Result,
    Run,
    Severity,
    Tier,
    Verdict,
    Waiver,
    from_json,
    to_json,
)

VERDICTS = st.builds(
    Verdict,
    measurements=st.dictionaries(st.text(), st.integers() | st.text(), max_size=3),
)
SECONDS = st.floats(allow_nan=False)
VALUES = (
    st.builds(Exchange, seconds=SECONDS)
    | VERDICTS
    | st.builds(Result, verdict=VERDICTS, seconds=SECONDS)
    | st.from_type(CheckSpec)
    | st.from_type(LeftOut)
    | st.from_type(Planned)
    | st.from_type(Waiver)
)


@given(VALUES)
def test_round_trip(value: object) -> None:
    """What to_json makes, json can write and from_json reads back as the same."""
    text = json.dumps(to_json(value))

    assert from_json(type(value), json.loads(text)) == value


def test_unknown_keys_are_ignored() -> None:
    """A record of a later version can still be read."""
    data = {"check": "a.b", "subject": "x", "later": 1}

    assert from_json(Planned, data) == Planned(check="a.b", subject="x")


@pytest.mark.parametrize(
    "data",
    [{}, {"check": "a.b"}, None, [], "text"],
)
def test_missing_fields_are_an_error(data: object) -> None:
    with pytest.raises(ValueError, match="not a Planned"):
        from_json(Planned, data)


def test_an_unknown_outcome_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a Verdict"):
        from_json(Verdict, {"outcome": "perhaps", "summary": ""})


def test_orders() -> None:
    """Worst first, and the smallest tier first: reports and selection rely on it."""
    assert [s.rank for s in Severity] == [4, 3, 2, 1, 0]
    assert [t.rank for t in Tier] == [0, 1, 2]
    assert max(Outcome, key=lambda outcome: outcome.rank) is Outcome.FAILED
    assert min(Outcome, key=lambda outcome: outcome.rank) is Outcome.NOT_APPLICABLE


def test_response_fields_are_found_in_any_case_and_combined() -> None:
    response = Response(
        status=200, headers=(("Vary", "Origin"), ("vary", "Accept"), ("X", ""))
    )

    assert response.header("VARY") == "Origin, Accept"
    assert response.header_list("vary") == ("Origin", "Accept")
    assert response.header("X") == ""
    assert response.header("absent") is None


@pytest.mark.parametrize(
    ("standard", "clause", "label"),
    [
        ("CWE", "347", "CWE-347"),
        ("OWASP API Top 10 2023", "2", "API2:2023"),
        ("RFC 8725", "3.1", "RFC 8725 §3.1"),
        ("RFC 8725", "", "RFC 8725"),
        ("ASVS 5.0.0", "9.1.2", "ASVS 5.0.0 §9.1.2"),
    ],
)
def test_labels(standard: str, clause: str, label: str) -> None:
    reference = Reference(standard=standard, clause=clause, title="", url="")

    assert reference.label == label


def test_a_waiver_keeps_its_day() -> None:
    waiver = Waiver(
        check="a.b", subject="*", reason="r", owner="o", expires=date(2027, 1, 31)
    )

    assert to_json(waiver)["expires"] == "2027-01-31"


def test_an_empty_run_is_small() -> None:
    """Defaults stay out of the record."""
    assert "results" not in to_json(
        from_json(Run, {"about": dict.fromkeys(_ABOUT, "x")})
    )


_ABOUT = (
    "tool",
    "run_id",
    "command",
    "deployment",
    "base_url",
    "environment",
    "profile",
    "started",
)
