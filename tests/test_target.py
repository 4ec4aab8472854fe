"""What a check holds in its hands: probes go out as asked, silence is told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import servers
from tests.deploying import ALPHA, KEY, THINGS, deployment_of, identity, profile_at
from tests.guarded import Answer, Asked, Told, guarded
from tollproof.errors import Undetermined
from tollproof.model import Exchange, Outcome, Reason
from tollproof.operations import Operation
from tollproof.refusal import judge, made_like, not_let_in, raw_probe
from tollproof.target import Target

GONE = identity("gone", 'state = "revoked"')


def targeted(
    folder: Path,
    *parts: str,
    alter: Answer | None = None,
    record: list[Exchange] | None = None,
) -> Iterator[tuple[Target, Operation]]:
    kept = record if record is not None else []
    with guarded(KEY, alter) as server:
        profile = profile_at(
            folder / "p.toml", server.origin, THINGS, ALPHA, GONE, *parts
        )
        with deployment_of(profile, record=kept.append) as deployment:
            yield Target(deployment=deployment, check="a.b"), deployment.operations[0]


def shown(target: Target, operation: Operation, key: str, who: str = "x") -> Exchange:
    fields = (("Authorization", f"Bearer {key}"),)
    return target.attempt(target.showing(operation, fields, who=who))


# -- target --------------------------------------------------------------------------


def test_identities_are_told_apart_by_state(tmp_path: Path) -> None:
    for target, operation in targeted(tmp_path):
        assert [item.name for item in target.identities()] == ["alpha", "gone"]
        assert [item.name for item in target.identities("revoked")] == ["gone"]
        assert target.caller(operation).name == "alpha"
        assert target.profile.target.base_url.endswith(target.host)


def test_a_probe_of_nobody_takes_the_fields_it_is_given(tmp_path: Path) -> None:
    record: list[Exchange] = []
    for target, operation in targeted(tmp_path, record=record):
        assert shown(target, operation, "wrong", "a forged key").status == 401
        assert shown(target, operation, KEY, "a right one").status == 200
    assert [item.identity for item in record] == ["a forged key", "a right one"]
    assert {item.check for item in record} == {"a.b"}


def test_who_is_authenticated_is_not_who_is_refused(tmp_path: Path) -> None:
    for target, operation in targeted(tmp_path):
        control = target.control(operation)
        stranger = target.stranger(operation)
        assert target.is_authenticated(control)
        assert not target.is_authenticated(stranger)
        gone = target.deployment.identities["gone"]
        assert not target.is_authenticated(target.send(target.probe(operation, gone)))


def test_one_silent_answer_makes_a_series_undetermined(tmp_path: Path) -> None:
    def handler(connection: servers.Connection) -> None:
        while request := connection.request():
            if b"hang-up" in request:
                return
            connection.send(servers.answer(401, [], b"{}"))

    with servers.scripted(handler) as server:
        profile = profile_at(tmp_path / "p.toml", server.origin, THINGS, ALPHA)
        with deployment_of(profile) as deployment:
            target = Target(deployment=deployment, check="a.b")
            (operation,) = target.operations
            probes = [
                target.showing(operation, (("X-Say", word),), who=word)
                for word in ("one", "hang-up", "two")
            ]
            seen = target.attempt_all(probes)
            assert [item.status for item in seen] == [401, 0, 401]
            with pytest.raises(Undetermined) as caught:
                target.send_all(probes)
            assert caught.value.reason is Reason.UNREACHABLE
            # Whoever is sent what is malformed may hang up: that is a refusal.
            assert [item.status for item in target.answers(probes)] == [401, 0, 401]


# -- refusal -------------------------------------------------------------------------


def test_callers_who_are_all_refused_pass(tmp_path: Path) -> None:
    for target, operation in targeted(tmp_path):
        probes = [
            target.showing(operation, (("Authorization", word),), who=word)
            for word in ("Bearer wrong", "Basic eDp5")
        ]
        verdict = not_let_in(target, operation, probes, "with a forged credential")
        assert verdict.outcome is Outcome.PASSED
        assert "All 2 probes" in verdict.summary


def test_one_caller_let_in_fails_and_is_named(tmp_path: Path) -> None:
    def alter(asked: Asked, told: Told) -> Told:
        opens = "sesame" in asked.headers.get("authorization", "")
        return Told(status=200, body=b'{"let": "in"}') if opens else told

    for target, operation in targeted(tmp_path, alter=alter):
        probes = [
            target.showing(operation, (("Authorization", f"Bearer {word}"),), who=word)
            for word in ("wrong", "sesame", "other")
        ]
        verdict = not_let_in(target, operation, probes, "with a forged credential")
        assert verdict.outcome is Outcome.FAILED
        assert verdict.summary.endswith("with a forged credential: sesame.")
        assert verdict.actual == '200 {"let": "in"}'
        assert verdict.measurements == {"probes": 3, "let_in": 1}


def test_an_operation_open_to_strangers_shows_nothing_here(tmp_path: Path) -> None:
    """Another check reports it; here each forged credential would fail for nothing."""

    def alter(asked: Asked, told: Told) -> Told:
        return Told(status=200)

    for target, operation in targeted(tmp_path, alter=alter):
        with pytest.raises(Undetermined, match="should be refused"):
            not_let_in(target, operation, [target.probe(operation)], "somehow")


def test_the_control_s_own_error_tells_nothing(tmp_path: Path) -> None:
    """Who gets the same 404 as the control may have been let in, or not."""
    for target, operation in targeted(tmp_path):
        right = target.caller(operation).headers()
        probe = target.showing(operation, right, who="alpha")
        control = target.attempt(replace(probe, target="/nowhere"))
        assert control.status == 404
        verdict = judge(target, control, [control], "with another spelling")
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "nobody can tell" in verdict.summary


def test_answers_are_alike_whatever_their_values(tmp_path: Path) -> None:
    bodies = iter([b'{"a": 1, "b": [{"c": 2}]}', b'{"b": [{"c": 9}, 1], "a": "x"}'])
    other = iter([b'{"a": 1}', b"plain", b"plain"])

    def alter(asked: Asked, told: Told) -> Told:
        return Told(status=200, body=next(bodies, None) or next(other))

    for target, operation in targeted(tmp_path, alter=alter):
        one, two, three, four, five = (
            made_like(target.attempt(target.probe(operation))) for _ in range(5)
        )
        # 1 and "x" are of different types, so these two are not alike.
        assert len({one, two, three}) == 3
        assert four == five != three


def test_a_request_written_by_hand_goes_out_to_the_byte(tmp_path: Path) -> None:
    record: list[Exchange] = []
    with guarded(KEY) as server:
        profile = profile_at(tmp_path / "p.toml", server.origin, THINGS, ALPHA)
        with deployment_of(profile, record=record.append) as deployment:
            target = Target(deployment=deployment, check="a.b")
            (operation,) = target.operations
            fields = [(b"AUTHORIZATION", b"Bearer " + KEY.encode())]
            probe = raw_probe(target, operation, fields, purpose="by hand")
            assert target.attempt(probe).status == 200
        (sent,) = server.requests
    assert sent.startswith(b"GET /things HTTP/1.1\r\n")
    assert b"AUTHORIZATION: Bearer " in sent
    assert sent.lower().count(b"authorization") == 1
    assert KEY not in str(record)
