"""The JUnit file is what Jenkins' schema wants, and counts what the run counted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from lxml import etree

from tests.reporting.sample import sample_run
from tollproof.reporting import junit

_SCHEMA = Path(__file__).parent / "data" / "junit-10.xsd"


@cache
def junit_schema() -> Any:
    return etree.XMLSchema(etree.parse(_SCHEMA))


def test_sample_is_valid_against_jenkins_schema() -> None:
    junit_schema().assertValid(etree.fromstring(junit.render(sample_run()).encode()))


def test_counts_agree_with_the_elements() -> None:
    root = ET.fromstring(junit.render(sample_run()))

    for suite in root.iter("testsuite"):
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "testcase/failure"),
            ("errors", "testcase/error"),
            ("skipped", "testcase/skipped"),
        ):
            assert int(suite.get(attribute, "0")) == len(suite.findall(tag))
    assert root.get("tests") == "26"
    assert root.get("failures") == "5"
    assert root.get("errors") == "2"


def test_verdicts_become_the_elements_of_the_design() -> None:
    root = ET.fromstring(junit.render(sample_run()))
    found = {
        case.get("name"): [child.tag for child in case]
        for case in root.iter("testcase")
    }

    assert found["authentication.missing [GET /api/v1/projects]"] == ["failure"]
    assert found["tokens.unsigned [GET /api/v1/me]"] == ["error"]
    assert found["headers.hsts [deployment]"] == ["skipped"]
    assert found["tenancy.read [GET /api/v1/projects/{id}]"] == ["skipped"]
    assert found["rotation.overlap [alpha]"] == []


def test_waived_failure_says_who_accepts_it_until_when() -> None:
    root = ET.fromstring(junit.render(sample_run()))
    (skipped,) = root.findall("testsuite[@name='headers']/testcase/skipped")

    message = skipped.get("message", "")
    assert message.startswith("waived until 2027-01-31 by jane@example.com: TLS ends")


def test_equal_names_are_told_apart() -> None:
    run = sample_run()
    doubled = replace(run, results=(run.results[0], run.results[0]))

    names = [
        c.get("name") for c in ET.fromstring(junit.render(doubled)).iter("testcase")
    ]
    assert names[:2] == [
        "authentication.missing [GET /api/v1/me]",
        "authentication.missing [GET /api/v1/me] (2)",
    ]


def test_problem_of_the_profile_fails_the_file() -> None:
    run = replace(sample_run(), problems=("The waiver of x.y matches nothing.",))
    root = ET.fromstring(junit.render(run))

    (failure,) = root.findall("testsuite[@name='profile']/testcase/failure")
    assert failure.get("message") == "The waiver of x.y matches nothing."
    assert root.get("failures") == "6"


def test_control_characters_are_seen_not_dropped() -> None:
    run = sample_run()
    first = replace(run.results[0], subject="a\x00b\x1bc")
    root = ET.fromstring(junit.render(replace(run, results=(first,), planned=())))

    (case,) = root.iter("testcase")
    assert case.get("name") == r"authentication.missing [a\x00b\x1bc]"
