"""What is proved: every fault there is, each once, and whatever it is a fault of."""

from __future__ import annotations

import tomllib

import pytest

from tollproof.errors import UsageError
from tollproof.proving import EVERY, SOUND, Trial, prove, trials
from tollproof.reference.coherent_spark.launch import FAULTS as SPARK_FAULTS
from tollproof.reference.faults import FAULTS, Fault, select
from tollproof.reference.launch import SPARK, serving
from tollproof.sdk.proving import SDK_FAULTS


def test_each_fault_is_named_once_whatever_has_it() -> None:
    names = [fault.name for fault in EVERY]
    assert len(set(names)) == len(names)
    assert len(names) == len(FAULTS) + len(SPARK_FAULTS) + len(SDK_FAULTS)


def test_every_kind_of_target_has_a_sound_trial_of_its_own() -> None:
    sound = [trial for trial in trials(EVERY) if trial.fault == SOUND]
    assert {trial.of for trial in sound} == {fault.of for fault in EVERY}
    (first, *rest) = trials([Fault(name="x", check="sdk.url", title="t", of="sample")])
    assert first == Trial(fault=SOUND, of="sample")
    assert [trial.of for trial in rest] == ["sample"]


def test_a_fault_of_any_kind_can_be_chosen() -> None:
    known = {fault.name: fault for fault in EVERY}
    assert select(["sdk-key-in-url"], known) == {"sdk-key-in-url"}
    with pytest.raises(UsageError, match="did you mean"):
        select(["sdk-key-in-urls"], known)


def test_a_platform_that_tells_its_version_is_noticed_and_nothing_else() -> None:
    (seen,) = prove(
        [
            Trial(
                fault="spark-version-told", check="headers.no-server-version", of=SPARK
            )
        ],
        suites=("headers",),
    )
    assert seen.broken == ""
    assert seen.failed == ("headers.no-server-version",)


@pytest.mark.parametrize(
    "given", [{"workers": 2}, {"tls": True}, {"algorithm": "sliding_log"}]
)
def test_what_a_deployment_does_not_take_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="takes faults"), serving(SPARK, **given):  # type: ignore[arg-type]
        pass


def test_a_replica_has_its_own_fault_and_needs_to_be_started() -> None:
    fault = "rotation-replica-late"
    with pytest.raises(UsageError, match="replica"), serving(faults=[fault]):
        pass
    with serving(faults=[fault], replicas=1, in_process=True) as deployment:
        replicas = tomllib.loads(deployment.profile_text)["target"]["replicas"]
    assert len(replicas) == 1
    assert replicas[0] != deployment.base_url
