"""The correct deployment keeps every promise; each fault breaks exactly one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.reference.sparkient.caller import Caller
from tests.reference.sparkient.promises import OVER_TLS, PROMISES
from tollproof.reference.faults import FAULTS, Fault
from tollproof.reference.launch import serving

LIMIT = 100_000
JUDGED = {**PROMISES, **OVER_TLS}
#: Faults of what is promised here; those of other suites have tests of their own.
OURS = [fault for fault in FAULTS if fault.check in JUDGED]


@contextlib.contextmanager
def calling(*faults: str, tls: bool = False) -> Iterator[Caller]:
    with serving(
        faults=faults, limit=LIMIT, window=60, tls=tls, in_process=True
    ) as deployment:
        caller = Caller(deployment)
        try:
            yield caller
        finally:
            caller.close()


@pytest.fixture(scope="module")
def correct() -> Iterator[Caller]:
    with calling() as caller:
        yield caller


@pytest.fixture(scope="module")
def correct_over_tls() -> Iterator[Caller]:
    with calling(tls=True) as caller:
        yield caller


@pytest.mark.parametrize("check", PROMISES)
def test_the_correct_deployment_keeps_its_promise(correct: Caller, check: str) -> None:
    assert PROMISES[check](correct)


@pytest.mark.parametrize("check", OVER_TLS)
def test_the_correct_deployment_keeps_its_promise_over_tls(
    correct_over_tls: Caller, check: str
) -> None:
    assert OVER_TLS[check](correct_over_tls)


@pytest.mark.parametrize("fault", OURS, ids=lambda fault: fault.name)
def test_a_fault_breaks_the_promise_of_its_check_and_no_other(fault: Fault) -> None:
    tls = "tls" in fault.needs
    promises = JUDGED if tls else PROMISES
    with calling(fault.name, tls=tls) as caller:
        broken = [check for check, kept in promises.items() if not kept(caller)]
    assert broken == [fault.check]


def test_every_promise_is_broken_by_a_fault() -> None:
    assert {fault.check for fault in OURS} == JUDGED.keys()
