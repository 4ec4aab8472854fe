"""What a job may be, what goes on the wire, and where the credentials are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.load.support import SECRET, job, shot
from tollproof.errors import UsageError
from tollproof.load.allowance import Budget
from tollproof.load.arrivals import plateau
from tollproof.load.job import (
    LoadJob,
    RequestSpec,
    Sustained,
    Template,
    Tls,
    check,
    essence,
    led,
    read_job,
    target,
)

GOOD = job(8080, shot(0, 5))


def test_a_job_survives_its_two_documents() -> None:
    again = read_job(GOOD.document(), GOOD.secrets())
    assert again == GOOD
    assert SECRET not in GOOD.document()
    assert SECRET not in repr(GOOD)
    assert SECRET in GOOD.secrets()


def test_a_malformed_job_does_not_show_its_secrets() -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        read_job(GOOD.document(), f'{{"alpha": ["{SECRET}"')
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "ftp://127.0.0.1:8080"}, "http"),
        ({"url": "http://user:pw@127.0.0.1:8080"}, "without credentials"),
        ({"url": "http://127.0.0.1:8081"}, "consent"),
        ({"url": "http://localhost:8080"}, "consent"),
        ({"schedule": None}, "either"),
        ({"credentials": {}}, "no credential for alpha"),
        ({"requests": (RequestSpec(name="other"),)}, "no request is called plain"),
        ({"headers": {"colour": "X"}}, "colour"),
        ({"requests": (RequestSpec(path="/a b"),)}, "method and path"),
        ({"requests": (RequestSpec(method="G T"),)}, "method and path"),
        ({"requests": (RequestSpec(headers=(("A", "x\r\nB: y"),)),)}, "'A'"),
        ({"requests": (RequestSpec(headers=(("Connection", "x"),)),)}, "connection"),
        ({"credentials": {"alpha": (("K", "a\nb"),)}}, "'K'"),
        ({"id_header": "X:"}, "id header"),
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object], told: str) -> None:
    check(GOOD)
    with pytest.raises(UsageError, match=told) as caught:
        check(replace(GOOD, **change))  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert "a\nb" not in str(caught.value)


@pytest.mark.parametrize(
    "budget", [{"requests": 4}, {"requests": 99, "seconds": 0.0001}]
)
def test_more_than_consented_is_refused(budget: dict[str, float]) -> None:
    values = {"per_second": 0, "seconds": 9.0, **budget}
    limit = Budget(hosts=(("127.0.0.1", 8080),), **values)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="consented"):
        check(
            replace(GOOD, budget=limit, schedule=job(8080, shot(0, 5, at=1)).schedule)
        )


def test_random_arrivals_are_planned_with_a_margin() -> None:
    plan = Sustained(stages=plateau(100, 10), keys=("alpha",))
    steady = replace(GOOD, schedule=None, sustained=plan)
    assert steady.most_requests == 1000
    chance = replace(steady, sustained=replace(plan, seed=3))
    assert 1000 < chance.most_requests < 1300


def test_the_bytes_on_the_wire() -> None:
    spec = RequestSpec(method="POST", path="/a?b=c", headers=(("X-A", "1"),), body="é")
    data = Template(GOOD, "alpha", spec).build(2, 255)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a?b=c HTTP/1.1"
    assert "Host: 127.0.0.1:8080" in lines
    assert "Content-Length: 2" in lines
    assert f"Authorization: Bearer {SECRET}alpha" in lines
    assert "X-Request-Id: 002-0000000ff" in lines
    assert body == "é".encode()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.test", "api.test"),
        ("https://api.test:443/v1", "api.test"),
        ("http://api.test:8080", "api.test:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_host_header(url: str, host: str) -> None:
    other = replace(GOOD, url=url)
    data = Template(other, "alpha", RequestSpec()).build(0, 0)
    assert f"\r\nHost: {host}\r\n".encode() in data
    assert target(other)[1] in ("api.test", "::1")


def test_own_headers_replace_the_usual_ones() -> None:
    spec = RequestSpec(headers=(("user-agent", "mine"), ("Host", "else.test")))
    data = Template(LoadJob(url=GOOD.url, budget=GOOD.budget), "", spec).build(0, 0)
    assert data.lower().count(b"user-agent:") == data.lower().count(b"host:") == 1
    assert b"Host: else.test" in data


def sustained(**more: Any) -> Sustained:
    values: dict[str, Any] = {"stages": plateau(10, 5.0), "keys": ("alpha",)}
    return Sustained(**{**values, **more})


def test_machines_agree_upon_all_but_how_much() -> None:
    ours = job(9, keys=("alpha",), sustained=sustained(), run_id="one")
    for same in (
        replace(ours, run_id="two"),
        replace(ours, sustained=sustained(stages=plateau(99, 50.0), connections=7)),
        replace(ours, budget=replace(ours.budget, requests=5, per_second=3)),
        replace(ours, tls=Tls(ca="/elsewhere/ca.pem")),
    ):
        assert essence(same) == essence(ours)
    for other in (
        replace(ours, url="http://127.0.0.1:10"),
        replace(ours, operation="another"),
        replace(ours, requests=(RequestSpec(path="/other"),)),
        replace(ours, tls=Tls(verify=False)),
        replace(ours, budget=replace(ours.budget, hosts=(("127.0.0.1", 10),))),
    ):
        assert essence(other) != essence(ours)


def test_a_worker_is_led_within_its_own_consent() -> None:
    own = job(9, keys=("alpha", "beta"), sustained=sustained())
    asked = sustained(stages=plateau(50, 20.0), keys=("alpha", "beta"))
    found = led(own, asked, seconds=50.0)
    assert (found.sustained, found.budget.seconds) == (asked, 50.0)
    assert found.budget.requests == own.budget.requests
    assert found.credentials == own.credentials
    slow = replace(own, budget=replace(own.budget, per_second=49))
    few = replace(own, budget=replace(own.budget, requests=999))
    for less, said in ((slow, "49 consented"), (few, "999 consented")):
        with pytest.raises(UsageError, match=said):
            led(less, asked, seconds=50.0)
    with pytest.raises(UsageError, match="no credential for gamma"):
        led(own, sustained(keys=("gamma",)), seconds=50.0)
