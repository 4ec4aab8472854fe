"""Property: wherever and however a target throws a key back, none of it is written.

Hypothesis places the key, in any encoding, in any part of an answer, among what would
switch scanners off, exhaust them, or act on a reader's screen. The exchanges go through
the client into the journal; verdicts quote them as badly as checks can; every report is
written and a terminal is watched. Then all of it is searched.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.deploying import ALPHA, KEY, THINGS, deployment_of, profile_at
from tests.leaking import ENCODINGS
from tests.reporting.sample import sample_run
from tests.servers import Connection, scripted
from tollproof.cases import Selection
from tollproof.client import Probe
from tollproof.declare import failed, inconclusive
from tollproof.evaluate import evaluate
from tollproof.model import Exchange, Reason, Verdict
from tollproof.plan import Plan
from tollproof.progress import LiveProgress, PlainProgress, Progress
from tollproof.record import JOURNAL, Lines, read_journal
from tollproof.reporting import FORMATS
from tollproof.session import Session

SAMPLE = sample_run()
#: What stands around the key.
DECORATIONS = (
    "",
    "pragma: allowlist secret",
    "# nosec gitleaks:allow",
    "<script>pwned()</script>",
    "\x1b]0;owned\x07\x1b[2J\x9d0;owned\x9c\x9b31m",
    "\u202egnp.exe\u2066\u061c",
    "]]><!--`${{7*7}}",
    "x" * 100_000,
    "0123456789abcdef" * 4_000,
    "\\u0000%00\0",
)
PLACES = ("reason", "name", "value", "cookie", "location", "body", "member", "broken")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One answer: the encoding of the key, where it stands, and among what."""

    encoding: str
    place: str
    before: str
    after: str

    def written(self) -> bytes:
        """Return the answer as it stands on the wire."""
        key = ENCODINGS[self.encoding](KEY)
        text = f"{self.before} {key} {self.after}"
        line = re.sub(r"[\0\r\n]", "", text)[-60_000:]
        reason, fields, body = "OK", ["Content-Type: text/html"], "{}"
        match self.place:
            case "reason":
                reason = line[:8_000] if len(line) > 8_000 else line
            case "name":
                fields.append(f"{key if _TOKEN.fullmatch(key) else 'X-A'}: {line}")
            case "value":
                fields.append(f"X-Echo: {line}")
            case "cookie":
                fields.append(f"Set-Cookie: {key}={line}; Path=/{key}")
            case "location":
                fields += [f"Location: http://127.0.0.1/{key}?q={line}", f"Link: {key}"]
            case "member":
                body = json.dumps({key: [text, {"a": key}], "b": text})
            case "broken":
                fields.append(f"{line}\x01{key}")
            case _:
                body = f"{text}\n{key}{key}"
        data = body.encode("utf-8", "surrogatepass")
        head = [f"HTTP/1.1 200 {reason}", f"Content-Length: {len(data)}", *fields]
        return "\r\n".join(head).encode("utf-8", "replace") + b"\r\n\r\n" + data


shots = st.builds(
    Shot,
    encoding=st.sampled_from(sorted(ENCODINGS)),
    place=st.sampled_from(PLACES),
    before=st.sampled_from(DECORATIONS) | st.text(max_size=20),
    after=st.sampled_from(DECORATIONS) | st.text(max_size=20),
)


def readings(data: bytes) -> Iterator[str]:
    """Yield what may be read from what was written: as it is, and decoded."""
    text = data.decode("utf-8", "replace")
    yield text
    yield html.unescape(text)
    yield text.replace("\\\\", "\\").replace('\\"', '"')
    # A terminal breaks lines and moves its cursor in the middle of a word.
    yield re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\s+", "", text)


def leaks(data: bytes) -> set[str]:
    """Name the encodings of the key that can be read from what was written."""
    found = set()
    for text in readings(data):
        folded = text.lower()
        for name, encode in ENCODINGS.items():
            shown = encode(KEY)
            caseless = name in {"upper hex", "upper case"}
            if shown in text or (caseless and shown.lower() in folded):
                found.add(name)
    return found


