"""What `init` writes loads as it stands, says what the document says, and no more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.profile.documents import BILLING, PETS, TICKETS
from tollproof.errors import UsageError
from tollproof.profile import Profile, load_profile
from tollproof.profile.draft import PLACEHOLDER, draft_profile
from tollproof.profile.identities import Mechanism

REFERENCE = Path(__file__).parents[2] / "tollproof/reference/sparkient/openapi.json"


def drafted(
    folder: Path,
    document: Any,
    *,
    source: str = "openapi.json",
    base_url: str | None = None,
) -> tuple[Profile, str]:
    """Draft a profile and load it."""
    text = draft_profile(document, source=source, base_url=base_url)
    path = folder / "profile.toml"
    path.write_text(text, encoding="utf-8")
    return load_profile(path, environ={}), text


def test_pets(tmp_path: Path) -> None:
    profile, text = drafted(tmp_path, yaml.safe_load(PETS), source="pets.yaml")
    assert text.startswith("#:schema profile.schema.json\n")
    assert profile.name == "Pet shop"
    assert profile.target.base_url == "https://eu.pets.example.com/v2"
    assert profile.target.openapi == "pets.yaml"
    assert profile.target.environment == "staging"
    assert profile.target.is_public("GET /pets")
    assert not profile.target.is_public("POST /pets")
    assert profile.target.parameters_for("GET /pets/{petId}") == {"petId": "42"}
    alpha = profile.identities["alpha"]
    assert (alpha.header, alpha.scheme) == ("X-Pet-Key", "")
    assert profile.identities["pet_auth"].mechanisms == (Mechanism.TOKEN,)
    errors = profile.promises.errors
    assert errors is not None
    assert (errors.code, errors.message) == ("/code", "/message")
    assert errors.content_type == "application/json"
    assert errors.schema_ is not None
    assert errors.schema_["required"] == ["code", "message"]
    assert errors.schema_["properties"]["hint"] == {"type": ["string", "null"]}
    assert not profile.consent.writes


@pytest.mark.parametrize("statuses", [["422"], ["422", "404"]])
def test_the_shape_of_validation_errors_alone_is_no_envelope(
    tmp_path: Path, statuses: list[str]
) -> None:
    """As FastAPI documents them; its other errors look otherwise."""
    shape = {"type": "object", "properties": {"detail": {"type": "array"}}}
    response = {"description": "", "content": {"application/json": {"schema": shape}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": dict.fromkeys(statuses, response)}}},
    }
    profile, _ = drafted(tmp_path, document)
    errors = profile.promises.errors
    assert errors is not None
    assert errors.content_type == "application/json"
    assert (errors.schema_ is None) == (statuses == ["422"])


def test_billing(tmp_path: Path) -> None:
    profile, text = drafted(tmp_path, BILLING, source="https://api.example.com/o.json")
    assert profile.target.base_url == "https://api.example.com/billing"
    svc = profile.identities["alpha"]
    assert svc.token_url == "https://api.example.com/oauth/token"
    assert svc.scope == ("invoices:read", "invoices:write")
    user = profile.identities["firebase_user"]
    assert user.mechanisms == (Mechanism.FIREBASE,)
    assert set(profile.identities) == {"alpha", "firebase_user"}
    assert "mtls" in text
    errors = profile.promises.errors
    assert errors is not None
    assert errors.content_type == "application/problem+json"
    assert errors.statuses == (404, 422, 429)
    assert errors.codes == {404: ("no_such_invoice",)}
    assert '# limit = "X-RateLimit-Limit"' in text
    assert '# retry_after = "delay_seconds"' in text
    assert "#   POST /invoices" in text  # has a body, and no example of one


def test_tickets_says_little_and_so_does_its_profile(tmp_path: Path) -> None:
    profile, _ = drafted(tmp_path, TICKETS)
    assert profile.target.base_url == PLACEHOLDER
    assert profile.target.public == ()  # nobody said what needs a credential
    assert profile.identities["nobody"].is_open
    assert profile.promises.errors is None
    assert profile.promises.rate_limit is None


def test_a_document_without_servers_lies_beside_its_api() -> None:
    """OpenAPI 3.1, 4.8.1: the default is "/", relative to the document."""
    text = draft_profile(TICKETS, source="http://127.0.0.1:8600/v1/openapi.json")
    assert 'base_url = "http://127.0.0.1:8600"' in text


def test_the_reference_deployment_s_document(tmp_path: Path) -> None:
    document = json.loads(REFERENCE.read_text(encoding="utf-8"))
    profile, _ = drafted(tmp_path, document, base_url="http://127.0.0.1:8600")
    assert profile.target.is_public("GET /health")
    assert profile.identities["alpha"].scheme == "Bearer"
    errors = profile.promises.errors
    assert errors is not None
    assert (errors.code, errors.message) == ("/error/code", "/error/message")


@pytest.mark.parametrize(
    ("title", "scheme", "variable"),
    [
        ("Sparkient API (reference deployment)", "apiKey", "SPARKIENT_API_KEY"),
        ("Sparkient API", "key", "SPARKIENT_API_KEY"),
        ("Sparkient", "sparkientKey", "SPARKIENT_KEY"),
        ("Acme Pay REST API", "bearer", "ACME_PAY_BEARER_KEY"),
        ("360 View", "key", "_360_VIEW_API_KEY"),
        ("API", "key", "API_KEY"),
        ("Проба", "key", "API_KEY"),
        ("", "", "API_KEY"),
    ],
)
def test_a_credential_s_variable_says_whose_it_is(
    tmp_path: Path, title: str, scheme: str, variable: str
) -> None:
    """Two deployments' keys lie side by side in one environment."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "components": {
            "securitySchemes": {scheme: {"type": "http", "scheme": "bearer"}}
        },
        "paths": {},
    }
    _, text = drafted(tmp_path, document)
    assert f'key = {{ env = "{variable}" }}' in text.splitlines()


