"""aiohttp with keys in X-API-Key, problem+json, two tenants and one-digit ids."""

from __future__ import annotations

from pathlib import Path

from tests.real.stacks import HERE, aiohttp, gate

PROFILE = HERE / "aiohttp" / "profile.toml"
READS = {"GET /readings", "GET /readings/{id}", "GET /count"}
EVERY = READS | {"POST /readings"}


def test_what_keeps_its_promises_may_be_released(tmp_path: Path) -> None:
    with aiohttp() as base_url:
        judged = gate(PROFILE, "READINGS", base_url, tmp_path / "out")
    # aiohttp names itself where it answers before the application: that it does is so.
    assert set(judged.failed) == {"headers.no-server-version"}, judged.reasons()
    assert judged.inconclusive == {}, judged.reasons()


def test_each_mistake_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    """The open paths are sought anywhere in the URL, the organisation in the query."""
    faults = ("substring", "any-case", "key-in-cookie", "talkative", "org-query")
    with aiohttp((*faults, "stack")) as base_url:
        judged = gate(PROFILE, "READINGS", base_url, tmp_path / "out")
    whole = {"deployment"}
    failed = dict(judged.failed)
    assert failed.pop("headers.no-server-version") == whole
    assert failed.pop("authentication.path-spelling") <= EVERY, judged.reasons()
    assert failed == {
        "authentication.altered-key": EVERY,
        "authentication.credential-location": EVERY,
        "authentication.indistinguishable": whole,
        "envelope.disclosure": whole,
        "envelope.hostile-body": {"POST /readings"},
        "tenancy.override": {
            "GET /readings of acme as other",
            "GET /readings of globex as main",
        },
    }, judged.reasons()
