"""The other process, as seen from here: asked one thing at a time, for a bounded time.

Knows lines of JSON over pipes. Must not import Hypothesis or Schemathesis: that they
are not imported here is half of what the process is for.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, cast

from tollproof.common import Common, Place
from tollproof.errors import TollproofError, Undetermined, UsageError
from tollproof.inherited import inherited
from tollproof.model import Reason, from_json
from tollproof.openapi.described import Description

#: Seconds that a document may take to be read, and one request to be drawn.
READ_SECONDS, DRAW_SECONDS = 120.0, 30.0

_CHUNK = 1 << 20


#: A drawer whose process was started before anybody knew what it will be asked.
_ahead: list[Drawer] = []


def start_ahead() -> None:
    """Start a process now, for the next :func:`new_drawer` of this one."""
    drawer = Drawer()
    drawer.start()
    _ahead.append(drawer)


def new_drawer() -> Drawer:
    """Return a drawer of one's own, started already if there is such a one."""
    return _ahead.pop() if _ahead else Drawer()


class _Unanswered(TollproofError):
    """The process ended without an answer; the text says how."""


class _TooLong(_Unanswered):
    """It took too long, and was ended."""


class Drawer:
    """A process that reads OpenAPI documents and draws values; safe to share.

    It is started by :meth:`start` or by the first thing asked. One that took too long
    is ended, and what it had read is read again by the next when that is needed.
    Forked processes ask the same one in turn; where it fails one of them, that one
    starts another.

    Args:
        draw_seconds: how long one request may take to be drawn.
    """

    def __init__(self, *, draw_seconds: float = DRAW_SECONDS) -> None:
        self._lock = threading.Lock()
        self._common: Common | None = None
        self._own = True
        self._asked = 0
        self._seconds = draw_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._texts: list[tuple[str, str]] = []
        self._known = 0
        self._closed = False
        # It would take as long for every other identity and check.
        self._given_up: dict[tuple[object, ...], _TooLong] = {}
        # What is drawn before it is asked for, in the order in which it will be.
        self._queue = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._ahead: dict[tuple[object, ...], Future[Any]] = {}

    def start(self) -> None:
        """Start the process, to be ready by the time that it is asked."""
        with self._lock:
            self._started()

    def share(self, common: Common) -> None:
        """Ask the process in turn with processes forked later."""
        self._common = common

    def begin_anew(self) -> None:
        """In a forked process: ask the other one's process, but never end it."""
        self._own = False

    def close(self) -> None:
        """End the process, whatever it is at; nothing can be asked after that."""
        self._closed = True
        self._queue.shutdown(wait=False, cancel_futures=True)
        if (process := self._process) is not None and self._own:
            process.kill()  # lets go of the lock, if something is being drawn
        with self._lock:
            self._end()

    def read(self, text: str, source: str) -> tuple[int, Description]:
        """Read a document; return its number and what is in it.

        Raises:
            UsageError: it cannot be used, or not be read in the time allowed.
        """
        with self._lock:
            try:
                self._catch_up()
                found = self._ask("read", READ_SECONDS, text=text, source=source)
            except _Unanswered as error:
                raise UsageError(f"{source}: cannot be read: {error}") from error
            self._texts.append((text, source))
            self._known += 1
            return self._known - 1, from_json(Description, found)

    def example(
        self, document: int, label: str, values: dict[str, object]
    ) -> dict[str, Any]:
        """Return the members of an example, its body in base64.

        Raises:
            Undetermined: it takes too long to be made.
        """
        asked = {"document": document, "label": label, "values": values}
        found: dict[str, Any] = self._draw("example", **asked)
        return found

    def invalid_bodies(
        self, document: int, label: str, *, run_seed: int, count: int
    ) -> tuple[bytes, ...]:
        """Return JSON bodies that break an operation's schema.

        Raises:
            Undetermined: they take too long to be made.
        """
        asked = (document, label, run_seed, count)
        drawn = self._ahead.pop(asked, None)
        found = self._invalid(*asked) if drawn is None else drawn.result()
        return tuple(map(base64.b64decode, found))

    def expect_invalid_bodies(
        self, document: int, labels: Iterable[str], *, run_seed: int, count: int
    ) -> None:
        """Draw the invalid bodies of operations now, to have them when asked."""
        for label in labels:
            asked = (document, label, run_seed, count)
            self._ahead[asked] = self._queue.submit(self._invalid, *asked)

    def _invalid(self, document: int, label: str, run_seed: int, count: int) -> Any:
        asked = {"document": document, "label": label}
        return self._draw("invalid", **asked, run_seed=run_seed, count=count)

    def field_values(self, *, run_seed: int, count: int) -> tuple[bytes, ...]:
        """Return values of a header field that Hypothesis makes up.

        Raises:
            Undetermined: they take too long to be made.
        """
        found = self._draw("fields", run_seed=run_seed, count=count)
        return tuple(map(base64.b64decode, found))

    # -- the process -----------------------------------------------------------------

    def _draw(self, what: str, **asked: Any) -> Any:
        subject = what, asked.get("document"), asked.get("label")
        with self._lock:
            try:
                if subject in self._given_up:
                    raise self._given_up[subject]
                self._catch_up()
                return self._ask(what, self._seconds, **asked)
            except _Unanswered as error:
                if isinstance(error, _TooLong):
                    self._given_up[subject] = error
                raise Undetermined(
                    Reason.HARNESS, f"No request could be made up: {error}."
                ) from error

    def _catch_up(self) -> None:
        """Have a new process read what the former one had read."""
        self._started()
        for text, source in self._texts[self._known :]:
            self._ask("read", READ_SECONDS, text=text, source=source)
            self._known += 1

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise Undetermined(Reason.NOT_RUN, "The run has ended.")
        if self._process is None:
            self._known = 0
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tollproof.openapi.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=inherited(),
            )
            self._own = True
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or not self._own:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.kill()
        process.wait()

    def _ask(self, what: str, seconds: float, **asked: Any) -> Any:
        process = self._started()
        self._asked += 1
        question = f"{os.getpid()}-{self._asked}"
        request = {"do": what, "question": question, **asked}
        line = json.dumps(request, default=str).encode() + b"\n"
        try:
            with self._in_turn():
                answer = _exchanged(process, line, question, seconds)
        except TimeoutError:
            self._end()
            raise _TooLong(f"it took more than {seconds:g} s") from None
        except (OSError, ValueError):
            self._end()
            raise _Unanswered("the process that does so has ended") from None
        except BaseException:
            self._end()  # interrupted: its answer would be taken for the next one's
            raise
        if "unusable" in answer:
            raise UsageError(answer["unusable"])
        if "broken" in answer:
            raise RuntimeError(answer["broken"])
        return answer["value"]

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._common is None:
            yield
        else:
            with self._common.held(Place.DRAWER):
                yield


def _exchanged(
    process: subprocess.Popen[bytes], request: bytes, question: str, seconds: float
) -> dict[str, Any]:
    """Write a line and read the one that answers it.

    Another process may have asked, and not have waited for its answer.

    Raises:
        TimeoutError: none comes in time.
        OSError: the process has ended.
        ValueError: it says what is no answer.
    """
    there, back = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    deadline = time.monotonic() + seconds
    os.set_blocking(there.fileno(), False)  # a process that does not read is late too
    poll = select.poll()
    poll.register(back, select.POLLIN)
    poll.register(there, select.POLLOUT)
    unsent, read = memoryview(request), bytearray()
    while True:
        while (end := read.find(b"\n")) >= 0:
            answer: dict[str, Any] = json.loads(read[:end])
            if answer["question"] == question:
                return answer
            del read[: end + 1]
        ready = dict(poll.poll(max(deadline - time.monotonic(), 0) * 1000))
        if not ready:
            raise TimeoutError
        if ready.get(there.fileno()):
            unsent = unsent[os.write(there.fileno(), unsent) :]
            if not unsent:
                poll.unregister(there)
        if ready.get(back.fileno()):
            data = os.read(back.fileno(), _CHUNK)
            if not data:
                raise BrokenPipeError
            read += data
