"""Registers and deletes a client by RFC 7591 and 7592, as a profile's commands.

    python registering.py create URL INITIAL_ACCESS_TOKEN FOLDER
    python registering.py delete CLIENT_ID FOLDER

The registration access token, which the deletion needs, is kept in the folder between
the two. Prints what the authorization server answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx

CLIENT = {
    "grant_types": ["client_credentials"],
    "redirect_uris": [],
    "response_types": [],
    "scope": "read",
    "token_endpoint_auth_method": "client_secret_post",
}


def create(url: str, initial: str, folder: str) -> None:
    answer = httpx.post(url, json=CLIENT, headers=_bearer(initial))
    answer.raise_for_status()
    (Path(folder) / answer.json()["client_id"]).write_text(answer.text)
    sys.stdout.write(answer.text)


def delete(client_id: str, folder: str) -> None:
    known = json.loads((Path(folder) / client_id).read_text())
    headers = _bearer(known["registration_access_token"])
    httpx.delete(known["registration_client_uri"], headers=headers).raise_for_status()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


if __name__ == "__main__":
    if sys.argv[1] == "create":
        create(*sys.argv[2:])
    else:
        delete(*sys.argv[2:])