@dataclass(slots=True)
class Screen:
    """A terminal that remembers all it was sent."""

    said: bytearray = field(default_factory=bytearray)

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Yield the live display of a run on this terminal."""
        main, other = os.openpty()

        def read() -> None:
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while data := os.read(main, 65_536):
                    self.said.extend(data)

        reader = threading.Thread(target=read)
        reader.start()
        with os.fdopen(other, "w", encoding="utf-8", errors="replace") as stream:
            console = Console(file=stream, force_terminal=True, width=70)
            yield LiveProgress(console=console)
        reader.join()
        os.close(main)


def verdicts(exchange: Exchange, probe: Probe) -> Iterator[Verdict]:
    """Yield verdicts that quote an exchange as badly as checks can."""
    response = exchange.response
    body = response.body if response else ""
    fields = str(response.headers if response else exchange.failure)
    raw = f"{probe.headers} {probe.target}"
    yield failed(body[:500], exchange, expected=raw, actual=fields)
    yield inconclusive(Reason.NOISE, f"{fields} {raw}", exchange)
    yield failed(
        "x", expected="y", actual=body, measurements={raw: [body, {fields: raw}]}
    )


def judged(folder: Path, thrown: list[Shot], progress: Progress) -> None:
    """Make a run of the exchanges with a target that throws the key, and write it."""
    waiting = list(thrown)

    def handler(connection: Connection) -> None:
        # A connection that a broken answer spoilt is not used again.
        if connection.request() and waiting:
            connection.send(waiting.pop(0).written())

    with scripted(handler) as server:
        profile = profile_at(folder / "p.toml", server.origin, THINGS, ALPHA)
        journal = Lines(folder / "out" / JOURNAL / "main.jsonl")
        with deployment_of(profile, record=journal.append) as deployment:
            session = Session(
                profile=profile,
                deployment=deployment,
                selection=Selection(),
                folder=folder / "out",
                about=replace(SAMPLE.about, notes=()),
                journal=journal,
                progress=progress,
                plan=Plan(checks=SAMPLE.checks),
            )
            session.write_plan()
            session.started(elsewhere=False)
            (operation,) = deployment.operations
            probe = deployment.probe(operation, deployment.identities["alpha"])
            probe = replace(probe, headers=(*probe.headers, ("Connection", "close")))
            for number, _ in enumerate(thrown):
                # The key in a URL of ours, and in a header field.
                asked = replace(probe, target=f"/things?key={KEY}&n={number}")
                exchange = deployment.client.send(asked)
                for verdict in verdicts(exchange, asked):
                    result = replace(SAMPLE.results[0], verdict=verdict)
                    told = session.redacted(result)
                    session.keep(told)
                    session.count(told)

                def boom(seen: Exchange = exchange, sent: Probe = asked) -> None:
                    raise RuntimeError(f"{seen} {sent} {sent.headers}")

                result = evaluate(SAMPLE.checks[0], f"raises {number}", boom)
                told = session.redacted(result)
                session.keep(told)
                session.count(told)
            session.finish(interrupted=False)
            print(session.summary())  # noqa: T201 - what the command line does
            assert session.refused == ()
            session.close()


@settings(max_examples=50)
@given(thrown=st.lists(shots, min_size=1, max_size=4), plain=st.booleans())
def test_nothing_of_a_key_is_in_any_artefact_or_on_a_terminal(
    thrown: list[Shot], plain: bool
) -> None:
    screen = Screen()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        said = folder / "said.txt"
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(said.open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(stream))
            if plain:
                judged(folder, thrown, PlainProgress(stream=stream))
            else:
                judged(folder, thrown, stack.enter_context(screen.shown()))
        files = [path for path in folder.rglob("*") if path.is_file()]
        kinds = {path.name for path in files}
        assert {form.file for form in FORMATS.values()} <= kinds
        assert {"main.jsonl", "results.jsonl", "plan.json"} <= kinds
        found = {path.name: leaks(path.read_bytes()) for path in files}
        assert {name: kind for name, kind in found.items() if kind} == {}
        assert leaks(bytes(screen.said)) == set()
        for shown in (bytes(screen.said), said.read_bytes()):
            text = shown.decode("utf-8", "replace")
            bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
            assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", bare)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u061c]", bare)
        # The answers did arrive: else all of this would prove nothing.
        seen = list(read_journal(folder / "out"))
        assert len(seen) == len(thrown)
        for shot, exchange in zip(thrown, seen, strict=True):
            digest = re.fullmatch(r"[0-9a-f]{32,64}", ENCODINGS[shot.encoding](KEY))
            unseen = shot.place == "reason" or exchange.response is None or digest
            assert exchange.leaks or unseen, shot