def test_the_base_url_given_is_used_and_must_be_one(tmp_path: Path) -> None:
    profile, _ = drafted(tmp_path, BILLING, base_url="http://127.0.0.1:1/")
    assert profile.target.base_url == "http://127.0.0.1:1"
    with pytest.raises(UsageError, match="not a base URL"):
        draft_profile(BILLING, source="o.json", base_url="localhost")


def test_the_rate_limit_it_offers_in_comments_loads(tmp_path: Path) -> None:
    text = draft_profile(BILLING, source="o.json")
    head, _, tail = text.partition("# [promises.rate_limit]")
    offered, blank, rest = tail.partition("\n\n")
    offered = re.sub(r"^# ", "", offered, flags=re.MULTILINE)
    path = tmp_path / "profile.toml"
    path.write_text(f"{head}[promises.rate_limit]{offered}{blank}{rest}")
    limit = load_profile(path, environ={}).promises.rate_limit
    assert limit is not None
    assert limit.headers is not None
    assert limit.headers.remaining == "X-RateLimit-Remaining"
    assert limit.headers.retry_after == "delay_seconds"


@pytest.mark.parametrize(
    "source",
    ["https://user:hunter2@example.com/openapi.json", "http://[", "a\n[consent]\nx"],
)
def test_a_strange_source_does_no_harm(tmp_path: Path, source: str) -> None:
    _, text = drafted(tmp_path, TICKETS, source=source)
    assert "hunter2" not in text


def test_secrets_of_the_document_stay_out(tmp_path: Path) -> None:
    secret = "sk_live_9fJ2kLm4Qx8ZtR7vB3nC6wYp"
    document = json.loads(json.dumps(BILLING))
    document["info"]["title"] = secret
    document["servers"] = [{"url": f"https://user:{secret}@example.com"}]
    parameter = document["components"]["parameters"]["Invoice"]
    parameter["example"] = secret
    problem = document["components"]["responses"]["Gone"]
    problem["content"]["application/problem+json"]["example"]["code"] = secret
    _, text = drafted(tmp_path, document)
    assert secret not in text


def test_a_document_that_unfolds_without_end_is_given_up_on(tmp_path: Path) -> None:
    schemas: dict[str, Any] = {
        f"S{n}": {
            "type": "object",
            "properties": {
                side: {"$ref": f"#/components/schemas/S{n + 1}"} for side in "ab"
            },
        }
        for n in range(20)
    }
    schemas["S20"] = {"$ref": "#/components/schemas/S20"}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}
    document = {
        "openapi": "3.1.0",
        "paths": {"/x": {"get": {"responses": {"400": {"content": content}}}}},
        "components": {"schemas": schemas},
    }
    profile, _ = drafted(tmp_path, document)
    assert profile.promises.errors is not None
    assert profile.promises.errors.schema_ is None


