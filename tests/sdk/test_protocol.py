"""What a driver may say is read strictly, and is never quoted when it is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.sdk.protocol import Reply, read_reply, request

GOOD = {"id": 3, "ok": True}


def test_a_reply_is_read() -> None:
    shown = {"read": {"api_key": "****"}, "printed": {"str": "x"}}
    reply = read_reply(json.dumps({**GOOD, "shown": shown}), 3)
    assert reply.ok
    assert reply.shown is not None
    assert reply.shown.read == {"api_key": "****"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Traceback (most recent call last):", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        (json.dumps({"id": 3}), "ok: Field required"),
        (json.dumps({"id": "3", "ok": True}), "id:"),
        (json.dumps({"id": 3, "ok": 1}), "ok:"),
        (json.dumps({"id": 4, "ok": True}), "another request"),
        (json.dumps({**GOOD, "protocol": 2}), "another protocol"),
        (json.dumps({**GOOD, "colour": "red"}), "colour:"),
        (json.dumps({**GOOD, "shown": {"read": {"api_key": 1}}}), "shown.read.api_key"),
    ],
)
def test_what_is_no_reply_is_refused(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_reply(line, 3)


def test_the_line_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="id:") as raised:
        read_reply(json.dumps({"id": "tp-secret-value", "ok": True}), 3)
    assert "tp-secret-value" not in str(raised.value)


@given(st.text())
def test_any_text_is_read_or_refused(line: str) -> None:
    try:
        reply = read_reply(line, 1)
    except ValueError:
        return
    assert isinstance(reply, Reply)


@given(st.dictionaries(st.text(), st.text()))
def test_a_request_is_one_line(options: dict[str, str]) -> None:
    line = request(1, "create", client="a", options=options)
    assert line.count("\n") == 1
    assert json.loads(line)["options"] == options
