"""The process that draws: it is bounded, it is replaced, it never mixes answers up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.deploying import document, responding
from tollproof.errors import Undetermined, UsageError
from tollproof.openapi import drawer as module
from tollproof.openapi.drawer import Drawer, new_drawer, start_ahead

USER = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1}},
            }
        }
    },
}


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    made = Drawer()
    yield made
    made.close()


def process_of(drawer: Drawer) -> subprocess.Popen[bytes]:
    process = drawer._process
    assert process is not None
    return process


def test_the_same_seed_gives_the_same_fields_of_bytes_a_header_may_carry(
    drawer: Drawer,
) -> None:
    fields = drawer.field_values(run_seed=7, count=12)

    assert len(set(fields)) > 6
    assert all(len(field) <= 80 and not set(field) & set(b"\r\n\0") for field in fields)
    assert drawer.field_values(run_seed=7, count=12) == fields
    assert drawer.field_values(run_seed=8, count=12) != fields


def test_what_takes_too_long_is_undetermined_and_the_rest_is_still_drawn() -> None:
    paths = {
        "/slow": {"post": responding(requestBody=USER)},
        "/fine/{id}": {
            "get": responding(
                parameters=[
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "integer", "minimum": 3, "maximum": 3},
                    }
                ]
            )
        },
    }
    drawer = Drawer(draw_seconds=0.001)
    try:
        number, found = drawer.read(json.dumps(document(paths)), "api.json")
        assert {item.path for item in found.operations} == set(paths)
        former = process_of(drawer)
        with pytest.raises(Undetermined, match=r"more than 0\.001 s"):
            drawer.example(number, "POST /slow", {})
        assert former.returncode == -signal.SIGKILL

        drawer._seconds = module.DRAW_SECONDS
        with pytest.raises(Undetermined, match=r"more than 0\.001 s"):
            drawer.example(number, "POST /slow", {"for": "another caller"})
        example = drawer.example(number, "GET /fine/{id}", {})
        assert example["path"] == "/fine/3"
        assert process_of(drawer).pid != former.pid
    finally:
        drawer.close()


def test_what_is_expected_is_drawn_meanwhile_and_is_the_same(drawer: Drawer) -> None:
    paths = {f"/{name}": {"post": responding(requestBody=USER)} for name in "abc"}
    number, _ = drawer.read(json.dumps(document(paths)), "api.json")
    labels = [f"POST {path}" for path in paths]
    told = {"run_seed": 7, "count": 3}
    alone = {label: drawer.invalid_bodies(number, label, **told) for label in labels}
    assert all(alone.values())

    drawer.expect_invalid_bodies(number, labels, **told)
    assert drawer.example(number, "POST /a", {})["path"] == "/a"
    for label in reversed(labels):
        assert drawer.invalid_bodies(number, label, **told) == alone[label]
    assert drawer.invalid_bodies(number, labels[0], **told) == alone[labels[0]]


def test_a_run_that_ends_does_not_wait_for_what_it_expected() -> None:
    paths = {
        f"/{number}": {"post": responding(requestBody=USER)} for number in range(9)
    }
    drawer = Drawer()
    number, _ = drawer.read(json.dumps(document(paths)), "api.json")
    labels = [f"POST {path}" for path in paths]
    drawer.expect_invalid_bodies(number, labels, run_seed=0, count=200)
    process = process_of(drawer)
    drawer.close()

    assert process.returncode is not None
    with pytest.raises(Undetermined, match="The run has ended"):
        drawer.example(number, "POST /0", {})


def test_a_process_that_dies_is_told_and_replaced(drawer: Drawer) -> None:
    number, _ = drawer.read(json.dumps(document({"/a": {"get": responding()}})), "a")
    os.kill(process_of(drawer).pid, signal.SIGKILL)
    with pytest.raises(Undetermined, match="has ended"):
        drawer.example(number, "GET /a", {})

    assert drawer.example(number, "GET /a", {})["path"] == "/a"


def test_ctrl_c_is_not_for_it(drawer: Drawer) -> None:
    drawer.field_values(run_seed=0, count=1)
    os.kill(process_of(drawer).pid, signal.SIGINT)

    assert drawer.field_values(run_seed=0, count=1)


def test_it_knows_no_credential(
    drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk_live_4f9Qz7Lm2Xw8Rt6Vb1Nc")
    drawer.field_values(run_seed=0, count=1)
    environment = psutil.Process(process_of(drawer).pid).environ()

    assert environment["PATH"] == os.environ["PATH"]
    assert "ACME_API_KEY" not in environment
    assert "sk_live" not in str(environment)


def test_one_that_does_not_read_is_late_too(drawer: Drawer) -> None:
    drawer.field_values(run_seed=0, count=1)
    os.kill(process_of(drawer).pid, signal.SIGSTOP)
    drawer._seconds = 0.2
    with pytest.raises(Undetermined, match=r"took more than 0\.2 s"):
        drawer.example(0, "GET /" + "a" * 1_000_000, {})


def test_a_fault_of_ours_is_told_as_one(drawer: Drawer) -> None:
    with pytest.raises(RuntimeError, match="IndexError"):
        drawer.example(3, "GET /a", {})
    with pytest.raises(UsageError, match="api: an OpenAPI document is an object"):
        drawer.read("[]", "api")
    assert drawer.field_values(run_seed=0, count=1)


def test_threads_get_each_its_own_answer(drawer: Drawer) -> None:
    with ThreadPoolExecutor(8) as pool:
        alone = {seed: drawer.field_values(run_seed=seed, count=3) for seed in range(8)}
        together = pool.map(
            lambda seed: drawer.field_values(run_seed=seed, count=3), range(8)
        )
        assert dict(enumerate(together)) == alone


def test_one_that_was_started_ahead_is_taken_once() -> None:
    start_ahead()
    first, second = new_drawer(), new_drawer()
    try:
        assert first._process is not None
        assert second._process is None
    finally:
        first.close()


def test_nothing_of_what_draws_is_imported_here() -> None:
    script = (
        "import sys, tollproof.pytest_plugin, tollproof.session;"
        "print({'hypothesis', 'schemathesis'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


SHARING = """
import json, os, sys
from tollproof.common import Common
from tollproof.openapi.drawer import Drawer

