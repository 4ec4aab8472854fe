"""Request bodies: read within bounds, parsed strictly, held to what is asked for.

Knows what each operation wants to be told. Must not know what it does with it. Values
that are refused are never quoted: they are the caller's.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from typing import Any, NoReturn

from starlette.types import Receive

from tollproof.reference.sparkient.errors import ApiError
from tollproof.reference.sparkient.keys import Role
from tollproof.reference.sparkient.messages import Call
from tollproof.reference.sparkient.negotiation import is_json

#: Bytes of a body that are read.
LARGEST = 1024 * 1024
#: Seconds that a body is waited for.
PATIENCE = 5.0
LONGEST_TEXT = 10_000
LONGEST_LIFETIME = 316_224_000  # ten years, seconds
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")


async def read(call: Call, receive: Receive, faults: Collection[str]) -> bytes:
    """Read the body of a request.

    Raises:
        ApiError: 413 for one that is too large, announced or not; 400 for one that
            ends before its end, 408 for one that does not end.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await _read(call, receive, faults)
    except TimeoutError:
        raise ApiError(
            408, "The request body did not arrive in time", connection="close"
        ) from None


async def _read(call: Call, receive: Receive, faults: Collection[str]) -> bytes:
    most = 1024 * LARGEST if "body-unbounded" in faults else LARGEST
    announced = call.value(b"content-length")
    if announced and int(announced) > most:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ApiError(400, "The request body is incomplete")
        part = event.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large()
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)


def _too_large() -> ApiError:
    return ApiError(413, f"The request body is larger than {LARGEST} bytes")


def check_media_type(call: Call, faults: Collection[str]) -> None:
    """See that a body is JSON and not compressed.

    Raises:
        ApiError: 415.
    """
    if "media-type-ignored" in faults:
        return
    if not is_json(call.value(b"content-type")):
        raise ApiError(415, "The request body must be application/json")
    if call.value(b"content-encoding").lower() not in (b"", b"identity"):
        raise ApiError(415, "The request body must not be encoded")


def parse(body: bytes | None, default: object, faults: Collection[str]) -> Any:
    """Parse JSON as RFC 8259 has it: no NaN, no Infinity, UTF-8 only.

    Args:
        default: what takes the place of an unreadable body where a fault says so.

    Raises:
        ApiError: 400.
    """
    body = body or b""
    if "body-deep-crash" in faults and _depth(body) > 100:
        raise ApiError(500, "Something went wrong on our side")
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if "body-malformed-accepted" in faults:
            return default
        raise ApiError(400, "The request body is not valid JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for byte in body:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def decide_request(document: Any, faults: Collection[str]) -> tuple[str, str]:
    """Return decision type and text.

    Raises:
        ApiError: 422, naming the member that is wrong.
    """
    if "body-not-validated" in faults:
        return "unchecked", json.dumps(document)[:LONGEST_TEXT]
    top = _members(document, "the request body", {"decision_type", "input"}, set())
    kind = top["decision_type"]
    if not (isinstance(kind, str) and _TYPE.fullmatch(kind)):
        raise _invalid("decision_type", "lower-case letters, digits and underscores")
    text = _members(top["input"], "input", {"text"}, set())["text"]
    if not (isinstance(text, str) and len(text) <= LONGEST_TEXT):
        raise _invalid("input.text", f"text of at most {LONGEST_TEXT} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _invalid("input.text", "text without lone surrogates")
    return kind, text


def key_request(
    document: Any, faults: Collection[str]
) -> tuple[str, str, float | None]:
    """Return name, role and lifetime in seconds of a key to be made.

    Raises:
        ApiError: 422, naming the member that is wrong.
    """
    if "body-not-validated" in faults:
        return "unchecked", Role.MEMBER, None
    top = _members(document, "the request body", {"name"}, {"role", "expires_in"})
    name, role, lifetime = top["name"], top.get("role", "member"), top.get("expires_in")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise _invalid("name", "1 to 100 printable characters")
    if not (isinstance(role, str) and role in tuple(Role)):
        raise _invalid("role", "admin, member or reader")
    if "expires_in" in top and not (
        isinstance(lifetime, int)
        and not isinstance(lifetime, bool)
        and 1 <= lifetime <= LONGEST_LIFETIME
    ):
        raise _invalid("expires_in", f"whole seconds from 1 to {LONGEST_LIFETIME}")
    return name, role, lifetime


def client_metadata(document: Any) -> None:
    """See that a client's metadata is an object; what is in it may be ignored.

    Raises:
        ApiError: 422 (RFC 7591, 2: metadata that is not understood is ignored).
    """
    if not isinstance(document, dict):
        raise _invalid("the request body", "an object")


def _members(
    value: Any, where: str, required: set[str], optional: set[str]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(where, "an object")
    if missing := sorted(required - value.keys()):
        raise ApiError(422, f"{where} lacks {', '.join(missing)}")
    if value.keys() - required - optional:
        raise ApiError(422, f"{where} has members that are not known")
    return value


def _invalid(where: str, wanted: str) -> ApiError:
    return ApiError(422, f"{where} must be {wanted}")
