"""Plays scripts with the SDK that a profile names, each once in a run.

Knows how driver, platform and the run's record come together, and the credentials of
the run: made up anew each time, worth nothing anywhere, registered with the redactor.
Must not judge.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tollproof.client import RECORDED_BODY
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.model import Exchange, Failure, FailureKind, Leak, Reason, Request
from tollproof.model import Response as Answered
from tollproof.profile.sdk import Sdk, SdkMechanism
from tollproof.redaction import Credential, Redactor
from tollproof.sdk.driver import Driver, DriverFailed
from tollproof.sdk.platform import Arrival, Platform
from tollproof.sdk.protocol import Reply
from tollproof.sdk.scenario import Scenario
from tollproof.sdk.script import Option, Script, Step, Story
from tollproof.target import Target

#: Names the interpreter that has the SDK; tollproof's own otherwise.
PYTHON = "TOLLPROOF_SDK_PYTHON"
DRIVERS = Path(__file__).with_name("drivers")
#: Characters of a driver's last output that a verdict shows.
LAST_WORDS = 600
#: Scripts in a row at which a driver may hang before it is not asked any more.
HANGS = 4

_MADE = {
    "key": "API key",
    "other-key": "another API key",
    "token": "bearer token",
    "other-token": "another bearer token",
    "id": "client id",
    "secret": "client secret",
    "other-id": "another client id",
    "other-secret": "another client secret",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """An SDK, ready to be put to the test.

    Attributes:
        sdk: what it promises.
        made: the run's credentials, by the names that scripts give them.
    """

    deployment: Deployment
    check: str
    sdk: Sdk
    made: Mapping[str, str] = field(repr=False)

    @property
    def redactor(self) -> Redactor:
        """What finds the run's credentials in a text."""
        return self.deployment.redactor

    def play(self, script: Script) -> Story:
        """Play a script, unless it was played before in this run.

        Raises:
            Undetermined: the driver cannot be worked with; says what it last printed.
                One that does not even say hello, or hangs again and again, is not
                asked any more in this run.
        """
        self.deployment.once("sdk hello", self._greet)
        return self.deployment.once(script, lambda: self._play_unless_hung(script))

    def leaks(self, text: str, place: str) -> tuple[Leak, ...]:
        """Return which credentials of the run a text gives away; ids are none."""
        return tuple(
            leak
            for leak in self.redactor.find(text, place)
            if not leak.credential.endswith("client id")
        )

    def field_of(self, mechanism: SdkMechanism, value: str) -> tuple[str, str]:
        """Return the header field that shows a credential of a mechanism."""
        if mechanism == "api_key" and self.sdk.api_key is not None:
            scheme = self.sdk.api_key.scheme
            shown = f"{scheme} {value}" if scheme else value
            return self.sdk.api_key.header, shown
        return "Authorization", f"Bearer {value}"

    def platform(
        self, scenario: Scenario, stormed: Callable[[], None] = lambda: None
    ) -> Platform:
        """Return a platform that knows the credentials of the run."""
        return Platform(
            scenario,
            token_path=self.sdk.oauth.token_path if self.sdk.oauth else "/oauth/token",
            known=tuple(self._known()),
            granted=self._register,
            stormed=stormed,
        )

    # -- playing ---------------------------------------------------------------------

    def _greet(self) -> str:
        """Return what the driver calls its SDK."""
        try:
            with self._folder() as folder, self._driver(folder, {}) as driver:
                sdk = driver.ask("hello").sdk
                driver.ask("quit")
        except DriverFailed as failure:
            raise self._undetermined(failure) from None
        return self.redactor.redact(sdk)

    @staticmethod
    def _folder() -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(
            prefix="tollproof-sdk-", ignore_cleanup_errors=True
        )

    def _driver(self, folder: str, environ: Mapping[str, str]) -> Driver:
        return Driver(
            self._command(),
            folder=Path(folder),
            environ=environ,
            patience=self.sdk.patience,
        )

    def _play_unless_hung(self, script: Script) -> Story:
        """Play a script, unless each of the last ones used up the driver's patience."""
        hung: list[DriverFailed] = self.deployment.once("sdk hung", list)
        if len(hung) >= HANGS:
            raise self._undetermined(hung[-1], f"{HANGS} scripts in a row: ")
        try:
            story = self._play(script)
        except DriverFailed as failure:
            if failure.hung:
                hung.append(failure)
            else:
                hung.clear()
            raise self._undetermined(failure) from None
        hung.clear()
        return story

    def _play(self, script: Script) -> Story:
        ending: list[Driver] = []
        platform = self.platform(script.scenario, lambda: _end(ending))
        with self._folder() as folder, platform:
            stand_ins = self._stand_ins(platform, Path(folder))
            environ = {
                name: str(_filled(value, stand_ins))
                for name, value in script.environment
            }
            driver = self._driver(folder, environ)
            ending.append(driver)
            performed: list[tuple[Step, Reply]] = []
            sdk = ""
            try:
                with driver:
                    sdk = driver.ask("hello").sdk
                    self._perform(script, driver, stand_ins, performed)
                    driver.ask("quit")
            except DriverFailed:
                if not platform.storm:
                    raise
        arrivals = platform.arrivals
        return Story(
            script=script,
            performed=tuple(step for step, _ in performed),
            replies=tuple(reply for _, reply in performed),
            arrivals=arrivals,
            output=driver.output(),
            storm=platform.storm,
            sdk=self.redactor.redact(sdk),
            exchanges={item.number: self.record(item, platform) for item in arrivals},
        )

    def _perform(
        self,
        script: Script,
        driver: Driver,
        stand_ins: Mapping[str, str],
        performed: list[tuple[Step, Reply]],
    ) -> None:
        """Ask the driver step by step; nothing is asked of a client not made."""
        made: set[str] = set()
        for step in script.steps:
            if step.verb is None:
                time.sleep(step.seconds)
                continue
            needed = {"create": "", "copy": step.source}.get(step.verb, step.client)
            if needed and needed not in made:
                continue
            reply = driver.ask(step.verb, **_fields(step, stand_ins))
            performed.append((step, reply))
            if step.verb in ("create", "copy") and reply.ok:
                made.add(step.client)

    def _command(self) -> tuple[str, ...]:
        return tuple(
            filled(word, self.deployment.profile.folder) for word in self.sdk.command
        )

    def _undetermined(self, failure: DriverFailed, before: str = "") -> Undetermined:
        said = self.redactor.redact(failure.output)[-LAST_WORDS:].strip()
        last = f" It last printed: {said}" if said else " It printed nothing else."
        return Undetermined(Reason.PRECONDITION, f"{before}{failure}{last}")

    def _known(self) -> Iterator[tuple[str, str]]:
        for name in ("key", "other-key"):
            yield self.field_of("api_key", self.made[name])
        for name in ("token", "other-token", "worded-token"):
            yield self.field_of("token", self.made[name])

    def _stand_ins(self, platform: Platform, folder: Path) -> Mapping[str, str]:
        file = folder / "client-credentials.json"
        oauth = self.sdk.oauth
        if oauth is not None and oauth.file_keys is not None:
            pair = (self.made["id"], self.made["secret"])
            file.touch(mode=0o600)
            file.write_text(json.dumps(dict(zip(oauth.file_keys, pair, strict=True))))
        return {
            **{f"@{name}": value for name, value in self.made.items()},
            "@platform": platform.url,
            "@file": str(file),
        }

    # -- recording -------------------------------------------------------------------

    def _register(self, token: str) -> None:
        self.redactor.add(
            Credential(label="the access token", value=token, kind="token")
        )

    def record(self, arrival: Arrival, platform: Platform) -> Exchange:
        """Keep an arrival as an exchange of the run, redacted."""
        redact = self.redactor.redact
        origin = platform.url if arrival.place == "platform" else platform.elsewhere
        headers, body = arrival.reply
        answered = Answered(
            status=arrival.status,
            headers=tuple((name, redact(value)) for name, value in headers),
            body=redact(body.decode("utf-8", "replace"))[:RECORDED_BODY],
            body_bytes=len(body),
        )
        number = next(_NUMBERS)
        exchange = Exchange(
            id=f"{self.deployment.client.worker}-sdk-{number}",
            at=datetime.fromtimestamp(arrival.wall, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            seconds=round(arrival.answered - arrival.at, 6),
            request=Request(
                method=arrival.method,
                url=redact(origin + arrival.target),
                headers=tuple(
                    (redact(name), redact(value)) for name, value in arrival.headers
                ),
                body=redact(arrival.body.decode("utf-8", "replace"))[:RECORDED_BODY],
                body_bytes=len(arrival.body),
            ),
            response=answered if arrival.status else None,
            failure=None if arrival.status else _CUT,
            identity="the SDK",
            operation=f"{arrival.kind}, {arrival.place}",
            check=self.check,
            purpose="sent by the SDK to the scripted platform",
        )
        self.deployment.client.note(exchange)
        return exchange


def _end(drivers: Iterable[Driver]) -> None:
    for driver in drivers:
        driver.end()


_CUT = Failure(kind=FailureKind.CLOSED, detail="the platform reset the connection")
_NUMBERS = itertools.count(1)


def filled(word: str, folder: Path) -> str:
    """Fill in the places that a word of a driver's command line stands for."""
    places = {
        "{python}": os.environ.get(PYTHON) or sys.executable,
        "{drivers}": str(DRIVERS),
        "{profile}": str(folder.resolve()),
    }
    for name, value in places.items():
        word = word.replace(name, value)
    return word


def _filled(value: Option, stand_ins: Mapping[str, str]) -> Option:
    """Put in what a text ends in a stand-in for: `@key`, `Bearer @token`."""
    if not isinstance(value, str):
        return value
    before, at, name = value.rpartition("@")
    known = stand_ins.get(at + name)
    return value if known is None else before + known


def _fields(step: Step, stand_ins: Mapping[str, str]) -> dict[str, object]:
    fields: dict[str, object] = {"client": step.client}
    if step.verb == "create":
        fields["options"] = {
            name: _filled(value, stand_ins) for name, value in step.options
        }
    if step.verb == "burst":
        fields["count"] = step.count
    if step.verb == "copy":
        fields["source"] = step.source
    return fields


def bench(target: Target) -> Bench:
    """Return the SDK under judgement.

    Raises:
        LookupError: the profile is not about an SDK.
    """
    deployment = target.deployment
    sdk = deployment.profile.sdk
    if sdk is None:
        raise LookupError("the profile has no [sdk] table")
    made = deployment.once("sdk credentials", lambda: _make(deployment.redactor))
    return Bench(deployment=deployment, check=target.check, sdk=sdk, made=made)


def _make(redactor: Redactor) -> Mapping[str, str]:
    """Make up credentials that no other place in the world has."""
    made = {
        name: f"tp{secrets.token_hex(4)}.{secrets.token_urlsafe(24)}" for name in _MADE
    }
    # A word that looks like the scheme is as good as any other inside a token.
    made["worded-token"] = f"{secrets.token_hex(12)}-Bearer-{secrets.token_hex(12)}"
    for name, value in made.items():
        redactor.add(Credential(label=_MADE.get(name, "bearer token"), value=value))
    # Too short to be looked for; checks compare it themselves.
    made["short-key"] = secrets.token_hex(1) + secrets.choice("#%&+") + "Z"
    return made
