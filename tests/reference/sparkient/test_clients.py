"""Admins register clients of the token endpoint; with a client its tokens end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.reference.sparkient.caller import Caller, json_of
from tollproof.reference.launch import serving

PATH = "/oauth/clients"
TOKENS = "/oauth/token"


@pytest.fixture(scope="module")
def call() -> Iterator[Caller]:
    with serving(limit=100_000, in_process=True) as deployment:
        caller = Caller(deployment)
        yield caller
        caller.close()


def registered(call: Caller, who: str = "alpha") -> dict[str, str]:
    reply = call(PATH, who, method="POST", body=b'{"client_name": "x"}')
    assert reply.status == 201
    found: dict[str, str] = json_of(reply)
    return found


def granted(call: Caller, client: dict[str, str]) -> str:
    form = (
        f"grant_type=client_credentials&client_id={client['client_id']}"
        f"&client_secret={client['client_secret']}"
    )
    kind = "application/x-www-form-urlencoded"
    reply = call(TOKENS, method="POST", body=form.encode(), content_type=kind)
    document = json.loads(reply.body)
    return str(document.get("access_token") or document["error"])


def test_a_client_is_one_of_the_admins_organisation(call: Caller) -> None:
    token = granted(call, registered(call, "gamma"))
    who = json_of(call("/api/v1/me", key=token))
    assert who["organisation"]["id"] == "globex"
    assert who["client"]["role"] == "member"


def test_two_clients_share_nothing(call: Caller) -> None:
    first, second = registered(call), registered(call)
    assert first["client_id"] != second["client_id"]
    assert granted(call, {**first, "client_secret": second["client_secret"]}) == (
        "invalid_client"
    )


def test_with_a_client_its_tokens_end_and_no_others(call: Caller) -> None:
    first, second = registered(call), registered(call)
    tokens = [granted(call, first), granted(call, second)]
    gone = call(f"{PATH}/{first['client_id']}", "alpha", method="DELETE")
    assert gone.status == 204
    assert [call("/api/v1/me", key=token).status for token in tokens] == [401, 200]
    assert granted(call, first) == "invalid_client"


@pytest.mark.parametrize(("who", "status"), [("", 401), ("beta", 403), ("reader", 403)])
def test_only_admins_manage_clients(call: Caller, who: str, status: int) -> None:
    client = registered(call)
    one = f"{PATH}/{client['client_id']}"
    assert call(PATH, who, method="POST", body=b"{}").status == status
    assert call(one, who, method="DELETE").status == status
    assert granted(call, client).startswith("at_")


def test_clients_of_others_are_concealed(call: Caller) -> None:
    client = registered(call)
    foreign = call(f"{PATH}/{client['client_id']}", "gamma", method="DELETE")
    assert foreign.status == call(f"{PATH}/none", "gamma", method="DELETE").status
    assert foreign.status == 404
    assert granted(call, client).startswith("at_")


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422)])
def test_what_is_no_metadata_is_refused(call: Caller, body: bytes, status: int) -> None:
    assert call(PATH, "alpha", method="POST", body=body).status == status


def test_no_secret_is_stored(call: Caller) -> None:
    secret = registered(call)["client_secret"].encode()
    stored = call.deployment.folder.glob("sparkient.db*")
    assert not [file for file in stored if secret in file.read_bytes()]


def test_with_the_fault_tokens_outlive_their_client() -> None:
    with serving(
        faults=["oauth-revoked-token-works"], limit=100_000, in_process=True
    ) as deployment:
        call = Caller(deployment)
        client = registered(call)
        token = granted(call, client)
        call(f"{PATH}/{client['client_id']}", "alpha", method="DELETE")
        assert call("/api/v1/me", key=token).status == 200
        assert granted(call, client) == "invalid_client"
        call.close()
