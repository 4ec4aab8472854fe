"""The published schema is the model's, and refuses what is not a run."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from tests.reporting.sample import sample_run
from tollproof.reporting.jsonreport import render
from tollproof.reporting.schema import schema, schema_text
from tollproof.resources import bundled

_CHECK = jsonschema.Draft202012Validator(
    schema(), format_checker=jsonschema.FormatChecker()
)


def test_published_schema_is_not_stale() -> None:
    """Else run the command that stands in tollproof/reporting/schema.py."""
    published = bundled("reports") / "schemas" / "results.schema.json"

    assert published.read_text(encoding="utf-8") == schema_text()


def test_schema_is_a_schema_and_accepts_the_sample() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    _CHECK.validate(json.loads(render(sample_run())))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("results", 0, "verdict", "outcome"), "ok"),
        (("results", 0, "verdict", "summary"), None),
        (("results", 0, "seconds"), "0.1"),
        (("checks", 0, "severity"), "blocker"),
        (("exchanges", 0, "request", "headers", 0), ["only a name"]),
        (("waivers", 0, "expires"), "some day"),
        (("traffic", "by_status", "200"), "many"),
        (("planned",), {}),
    ],
)
def test_what_is_not_a_run_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    data: Any = copy.deepcopy(json.loads(render(sample_run())))
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value

    assert not _CHECK.is_valid(data)


def test_newer_members_are_allowed() -> None:
    data = json.loads(render(sample_run()))
    data["of_tomorrow"] = data["results"][0]["of_tomorrow"] = {"any": "thing"}

    assert _CHECK.is_valid(data)


def test_attributes_of_the_docstrings_are_in_the_schema() -> None:
    about = schema()["$defs"]["Verdict"]["properties"]["reason"]["description"]

    assert about == "set when, and only when, the outcome is inconclusive."
