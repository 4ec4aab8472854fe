"""Runs a driver: the program that speaks for an SDK.

Knows processes, pipes, time and how much is too much. Must not know SDKs, nor show
what a driver printed: whoever does must redact it first. A driver has just the
environment that it is given, and is ended with its process group; a child that left
the group may live on, and holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tollproof.errors import TollproofError
from tollproof.sdk.protocol import Reply, Verb, read_reply, request

#: Bytes of one line, and of all output on one stream, after which a driver is ended.
LINE = 1 << 20
FLOOD = 4 << 20
CHUNK = 1 << 16
#: Characters of output that are kept for the reader, from its end.
TAIL = 2000
#: Seconds that a driver is given to leave when it is asked to.
FAREWELL = 2.0
#: Variables that programs cannot start without, or that say how to read and write.
INHERITED = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")


class DriverFailed(TollproofError):
    """A driver that cannot be worked with; the text says why.

    Attributes:
        output: the end of what it printed, not redacted.
        hung: whether it took all the time it was given.
    """

    def __init__(self, sentence: str, output: str = "", *, hung: bool = False) -> None:
        self.output, self.hung = output, hung
        super().__init__(sentence)


class Driver:
    """A driver that runs for the length of a `with` block.

    Args:
        command: program and arguments, run without a shell.
        folder: where it runs, and its home.
        environ: its environment, besides :data:`INHERITED`.
        patience: seconds that one request may take.

    Raises:
        DriverFailed: on entry, when it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        patience: float,
    ) -> None:
        self._command, self._folder = tuple(command), folder
        self._environ, self._patience = dict(environ), patience
        self._lock = threading.Lock()
        self._printed: list[bytes] = []
        self._size = 0
        self._why = ""
        self._number = 0
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._over: tuple[int, int] = (-1, -1)

    def __enter__(self) -> Driver:
        inherited = {
            name: value for name in INHERITED if (value := os.environ.get(name))
        }
        try:
            process = subprocess.Popen(  # noqa: S603  (a list, from the profile)
                self._command,
                cwd=self._folder,
                env={**inherited, "HOME": str(self._folder), **self._environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its name cannot be used"
            name = Path(self._command[0]).name
            raise DriverFailed(
                f"The driver {name} cannot be started: {reason}."
            ) from None
        self._process = process
        self._over = os.pipe()
        for stream, keep in ((process.stdout, False), (process.stderr, True)):
            if stream is not None:
                thread = threading.Thread(
                    target=self._read, args=(stream.fileno(), keep), daemon=True
                )
                thread.start()
                self._readers.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is not None:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(FAREWELL)
            self.end()
            # What is in the pipes is read; more is not waited for.
            os.close(self._over[1])
            for thread in self._readers:
                thread.join()
            os.close(self._over[0])
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def ask(self, verb: Verb, **fields: Any) -> Reply:
        """Make a request and return the reply.

        Raises:
            DriverFailed: it is not answered, in time and in form.
        """
        self._number += 1
        line = request(self._number, verb, **fields).encode()
        process = self._process
        if process is None or process.stdin is None:
            raise DriverFailed("The driver is not running.")
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except OSError:
            raise self._ended() from None
        try:
            answer = self._lines.get(timeout=self._patience)
        except queue.Empty:
            self.end()
            raise self._failed(
                f"The driver did not answer {verb!r} within "
                f"{self._patience:g} seconds.",
                hung=True,
            ) from None
        if answer is None:
            raise self._ended()
        try:
            return read_reply(answer.decode("utf-8", "replace"), self._number)
        except ValueError as error:
            self._keep(answer)
            self.end()
            raise self._failed(
                f"The driver printed a line that is no reply to {verb!r}: {error}."
            ) from None

    def output(self) -> str:
        """Return all that it printed beside replies, not redacted."""
        with self._lock:
            return b"".join(self._printed).decode("utf-8", "replace")

    def end(self) -> None:
        """End it at once, with all of its children."""
        if self._process is not None:
            # The group may live on without its leader.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    # -- listening -------------------------------------------------------------------

    def _read(self, stream: int, keep: bool) -> None:
        size, rest = 0, b""
        for chunk in self._chunks(stream):
            size += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if keep:
                self._keep(chunk)
                rest = b""
            for line in () if keep else lines:
                self._lines.put(line)
            if size > FLOOD or len(rest) >= LINE:
                self._why = f"printed more than {size >> 10} KiB"
                rest = b""
                self.end()
                break
        if not keep:
            if rest:
                self._lines.put(rest)
            self._lines.put(None)

    def _chunks(self, stream: int) -> Iterator[bytes]:
        """Yield what comes until the stream ends, or the driver is over and silent."""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            selector.register(self._over[0], selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if stream not in ready:
                    return
                chunk = os.read(stream, CHUNK)
                if not chunk:
                    return
                yield chunk

    def _keep(self, line: bytes) -> None:
        with self._lock:
            self._printed.append(line)

    def _ended(self) -> DriverFailed:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FAREWELL)
            for thread in self._readers:
                thread.join(FAREWELL)
        code = self._process.returncode if self._process else None
        why = self._why or f"ended by itself with code {code}"
        return self._failed(f"The driver {why}.")

    def _failed(self, sentence: str, *, hung: bool = False) -> DriverFailed:
        return DriverFailed(sentence, self.output()[-TAIL:].strip(), hung=hung)
