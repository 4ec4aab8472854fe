"""The process that reads documents and draws values: a line of JSON in, one out.

Its requests are those that :mod:`tollproof.openapi.drawer` writes. It ends when its
input does. Must not know the target, the profile or any credential.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from tollproof.errors import UsageError
from tollproof.model import to_json
from tollproof.openapi import drawing, reading, requests
from tollproof.openapi.reading import Reading

#: Characters of a traceback that are told, from its end.
_TOLD = 2_000


def main() -> None:
    """Answer requests until there are no more."""
    # Ctrl-C is for the run, which ends us when it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    documents: list[Reading] = []
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer(json.loads(line), documents)).encode() + b"\n")
        answers.flush()


def _answer(request: dict[str, Any], documents: list[Reading]) -> dict[str, Any]:
    question = {"question": request.pop("question")}
    try:
        return question | {"value": _TASKS[request.pop("do")](documents, **request)}
    except UsageError as error:
        return question | {"unusable": str(error)}
    except Exception:  # noqa: BLE001 - told to whoever asked, and raised there
        return question | {"broken": traceback.format_exc()[-_TOLD:]}


def _read(documents: list[Reading], text: str, source: str) -> Any:
    found = reading.read(text, source)
    documents.append(found)
    return to_json(found.description)


def _example(
    documents: list[Reading], document: int, label: str, values: dict[str, object]
) -> dict[str, Any]:
    found = requests.example(documents[document].handles[label], values)
    return {
        "path": found.path,
        "query": found.query,
        "headers": found.headers,
        "body": _text(found.body),
        "certain": found.certain,
    }


def _invalid(
    documents: list[Reading], document: int, label: str, run_seed: int, count: int
) -> list[str]:
    handle = documents[document].handles[label]
    return [_text(body) for body in requests.invalid_bodies(handle, run_seed, count)]


def _fields(documents: list[Reading], run_seed: int, count: int) -> list[str]:
    return [_text(value) for value in drawing.field_values(run_seed, count)]


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


_TASKS: dict[str, Callable[..., Any]] = {
    "read": _read,
    "example": _example,
    "invalid": _invalid,
    "fields": _fields,
}


if __name__ == "__main__":
    main()
