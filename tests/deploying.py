"""Profiles and deployments for tests, as small as they can be.

Knows the shortest profile that a check can run on. Must not know any check.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tollproof.deployment import Deployment
from tollproof.model import Exchange
from tollproof.opening import Options, open_deployment
from tollproof.profile.load import load_profile
from tollproof.profile.model import Profile

#: The credential of each identity that :func:`identity` can name.
KEYS = {
    "alpha": "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3",
    "beta": "tp_live_Ws5Jf8Gp3Ne6Qa1Cu4Xz7Mk9",
    "gone": "tp_live_Hv2Bt9Yr4Dk7Lp1Sx6Fn3Gw8",
}
KEY = KEYS["alpha"]
ENVIRON = {f"TOLLPROOF_TEST_{name.upper()}": key for name, key in KEYS.items()}

#: What a profile of a test begins with; `%s` is the base URL.
HEAD = """\
name = "Scripted"
[target]
base_url = "%s"
environment = "staging"
timeout = 1.0
"""


def identity(name: str, *lines: str) -> str:
    """Return an identity with the API key of that name, as :data:`KEYS` has it."""
    return "\n".join(
        (
            f"\n[identities.{name}]",
            'kind = "api_key"',
            f'key = {{ env = "TOLLPROOF_TEST_{name.upper()}" }}',
            *lines,
            "",
        )
    )


ALPHA = identity("alpha")
THINGS = """
[[target.operations]]
method = "GET"
path = "/things"
"""


def profile_text(base_url: str, *parts: str) -> str:
    """Return a profile: its head, then the parts, which begin with their tables."""
    return HEAD % base_url + "".join(parts)


def profile_at(path: Path, base_url: str, *parts: str) -> Profile:
    """Write a profile and read it."""
    path.write_text(profile_text(base_url, *parts), encoding="utf-8")
    return load_profile(path, environ={})


def document(
    paths: Mapping[str, Any], *, version: str = "3.0.3", **more: Any
) -> dict[str, Any]:
    """Return an OpenAPI document with these paths."""
    return {
        "openapi": version,
        "info": {"title": "Scripted", "version": "1"},
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
            }
        },
        "paths": dict(paths),
        **more,
    }


def responding(**more: Any) -> dict[str, Any]:
    """Return what OpenAPI says of an operation that answers 200."""
    return {"responses": {"200": {"description": "Fine"}}, **more}


@contextmanager
def deployment_of(
    profile: Profile,
    *,
    record: Callable[[Exchange], None] = lambda _: None,
    environ: Mapping[str, str] = ENVIRON,
    options: Options | None = None,
) -> Iterator[Deployment]:
    """Open a deployment and close it in the end."""
    deployment = open_deployment(
        profile, options=options or Options(), environ=environ, record=record
    )
    with deployment:
        yield deployment


def with_document(
    folder: Path,
    paths: Mapping[str, Any],
    *,
    base_url: str = "http://127.0.0.1:9",
    target: Sequence[str] = (),
    version: str = "3.0.3",
    **more: Any,
) -> Profile:
    """Write an OpenAPI document and a profile that names it; return the profile.

    Args:
        target: further lines of the `[target]` table.
        more: further members of the document.
    """
    (folder / "openapi.json").write_text(
        json.dumps(document(paths, version=version, **more)), encoding="utf-8"
    )
    lines = ['openapi = "openapi.json"', *target]
    return profile_at(folder / "profile.toml", base_url, "\n".join(lines) + "\n", ALPHA)
