"""An ID token counts in the Authorization field, and under a fault elsewhere too."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.reference.sparkient.caller import Caller
from tollproof.reference.launch import Deployment, serving


def token_of(deployment: Deployment) -> str:
    found = re.search(r'certificates = "(.*)/certificates"', deployment.profile_text)
    assert found
    wish = {"sub": "firebase-user"}
    return str(httpx.post(f"{found[1]}/tokens", json=wish).json()["token"])


@pytest.mark.parametrize(
    ("fault", "places"),
    [
        ("", {"field"}),
        ("token-in-cookie", {"field", "cookie"}),
        ("token-in-query", {"field", "query"}),
    ],
)
def test_where_a_token_counts(fault: str, places: set[str]) -> None:
    me = "/api/v1/me"
    with serving(faults=[fault] if fault else [], in_process=True) as deployment:
        token, call = token_of(deployment), Caller(deployment)
        replies = {
            "field": call(me, key=token),
            "cookie": call(me, cookie=f"__session={token}"),
            "query": call(f"{me}?id_token={token}"),
            "another field": call(me, x_id_token=token),
        }
        call.close()
    assert {name for name, reply in replies.items() if reply.let_in} == places
    assert {reply.status for reply in replies.values()} == {200, 401}
