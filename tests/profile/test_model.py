"""Questions asked of a profile: who may call what, what it has, what it lacks."""

import re
from typing import Any

import pytest

from tollproof.errors import CatalogueError
from tollproof.profile.identities import Identity, Mechanism
from tollproof.profile.kinds import covers
from tollproof.profile.model import Profile
from tollproof.profile.needs import NEEDS
from tollproof.profile.values import label_matches

KEY = {"kind": "api_key", "key": {"env": "K"}}
OPEN = {"kind": "open"}


def profile_of(
    *identities: dict[str, Any],
    target: dict[str, Any] | None = None,
    promises: dict[str, Any] | None = None,
    **more: Any,
) -> Profile:
    """A profile with these identities."""
    return Profile.model_validate(
        {
            "name": "x",
            "target": {"base_url": "http://h", "openapi": "o", **(target or {})},
            "identities": {f"i{n}": item for n, item in enumerate(identities)},
            "promises": promises or {},
            **more,
        }
    )


def limit(requests: int) -> dict[str, Any]:
    """An identity with a limit of its own."""
    return {**KEY, "limit": {"requests": requests, "window": 60}}


def rate(**fields: Any) -> dict[str, Any]:
    """Promises with a rate limit."""
    return {"promises": {"rate_limit": {"limit": 1, "window": 1, **fields}}}


MEETS: list[tuple[str, tuple[dict[str, Any], ...], dict[str, Any]]] = [
    ("identity.live", (KEY,), {}),
    ("identity.revoked", ({**KEY, "state": "revoked"},), {}),
    ("identity.expired", ({**KEY, "state": "expired"},), {}),
    ("identity.wrong_environment", ({**KEY, "state": "wrong_environment"},), {}),
    ("identity.api_key", (KEY,), {}),
    ("identity.oauth", ({"kind": "oauth", "credentials": {"file": "c"}},), {}),
    ("identity.firebase", ({"kind": "firebase", "id_token": {"env": "T"}},), {}),
    ("identity.token", ({"kind": "token", "token": {"env": "T"}},), {}),
    (
        "identity.signing_key",
        ({"kind": "firebase", "signing_key": {"file": "k"}, "subject": "s"},),
        {},
    ),
    ("identity.open", (OPEN,), {}),
    ("identity.small_limit", (limit(20),), {}),
    ("identity.limited", ({**KEY, "grants": ["*", "!GET /x"]},), {}),
    ("identity.second", (KEY, KEY), {}),
    (
        "identity.second_organisation",
        ({**KEY, "organisation": "a"}, {**KEY, "organisation": "b"}),
        {},
    ),
    (
        "identity.same_organisation",
        ({**KEY, "organisation": "a"}, {**KEY, "organisation": "a"}),
        {},
    ),
    ("identity.owns", ({**KEY, "owns": {"id": "1"}},), {}),
    ("target.https", (), {"target": {"base_url": "https://h"}}),
    ("target.public", (), {"target": {"public": ["GET /x"]}}),
    ("promises.concealment", (), {"promises": {"refusal": {"not_owned": 404}}}),
    (
        "promises.rate_limit.headers.retry_after",
        (),
        rate(headers={"retry_after": "either"}),
    ),
    ("promises.rate_limit.counts.errors", (), rate(counts={"errors": False})),
    (
        "promises.headers.required",
        (),
        {"promises": {"headers": [{"name": "X-Request-Id"}]}},
    ),
    (
        "promises.headers.forbidden",
        (),
        {"promises": {"headers": [{"name": "X-Debug", "rule": "forbidden"}]}},
    ),
    (
        "promises.doubled_header",
        (),
        {"promises": {"doubled_header": "refuse"}},
    ),
    ("promises.retry_after_scope", (), rate(headers={"limit": "X-Limit"})),
    ("promises.rate_limit", (), rate()),
    ("promises.rate_limit.headers.exactly", (), rate(headers={"exactly": True})),
    ("promises.errors.status.415", (), {"promises": {"errors": {"statuses": [415]}}}),
    ("promises.errors.schema", (), {"promises": {"errors": {"schema": {"a": 1}}}}),
    (
        "target.http_url",
        (),
        {"target": {"base_url": "https://h", "http_url": "http://h"}},
    ),
    ("consent.writes", (), {"consent": {"writes": True}}),
    ("places.logs", (), {"places": {"logs": [{"file": "l"}]}}),
    (
        "lifecycle",
        (),
        {"lifecycle": {"create": {"command": ["c"]}, "revoke": {"command": ["{id}"]}}},
    ),
]
#: Met by the least profile: what is promised unless taken back.
TAKEN_BACK: dict[str, dict[str, Any]] = {
    "promises.challenge": {"promises": {"challenge": False}},
    "promises.transport.hsts": {"promises": {"transport": {"hsts": False}}},
}


@pytest.mark.parametrize(
    ("need", "identities", "more"), MEETS, ids=lambda v: str(v)[:40]
)
def test_a_need_is_met_by_what_the_sentence_asks_for(
    need: str, identities: tuple[dict[str, Any], ...], more: dict[str, Any]
) -> None:
    bare = profile_of()
    assert not bare.has(need)
    sentence = bare.why_not(need)
    assert sentence.startswith("The ")
    assert sentence.endswith(".")
    assert re.search(r"\b(add|write|take)\b", sentence)
    full = profile_of(*identities, **more)
    assert full.has(need)
    assert full.why_not(need) == ""


