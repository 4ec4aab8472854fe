"""Reading a profile: what is refused, where, and what is never shown."""

import difflib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.profile.examples import FULL, LEAST
from tests.profile.refused import REFUSED
from tollproof.errors import Problem, ProfileError
from tollproof.model import Anchor, Waiver
from tollproof.profile import Profile, anchors, load_profile
from tollproof.profile.locate import Path as Place
from tollproof.profile.locate import locate
from tollproof.profile.problems import dotted
from tollproof.profile.schema import known_keys


def read(folder: Path, text: str, **options: Any) -> Profile:
    """Load a profile from its text."""
    path = folder / "profile.toml"
    path.write_text(text, encoding="utf-8")
    return load_profile(path, **{"environ": {}, **options})


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    """Load a profile that cannot be used and return what is wrong with it."""
    with pytest.raises(ProfileError) as caught:
        read(folder, text)
    return caught.value.problems


# -- what is accepted ------------------------------------------------------------------


def test_the_least_profile_promises_what_the_standards_do(tmp_path: Path) -> None:
    profile = read(tmp_path, LEAST)
    assert profile.target.environment == "production"  # the careful reading
    assert profile.promises.refusal.unauthenticated == 401
    assert profile.promises.challenge is None
    assert profile.promises.rate_limit is None
    assert profile.lifecycle is None
    assert not profile.consent.writes
    assert profile.identities == {}
    assert profile.path == tmp_path / "profile.toml"


def test_the_full_profile_is_read_as_written(tmp_path: Path) -> None:
    profile = read(tmp_path, FULL)
    assert profile.identities["alpha"].name == "alpha"
    assert profile.promises.errors is not None
    assert profile.promises.errors.codes[429] == ("rate_limited",)
    assert profile.promises.errors.schema_ == {"type": "object", "required": ["error"]}
    assert profile.target.parameters_for("GET /things/{id}") == {
        "decision_id": "dec_123",
        "version": "7",
        "id": "8c0a6c5e-95ef-4bcd-9a0f-9c0f0bb1a3c1",
    }
    assert all(isinstance(item, Waiver) for item in profile.waivers)
    assert profile.waivers[1].subject == "*"


def test_a_profile_cannot_be_changed(tmp_path: Path) -> None:
    profile = read(tmp_path, FULL)
    with pytest.raises(ValueError, match="frozen"):
        profile.name = "other"


@pytest.mark.parametrize(
    "extra",
    [
        'timeout = 5\n[identities.a]\nkind = "api_key"\nheader = "X-Key"\n'
        'key = { file = "/run/secrets/key" }',
        "[promises]\nchallenge = false",
        '[promises.errors]\nschema = { file = "error.schema.json" }',
        '[promises.errors]\nschema = { "$ref" = "#/$defs/e", "$defs" = { e = {} } }',
        "[promises.rate_limit]\nlimit = 1\nwindow = 0.5",
        '[[waivers]]\ncheck = "a.b"\nreason = "r"\nowner = "o"\nexpires = 1999-12-31',
    ],
)
def test_accepted(tmp_path: Path, extra: str) -> None:
    (tmp_path / "error.schema.json").write_text('{"type": "object"}')
    read(tmp_path, LEAST + extra)


def test_the_schema_of_errors_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "error.schema.json").write_text('{"type": "object"}')
    text = LEAST + '[promises.errors]\nschema = { file = "error.schema.json" }'
    errors = read(tmp_path, text).promises.errors
    assert errors is not None
    assert errors.schema_ == {"type": "object"}


# -- the base URL ----------------------------------------------------------------------


def test_the_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    environ = {"TOLLPROOF_BASE_URL": "http://env:1"}
    assert read(tmp_path, LEAST, environ=environ).target.base_url == "http://env:1"
    profile = read(tmp_path, LEAST, environ=environ, base_url="http://line:2/")
    assert profile.target.base_url == "http://line:2"


def test_twins_of_another_host_are_not_probed(tmp_path: Path) -> None:
    profile = read(tmp_path, FULL, base_url="https://other.example.com/v1")
    assert profile.target.http_url is None
    assert profile.target.replicas == ()
    assert "http_url and replicas" in profile.notes[0]
    same = read(tmp_path, FULL, base_url="https://staging.example.com/v2")
    assert same.target.replicas
    assert same.notes == ()


def test_a_base_url_may_come_from_outside_alone(tmp_path: Path) -> None:
    text = 'name = "x"\n[target]\nopenapi = "o.json"'
    assert read(tmp_path, text, base_url="http://h").target.base_url == "http://h"
    assert [item.where for item in problems(tmp_path, text)] == ["target.base_url"]


