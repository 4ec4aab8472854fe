"""`tollproof token`: mint, inspect, rotate and retire by hand, to try things out.

Knows the command line and the local issuer's interface over HTTP. What it prints on
`mint` is a credential: that is what it was asked for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx

from tollproof.errors import UsageError
from tollproof.identity.firebase import LIFE, Template
from tollproof.identity.forge import mint, read_key
from tollproof.identity.token import Expected, inspect

#: Bytes of a token that are read.
LARGEST = 65_536
PATIENCE = 10.0


@click.group("token")
def token() -> None:
    """Mint and inspect signed tokens by hand."""


@token.command("mint")
@click.option("--key", "key_file", type=click.Path(exists=True, dir_okay=False))
@click.option("--key-id", default="", help="The kid; by default none.")
@click.option("--issuer-url", help="A local issuer that mints in our place.")
@click.option("--issuer", default="", help="The iss claim.")
@click.option("--audience", default="", help="The aud claim.")
@click.option("--subject", required=True, help="The sub claim.")
@click.option("--life", type=float, default=LIFE, help="Seconds until exp.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=JSON")
@click.option("--firebase/--plain", default=True, help="With Firebase's claims.")
def mint_command(
    key_file: str | None,
    key_id: str,
    issuer_url: str | None,
    issuer: str,
    audience: str,
    subject: str,
    life: float,
    claims: tuple[str, ...],
    firebase: bool,
) -> None:
    """Print a token: by a private key in PEM, or from a local issuer.

    `--claim exp=0` replaces a claim: what is minted may be as wrong as one likes.
    """
    extra = dict(map(_claim, claims))
    if issuer_url:
        wish = {"sub": subject, "claims": extra}
        click.echo(_post(f"{issuer_url.rstrip('/')}/tokens", wish)["token"])
        return
    if key_file is None:
        raise UsageError("give --key, a private key in PEM, or --issuer-url")
    template = Template(
        issuer=issuer,
        audience=audience,
        subject=subject,
        claims=extra,
        firebase=firebase,
        life=life,
    )
    try:
        key = read_key(Path(key_file).read_text(encoding="utf-8"), key_id=key_id)
    except ValueError as error:
        raise UsageError(f"{key_file}: {error}") from error
    click.echo(mint({"typ": "JWT"}, template.at(time.time()), key))


@token.command("inspect")
@click.argument("text", default="-")
@click.option("--issuer", default="", help="The issuer it should be from.")
@click.option("--audience", default="", help="The audience it should be for.")
def inspect_command(text: str, issuer: str, audience: str) -> None:
    """Show what a token says and what is wrong with it; `-` reads it from the input.

    Its signature is neither verified nor shown.
    """
    raw = sys.stdin.read(LARGEST) if text == "-" else text
    value = raw.strip().removeprefix("Bearer ").strip()
    expected = Expected(now=time.time(), issuer=issuer, audience=audience)
    try:
        click.echo(inspect(value, expected))
    except ValueError as error:
        raise UsageError(str(error)) from error


@token.command("rotate")
@click.option("--issuer-url", required=True, help="A local issuer.")
def rotate_command(issuer_url: str) -> None:
    """Make a local issuer sign with a new key; print its id and private half."""
    click.echo(json.dumps(_post(f"{issuer_url.rstrip('/')}/rotate", {})))


@token.command("retire")
@click.option("--issuer-url", required=True, help="A local issuer.")
@click.option("--key-id", required=True, help="The kid of the key.")
def retire_command(issuer_url: str, key_id: str) -> None:
    """Make a local issuer withdraw a key: it is published no longer."""
    click.echo(json.dumps(_post(f"{issuer_url.rstrip('/')}/retire", {"kid": key_id})))


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--claim {text!r}: write NAME=JSON")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a text needs no quotes


def _post(url: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        answer = httpx.post(url, json=document, timeout=PATIENCE, trust_env=False)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise UsageError(f"{url}: no local issuer answers there: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{url}: no local issuer answers there")
    return found


if __name__ == "__main__":
    token()
