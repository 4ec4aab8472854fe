"""The published schema is that of the models, and the shipped profiles fit it."""

import datetime
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.profile.examples import FULL
from tollproof.profile import load_profile
from tollproof.profile.schema import known_keys, profile_schema, schema_text

PROFILES = Path(__file__).parents[2] / "profiles"
PUBLISHED = PROFILES / "profile.schema.json"
SHIPPED = sorted(PROFILES.glob("*.toml"))


def as_json(value: Any) -> Any:
    """Parsed TOML as JSON has it: days as text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def validator() -> jsonschema.Draft202012Validator:
    """A validator of profiles."""
    schema = profile_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.FormatChecker()
    )


def keys(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key the schema describes, with its description's holder."""
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for item in node.values():
            yield from keys(item)
    elif isinstance(node, list):
        for item in node:
            yield from keys(item)


def test_the_published_schema_is_fresh() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m tollproof.profile > profiles/profile.schema.json"
    )


def test_the_module_prints_it() -> None:
    command = [sys.executable, "-m", "tollproof.profile"]
    printed = subprocess.run(command, capture_output=True, check=True, text=True)
    assert printed.stdout == schema_text()
    assert printed.stderr == ""


def test_the_shipped_profiles_are_there() -> None:
    assert {"sparkient.toml", "reference.toml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_profile_loads_and_fits(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#:schema profile.schema.json\n")
    load_profile(path, environ={})
    validator().validate(as_json(tomllib.loads(text)))


def test_the_full_profile_fits() -> None:
    validator().validate(as_json(tomllib.loads(FULL)))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("targett",), {}),
        (("target", "timeout"), "10"),
        (("identities", "alpha", "key"), "literal"),
        (("promises", "rate_limit", "limit"), 0),
        (("consent", "writes"), "yes"),
    ],
)
def test_an_editor_sees_what_is_wrong(where: tuple[str, ...], value: Any) -> None:
    data = as_json(tomllib.loads(FULL))
    node = data
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = value
    assert not validator().is_valid(data)


def test_every_key_is_explained_on_one_line() -> None:
    schema = profile_schema()
    for name, item in keys(schema):
        said = item.get("description")
        if said is None and "$ref" in item:
            said = schema["$defs"][item["$ref"].rsplit("/", 1)[-1]]["description"]
        assert said, f"{name} has no description"
        assert "\n" not in said


def test_known_keys_follow_references_lists_and_names() -> None:
    assert "openapi" in known_keys(("target",))
    assert "requests" in known_keys(("identities", "any", "limit"))
    assert "method" in known_keys(("target", "operations", 3))
    assert known_keys(("identities",)) == ()
    assert known_keys(("identities", "any", "claims")) == ()


COMMENTED = re.compile(r"^# (\[\S+\](?: +#.*)?|[a-z_]+ = .*)$", re.MULTILINE)


def test_what_the_sparkient_profile_offers_in_comments_is_right(tmp_path: Path) -> None:
    text = (PROFILES / "sparkient.toml").read_text(encoding="utf-8")
    path = tmp_path / "profile.toml"
    path.write_text(COMMENTED.sub(r"\1", text), encoding="utf-8")
    profile = load_profile(path, environ={})
    assert set(profile.identities) == {"alpha", "beta", "revoked", "tiny", "user"}
    assert profile.promises.tokens is not None
    assert profile.target.openapi == "openapi.json"