@pytest.mark.parametrize("need", TAKEN_BACK)
def test_a_default_promise_can_be_taken_back(need: str) -> None:
    assert profile_of().has(need)
    less = profile_of(**TAKEN_BACK[need])
    assert not less.has(need)
    assert less.why_not(need).startswith("The profile ")


def test_every_named_need_is_tried_above() -> None:
    assert set(NEEDS) <= {need for need, _, _ in MEETS} | set(TAKEN_BACK)


@pytest.mark.parametrize(
    ("need", "identity"),
    [
        ("identity.live", OPEN),
        ("identity.live", {**KEY, "state": "revoked"}),
        ("identity.small_limit", limit(21)),
        ("identity.small_limit", {**limit(5), "state": "revoked"}),
        ("identity.token", {**KEY, "token": {"env": "T"}}),  # sends the key
        ("identity.limited", {**KEY, "grants": ["*"]}),
        ("identity.same_organisation", KEY),
    ],
)
def test_a_need_is_not_met_by_less(need: str, identity: dict[str, Any]) -> None:
    assert not profile_of(identity).has(need)


@pytest.mark.parametrize("need", ["promises.rate", "identity.x", "", "name.first"])
def test_a_need_nobody_can_meet_is_an_error_of_the_check(need: str) -> None:
    with pytest.raises(CatalogueError, match="no profile has"):
        profile_of().has(need)


# -- identities ------------------------------------------------------------------------


def test_mechanisms_are_used_in_the_documented_order() -> None:
    everything = Identity.model_validate(
        {
            "kind": "oauth",
            "client_id": {"env": "I"},
            "client_secret": {"env": "S"},
            "token": {"env": "T"},
            "key": {"env": "K"},
        }
    )
    assert everything.mechanisms == (
        Mechanism.API_KEY,
        Mechanism.TOKEN,
        Mechanism.OAUTH,
    )
    assert list(everything.secrets()) == ["key", "token", "client_id", "client_secret"]


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ({}, "Bearer"),
        ({"header": "authorization"}, "Bearer"),
        ({"header": "X-Api-Key"}, ""),
        ({"header": "X-Api-Key", "scheme": "Key"}, "Key"),
        ({"scheme": ""}, ""),
    ],
)
def test_only_authorization_has_a_scheme_by_itself(
    fields: dict[str, str], scheme: str
) -> None:
    assert Identity.model_validate({**KEY, **fields}).scheme == scheme


@pytest.mark.parametrize(
    ("grants", "label", "may"),
    [
        (["*"], "DELETE /x", True),
        (["GET /x"], "GET /x", True),
        (["GET /x"], "GET /x/1", False),
        (["GET /x/*"], "GET /x/{id}/y", True),
        (["* /x"], "PUT /x", True),
        (["*", "!GET /x"], "GET /x", False),
        (["!GET /x", "*"], "GET /x", False),
        (["!GET /x"], "GET /y", False),
        ([], "GET /x", False),
    ],
)
def test_grants(grants: list[str], label: str, may: bool) -> None:
    identity = Identity.model_validate({**KEY, "grants": grants})
    assert identity.may_call(label) is may


def test_patterns_are_taken_at_their_word() -> None:
    assert label_matches("GET /a.b/[id]", "GET /a.b/[id]")
    assert not label_matches("GET /a.b", "GET /aXb")
    assert not label_matches("GET /a", "get /a")


def test_what_the_profile_says_of_operations() -> None:
    target = profile_of(
        target={
            "public": ["GET /docs/*"],
            "exclude": ["DELETE *"],
            "read_only": ["POST /search"],
            "operations": [{"method": "PUT", "path": "/p", "public": True}],
        }
    ).target
    assert target.is_public("GET /docs/a/b")
    assert target.is_public("PUT /p")
    assert not target.is_public("POST /docs/a")
    assert target.is_excluded("DELETE /x")
    assert target.is_read_only("GET /x")
    assert target.is_read_only("POST /search")
    assert not target.is_read_only("POST /searches")


def test_the_token_endpoint_is_the_identity_s_or_the_promised_one() -> None:
    oauth = {"kind": "oauth", "credentials": {"file": "c"}}
    promised = {"oauth": {"token_url": "http://h/p"}}
    profile = profile_of(
        oauth, {**oauth, "token_url": "http://h/own"}, promises=promised
    )
    assert profile.token_url(profile.identities["i0"]) == "http://h/p"
    assert profile.token_url(profile.identities["i1"]) == "http://h/own"
    assert profile_of(oauth).token_url(profile.identities["i0"]) is None


# -- kinds of responses ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "response", "expected"),
    [
        (["all"], {}, True),
        (["success"], {"status": 302}, True),
        (["success"], {"status": 404}, False),
        (["error"], {"status": 404}, True),
        (["4xx"], {"status": 404}, True),
        (["4xx"], {"status": 500}, False),
        (["404", "500"], {"status": 500}, True),
        (["authenticated"], {"authenticated": False}, False),
        (["unauthenticated"], {"authenticated": False}, True),
        (["public"], {"public": True}, True),
        (["public"], {}, False),
        (["GET /x/*"], {"operation": "GET /x/{id}"}, True),
        (["GET /x/*"], {"operation": ""}, False),
        ([], {}, False),
        (["authenticated", "!404"], {"status": 404}, False),
        (["authenticated", "!404"], {"status": 422}, True),
        (["success", "!GET /x/*"], {"operation": "GET /x/{id}"}, False),
        (["!404"], {}, False),
    ],
)
def test_covers(kinds: list[str], response: dict[str, Any], expected: bool) -> None:
    given = {"status": 200, "authenticated": True, **response}
    assert covers(kinds, **given) is expected
