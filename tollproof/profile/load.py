"""From a TOML file to a :class:`~tollproof.profile.model.Profile`, or all its problems.

Knows the order of reading and the rules that span several tables. Must not resolve a
secret or reach the target.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from tollproof.errors import Problem, ProfileError
from tollproof.model import Anchor
from tollproof.profile import locate
from tollproof.profile.literals import literal_secrets
from tollproof.profile.model import Profile
from tollproof.profile.problems import dotted, in_order, nearest, problems

BASE_URL = "TOLLPROOF_BASE_URL"
LARGEST = 1 << 20  # bytes of a profile or an error schema

Lines = Mapping[locate.Path, int]


def load_profile(
    path: Path, *, base_url: str | None = None, environ: Mapping[str, str]
) -> Profile:
    """Read a profile.

    Args:
        path: the TOML file.
        base_url: instead of `target.base_url`; wins over `TOLLPROOF_BASE_URL`.
        environ: the environment, for `TOLLPROOF_BASE_URL` alone: no secret is read.

    Raises:
        ProfileError: it cannot be used; holds every problem found, with its line.
    """
    text = _text(path)
    data, lines = _parse(path, text)
    notes = _override(data, base_url or environ.get(BASE_URL))
    found = [
        Problem(
            where=dotted(place),
            line=locate.line_of(lines, place),
            message=problem.message,
            remedy=problem.remedy,
        )
        for place, problem in (
            *literal_secrets(data),
            *_error_schema(data, path.parent),
            *_across(data),
        )
    ]
    profile = None
    try:
        profile = Profile.model_validate(
            data, context={"path": path, "lines": lines, "notes": notes}
        )
    except ValidationError as error:
        # Before the rest: where both speak of one place, the section knows more.
        found = [*problems(error, data, lines), *found]
    if found or profile is None:
        raise ProfileError(str(path), in_order(found))
    return profile


_ANCHORED = (
    "target",
    "identities",
    "promises",
    "lifecycle",
    "client_lifecycle",
    "waivers",
)


def anchors(profile: Profile) -> Mapping[str, Anchor]:
    """Return where identities, promises and waivers stand in the profile's file.

    Keys are dotted: `identities.alpha`, `promises.rate_limit.limit`, `waivers[0]`,
    and the bare name of each identity besides.
    """
    file = str(profile.path)
    found = {
        dotted(place): Anchor(file=file, line=line)
        for place, line in sorted(profile.lines.items(), key=lambda item: item[1])
        if place[0] in _ANCHORED
    }
    names = {
        name: found[key]
        for name in profile.identities
        if (key := dotted(("identities", name))) in found
    }
    return {**names, **found}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise _whole(path, f"cannot be read: {reason}", "check the path") from None
    if len(raw) > LARGEST:
        raise _whole(path, "is larger than 1 MiB", "give the path of a profile")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _whole(path, "is not UTF-8", "save it as UTF-8") from None


def _parse(path: Path, text: str) -> tuple[dict[str, Any], Lines]:
    try:
        return tomllib.loads(text), locate.locate(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r"at line (\d+), column (\d+)", message)
        line = int(place[1]) if place else text.count("\n") + 1
        reason = message.partition(" (at ")[0]
        problem = Problem(
            where="",
            line=line,
            message=f"is not TOML: {reason[:1].lower()}{reason[1:]}"
            + (f", column {place[2]}" if place else ""),
            remedy="texts stand in quotes; a table header stands alone on its line",
        )
        raise ProfileError(str(path), [problem]) from None
    except RecursionError:
        raise _whole(path, "is nested too deeply", "flatten it") from None


def _whole(path: Path, message: str, remedy: str) -> ProfileError:
    return ProfileError(str(path), [Problem(where="", message=message, remedy=remedy)])


def _override(data: dict[str, Any], base_url: str | None) -> tuple[str, ...]:
    """Put another base URL in place; twins of the old one must not be probed."""
    if "sdk" in data:
        return ()
    target = data.setdefault("target", {})
    if base_url is None or not isinstance(target, dict):
        return ()
    former = target.get("base_url")
    target["base_url"] = base_url
    if isinstance(former, str) and _origin(former) == _origin(base_url):
        return ()
    dropped = [key for key in ("http_url", "replicas") if target.pop(key, None)]
    if not dropped:
        return ()
    return (
        f"The base URL is overridden, so {' and '.join(dropped)} of the profile, "
        "which belong to another host, are not used.",
    )


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.scheme.lower(), parts.netloc.lower()


# -- rules that span tables, tried on whatever is well-formed --------------------------

Finding = tuple[locate.Path, Problem]


def _finding(place: locate.Path, message: str, remedy: str) -> Finding:
    return place, Problem(where="", message=message, remedy=remedy)


def _table(data: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _across(data: Mapping[str, Any]) -> Iterator[Finding]:
    if "sdk" not in data:
        yield from _operations(_table(data, "target"))
    yield from _identities(data)
    yield from _lifecycle(data, "lifecycle")
    yield from _lifecycle(data, "client_lifecycle")
    yield from _waivers(data)


def _operations(target: Mapping[str, Any]) -> Iterator[Finding]:
    operations = target.get("operations")
    if not target.get("openapi") and not operations:
        yield _finding(
            ("target",),
            "names no operations",
            'add openapi = "openapi.json", or [[target.operations]] with method and '
            "path",
        )
    seen: set[tuple[Any, Any]] = set()
    for number, item in enumerate(operations if isinstance(operations, list) else ()):
        label = (_table(item).get("method"), _table(item).get("path"))
        if None not in label and label in seen:
            yield _finding(
                ("target", "operations", number),
                "is declared twice",
                "keep one declaration of each method and path",
            )
        if all(isinstance(part, str) for part in label):
            seen.add(label)


def _identities(data: Mapping[str, Any]) -> Iterator[Finding]:
    endpoint = _table(data, "promises", "oauth").get("token_url")
    issuer = _table(data, "promises", "tokens")
    for name, item in _table(data, "identities").items():
        place = ("identities", name)
        fields = _table(item)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name == "anonymous":
            yield _finding(
                place,
                "is not a name for an identity",
                "use letters, digits, - and _; anonymous means no identity at all",
            )
        if "name" in fields:
            yield _finding(
                (*place, "name"),
                "is not known here",
                "the table's own name is the identity's name: leave it out",
            )
        oauth = {"client_id", "client_secret", "credentials"} & fields.keys()
        if (oauth or fields.get("kind") == "oauth") and not (
            fields.get("token_url") or endpoint
        ):
            yield _finding(
                place,
                "has no token endpoint",
                'add token_url = "https://…", or token_url to [promises.oauth]',
            )
        if "signing_key" in fields and not issuer:
            yield _finding(
                (*place, "signing_key"),
                "mints tokens, and nothing says for which issuer",
                "add [promises.tokens] with issuer and audience",
            )


def _lifecycle(data: Mapping[str, Any], table: str) -> Iterator[Finding]:
    by = _table(data, table).get("by")
    names = _table(data, "identities")
    if isinstance(by, str) and by not in names:
        near = nearest(by, names)
        yield _finding(
            (table, "by"),
            "names no identity of this profile",
            f"did you mean {near}?" if near else "add it under [identities]",
        )
    elif isinstance(by, str) and _table(names, by).get("state", "live") != "live":
        yield _finding(
            (table, "by"),
            "names an identity that is to be refused",
            "name one whose state is live",
        )


def _waivers(data: Mapping[str, Any]) -> Iterator[Finding]:
    waivers = data.get("waivers")
    seen: set[tuple[Any, Any]] = set()
    for number, item in enumerate(waivers if isinstance(waivers, list) else ()):
        fields = _table(item)
        key = (fields.get("check"), fields.get("subject", "*"))
        if not all(isinstance(part, str) for part in key):
            continue
        if key in seen:
            yield _finding(
                ("waivers", number), "is there twice", "keep one waiver of the two"
            )
        seen.add(key)


def _error_schema(data: dict[str, Any], folder: Path) -> Iterator[Finding]:
    """Read the envelope's schema where it is a file, and see that it is one."""
    errors = _table(data, "promises", "errors")
    schema = errors.get("schema")
    place = ("promises", "errors", "schema")
    if not isinstance(errors, dict) or not isinstance(schema, dict):
        return
    if set(schema) == {"file"} and isinstance(schema["file"], str):
        try:
            with (folder / schema["file"]).open("rb") as file:
                schema = json.loads(file.read(LARGEST))
        except (OSError, ValueError, RecursionError):
            yield _finding(
                (*place, "file"),
                "cannot be read as JSON",
                "give the path of a JSON Schema, relative to the profile",
            )
            return
        errors["schema"] = schema
    import jsonschema  # slow to import; only for a profile with a schema

    try:
        jsonschema.validators.validator_for(
            schema, default=jsonschema.Draft202012Validator
        ).check_schema(schema)
    except jsonschema.SchemaError as error:
        at = dotted(tuple(error.absolute_path))
        yield _finding(
            place,
            f"is not a JSON Schema{': wrong at ' + at if at else ''}",
            'write it as in { type = "object", required = ["error"] }',
        )
