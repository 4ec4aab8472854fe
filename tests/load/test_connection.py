"""TLS: the same guarantees as without, and no connection without trust."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.load.certificates import authority
from tests.load.support import by_shot, job, run, serving, shot
from tollproof.load.connection import resolve
from tollproof.load.job import RequestSpec, Tls


def big(size: int) -> RequestSpec:
    return RequestSpec(name="big", method="POST", path="/ok", body="x" * size)


def test_bursts_and_pacing_over_tls(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    with serving(certificate, key) as target:
        shots = (
            shot(0, 40, seconds=0.3, connections=4),
            shot(1, 30, at=0.4, fresh=True, key="beta"),
            shot(2, 3, at=0.6, seconds=0.1, variant="big"),
            shot(3, 2, at=0.8, fresh=True, variant="big"),
        )
        work = job(
            target.port,
            *shots,
            scheme="https",
            tls=Tls(ca=str(certificate)),
            requests=(RequestSpec(path="/chunked"), big(3_000_000)),
        )
        report, trace = run(work, tmp_path)
        log = target.stop()
    assert len(trace) == len(log["at"]) == report.sent == 75
    assert len(set(log["id"])) == 75
    assert {one.status for one in trace} == {200}
    burst = by_shot(trace, 1)
    assert min(log["at"]) >= min(one.sent for one in trace)
    # No head was complete before the burst: none arrived before the first was sent.
    assert len({one.connection for one in burst}) == 30


def test_a_held_burst_reaches_no_handler_before_its_time(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    for tls in (False, True):
        folder = tmp_path / f"tls-{tls}"
        folder.mkdir()
        with serving(*((certificate, key) if tls else ())) as target:
            work = job(
                target.port,
                shot(0, 20, fresh=True, variant="big"),
                requests=(big(50),),
                scheme="https" if tls else "http",
                tls=Tls(ca=str(certificate)),
            )
            _, trace = run(work, folder)
            log = target.stop()
        due = {row.sent - row.lateness for row in trace}
        assert len(due) == 1
        assert min(log["at"]) > due.pop()


def test_of_several_addresses_one_that_listens_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        address = resolve("localhost", port)
    assert address.host == "127.0.0.1"
    assert (address.name, address.port) == ("localhost", port)


def test_an_unknown_authority_gets_nothing(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    with serving(certificate, key) as target:
        shots = (shot(0, 4, seconds=0.1), shot(1, 4, at=0.3, fresh=True))
        report, trace = run(job(target.port, *shots, scheme="https"), tmp_path)
        log = target.stop()
    assert log["at"] == []
    assert len(trace) == 0
    assert {one.why for one in report.unsent} == {
        "no connection: CERTIFICATE_VERIFY_FAILED"
    }
    assert sum(one.requests for one in report.unsent) == 8


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    ours, our_key = authority(tmp_path, "client")
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    with serving(certificate, key, ours) as target:
        tls = Tls(ca=str(certificate), certificate=str(ours), key=str(our_key))
        work = job(target.port, shot(0, 5), scheme="https", tls=tls)
        report, trace = run(work, tmp_path / "with")
        assert {one.status for one in trace} == {200}
        assert report.sent == 5
        tls = Tls(ca=str(certificate))
        work = job(target.port, shot(0, 5), scheme="https", tls=tls)
        report, trace = run(work, tmp_path / "without")
        assert {one.status for one in trace} <= {0}
        log = target.stop()
    assert len(log["at"]) == 5


def test_whatever_a_tls_target_does(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path, "target")
    for path, status in (("/die", 0), ("/eof", 200), ("/close", 200), ("/garbage", 0)):
        folder = tmp_path / path[1:]
        folder.mkdir()
        with serving(certificate, key) as target:
            shots = (shot(0, 4, seconds=0.1), shot(1, 3, at=0.3, fresh=True))
            tls = Tls(ca=str(certificate))
            work = job(target.port, *shots, scheme="https", path=path, tls=tls)
            report, trace = run(work, folder)
            log = target.stop()
        assert len(log["at"]) == len(trace) == report.sent, path
        # On a busy machine a handshake may take longer than a burst waits for it.
        unsent = {one.why: one.requests for one in report.unsent}
        assert unsent.keys() <= {"no connection in time"}, path
        assert report.sent + sum(unsent.values()) == 7, path
        assert report.sent >= 4, path
        assert {one.status for one in trace} == {status}, path
