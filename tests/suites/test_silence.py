"""No check takes silence for an answer, whatever it was looking for.

Every check of the catalogue is run against a target that never answers, one that closes
every connection, and one that throttles every request. Each may say that it determined
nothing, or that there is no such thing; none may say that a promise holds or is broken.
A suite that is added is covered from the same day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests import servers
from tollproof import running
from tollproof.cases import PASSIVE
from tollproof.catalogue import Entry, load_entries
from tollproof.model import Outcome, Reason, Result, Run, Tier
from tollproof.record import read_run
from tollproof.reference.launch import serving
from tollproof.resources import bundled

#: Seconds after which a run that waits for silence to end is a failure.
PATIENCE = 300.0

THROTTLED = servers.answer(
    429,
    [("Retry-After", "1"), ("Content-Type", "application/json")],
    b'{"error": {"code": "rate_limited", "message": "Too many requests."}}',
)
TARGETS: Mapping[str, servers.Handler] = {
    "never answers": servers.silent,
    "closes every connection": servers.closes,
    "throttles every request": servers.answers(THROTTLED),
}

#: Checks that look at files of the profile's, not at the target: silence is none there.
LOCAL = frozenset(
    {
        "secrets.logs",
        "secrets.source",
        "secrets.source-code",
        "secrets.stored-raw",
        "secrets.stored-salt",
        "secrets.stored-unkeyed",
        "secrets.stored-unsalted",
    }
)
#: What a 429 looks like can be judged where there is nothing else.
OF_THROTTLING = frozenset({"envelope.rate-limited"})

DETERMINED = (Outcome.PASSED, Outcome.FAILED)
ENTRIES = {entry.spec.id: entry for entry in load_entries([bundled("suites")])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run against such a target came to.

    Attributes:
        asked: connections that were made.
    """

    run: Run
    asked: int

    def of(self, check: str) -> list[Result]:
        """Return the results of one check."""
        return [item for item in self.run.results if item.check == check]


@cache
def seen(name: str) -> Seen:
    """Run everything, load and lifecycle included, on a profile that promises all."""
    with (
        serving(in_process=True, limit=30, window=2.0) as sound,
        servers.scripted(TARGETS[name]) as target,
        tempfile.TemporaryDirectory() as temporary,
    ):
        folder = Path(temporary)
        with urlopen(f"{sound.base_url}/openapi.json") as document:
            (folder / "openapi.json").write_bytes(document.read())
        text = sound.profile_text.replace(
            'openapi = "/openapi.json"', 'openapi = "openapi.json"\ntimeout = 1.0'
        ).replace(sound.base_url, target.origin)
        profile = folder / "profile.toml"
        profile.write_text(text)
        request = running.Request(
            profile=profile,
            output=folder / "out",
            tier=Tier.LOAD,
            command="test",
            progress="silent",
            formats=("json",),
        )
        code = running.run_silently(request, seconds=PATIENCE)
        assert code in (0, 1), f"pytest ended with {code}"
        return Seen(run=read_run(folder / "out"), asked=target.accepted)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("check", ENTRIES)
def test_silence_is_no_answer(check: str, name: str) -> None:
    results = seen(name).of(check)
    left_out = [item for item in seen(name).run.left_out if item.check == check]
    assert results or left_out, "neither decided nor left out"

    if not may_judge(ENTRIES[check], name):
        wrong = [item for item in results if item.verdict.outcome in DETERMINED]
        assert not wrong, [(item.subject, item.verdict.summary) for item in wrong]
    for item in results:
        assert item.verdict.reason is not Reason.HARNESS, item.verdict.summary
        assert item.verdict.reason is not Reason.NOT_RUN, item.subject


def may_judge(entry: Entry, name: str) -> bool:
    """Whether a check has something to judge though the target says so little."""
    if entry.spec.id in LOCAL:
        return True
    if name != "throttles every request":
        return False
    # A refusal by the limiter is a response of the deployment's like any other.
    return PASSIVE in entry.parameters or entry.spec.id in OF_THROTTLING


@pytest.mark.parametrize("name", ["never answers", "closes every connection"])
def test_the_reason_is_told(name: str) -> None:
    reasons = {item.verdict.reason for item in seen(name).run.results}

    assert reasons <= {None, Reason.UNREACHABLE, Reason.PRECONDITION}
    assert Reason.UNREACHABLE in reasons


def test_a_target_that_never_answers_is_hardly_asked() -> None:
    """Each probe would wait for its time-out: all of them together, for hours."""
    found = seen("never answers")

    assert found.asked * 20 < len(found.run.results)


def test_the_exceptions_are_checks_that_exist() -> None:
    assert set(ENTRIES) >= LOCAL | OF_THROTTLING


def test_nearly_every_check_was_put_to_the_proof() -> None:
    """A profile that lacks what a check needs would prove nothing here."""
    run = seen("closes every connection").run
    met = {
        item.check
        for item in run.results
        if item.verdict.outcome is Outcome.INCONCLUSIVE
    }

    assert len(met) * 2 > len(ENTRIES)


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Let go of the runs when the last test has looked at them."""
    yield
    seen.cache_clear()
