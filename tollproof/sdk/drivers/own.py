"""Driver for tollproof's own client: what we ask of others, we keep.

Options and environment become a profile with one identity, as a user would write it:
arguments are files, variables are named by `{ env = … }`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tollproof.deployment import Deployment
from tollproof.errors import TollproofError
from tollproof.identity.oauth import ClientCredentials
from tollproof.identity.renewal import renewed
from tollproof.opening import Options, open_deployment
from tollproof.profile.load import load_profile
from tollproof.version import __version__

WHO = "me"
VARIABLES = {
    "api_key": "CSPARK_API_KEY",
    "token": "CSPARK_BEARER_TOKEN",
    "client_id": "CSPARK_CLIENT_ID",
    "client_secret": "CSPARK_CLIENT_SECRET",
    "credentials_file": "CSPARK_OAUTH_PATH",
}
FIELDS = {"api_key": "key", "credentials_file": "credentials"}
DEPLOYMENTS: dict[str, Deployment] = {}


def places(options: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return where each secret is kept, as a profile names it."""
    given = {name: options[name] for name in VARIABLES if options.get(name)}
    found: dict[str, str] = {}
    for name, variable in VARIABLES.items():
        field = FIELDS.get(name, name)
        if given:
            if name == "credentials_file" and name in given:
                found[field] = f"{{ file = {json.dumps(given[name])} }}"
            elif name in given:
                path = folder / f"{name}.secret"
                path.touch(mode=0o600)
                path.write_text(given[name])
                found[field] = f"{{ file = {json.dumps(str(path))} }}"
        elif os.environ.get(variable):
            if name == "credentials_file":
                found[field] = f"{{ file = {json.dumps(os.environ[variable])} }}"
            else:
                found[field] = f'{{ env = "{variable}" }}'
    return found


def make(name: str, options: dict[str, Any]) -> Deployment:
    folder = Path.cwd() / name
    folder.mkdir()
    is_open = options.get("api_key") == "open"
    found = {} if is_open else places(options, folder)
    kind = "open"
    for field, other in (("key", "api_key"), ("token", "token")):
        if kind == "open" and field in found:
            kind = other
    if kind == "open" and found:
        kind = "oauth"
    lines = [
        'name = "own"',
        "[target]",
        f"base_url = {json.dumps(options['base_url'])}",
        'environment = "development"',
        "[[target.operations]]",
        'method = "GET"',
        'path = "/api/v1/things"',
        "[promises.oauth]",
        f"token_url = {json.dumps(options['base_url'] + '/oauth/token')}",
        f"[identities.{WHO}]",
        f'kind = "{kind}"',
        *(['header = "x-synthetic-key"'] if kind == "api_key" else []),
        *(f"{field} = {place}" for field, place in found.items()),
    ]
    profile = folder / "profile.toml"
    profile.write_text("\n".join(lines))
    return open_deployment(
        load_profile(profile, environ={}),
        options=Options(),
        environ=os.environ,
        record=lambda exchange: print(exchange, file=sys.stderr),  # noqa: T201
    )


def attempt(deployment: Deployment) -> dict[str, Any]:
    identity = deployment.identities[WHO]
    operation = deployment.operations[0]
    try:
        exchange = deployment.client.send(deployment.probe(operation, identity))
        if exchange.status == 401 and not identity.is_open and renewed(identity):
            exchange = deployment.client.send(deployment.probe(operation, identity))
    except TollproofError as error:
        return raised(error)
    if 200 <= exchange.status < 300:
        return {"ok": True}
    text = {"repr(exchange)": repr(exchange)}
    return {"ok": False, "error": {"type": f"status {exchange.status}", "forms": text}}


def raised(error: BaseException) -> dict[str, Any]:
    forms = {
        "str": str(error),
        "repr": repr(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    return {"ok": False, "error": {"type": type(error).__name__, "forms": forms}}


def shown(deployment: Deployment) -> dict[str, Any]:
    identity = deployment.identities[WHO]
    parts = {
        "deployment": deployment,
        "identity": identity,
        "mechanism": identity.mechanism,
        "client": deployment.client,
    }
    profile = deployment.profile.model_dump_json()
    return {
        "printed": {f"str({name})": str(part) for name, part in parts.items()},
        "inspected": {
            f"slots of {name}": repr(
                {slot: getattr(part, slot) for slot in getattr(part, "__slots__", ())}
            )
            for name, part in parts.items()
        },
        "serialised": {"profile.model_dump_json()": profile},
    }


def perform(asked: dict[str, Any]) -> dict[str, Any]:
    verb, name = asked["do"], asked.get("client", "")
    if verb == "hello":
        return {"ok": True, "sdk": f"tollproof {__version__}", "protocol": 1}
    if verb == "create":
        try:
            DEPLOYMENTS[name] = make(name, asked["options"])
        except TollproofError as error:
            return raised(error)
    if verb == "call":
        return attempt(DEPLOYMENTS[name])
    if verb == "burst":
        return burst(DEPLOYMENTS[name], asked["count"])
    if verb == "show":
        return {"ok": True, "shown": shown(DEPLOYMENTS[name])}
    if verb == "refresh":
        mechanism = DEPLOYMENTS[name].identities[WHO].mechanism
        if not isinstance(mechanism, ClientCredentials):
            return {"ok": False, "unsupported": True}
        mechanism.renew(mechanism.credential())
    if verb == "copy":
        return {"ok": False, "unsupported": True}
    return {"ok": True}


def burst(deployment: Deployment, count: int) -> dict[str, Any]:
    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(attempt, [deployment] * count))
    return {"ok": True, "succeeded": sum(one["ok"] for one in done)}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        reply = json.dumps({"id": asked["id"], **perform(asked)})
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()
        if asked["do"] == "quit":
            return


main()
