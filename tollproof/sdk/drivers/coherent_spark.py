"""Driver for the Coherent Spark SDK (PyPI: cspark), old releases and new.

The SDK refuses a loopback address as text, so it is given as the SDK's own `BaseUrl`,
which is what its users do on premises; any other base URL is given as it is.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import logging
import pprint
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TENANT = "acme"
SERVICE = "tollproof/service"
CLIENTS: dict[str, Any] = {}

# The SDK prints its log with a handler of its own; nothing of it may meet the replies.
REPLIES, sys.stdout = sys.stdout, sys.stderr

try:
    from cspark import sdk as spark  # type: ignore[import-not-found]
except ImportError:
    sys.exit("cspark is not installed in the interpreter that runs this driver")


def make(options: dict[str, Any]) -> Any:
    url = options.get("base_url")
    if url and url.startswith("http://127.0.0.1"):
        url = spark.BaseUrl(url=url, tenant=TENANT)
    given: dict[str, Any] = {
        "api_key": options.get("api_key"),
        "token": options.get("token"),
        "base_url": url,
        "tenant": TENANT,
    }
    if "client_id" in options:
        given["oauth"] = {
            name: options[name] for name in ("client_id", "client_secret")
        }
    if "credentials_file" in options:
        given["oauth"] = options["credentials_file"]
    if "max_retries" in options:
        given["max_retries"] = options["max_retries"]
    return spark.Client(**given)


def attempt(client: Any) -> dict[str, Any]:
    try:
        client.services.get_versions(SERVICE)
    except Exception as error:  # noqa: BLE001  (whatever an SDK raises is looked at)
        return raised(error)
    return {"ok": True}


def raised(error: BaseException) -> dict[str, Any]:
    forms = {
        "str": str(error),
        "repr": repr(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    if (cause := getattr(error, "cause", None)) is not None:
        forms["cause"] = pprint.pformat(cause)
    if hasattr(error, "to_dict"):
        forms["to_dict"] = pprint.pformat(error.to_dict())
    cut = {name: text[:100_000] for name, text in forms.items()}
    return {"ok": False, "error": {"type": type(error).__name__, "forms": cut}}


def shown(client: Any) -> dict[str, Any]:
    auth = client.config.auth
    read = {"api_key": auth.api_key, "token": auth.token}
    if auth.oauth is not None:
        read["client_secret"] = auth.oauth.client_secret
    parts = {"client": client, "config": client.config, "auth": auth}
    if auth.oauth is not None:
        parts["auth.oauth"] = auth.oauth
    fields = {f"vars({name})": pprint.pformat(vars(it)) for name, it in parts.items()}
    return {
        "read": {name: value for name, value in read.items() if value},
        "printed": {f"str({name})": str(part) for name, part in parts.items()},
        "inspected": {
            **{f"repr({name})": repr(part) for name, part in parts.items()},
            **fields,
        },
        "serialised": {
            f"{name}.to_dict()": json.dumps(part.to_dict())
            for name, part in parts.items()
            if hasattr(part, "to_dict")
        },
    }


def refresh(client: Any) -> dict[str, Any]:
    oauth = client.config.auth.oauth
    http = getattr(client, "http_client", None)
    try:
        oauth.retrieve_token(client.config, *([] if http is None else [http]))
    except Exception as error:  # noqa: BLE001  (whatever an SDK raises is looked at)
        return raised(error)
    return {"ok": True}


def copied(client: Any) -> Any:
    """Copy the configuration, which needs a public address, and move it back here."""
    here = client.config.base_url
    config = client.config.copy_with(
        base_url="https://excel.tollproof.coherent.global", tenant=TENANT
    )
    config._base_url = here
    twin = copy.copy(client)
    setattr(twin, "_config" if hasattr(twin, "_config") else "config", config)
    return twin


def perform(asked: dict[str, Any]) -> dict[str, Any]:
    verb, name = asked["do"], asked.get("client", "")
    if verb == "hello":
        version = importlib.metadata.version("cspark")
        return {"ok": True, "sdk": f"cspark {version}", "protocol": 1}
    if verb == "create":
        try:
            CLIENTS[name] = make(asked["options"])
        except Exception as error:  # noqa: BLE001  (whatever an SDK raises is looked at)
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
        return refresh(CLIENTS[name])
    if verb == "copy":
        try:
            CLIENTS[name] = copied(CLIENTS[asked["source"]])
        except Exception as error:  # noqa: BLE001  (whatever an SDK raises is looked at)
            return raised(error)
    return {"ok": True}


def main() -> None:
    logging.getLogger("cspark").setLevel(logging.DEBUG)
    for line in sys.stdin:
        asked = json.loads(line)
        REPLIES.write(json.dumps({"id": asked["id"], **perform(asked)}) + "\n")
        REPLIES.flush()
        if asked["do"] == "quit":
            return


main()