@pytest.mark.parametrize(
    ("openapi", "expected"),
    [
        ("openapi.json", "{folder}/openapi.json"),
        ("/openapi.json", "http://127.0.0.1:8600/openapi.json"),
        ("https://x.example/o.yaml", "https://x.example/o.yaml"),
    ],
)
def test_where_the_document_is(tmp_path: Path, openapi: str, expected: str) -> None:
    profile = read(tmp_path, LEAST.replace("openapi.json", openapi))
    assert profile.openapi_source == expected.format(folder=tmp_path)


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "where", "words"),
    [pytest.param(*row, id=f"{n} {row[1]}") for n, row in enumerate(REFUSED)],
)
def test_refused(tmp_path: Path, extra: str, where: str, words: str) -> None:
    found = problems(tmp_path, LEAST + extra)
    (problem,) = [item for item in found if item.where == where]
    assert words in f"{problem.message} {problem.remedy}"
    assert problem.line > 0


def test_a_target_without_operations_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'name = "x"\n[target]\nbase_url = "http://h"')
    assert (problem.where, problem.line) == ("target", 2)
    assert "openapi" in problem.remedy


def test_everything_wrong_is_told_at_once_in_file_order(tmp_path: Path) -> None:
    text = """\
nam = "demo"
[target]
base_url = "127.0.0.1"
[identities.a]
kind = "api_key"
key = "hunter2hunter2"
[lifecycle]
by = "b"
[[waivers]]
check = 3
"""
    found = problems(tmp_path, text)
    places = [(item.line, item.where) for item in found if item.line]
    assert places == sorted(places, key=lambda place: place[0])
    assert {where for _, where in places} >= {
        "nam",
        "target",
        "target.base_url",
        "identities.a.key",
        "lifecycle.by",
        "lifecycle.create",
        "waivers[0].check",
        "waivers[0].reason",
    }
    assert "name" in {item.where for item in found}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"name = \xff", "UTF-8", id="bytes"),
        pytest.param(b"name = ", "not TOML", id="half"),
        pytest.param(b"a = 1\na = 2", "not TOML", id="twice"),
        pytest.param(b"#" * (1 << 20) + b"\n", "larger", id="huge"),
        pytest.param(b"a = " + b"[" * 5000, "nested too deeply", id="open"),
        pytest.param(b"a=" + b"[" * 300 + b"]" * 300, "not known|nested", id="deep"),
        pytest.param(b"", "name: is missing", id="empty"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=words):
        load_profile(path, environ={})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.toml: cannot be read"):
        load_profile(tmp_path / "absent.toml", environ={})
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(tmp_path, environ={})


def test_the_line_of_broken_toml_is_told(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'name = "x"\n[target\nbase_url = "y"')
    assert problem.line == 2


# -- typing errors ---------------------------------------------------------------------

LINES = locate(FULL)
KEYS = [
    place
    for place in LINES
    if isinstance(place[-1], str) and place[-1] in known_keys(place[:-1])
]


def mistyped(key: str, draw: st.DataObject) -> str:
    """A key with one letter too many, missing, or changed places with the next."""
    at = draw.draw(st.integers(0, len(key) - 2))
    kinds = [key[: at + 1] + key[at:]]
    if len(key) >= 5:
        kinds += [
            key[:at] + key[at + 1 :],
            key[:at] + key[at + 1] + key[at] + key[at + 2 :],
        ]
    return draw.draw(st.sampled_from([kind for kind in kinds if kind != key]))


def likeness(one: str, other: str) -> float:
    """How much two words have in common, from 0 to 1."""
    return difflib.SequenceMatcher(None, other, one).ratio()


@pytest.mark.parametrize("place", KEYS, ids=dotted)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_every_mistyped_key_is_told_with_its_line_and_the_right_one(
    tmp_path: Path, place: Place, draw: st.DataObject
) -> None:
    key, line = str(place[-1]), LINES[place]
    wrong = mistyped(key, draw)
    if wrong in known_keys(place[:-1]):
        return
    text = FULL.splitlines()
    before = text[line - 1]
    if before.startswith("["):
        number = before.strip("[]").split(".").index(key)
        parts = before.strip("[]").split(".")
        parts[number] = wrong
        after = before.replace(before.strip("[]"), ".".join(parts))
    else:
        after = re.sub(rf"(?<![\w-]){key}(?=\s*=)", wrong, before, count=1)
    assert after != before
    text[line - 1] = after
    found = problems(tmp_path, "\n".join(text))
    (problem,) = [item for item in found if item.where == dotted((*place[:-1], wrong))]
    assert problem.line == line
    suggested = problem.remedy.removeprefix("did you mean ").removesuffix("?")
    assert suggested in known_keys(place[:-1])
    # "codse" is as near to code as to codes: either will do.
    assert likeness(suggested, wrong) >= likeness(key, wrong)


# -- anchors ---------------------------------------------------------------------------


def test_anchors_point_at_identities_promises_and_waivers(tmp_path: Path) -> None:
    profile = read(tmp_path, FULL)
    found = anchors(profile)
    text = FULL.splitlines()

    def line(key: str) -> str:
        return text[found[key].line - 1]

    assert found["alpha"] == found["identities.alpha"]
    assert found["alpha"] == Anchor(file=str(profile.path), line=found["alpha"].line)
    assert line("alpha") == "[identities.alpha]"
    assert line("promises.rate_limit.limit") == "limit = 600"
    assert line("promises.rate_limit.headers") == "[promises.rate_limit.headers]"
    assert line("waivers[1].check") == 'check = "headers.nosniff"'