# -- any document ----------------------------------------------------------------------

texts = st.text(max_size=8) | st.sampled_from(
    [
        '"',
        "\n[x]",
        "#",
        "'''",
        "\\",
        "é",
        "\x7f",
        "\ud800",
        "=",
        "{}",
        "sk_live_a1b2c3d4",
    ]
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=4,
)


def or_nonsense(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is meant, now and then anything."""
    return st.one_of(strategy, strategy, strategy, plain)


schemes = or_nonsense(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["apiKey", "http", "oauth2", "openIdConnect", "x"])},
        optional={
            "in": st.sampled_from(["header", "query"]),
            "name": texts,
            "scheme": st.sampled_from(["bearer", "Basic", "digest"]),
            "bearerFormat": st.sampled_from(["JWT", ""]),
            "description": texts,
            "flows": or_nonsense(
                st.fixed_dictionaries(
                    {
                        "clientCredentials": or_nonsense(
                            st.fixed_dictionaries(
                                {
                                    "tokenUrl": texts | st.just("/token"),
                                    "scopes": or_nonsense(
                                        st.dictionaries(texts, texts, max_size=2)
                                    ),
                                }
                            )
                        )
                    }
                )
            ),
        },
    )
)
schemas = or_nonsense(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["object", "string"])},
        optional={
            "properties": st.dictionaries(
                st.sampled_from(["code", "message", "error"]) | texts,
                st.fixed_dictionaries({"type": st.just("string")}) | plain,
                max_size=3,
            ),
            "nullable": st.booleans(),
            "enum": st.lists(plain, max_size=2),
            "$ref": st.sampled_from(["#/components/schemas/A", "#/nowhere", "x"]),
            "exclusiveMinimum": st.booleans() | st.integers(),
            "minimum": st.integers(),
        },
    )
)
responses = or_nonsense(
    st.fixed_dictionaries(
        {},
        optional={
            "content": st.dictionaries(
                st.sampled_from(
                    ["application/json", "application/problem+json", "json"]
                ),
                st.fixed_dictionaries({"schema": schemas}, optional={"example": plain}),
                max_size=2,
            ),
            "headers": st.dictionaries(
                st.sampled_from(["X-RateLimit-Limit", "RateLimit", "Retry-After"])
                | texts,
                plain,
                max_size=3,
            ),
        },
    )
)
operations = or_nonsense(
    st.fixed_dictionaries(
        {
            "responses": st.dictionaries(
                st.sampled_from(["200", "401", "429", 404, "4XX", "default", "499"]),
                responses,
                max_size=3,
            )
        },
        optional={
            "security": or_nonsense(st.just([])),
            "parameters": st.lists(
                or_nonsense(
                    st.fixed_dictionaries(
                        {"in": st.just("path"), "name": texts},
                        optional={"example": plain, "schema": plain},
                    )
                ),
                max_size=2,
            ),
            "requestBody": plain,
        },
    )
)
documents = st.fixed_dictionaries(
    {"openapi": st.just("3.1.0")},
    optional={
        "info": or_nonsense(st.fixed_dictionaries({"title": texts})),
        "servers": or_nonsense(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "url": texts
                        | st.sampled_from(["https://h/{x}", "/v1", "http://h"])
                    }
                ),
                max_size=2,
            )
        ),
        "security": or_nonsense(st.just([{"a": []}])),
        "paths": or_nonsense(
            st.dictionaries(
                st.sampled_from(["/a", "/b/{id}", "/c d", "/é"]) | texts,
                or_nonsense(
                    st.dictionaries(
                        st.sampled_from(["get", "post", "x-own", "parameters"]),
                        operations,
                        max_size=2,
                    )
                ),
                max_size=3,
            )
        ),
        "components": or_nonsense(
            st.fixed_dictionaries(
                {
                    "securitySchemes": or_nonsense(
                        st.dictionaries(texts, schemes, max_size=3)
                    ),
                    "schemas": st.fixed_dictionaries({"A": schemas}),
                }
            )
        ),
    },
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=documents, source=texts | st.just("https://h.example/o.json"))
def test_whatever_the_document_the_draft_loads(
    tmp_path: Path, document: dict[str, Any], source: str
) -> None:
    drafted(tmp_path, document, source=source)
