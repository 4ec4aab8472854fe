"""From the place where a secret is kept to the secret.

Knows environment variables, files and commands. Must not know what a secret is for,
and never puts one into a message, a log or a representation.

A file may be readable by everybody, since mounted secrets (Kubernetes, Docker) are;
it must not be writable by everybody, since anybody could then choose the credential.
Commands run with the rights of the user, in the profile's folder, without a shell:
a profile with commands deserves the trust of a script.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tollproof.errors import Problem, ProfileError, UsageError
from tollproof.profile.locate import line_of
from tollproof.profile.model import Profile
from tollproof.profile.problems import in_order
from tollproof.profile.values import SecretRef

LARGEST = 1 << 16  # bytes of one secret
PATIENCE = 30.0  # seconds for a command

Place = tuple[str, str]


class SecretValues(Mapping[Place, str]):
    """Secrets by (identity, field); its representation names them and no more."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Place, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, place: Place) -> str:
        return self._values[place]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        """Name what is held."""
        return f"SecretValues({', '.join('.'.join(place) for place in self)})"


def resolve(
    ref: SecretRef,
    *,
    folder: Path,
    environ: Mapping[str, str],
    multiline: bool = False,
    patience: float = PATIENCE,
) -> str:
    """Fetch one secret; a newline at its end is not part of it.

    Args:
        folder: what file names are relative to, and where commands run.
        multiline: whether it may have several lines, as PEM and JSON do.
        patience: seconds a command may take.

    Raises:
        UsageError: it is missing, empty, too long or not text; says which and why.
    """
    if ref.env is not None:
        text = _from_environment(ref.env, environ)
    elif ref.file is not None:
        text = _text(_from_file(folder / ref.file), ref)
    else:
        argv = ref.command or ()
        text = _text(_from_command(argv, folder, environ, patience), ref)
    return _usable(text, ref, multiline)


def resolve_all(profile: Profile, environ: Mapping[str, str]) -> Mapping[Place, str]:
    """Fetch every secret of every identity.

    A `credentials` file comes back as its `client_id` and `client_secret`.

    Returns:
        Secrets by (name of the identity, field of the identity).

    Raises:
        ProfileError: some cannot be had, or two identities that must differ hold the
            same; names all of them.
    """
    found: dict[Place, str] = {}
    fetched: dict[SecretRef, str] = {}  # a command runs once, whoever refers to it
    problems = []
    for name, identity in profile.identities.items():
        for field, ref in identity.secrets().items():
            try:
                if ref not in fetched:
                    fetched[ref] = resolve(
                        ref,
                        folder=profile.folder,
                        environ=environ,
                        multiline=field in ("credentials", "signing_key"),
                    )
                if field == "credentials":
                    for key, value in _client(fetched[ref], ref).items():
                        found[name, key] = value
                else:
                    found[name, field] = fetched[ref]
            except UsageError as error:
                problems.append(_problem(profile, name, field, str(error)))
    problems += _alike(profile, found)
    if problems:
        raise ProfileError(str(profile.path), in_order(problems))
    return SecretValues(found)


def _problem(profile: Profile, name: str, field: str, message: str) -> Problem:
    path = ("identities", name, field)
    return Problem(
        where=".".join(path), line=line_of(profile.lines, path), message=message
    )


def _alike(profile: Profile, found: Mapping[Place, str]) -> Iterator[Problem]:
    """One credential cannot be live and revoked, or belong to two organisations."""
    first: dict[str, str] = {}
    for (name, field), value in found.items():
        if field not in ("key", "token", "id_token", "client_secret"):
            continue
        other = first.setdefault(value, name)
        one, two = profile.identities[other], profile.identities[name]
        if (one.state, one.organisation) != (two.state, two.organisation):
            yield _problem(
                profile,
                name,
                field,
                f"is the same credential as that of {other}, whose state or "
                "organisation is another",
            )


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise UsageError(f"the environment variable {name} is not set")
    return environ[name]


def _from_file(path: Path) -> bytes:
    try:
        # Not blocking, so that a named pipe cannot hold the run up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise UsageError(f"the file {path} cannot be read: {reason}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is not a file")
        if mode & stat.S_IWOTH:
            raise UsageError(f"the file {path} can be written by everybody: chmod o-w")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST + 1)
    finally:
        os.close(descriptor)


def _from_command(
    argv: tuple[str, ...], folder: Path, environ: Mapping[str, str], patience: float
) -> bytes:
    name = argv[0]
    try:
        process = subprocess.Popen(  # noqa: S603  (a list, from the user's profile)
            argv,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold what must not be shown
            start_new_session=True,  # so that its children can be ended with it
        )
    except (OSError, ValueError):
        raise UsageError(f"the command {name} cannot be started") from None
    with process:
        try:
            output = _read(process, time.monotonic() + patience)
        except TimeoutError:
            raise UsageError(
                f"the command {name} did not end within {patience:g} seconds"
            ) from None
        finally:
            _end(process)
    if process.returncode and len(output) <= LARGEST:
        raise UsageError(f"the command {name} ended with code {process.returncode}")
    return output


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Read what a command prints, up to one byte more than is allowed."""
    output = bytearray()
    stdout = process.stdout
    if stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(output) <= LARGEST:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(stdout.fileno(), LARGEST + 1 - len(output))
            if not chunk:
                break
            output += chunk
        else:
            return bytes(output)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return bytes(output)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(raw: bytes, ref: SecretRef) -> str:
    if len(raw) > LARGEST:
        raise UsageError(f"the {ref.describe()} gives more than {LARGEST} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the {ref.describe()} does not give text (UTF-8)") from None


def _usable(text: str, ref: SecretRef, multiline: bool) -> str:
    text = text.rstrip("\r\n")
    place = ref.describe()
    if not text.strip():
        raise UsageError(f"the {place} is empty")
    if len(text) > LARGEST:
        raise UsageError(f"the {place} gives more than {LARGEST} bytes")
    allowed = "\r\n\t" if multiline else ""
    if any((ch < " " or "\x7f" <= ch < "\xa0") and ch not in allowed for ch in text):
        hint = "" if multiline else ", such as a line break inside"
        raise UsageError(f"the {place} gives control characters{hint}")
    if not multiline and text != text.strip():
        raise UsageError(f"the {place} begins or ends with a blank")
    return text


def _client(text: str, ref: SecretRef) -> Mapping[str, str]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise UsageError(f"the {ref.describe()} does not hold a JSON object")
    found = {}
    for key, other in (("client_id", "clientId"), ("client_secret", "clientSecret")):
        value = data.get(key, data.get(other))
        if not isinstance(value, str) or not value:
            raise UsageError(f"the {ref.describe()} holds no {key} and no {other}")
        found[key] = _usable(value, ref, multiline=False)
    return found
