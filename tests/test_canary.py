"""A target that throws our credentials back: none of it lands in anything we write.

The key of the profile is returned in every encoding, in bodies, header fields, status
lines and redirects, and a suite of the user's prints and raises what it got. Then every
file, and all that was said on a pipe or a terminal, is searched for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploying import ALPHA, KEY, profile_text
from tests.guarded import OPERATIONS, Asked, Told, guarded
from tests.leaking import ENCODINGS
from tests.processes import PATIENCE, environment, pytest_run, tollproof
from tollproof.record import read_journal

#: What would act on a reader's screen or page if it were not made inert.
ACTING = (
    "\x1b]0;owned\x07",
    "\x1b[31m",
    "\x9d0;owned\x9c",
    "\u202eowned\u2066",
    "<script>pwned()</script>",
)
#: What would switch a scanner off, or keep it busy.
QUIETING = ("# pragma: allowlist secret", "gitleaks:allow # nosec", "x" * 1_000_000)

PRINTS = """
def test_prints_and_raises(target):
    operation = target.operations[0]
    probe = target.probe(operation, target.caller(operation))
    exchange = target.send(probe)
    print("sent", probe.headers)
    raise RuntimeError(f"{probe.headers} {exchange}")

def test_asserts(target):
    operation = target.operations[0]
    probe = target.probe(operation, target.caller(operation))
    assert not probe.headers, probe.headers
"""
CHECKS = (
    "--check",
    "preflight.*",
    "--check",
    "authentication.missing",
    "--check",
    "headers.*",
)


def echoes(asked: Asked, told: Told) -> Told:
    """Return the key in every encoding, in body and header fields, with mark-up."""
    shown = [encode(KEY) for encode in ENCODINGS.values()]
    fields = tuple(
        (f"X-Echo-{number}", value.replace("\n", ""))
        for number, value in enumerate(shown)
    )
    # In the name of a field and in that of a cookie, as far as either can hold it.
    fields += ((f"X-{KEY}", KEY), ("Set-Cookie", f"{KEY}={KEY}; Path=/{KEY}"))
    fields += (("Link", f"</{KEY}>; rel=next"), ("X-Acting", "".join(ACTING[2:])))
    body = "\n".join([*shown, *ACTING, " ".join([*QUIETING, KEY])]).encode()
    status = 302 if asked.path.startswith("/health") else told.status
    moved = (("Location", f"/elsewhere?key={KEY}"),) if status == 302 else ()
    return Told(status=status, body=body, headers=(*told.headers, *fields, *moved))


def leaks(data: bytes) -> list[str]:
    """Name the encodings of the key that stand in what was written."""
    text = data.decode("utf-8", "replace")
    # A terminal breaks lines, and moves its cursor, in the middle of a word.
    text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\s+", "", text)
    folded = text.lower()
    return [
        name
        for name, encode in ENCODINGS.items()
        if encode(KEY) in text
        or (name in {"upper hex", "upper case"} and encode(KEY).lower() in folded)
    ]


@pytest.fixture(scope="module", params=["pipe", "terminal", "pytest"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, bytes]:
    """Run against the echo; return the folder of the run and all that was said."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "own").mkdir()
    (folder / "own" / "test_mine.py").write_text(PRINTS)
    with guarded(KEY, echoes) as server:
        profile = folder / "profile.toml"
        profile.write_text(profile_text(server.origin, OPERATIONS, ALPHA))
        gate = [
            *("gate", str(profile), "--output", str(folder / "out")),
            *("--suite", str(folder / "own"), "--check", "mine.*", *CHECKS),
        ]
        if request.param == "terminal":
            said = _on_a_terminal(*gate)
        elif request.param == "pipe":
            finished = tollproof(*gate, cwd=folder)
            said = (finished.stdout + finished.stderr).encode()
        else:
            finished = pytest_run(
                "own",
                f"--tollproof-profile={profile}",
                f"--tollproof-output={folder / 'out'}",
                f"--junitxml={folder / 'out-pytest.xml'}",
                "-rA",
                "--showlocals",
                cwd=folder,
            )
            said = (finished.stdout + finished.stderr).encode()
    return folder, said


def _on_a_terminal(*arguments: str) -> bytes:
    main, other = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tollproof", *arguments],
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment(TERM="xterm"),
    )
    os.close(other)
    said = bytearray()
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(main, 65_536):
            said += data
    os.close(main)
    process.wait(PATIENCE)
    return bytes(said)


def test_the_target_did_throw_it_back(written: tuple[Path, bytes]) -> None:
    """Else the rest of these tests would prove nothing."""
    folder, _ = written
    leaky = [item for item in read_journal(folder / "out") if item.leaks]
    seen = {leak.place for item in leaky for leak in item.leaks}

    assert leaky
    assert "body" in seen
    assert any(place.startswith("header X-Echo") for place in seen)
    assert {"header name", "header Set-Cookie", "header Link"} <= seen


def test_no_file_holds_the_credential(written: tuple[Path, bytes]) -> None:
    folder, _ = written
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): leaks(path.read_bytes()) for path in files}

    assert len(files) > 5
    assert {name: kinds for name, kinds in found.items() if kinds} == {}


def test_nothing_that_was_said_holds_the_credential(
    written: tuple[Path, bytes],
) -> None:
    _, said = written

    assert b"mine." in said or b"test_mine" in said
    assert leaks(said) == []


def test_what_the_target_sent_does_not_act(written: tuple[Path, bytes]) -> None:
    folder, said = written

    text = said.decode("utf-8", "replace")
    assert "\x1b]0;owned" not in text
    assert not re.search("[\x07\x80-\x9f\u202a-\u202e\u2066-\u2069]", text)
    page = folder / "out" / "index.html"
    assert b"<script>pwned()" not in page.read_bytes()
