"""Driver for the sample SDK: `sample.py [--fault NAME]…`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sample"))

from client import Client, SampleError  # type: ignore[import-not-found]

CLIENTS: dict[str, Any] = {}


def attempt(client: Any) -> dict[str, Any]:
    try:
        client.call()
    except SampleError as error:
        return raised(error)
    return {"ok": True}


def raised(error: Any) -> dict[str, Any]:
    forms = {
        "str": str(error),
        "repr": repr(error),
        "traceback": "".join(traceback.format_exception(error)),
        "to_dict": json.dumps(error.to_dict()),
    }
    return {"ok": False, "error": {"type": type(error).__name__, "forms": forms}}


def shown(client: Any) -> dict[str, Any]:
    read = {
        "api_key": client.api_key,
        "token": client.token,
        "client_secret": client.client_secret,
    }
    return {
        "read": {name: value for name, value in read.items() if value is not None},
        "printed": {"str(client)": str(client)},
        "inspected": {"repr(client)": repr(client)},
        "serialised": {"client.to_dict()": json.dumps(client.to_dict())},
    }


def perform(asked: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    verb, name = asked["do"], asked.get("client", "")
    if verb == "hello":
        return {"ok": True, "sdk": "sample 1.0", "protocol": 1}
    if verb == "create":
        options = asked["options"]
        options.pop("token_url", None)
        try:
            CLIENTS[name] = Client(faults=faults, **options)
        except SampleError as error:
            return raised(error)
    if verb == "call":
        return attempt(CLIENTS[name])
    if verb == "burst":
        count = asked["count"]
        with ThreadPoolExecutor(count) as pool:
            done = list(pool.map(attempt, [CLIENTS[name]] * count))
        return {"ok": True, "succeeded": sum(one["ok"] for one in done)}
    if verb == "show":
        return {"ok": True, "shown": shown(CLIENTS[name])}
    if verb == "refresh":
        try:
            CLIENTS[name].refresh()
        except SampleError as error:
            return raised(error)
    if verb == "copy":
        CLIENTS[name] = CLIENTS[asked["source"]].copy()
    return {"ok": True}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", action="append", default=[])
    faults = parser.parse_args().fault
    logging.basicConfig(level=logging.DEBUG)  # to standard error
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(
            json.dumps({"id": asked["id"], **perform(asked, faults)}) + "\n"
        )
        sys.stdout.flush()
        if asked["do"] == "quit":
            return


main()
