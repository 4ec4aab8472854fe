"""What a check may need of a profile, and what to add where it is missing.

Knows one table of named conditions; any other dotted name is a path into the profile.
Must not know which check needs what.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tollproof.errors import CatalogueError
from tollproof.profile.identities import Identity, Mechanism

if TYPE_CHECKING:
    from tollproof.profile.model import Profile

SMALL_LIMIT = 20  # requests that a gate may spend to reach a limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A named condition.

    Attributes:
        met: whether a profile meets it.
        missing: the sentence that says what to add when it does not.
    """

    met: Callable[[Profile], bool]
    missing: str


def _identities(profile: Profile) -> Iterator[Identity]:
    return iter(profile.identities.values())


def _any(test: Callable[[Identity], object]) -> Callable[[Profile], bool]:
    return lambda profile: any(test(item) for item in _identities(profile))


def _live(test: Callable[[Identity], object]) -> Callable[[Profile], bool]:
    return _any(lambda item: item.is_live and test(item))


def _holds(mechanism: Mechanism) -> Callable[[Identity], bool]:
    return lambda item: mechanism in item.mechanisms


def _organisations(profile: Profile) -> set[str]:
    return {
        item.organisation
        for item in _identities(profile)
        if item.is_live and item.organisation
    }


def _two_keys_in_one_organisation(profile: Profile) -> bool:
    homes = [
        item.organisation
        for item in _identities(profile)
        if item.is_live and item.organisation and _holds(Mechanism.API_KEY)(item)
    ]
    return len(homes) > len(set(homes))


def _state(state: str, words: str) -> Need:
    return Need(
        met=_any(lambda item: item.state == state and not item.is_open),
        missing=f"The profile has no identity whose credential is {words}: "
        f'add one with state = "{state}".',
    )


def _header_rule(profile: Profile, rule: str) -> bool:
    return any(item.rule == rule for item in profile.promises.headers)


def _retry_after_is_scoped(profile: Profile) -> bool:
    limit = profile.promises.rate_limit
    return bool(limit and limit.headers and not limit.headers.retry_after_on_success)


def _says_of_errors(profile: Profile) -> bool:
    limit = profile.promises.rate_limit
    return limit is not None and "errors" in limit.counts.model_fields_set


def _mechanism(kind: str) -> Need:
    return Need(
        met=_live(_holds(Mechanism(kind))),
        missing=f'The profile has no live identity with kind = "{kind}": add one.',
    )


NEEDS: Mapping[str, Need] = {
    "identity.live": Need(
        met=_live(lambda item: True),
        missing="The profile has no live identity with a credential: "
        "add an [identities.NAME] table.",
    ),
    "identity.revoked": _state("revoked", "revoked"),
    "identity.expired": _state("expired", "expired"),
    "identity.wrong_environment": _state("wrong_environment", "of another environment"),
    "identity.api_key": _mechanism("api_key"),
    "identity.oauth": _mechanism("oauth"),
    "identity.firebase": _mechanism("firebase"),
    "identity.token": Need(
        met=_live(lambda item: item.is_token),
        missing="The profile has no live identity that sends a signed token: "
        'add one with kind = "firebase" or kind = "token".',
    ),
    "identity.signing_key": Need(
        met=_live(lambda item: item.mints),
        missing="The profile has no identity with a test signing key: "
        'add signing_key = { file = "key.pem" } to one of kind "firebase".',
    ),
    "identity.open": Need(
        met=_any(lambda item: item.is_open),
        missing='The profile has no identity with kind = "open": add one.',
    ),
    "identity.small_limit": Need(
        met=_live(lambda item: item.limit and item.limit.requests <= SMALL_LIMIT),
        missing="The profile has no live identity with a small limit of its own: "
        f"add limit = {{ requests = {SMALL_LIMIT}, window = 60 }}, or less, to one "
        "that has it.",
    ),
    "identity.limited": Need(
        met=_live(
            lambda item: (
                any(g.startswith("!") for g in item.grants) or "*" not in item.grants
            )
        ),
        missing="The profile has no live identity that may not call everything: "
        'add grants = ["GET /…"] to one.',
    ),
    "identity.second": Need(
        met=lambda profile: sum(i.is_live for i in _identities(profile)) > 1,
        missing="The profile has only one live identity: add another.",
    ),
    "identity.second_organisation": Need(
        met=lambda profile: len(_organisations(profile)) > 1,
        missing="The profile has no live identities of two organisations: "
        'add organisation = "…" to each.',
    ),
    "identity.same_organisation": Need(
        met=_two_keys_in_one_organisation,
        missing="The profile has no two live API keys of one organisation: "
        "add an identity with the organisation of another.",
    ),
    "identity.owns": Need(
        met=_live(lambda item: item.owns),
        missing="The profile names no object that an identity owns: "
        'add owns = { parameter = "value" } to one.',
    ),
    "target.https": Need(
        met=lambda profile: profile.target.base_url.startswith("https://"),
        missing="The target is reached over plain HTTP: "
        "write base_url with https:// where it has TLS.",
    ),
    "target.public": Need(
        met=lambda profile: (
            bool(profile.target.public)
            or any(item.public for item in profile.target.operations)
        ),
        missing="The profile names no public operation: "
        'add public = ["GET /…"] to [target].',
    ),
    "promises.challenge": Need(
        met=lambda profile: profile.promises.challenge is not False,
        missing="The profile says that no challenge is promised: "
        "take challenge = false out of [promises].",
    ),
    "promises.doubled_header": Need(
        met=lambda profile: profile.promises.doubled_header == "refuse",
        missing="The profile tolerates a doubled Authorization header: "
        'write doubled_header = "refuse" under [promises].',
    ),
    "promises.headers.required": Need(
        met=lambda profile: _header_rule(profile, "required"),
        missing="The profile requires no header field: add [[promises.headers]].",
    ),
    "promises.headers.forbidden": Need(
        met=lambda profile: _header_rule(profile, "forbidden"),
        missing="The profile forbids no header field: add [[promises.headers]] "
        'with rule = "forbidden".',
    ),
    "promises.retry_after_scope": Need(
        met=_retry_after_is_scoped,
        missing="The profile tolerates Retry-After on every answer, or promises no "
        "rate-limit fields: write retry_after_on_success = false in "
        "[promises.rate_limit.headers].",
    ),
    "promises.concealment": Need(
        met=lambda profile: profile.promises.refusal.not_owned == 404,
        missing="The profile does not promise that objects of others are concealed: "
        "write refusal = { not_owned = 404 } under [promises].",
    ),
    "promises.rate_limit.counts.errors": Need(
        met=_says_of_errors,
        missing="The profile does not say whether errors count: add errors = true, or "
        "errors = false, to [promises.rate_limit.counts].",
    ),
    "promises.rate_limit.headers.retry_after": Need(
        met=lambda profile: _retry_after(profile) not in (None, "none"),
        missing="The profile does not promise Retry-After: "
        'add retry_after = "delay_seconds" to [promises.rate_limit.headers].',
    ),
}

