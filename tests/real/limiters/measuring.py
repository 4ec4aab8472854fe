"""Lets the product measure a real limiter by its promise, as a user would.

Knows the profile and the command. Must not know what is true of any limiter.
"""

from __future__ import annotations

from pathlib import Path

from tests.real.limiters.deployments import KEYS, LIMIT, WINDOW, Limiter, started
from tests.real.stacks import Judged, judge

PROFILE = """\
name = "A real limiter"
[target]
base_url = "{base_url}"
environment = "staging"
operations = [{{ method = "GET", path = "/items" }}]
[consent]
load = true
{identities}
[promises.rate_limit]
limit = {limit}
window = {window}
per = "key"
{promise}"""
IDENTITY = """
[identities.{lower}]
kind = "api_key"
key = {{ env = "LIMITER_{name}" }}
header = "X-API-Key"
scheme = ""
purpose = ["{purpose}"]
"""


def profile_of(limiter: Limiter, base_url: str) -> str:
    """Return the profile that holds what a limiter promises."""
    identities = "".join(
        IDENTITY.format(
            name=name,
            lower=name.lower(),
            purpose="control" if name == "CONTROL" else "burst",
        )
        for name in KEYS
    )
    return PROFILE.format(
        base_url=base_url,
        identities=identities,
        limit=LIMIT,
        window=WINDOW,
        promise=limiter.promise,
    )


def measured(limiter: Limiter, folder: Path) -> Judged:
    """Start a limiter and let `tollproof audit` judge it."""
    profile, output = folder / "profile.toml", folder / "out"
    keys = {f"LIMITER_{name}": key for name, key in KEYS.items()}
    with started(limiter) as base_url:
        profile.write_text(profile_of(limiter, base_url), encoding="utf-8")
        command = ("audit", str(profile), "--suite=ratelimit")
        return judge(command, keys, output)
