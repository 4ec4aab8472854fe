"""The scripted platform answers by its scenario and writes down all that arrives."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tollproof.sdk.platform import Platform
from tollproof.sdk.scenario import (
    FORBIDDEN,
    REDIRECT,
    RESET,
    REVOKED,
    Answer,
    Grant,
    Scenario,
    throttled,
)

KEY = ("X-Key", "the-key")


def platform(scenario: Scenario, **more: object) -> Platform:
    return Platform(scenario, token_path="/token", known=(KEY,), **more)  # type: ignore[arg-type]


def get(url: str, *headers: tuple[str, str]) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(url, headers=list(headers))


def grant(url: str) -> str:
    with httpx.Client(trust_env=False) as client:
        return str(client.post(f"{url}/token").json()["access_token"])


def test_answers_come_in_order_and_the_last_one_stays() -> None:
    with platform(Scenario(api=(FORBIDDEN, Answer()))) as served:
        statuses = [get(served.url, KEY).status_code for _ in range(3)]
        assert statuses == [403, 200, 200]
        assert [item.status for item in served.arrivals] == [403, 200, 200]
        assert [item.number for item in served.arrivals] == [1, 2, 3]


def test_a_call_without_a_known_credential_is_refused_and_uses_no_answer_up() -> None:
    with platform(Scenario(api=(FORBIDDEN, Answer()))) as served:
        assert get(served.url).status_code == 401
        assert get(served.url, ("X-Key", "another")).status_code == 401
        assert get(served.url, KEY).status_code == 403


def test_everything_that_arrives_is_kept_as_it_came() -> None:
    with platform(Scenario()) as served:
        fields = (KEY, ("Authorization", "Bearer None"), ("X-Twice", "a"))
        get(f"{served.url}/things?q=1", *fields, ("X-Twice", "b"))
        (arrival,) = served.arrivals
    assert arrival.target == "/things?q=1"
    assert arrival.values("x-twice") == ("a", "b")
    assert arrival.values("AUTHORIZATION") == ("Bearer None",)


def test_a_granted_token_is_known_until_it_is_revoked() -> None:
    told: list[str] = []
    served = platform(Scenario(api=(Answer(), REVOKED)), granted=told.append)
    with served:
        token = grant(served.url)
        shown = ("Authorization", f"Bearer {token}")
        statuses = [get(served.url, shown).status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    assert told == [token]


def test_a_token_is_seen_to_have_expired() -> None:
    with platform(Scenario(tokens=(Grant(expires_in=0),))) as served:
        token = grant(served.url)
        get(served.url, ("Authorization", f"Bearer {token}"))
        assert [item.expired for item in served.arrivals] == [False, True]


def test_retry_after_has_either_form() -> None:
    answers = (throttled(), throttled("seconds", 7), throttled("date", 7))
    with platform(Scenario(api=answers)) as served:
        none, seconds, date = (get(served.url, KEY) for _ in answers)
        arrival = served.arrivals[-1]
    assert "Retry-After" not in none.headers
    assert seconds.headers["Retry-After"] == "7"
    told = parsedate_to_datetime(date.headers["Retry-After"]).timestamp()
    assert told >= arrival.wall + 7


def test_a_redirect_names_another_host_and_what_follows_is_kept() -> None:
    with platform(Scenario(api=(REDIRECT,))) as served:
        location = get(served.url, KEY).headers["Location"]
        assert location.startswith(served.elsewhere)
        assert httpx.URL(location).host != httpx.URL(served.url).host
        assert get(location, KEY).status_code == 200
        assert [item.place for item in served.arrivals] == ["platform", "elsewhere"]


def test_a_reset_is_no_answer() -> None:
    with platform(Scenario(api=(RESET,))) as served:
        with pytest.raises(httpx.TransportError):
            get(served.url, KEY)
        assert [item.status for item in served.arrivals] == [0]


def test_a_storm_is_ended_and_told_once() -> None:
    storms: list[bool] = []
    served = platform(Scenario(limit=3), stormed=lambda: storms.append(True))
    with served:
        assert [get(served.url, KEY).status_code for _ in range(3)] == [200] * 3
        before = served.storm
        for _ in range(4):
            with pytest.raises(httpx.TransportError):
                get(served.url, KEY)
        assert (before, served.storm) == (False, True)
        assert len(served.arrivals) == 3
    assert storms == [True]


def test_arrivals_at_once_have_numbers_of_their_own() -> None:
    with platform(Scenario()) as served:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: get(served.url, KEY), range(24)))
        numbers = [item.number for item in served.arrivals]
    assert numbers == list(range(1, 25))


def test_a_body_is_kept_up_to_a_bound() -> None:
    with platform(Scenario()) as served:
        with httpx.Client(trust_env=False) as client:
            client.post(served.url, headers=[KEY], content=b"x" * 300_000)
        assert len(served.arrivals[0].body) == 1 << 16


def test_a_page_tells_what_came_of_it() -> None:
    scenario = Scenario(pages=(("/page", "text/html", "<p>hello"),))
    with platform(scenario) as served:
        assert get(f"{served.url}/page").text == "<p>hello"
        with httpx.Client(trust_env=False) as client:
            client.post(f"{served.url}/tollproof/report", content=json.dumps({"a": 1}))
        assert served.report(1.0) == '{"a": 1}'
        assert {item.kind for item in served.arrivals} == {"page"}
