"""A local issuer signs, publishes, rotates and withdraws; a verifier follows it."""

from __future__ import annotations

import json
import re
import urllib.request

import httpx
import pytest

from tollproof.identity.forge import parse
from tollproof.reference import issuer as issuing
from tollproof.reference.issuer import Issuer, serving
from tollproof.reference.sparkient import issuer_keys
from tollproof.reference.sparkient.issuer_keys import IssuerKeys


def test_the_first_key_stays_and_the_ones_between_go() -> None:
    own = Issuer()
    keys = [own.key, own.rotate(), own.rotate(), own.rotate()]
    assert list(own.certificates()) == [keys[0].key_id, keys[2].key_id, keys[3].key_id]
    assert parse(own.mint("x")).header["kid"] == keys[3].key_id


def test_a_key_that_is_withdrawn_signs_no_more() -> None:
    own = Issuer()
    first, second = own.key, own.rotate()
    assert own.retire(second.key_id)
    assert list(own.certificates()) == [first.key_id]
    assert parse(own.mint("x")).header["kid"] == first.key_id
    # Nor is one withdrawn twice, and never the last.
    assert not own.retire(second.key_id)
    assert not own.retire(first.key_id)


def test_keys_are_withdrawn_over_http() -> None:
    own = Issuer()
    with serving(own) as url:
        kid = httpx.post(f"{url}/rotate", json={}).json()["kid"]
        assert kid in httpx.get(f"{url}/certificates").json()
        assert httpx.post(f"{url}/retire", json={"kid": kid}).status_code == 200
        assert kid not in httpx.get(f"{url}/certificates").json()
        assert httpx.post(f"{url}/retire", json={"kid": kid}).status_code == 404
        for nonsense in (b"", b"[]", b'{"kid": 1}'):
            answer = httpx.post(f"{url}/retire", content=nonsense)
            assert answer.status_code == 400


def test_the_keys_may_be_kept_for_as_long_as_the_promise_of_the_reference() -> None:
    with (
        serving(Issuer()) as url,
        urllib.request.urlopen(f"{url}/certificates") as answer,
    ):
        kept = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
        assert kept
        assert int(kept[1]) == issuing.MAX_AGE < 5
        json.loads(answer.read())


class Clock:
    """Stands in for `time` in the verifier's module."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("forget", [True, False])
def test_a_verifier_forgets_a_key_once_the_document_is_stale(
    forget: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "time", clock)
    own = Issuer()
    first = own.key
    with serving(own) as url:
        keys = IssuerKeys(f"{url}/certificates", forget=forget)
        second = own.rotate()
        assert keys.find(second.key_id)
        own.retire(second.key_id)
        clock.now += issuing.MAX_AGE - 0.1
        assert keys.find(second.key_id), "it may be kept for so long"
        clock.now += 0.2
        assert bool(keys.find(second.key_id)) is not forget
        assert keys.find(first.key_id)
