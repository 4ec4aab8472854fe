"""The line that sends a request again is one harmless command for a real bash."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings

from tests.reporting.strategies import requests
from tests.support import require
from tollproof.model import Request
from tollproof.reporting.curl import curl, placeholder

_KEYS = {"ALPHA_KEY": "sk $(touch x) `y` \"'"}


def _arguments(line: str) -> list[str]:
    """Let bash read the line, with a function in curl's place."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{line}\nprintf 'end'"
    done = subprocess.run(
        [require("bash"), "--noprofile", "--norc", "-c", script],
        capture_output=True,
        env={**_KEYS, "PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
        check=True,
        timeout=20,
    )
    assert done.stderr == b""
    *arguments, end = done.stdout.decode("utf-8", "replace").split("\0")
    assert end == "end"
    return arguments


def test_line_of_a_plain_request() -> None:
    request = Request(
        method="POST",
        url="https://api.example.com/v1/x?q=a b",
        headers=(
            ("Host", "api.example.com"),
            ("Authorization", "Bearer [redacted:alpha]"),
            ("Content-Length", "7"),
            ("X-Empty", ""),
        ),
        body="it's ok",
        body_bytes=7,
    )

    assert curl(request) == (
        "curl --include --path-as-is --globoff --max-time 30 "
        "--header 'Authorization: Bearer '\"$ALPHA_KEY\" --header 'X-Empty;' "
        "--data-raw 'it'\\''s ok' --url 'https://api.example.com/v1/x?q=a b'"
    )


@settings(max_examples=60, deadline=None)
@given(requests)
def test_bash_reads_every_argument_as_it_was(request: Request) -> None:
    line = curl(request)
    assert "\n" not in line
    assert line.isprintable()
    if line.startswith("#"):
        assert _arguments(line) == []
        return

    arguments = _arguments(line)

    assert arguments[-2:] == ["--url", _known(request.url)]
    if request.body:
        sent = arguments[arguments.index("--data-raw") + 1]
        assert sent == _known(request.body)
    for place in (i for i, word in enumerate(arguments[:-2]) if word == "--header"):
        assert re.match(r"[^@\s:;-][^\s:;]*[:;]|-[^\s:;]*[:;]", arguments[place + 1])


def _known(text: str) -> str:
    """What bash should make of a text: marks become values, unset ones nothing."""
    text = text.encode("utf-8", "replace").decode()
    return re.sub(
        r"\[redacted:([^\]\n]{1,200})\]",
        lambda mark: _KEYS.get(placeholder(mark[1]), ""),
        text,
    )


@pytest.mark.parametrize(
    ("request_", "note"),
    [
        (Request(method="GET", url="http://h/\x00"), "holds a NUL"),
        (Request(method="GET", url="http://h/" + "a" * 9000), "too long to paste"),
    ],
)
def test_request_without_a_line_says_why(request_: Request, note: str) -> None:
    assert curl(request_).startswith("# No curl line")
    assert note in curl(request_)


def test_raw_request_and_cut_body_are_marked() -> None:
    cut = Request(method="PUT", url="http://h/", body="abc", body_bytes=10, raw=True)

    assert "byte by byte" in curl(cut)
    assert "the recorded part of the body only" in curl(cut)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("alpha", "ALPHA_KEY"),
        ("org-1 admin", "ORG_1_ADMIN_KEY"),
        ("1", "_1_KEY"),
        ("日本", "REDACTED_KEY"),
    ],
)
def test_placeholder_is_a_variable_name(label: str, name: str) -> None:
    assert placeholder(label) == name