drawer = Drawer(draw_seconds=float(sys.argv[2]))
number, found = drawer.read(sys.argv[1], "api.json")
labels = [f"{item.method} {item.path}" for item in found.operations]
drawer.share(Common())
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    drawer.begin_anew()
    drawer._seconds = 30.0
seen = []
for _ in range(40):
    for label in labels:
        seen.append(drawer.example(number, label, {})["path"] == label[4:])
own = drawer._own
if pid == 0:
    os.write(writing, json.dumps([len(seen), all(seen), own]).encode())
    os._exit(0)
print(json.dumps([len(seen), all(seen), own]), os.read(reading, 100).decode())
os.waitpid(pid, 0)
drawer.close()
"""


def shared(text: str, seconds: float) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", SHARING, text, str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_forked_processes_ask_in_turn_and_get_their_own_answers() -> None:
    paths = {f"/{name}": {"get": responding()} for name in "abcde"}

    found = shared(json.dumps(document(paths)), 30.0)

    assert found == "[200, true, true] [200, true, false]"


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(
    drawer: Drawer,
) -> None:
    paths = {f"/{name}": {"get": responding()} for name in "ab"}
    number, _ = drawer.read(json.dumps(document(paths)), "api.json")
    process = process_of(drawer)
    assert process.stdin is not None
    asked = {"do": "example", "document": number, "label": "GET /a", "values": {}}
    os.write(
        process.stdin.fileno(),
        json.dumps({**asked, "question": "0-0"}).encode() + b"\n",
    )

    assert drawer.example(number, "GET /b", {})["path"] == "/b"


def test_a_fork_that_is_failed_starts_one_of_its_own(drawer: Drawer) -> None:
    number, _ = drawer.read(json.dumps(document({"/a": {"get": responding()}})), "a")
    other = process_of(drawer)
    drawer.begin_anew()
    drawer._seconds = 0.0
    with pytest.raises(Undetermined, match="more than 0 s"):
        drawer.field_values(run_seed=1, count=3)
    drawer._seconds = module.DRAW_SECONDS

    assert drawer.example(number, "GET /a", {})["path"] == "/a"
    assert process_of(drawer).pid != other.pid
    assert other.poll() is None
    other.kill()
    other.communicate()
