"""Parts that every answer changes tell no refusal from another; all others do."""

from __future__ import annotations

import itertools

import pytest

from tollproof.model import Exchange, Request, Response
from tollproof.rotation.alike import difference

_numbers = itertools.count()


def answer(body: str, status: int = 401, challenge: str = "Bearer") -> Exchange:
    """Return an answer; `#` in its body is another number each time."""
    text = body.replace("#", f"{next(_numbers):08d}")
    return Exchange(
        id="x-1",
        at="",
        seconds=0.0,
        request=Request(method="GET", url="http://a/"),
        response=Response(
            status=status,
            headers=(("WWW-Authenticate", challenge),),
            body=text,
            body_bytes=len(text),
        ),
    )


BODIES = (
    '{"error": {"code": "unauthorized", "request": "#"}}',
    '{"errors": ["no", {"at": "#"}]}',
    "<html><p>Unauthorized</p><!-- request # --></html>",
    "no",
    "",
)


@pytest.mark.parametrize("body", BODIES)
def test_ids_and_times_are_no_difference(body: str) -> None:
    assert difference(answer(body), answer(body), answer(body)) is None


@pytest.mark.parametrize("body", BODIES)
def test_statuses_challenges_and_words_are(body: str) -> None:
    usual, again = answer(body), answer(body)
    told = 'Bearer error_description="revoked a moment ago"'
    assert difference(answer(body, 403), usual, again) == ("403", "401")
    assert difference(answer(body, challenge=told), usual, again) == (told, "Bearer")


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": "revoked", "request": "#"}}',
        '{"error": {"code": "unauthorized", "request": "#", "revoked": "#"}}',
        '{"error": {"code": "unauthorized"}}',
        "revoked",
    ],
)
def test_what_only_the_fresh_one_says_is_found(body: str) -> None:
    usual, again = answer(BODIES[0]), answer(BODIES[0])
    assert difference(answer(body), usual, again) is not None
