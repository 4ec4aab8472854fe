"""What becomes of a token whose client is revoked, on services of every kind."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.deploying import ALPHA, THINGS, deployment_of, profile_at
from tests.servers import Connection, answer, scripted
from tollproof.evaluate import verdict_of
from tollproof.model import Exchange, Outcome, Reason, Verdict, to_json
from tollproof.resources import bundled
from tollproof.target import Target

OWN, MADE = "Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3", "Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9"
SECRET = "Hv2Bt9Yr4Dk7Lp1Sx6Fn3Gw8"
JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
#: What a token of the new client is answered before the revocation, and after it.
KINDS: Mapping[str, tuple[int, int, Outcome, str]] = {
    "ends": (200, 401, Outcome.PASSED, "a token is refused (401)"),
    "is forbidden": (200, 403, Outcome.PASSED, "a token is refused (403)"),
    "works on": (200, 200, Outcome.FAILED, "still works"),
    "never worked": (401, 401, Outcome.INCONCLUSIVE, "is not let in (401)"),
    "breaks": (200, 500, Outcome.INCONCLUSIVE, "is answered 500"),
    "is throttled": (200, 429, Outcome.INCONCLUSIVE, "throttled"),
}


def judged(
    folder: Path, before: int, after: int, elsewhere: int | None = None
) -> tuple[Verdict, list[Exchange]]:
    """Run the check; return its verdict, and what was recorded.

    Args:
        elsewhere: what a replica answers the token after the revocation.
    """
    revoked: list[bytes] = []

    def handler(connection: Connection, then: int = after) -> None:
        while request := connection.request():
            connection.send(_answer(request, revoked, before, then))

    (folder / "secret").write_text("Bn5Qs8Wd2Fg7Hj4Kl9Zx3Cv6")
    (folder / "id").write_text("client-of-the-tests")
    recorded: list[Exchange] = []
    with (
        scripted(handler) as server,
        scripted(partial(handler, then=elsewhere or after)) as replica,
    ):
        replicas = f'replicas = ["{replica.origin}"]\n' if elsewhere else ""
        profile = profile_at(
            folder / "p.toml",
            server.origin,
            replicas,
            THINGS,
            ALPHA,
            f"""
[identities.svc]
kind = "oauth"
client_id = {{ file = "id" }}
client_secret = {{ file = "secret" }}
[promises.oauth]
token_url = "{server.origin}/token"
revoked_within = 0.3
[client_lifecycle]
by = "alpha"
create = {{ method = "POST", path = "/clients" }}
revoke = {{ method = "DELETE", path = "/clients/{{id}}" }}
[consent]
key_lifecycle = true
""",
        )
        path = bundled("suites") / "oauth" / "test_revocation.py"
        check = runpy.run_path(str(path))["test_revoked_token"]
        with (
            deployment_of(profile, record=recorded.append) as deployment,
            closing(deployment.fetcher),
        ):
            target = Target(deployment=deployment, check="oauth.revoked-token")
            verdict = verdict_of(partial(check, target))
            assert deployment.undo() == ()
    assert revoked == [b"/clients/made"]
    return verdict, recorded


def _answer(request: bytes, revoked: list[bytes], before: int, after: int) -> bytes:
    path = request.split(b" ")[1]
    if path == b"/clients":
        document = {"client_id": "made", "client_secret": SECRET}
        return answer(201, JSON, json.dumps(document).encode())
    if path.startswith(b"/clients/"):
        revoked.append(path)
        return answer(204)
    if path == b"/token":
        token = MADE if SECRET.encode() in request else OWN
        grant = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
        return answer(200, JSON, json.dumps(grant).encode())
    if OWN.encode() in request:
        return answer(200, JSON)
    return answer(after if revoked else before, JSON)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_ends_with_its_client(tmp_path: Path, kind: str) -> None:
    before, after, outcome, says = KINDS[kind]
    verdict, recorded = judged(tmp_path, before, after)
    assert (verdict.outcome, says in verdict.summary) == (outcome, True), verdict
    assert verdict.reason is not Reason.HARNESS
    written = json.dumps(to_json(recorded))
    assert not [text for text in (OWN, MADE, SECRET) if text in written]


@pytest.mark.parametrize(
    ("after", "elsewhere", "outcome", "says"),
    [
        (401, 401, Outcome.PASSED, "a token is refused (401)"),
        (401, 200, Outcome.FAILED, "still works"),
        (401, 500, Outcome.INCONCLUSIVE, "is answered 500"),
        # That one tells nothing excuses no other.
        (200, 500, Outcome.FAILED, "still works"),
        (500, 200, Outcome.FAILED, "still works"),
    ],
)
def test_a_token_ends_at_every_replica(
    tmp_path: Path, after: int, elsewhere: int, outcome: Outcome, says: str
) -> None:
    verdict, recorded = judged(tmp_path, 200, after, elsewhere)
    assert (verdict.outcome, says in verdict.summary) == (outcome, True), verdict
    late = [item for item in recorded if item.purpose == "after its client was revoked"]
    assert len({item.request.url for item in late}) == 2
