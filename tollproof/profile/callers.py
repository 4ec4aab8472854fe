"""The identities of a drafted profile, from the security schemes of a document.

Knows how each kind of scheme is written as an identity. Must not hold a secret: every
credential is named as an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin

from tollproof.profile.copying import copied, is_valid
from tollproof.profile.documented import Reader, mapping
from tollproof.profile.emit import comment, toml_string
from tollproof.profile.values import TOKEN, Url

_TITLE_WORDS = 4  # of a title that go into the name of a variable
_TITLE_LENGTH = 32  # characters


def callers(reader: Reader, url: str) -> list[str]:
    """Write an identity for each security scheme, and questions after more of them."""
    lines = [
        "# Callers. Secrets are named, never written: { env = … }, { file = … } or",
        "# { command = […] }.",
    ]
    names: list[str] = []
    deployment = _deployment(reader.title())
    for scheme, item in reader.security_schemes().items():
        body = _identity(scheme, item, url, deployment)
        said = comment(f"{scheme}: {item.get('description') or item.get('type') or ''}")
        lines.append(f"# {said[:84]}")
        if isinstance(body, str):
            lines += [f"# {body}", ""]
            continue
        name = _unused(scheme, names)
        names.append(name)
        lines += [f"[identities.{name}]", *body, ""]
    if not names:
        lines += [
            "# The document names no security scheme that tollproof can use.",
            "[identities.nobody]",
            'kind = "open"',
            "",
            "# [identities.alpha]",
            '# kind = "api_key"',
            f'# key = {{ env = "{_variable(deployment, "API_KEY_ALPHA")}" }}',
            "",
        ]
    return [*lines, *_more_identities(deployment)]


def _identity(
    scheme: str, item: Mapping[str, Any], url: str, deployment: str
) -> list[str] | str:
    """Return the lines of an identity, or why there is none."""
    stem = _words(scheme).upper()

    def env(suffix: str) -> str:
        if stem in ("", "KEY"):  # says nothing of what it opens
            name = f"API_{suffix}"
        else:
            name = stem if stem.endswith(suffix) else f"{stem}_{suffix}"
        return f'{{ env = "{_variable(deployment, name)}" }}'

    kind = item.get("type")
    words = f"{scheme} {item.get('description', '')} {item.get('bearerFormat', '')}"
    if kind == "apiKey":
        header = item.get("name")
        if item.get("in") != "header" or not isinstance(header, str):
            return "It is not sent in a header; only such credentials are probed."
        if not TOKEN.fullmatch(header):
            return "Its header has a name that no header can have."
        bare = ['scheme = ""'] if header.lower() == "authorization" else []
        key = f"key = {env('KEY')}"
        return ['kind = "api_key"', f"header = {toml_string(header)}", *bare, key]
    if kind == "http" and str(item.get("scheme")).lower() == "basic":
        lines = ['kind = "api_key"', 'scheme = "Basic"', f"key = {env('BASIC')}"]
        return [*lines[:2], f"{lines[2]}  # base64 of user:password"]
    if kind == "oauth2" and (
        flow := mapping(mapping(item.get("flows")).get("clientCredentials"))
    ):
        return _oauth(flow, url, env)
    if kind == "http" and "firebase" in words.lower():
        return ['kind = "firebase"', f"id_token = {env('ID_TOKEN')}"]
    if kind in ("oauth2", "openIdConnect") or (
        kind == "http" and "jwt" in words.lower()
    ):
        return ['kind = "token"', f"token = {env('TOKEN')}"]
    if kind == "http" and str(item.get("scheme")).lower() == "bearer":
        return ['kind = "api_key"', f"key = {env('KEY')}"]
    if kind == "mutualTLS":
        return "Give the client certificate under [target.tls]."
    return "It is of a kind that tollproof does not know."


def _oauth(
    flow: Mapping[str, Any], url: str, env: Callable[[str], str]
) -> list[str] | str:
    endpoint = flow.get("tokenUrl")
    absolute = urljoin(url + "/", endpoint) if isinstance(endpoint, str) else ""
    if not is_valid(Url, absolute) or not copied(("token_url",), absolute):
        return "Its token endpoint is not a URL that can be written here."
    scopes = [str(scope) for scope in mapping(flow.get("scopes")) if str(scope)]
    fit = copied(("scope",), scopes)
    return [
        'kind = "oauth"',
        f"client_id = {env('CLIENT_ID')}",
        f"client_secret = {env('CLIENT_SECRET')}",
        f"token_url = {toml_string(absolute)}",
        *([f"scope = {fit}"] if scopes and fit else []),
    ]


def _more_identities(deployment: str) -> list[str]:
    return [
        "# More callers make more checks possible. A revoked key, a key of another",
        "# organisation, one that may not do everything, one with a small limit:",
        "# [identities.revoked]",
        '# kind = "api_key"',
        f'# key = {{ env = "{_variable(deployment, "API_KEY_REVOKED")}" }}',
        '# state = "revoked"                     # or "expired", "wrong_environment"',
        "# [identities.beta]",
        '# kind = "api_key"',
        f'# key = {{ env = "{_variable(deployment, "API_KEY_BETA")}" }}',
        '# organisation = "beta"',
        '# grants = ["GET /*"]',
        "# limit = { requests = 10, window = 60 }",
    ]


def _deployment(title: str) -> str:
    """Write the title `Acme Pay API (v2)` as `ACME_PAY`: whose credentials they are."""
    plain = _words(title.partition("(")[0]).upper().split("_")
    words = [word for word in plain if word][:_TITLE_WORDS]
    while words and words[-1] in ("API", "APIS", "REST", "SERVICE", "THE"):
        words.pop()
    return "_".join(words)[:_TITLE_LENGTH].strip("_")


def _variable(deployment: str, name: str) -> str:
    """Name an environment variable of this deployment, and of no other."""
    whole = name
    if deployment and not f"{name}_".startswith(f"{deployment}_"):
        whole = f"{deployment}_{name}"
    return f"_{whole}" if whole[0].isdigit() else whole


def _words(scheme: str) -> str:
    """Write `firebaseUser` as `firebase_user`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", scheme)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def _unused(scheme: str, names: list[str]) -> str:
    if not names:
        return "alpha"
    stem = _words(scheme) or "caller"
    stem = stem if stem not in ("anonymous", "alpha") else f"{stem}_2"
    number, name = 1, stem
    while name in names:
        number += 1
        name = f"{stem}_{number}"
    return name
