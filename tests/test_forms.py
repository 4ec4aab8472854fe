"""Other forms of a request are of use where they are served like the plain one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploying import ALPHA, ENVIRON, KEY, deployment_of, profile_at
from tests.guarded import OPERATIONS, Answer, Asked, Told, guarded
from tollproof.deployment import Deployment
from tollproof.forms import Form, Proof, forms, useful
from tollproof.quota import (
    ordinary_operation,
    plain_request,
    plan_measurement,
    unasked,
)
from tollproof.ratelimit.finding import Aspect
from tollproof.ratelimit.promise import (
    ERRONEOUS,
    ERRONEOUS_AT_ALL,
    OTHER_ADDRESS,
    OTHER_OPERATION,
)
from tollproof.target import Target

BASE = "http://127.0.0.1:9"
WRITES = "\n[consent]\nwrites = true\n"
LIMIT = "\n[promises.rate_limit]\nlimit = 9\nwindow = 9\n"
ALWAYS = {"forwarded", "other-agent", "query", "empty-query", "head"}


def found(deployment: Deployment) -> tuple[Form, ...]:
    operation = ordinary_operation(deployment)
    key = deployment.identities["alpha"]
    plain = plain_request(deployment, operation, key)
    return forms(deployment, operation, plain, (key,))


def names(folder: Path, *parts: str, base_url: str = BASE) -> dict[str, Form]:
    profile = profile_at(folder / "profile.toml", base_url, OPERATIONS, ALPHA, *parts)
    with deployment_of(profile, environ=ENVIRON) as deployment:
        return {form.name: form for form in found(deployment)}


@contextmanager
def sifted(
    folder: Path, alter: Answer | None = None, *parts: str
) -> Iterator[tuple[set[str], list[str]]]:
    """Yield the forms that are of use, and what was asked to find out."""
    asked: list[str] = []

    def noting(one: Asked, told: Told) -> Told:
        asked.append(f"{one.method} {one.path}")
        return alter(one, told) if alter else told

    with guarded(KEY, noting) as server:
        profile = profile_at(
            folder / "profile.toml", server.origin, OPERATIONS, ALPHA, LIMIT, *parts
        )
        with deployment_of(profile, environ=ENVIRON) as deployment:
            target = Target(deployment, "ratelimit.evasion")
            operation = ordinary_operation(deployment)
            sifted = useful(target, operation, found(deployment))
            assert not sifted.unasked
            yield {form.name for form in sifted.kept} - {OTHER_ADDRESS}, asked


def test_a_server_that_is_strict_leaves_no_other_spelling(tmp_path: Path) -> None:
    with sifted(tmp_path, None, WRITES) as (kept, asked):
        assert kept == ALWAYS | {OTHER_OPERATION, ERRONEOUS, ERRONEOUS_AT_ALL}
        assert "POST /things" in asked
        # Each was asked for once.
        assert len({*asked}) >= len(asked) - 3


def test_what_is_served_alike_is_tried(tmp_path: Path) -> None:
    def lenient(asked: Asked, told: Told) -> Told:
        if asked.path == "/things/":
            return Told(status=200, body=b'{"path": "/things/"}')
        return told

    with sifted(tmp_path, lenient) as (kept, _):
        assert "slash-at-the-end" in kept
        assert "doubled-slash" not in kept


def test_a_page_that_is_served_for_every_path_is_nothing_alike(tmp_path: Path) -> None:
    def page(asked: Asked, told: Told) -> Told:
        if told.status == 404:
            return Told(
                status=200,
                body=b"<html></html>",
                headers=(("Content-Type", "text/html"),),
            )
        return told

    with sifted(tmp_path, page, WRITES) as (kept, _):
        assert kept == ALWAYS | {OTHER_OPERATION}


def test_a_method_that_nobody_described_is_sent_with_consent_only(
    tmp_path: Path,
) -> None:
    assert "post" not in names(tmp_path)
    assert names(tmp_path, WRITES)["post"].proof is Proof.ALIKE
    declared = '\n[[target.operations]]\nmethod = "POST"\npath = "/things"\n'
    assert "post" not in names(tmp_path, declared, WRITES)

    def anything(asked: Asked, told: Told) -> Told:
        if asked.method == "POST":
            return Told(status=200, body=b'{"path": "/things"}')
        return told

    with sifted(tmp_path, anything, WRITES) as (kept, _):
        assert "post" in kept


def test_a_form_that_has_no_answer_is_neither_tried_nor_forgotten(
    tmp_path: Path,
) -> None:
    def throttling(asked: Asked, told: Told) -> Told:
        return Told(status=429) if asked.path == "/things/" else told

    with guarded(KEY, throttling) as server:
        profile = profile_at(
            tmp_path / "profile.toml", server.origin, OPERATIONS, ALPHA, LIMIT
        )
        with deployment_of(profile, environ=ENVIRON) as deployment:
            target = Target(deployment, "ratelimit.evasion")
            operation = ordinary_operation(deployment)
            planned = plan_measurement(
                deployment, lambda _, forms: useful(target, operation, forms)
            )
    assert planned.unasked == ("slash-at-the-end (throttled)",)
    assert "slash-at-the-end" not in {form.name for form in planned.forms}
    guard = unasked(planned)
    assert guard is not None
    assert "slash-at-the-end (throttled)" in guard.why
    assert guard.passes == {Aspect.EVASION, Aspect.SCOPE}
    assert guard.fails == frozenset()


@pytest.mark.parametrize(
    ("counts", "tried"),
    [
        ("", {"head"}),
        ('counts.methods = ["GET"]', set()),
        ('counts.methods = ["GET", "HEAD"]', {"head"}),
        ('counts.methods = ["*"]', {"head", "options"}),
        ('counts.methods = ["GET", "OPTIONS"]', {"options"}),
    ],
)
def test_methods_are_tried_that_are_promised_to_count(
    tmp_path: Path, counts: str, tried: set[str]
) -> None:
    assert names(tmp_path, LIMIT + counts + "\n").keys() & {"head", "options"} == tried


def test_an_error_is_best_asked_of_an_operation(tmp_path: Path) -> None:
    one = names(tmp_path)
    assert one[ERRONEOUS].spec.path == "/things/tollproof-nothing"
    assert one[ERRONEOUS_AT_ALL].proof is Proof.ERROR
    below = names(tmp_path, base_url=f"{BASE}/v1")
    assert below[ERRONEOUS].spec.path == "/v1/things/tollproof-nothing"
    assert one[OTHER_OPERATION].spec.path == "/things/one"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has one loopback")
def test_another_address_is_there_on_loopback_only(tmp_path: Path) -> None:
    assert names(tmp_path)[OTHER_ADDRESS].spec.source == "127.0.0.2"
    for base_url in ("https://api.example", "http://127.0.0.2:9", "http://[::1]:9"):
        assert OTHER_ADDRESS not in names(tmp_path, base_url=base_url)
