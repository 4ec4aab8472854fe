"""A token endpoint in trouble is said to be, and gets no more requests for it.

All checks of the suite are run, by real sockets, on endpoints that are slow, answer
pages, throttle, fail, redirect to themselves or grant nonsense.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path

import pytest

from tests.deploying import THINGS, deployment_of, profile_at
from tests.servers import Connection, Server, answer, scripted
from tollproof.declare import spec_of
from tollproof.errors import Undetermined
from tollproof.evaluate import verdict_of
from tollproof.model import CheckSpec, Outcome, Reason, Verdict
from tollproof.resources import bundled
from tollproof.target import Target

SECRET = "Bn5Qs8Wd2Fg7Hj4Kl9Zx3Cv6"
TOKEN = "Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3"
#: Token requests that a run may cost an endpoint which never grants anything: one for
#: the identity, one to be shown that the suite's own way of asking does no better.
MOST = 2

JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
PAGE = [("Content-Type", "text/html")]


def granting(document: object) -> bytes:
    return answer(200, JSON, json.dumps(document).encode())


#: What the endpoint answers to everything, and what is said of it. None is no answer.
TROUBLE: Mapping[str, tuple[bytes | None, str, Reason]] = {
    "slow": (None, "gave no complete answer", Reason.UNREACHABLE),
    "a page": (answer(200, PAGE, b"<h1>Hi"), "text/html", Reason.PRECONDITION),
    "429": (
        answer(429, [*JSON, ("Retry-After", "7")]),
        "answers 429, retry after 7",
        Reason.THROTTLED,
    ),
    "500": (answer(500, JSON), "answers 500", Reason.UNREACHABLE),
    "503": (answer(503, PAGE), "answers 503", Reason.UNREACHABLE),
    "a loop": (answer(302, [("Location", "/token")]), "redirects", Reason.PRECONDITION),
    "a refusal": (
        answer(400, JSON, b'{"error": "invalid_client"}'),
        "refuses the client with 400 (invalid_client)",
        Reason.PRECONDITION,
    ),
    "nothing": (granting({}), "no access_token", Reason.PRECONDITION),
    "a number": (granting({"access_token": 7}), "no access_token", Reason.PRECONDITION),
    "a list": (granting([TOKEN]), "not an object", Reason.PRECONDITION),
}

Checks = Mapping[str, tuple[CheckSpec, Callable[[Target], Verdict]]]


@cache
def checks() -> Checks:
    """Return the functions of the suite, by the ids of their checks."""
    found = {}
    for path in sorted((bundled("suites") / "oauth").glob("test_*.py")):
        for value in runpy.run_path(str(path)).values():
            if callable(value) and (spec := spec_of(value)) is not None:
                found[spec.id] = spec, value
    return found


@contextmanager
def deployed(
    folder: Path, token: Callable[[Connection], bytes | None]
) -> Iterator[tuple[Target, Server, list[bytes]]]:
    """Open an API that knows one token, and a token endpoint beside it."""
    asked: list[bytes] = []

    def handler(connection: Connection) -> None:
        while request := connection.request():
            if request.split(b" ")[1].startswith(b"/token"):
                asked.append(request)
                said = token(connection)
                if said is None:
                    connection.wait()
                    return
                connection.send(said)
            else:
                known = b"\r\nauthorization: bearer " + TOKEN.lower().encode()
                connection.send(answer(200 if known in request.lower() else 401, JSON))

    with scripted(handler) as server:
        (folder / "secret").write_text(SECRET)
        (folder / "id").write_text("client-of-the-tests")
        profile = profile_at(
            folder / "p.toml",
            server.origin,
            THINGS,
            f"""
[identities.svc]
kind = "oauth"
client_id = {{ file = "id" }}
client_secret = {{ file = "secret" }}
[promises.oauth]
token_url = "{server.origin}/token"
""",
        )
        with deployment_of(profile) as deployment, closing(deployment.fetcher):
            yield Target(deployment=deployment, check="oauth"), server, asked


def judged(target: Target) -> dict[str, Verdict]:
    """Run every check of the suite that the profile has what it needs for."""
    return {
        name: verdict_of(partial(function, target))
        for name, (spec, function) in checks().items()
        if all(target.profile.has(need) for need in spec.needs)
    }


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_said_and_not_asked_for_again(tmp_path: Path, name: str) -> None:
    raw, says, reason = TROUBLE[name]
    with deployed(tmp_path, lambda _: raw) as (target, _, asked):
        identity = target.deployment.identities["svc"]
        with pytest.raises(Undetermined) as caught:
            target.deployment.preflight(identity, "preflight.identity")
        verdicts = judged(target)
    assert says in caught.value.sentence
    assert caught.value.reason is reason
    assert len(verdicts) > 15
    for verdict in verdicts.values():
        assert verdict.outcome is Outcome.INCONCLUSIVE, verdict.summary
        assert verdict.reason in (
            Reason.PRECONDITION,
            Reason.THROTTLED,
            Reason.UNREACHABLE,
        )
        assert SECRET not in verdict.summary
    assert len(asked) <= MOST


def test_an_endpoint_that_gets_into_trouble_later_is_not_stormed(
    tmp_path: Path,
) -> None:
    """What was granted at first goes on being used; what needs more says so."""
    good = granting({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300})
    throttled = answer(429, JSON)
    with deployed(tmp_path, lambda _: good if len(asked) < 3 else throttled) as (
        target,
        _,
        asked,
    ):
        verdicts = judged(target)
    outcomes = {item.outcome for item in verdicts.values()}
    assert outcomes == {Outcome.PASSED, Outcome.INCONCLUSIVE}
    throttled_ones = [i for i in verdicts.values() if i.reason is Reason.THROTTLED]
    assert len(throttled_ones) > 10
    # The first request of each check that asks for something of its own, and no more.
    assert len(asked) <= 3 + len(verdicts)