_STATUS = re.compile(r"promises\.errors\.status\.([45]\d\d)")


def _retry_after(profile: Profile) -> str | None:
    limit = profile.promises.rate_limit
    return limit.headers.retry_after if limit and limit.headers else None


def has(profile: Profile, dotted: str) -> bool:
    """Tell whether a profile has what a dotted name stands for.

    Raises:
        CatalogueError: no profile could have something of that name.
    """
    return _need(dotted).met(profile)


def why_not(profile: Profile, dotted: str) -> str:
    """Say in a sentence what to add to the profile, or "" when nothing is missing.

    Raises:
        CatalogueError: no profile could have something of that name.
    """
    need = _need(dotted)
    return "" if need.met(profile) else need.missing


def _need(dotted: str) -> Need:
    if dotted in NEEDS:
        return NEEDS[dotted]
    if match := _STATUS.fullmatch(dotted):
        return _status_need(int(match[1]))
    return _path_need(dotted)


def _status_need(status: int) -> Need:
    def promised(profile: Profile) -> bool:
        errors = profile.promises.errors
        return errors is not None and status in errors.statuses

    return Need(
        met=promised,
        missing=f"The profile does not promise {status} for its standard cause: "
        f"add {status} to statuses in [promises.errors].",
    )


def _path_need(dotted: str) -> Need:
    from tollproof.profile.model import Profile

    keys = dotted.split(".")
    kind: Any = Profile
    for key in keys:
        fields = kind.model_fields if _is_section(kind) else {}
        name = next((n for n, f in fields.items() if (f.alias or n) == key), None)
        if name is None:
            raise CatalogueError(f"needs {dotted!r}: no profile has {key!r} there")
        kind = _inner(fields[name].annotation)

    def present(profile: Profile) -> bool:
        value: Any = profile
        for key in keys:
            value = getattr(value, key, None) or getattr(value, f"{key}_", None)
        return bool(value)

    parent, _, leaf = dotted.rpartition(".")
    if _is_section(kind):
        missing = f"The profile has no [{dotted}] table: add it."
    elif kind is bool:
        missing = f"The profile does not say `{leaf} = true` in [{parent}]: write it."
    elif parent:
        missing = f"The profile does not say `{leaf} = …` in [{parent}]: add it."
    else:
        missing = f"The profile has no `{leaf}`: add it."
    return Need(met=present, missing=missing)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inner(annotation: Any) -> Any:
    """Strip `X | None` and Annotated down to the section a field holds, if any."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        sections = [arg for arg in typing.get_args(annotation) if _is_section(arg)]
        return sections[0] if len(sections) == 1 else annotation
    return annotation
