"""Checks × subjects → cases: what is decided, what is left out and why.

Knows which subjects there are and which conditions keep a check from running. Must
not run anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product

from tollproof import access
from tollproof.access import Cell
from tollproof.deployment import Deployment
from tollproof.model import CheckSpec, Impact, Tier
from tollproof.operations import Operation
from tollproof.profile.model import Profile

#: The subject of a check that is about the deployment as a whole.
WHOLE = "deployment"
#: The subject of a check for which the profile has no subject at all.
NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKind:
    """What a parameter name of a check function stands for.

    Attributes:
        of: all subjects of the kind, in a stable order.
        label: how one is named in results.
        absent: the sentence when there are none.
    """

    of: Callable[[Deployment], Sequence[object]]
    label: Callable[[object], str]
    absent: str


def _label(value: object) -> str:
    return value.label if isinstance(value, Operation | Cell) else str(value)


def _protected(deployment: Deployment) -> tuple[Operation, ...]:
    return tuple(item for item in deployment.operations if not item.public)


def _one_for_each_path(deployment: Deployment) -> tuple[Operation, ...]:
    first: dict[str, Operation] = {}
    for operation in sorted(_protected(deployment), key=lambda item: item.changes):
        first.setdefault(operation.path, operation)
    return tuple(first.values())


def _operations(
    of: Callable[[Deployment], Sequence[Operation]], absent: str
) -> SubjectKind:
    return SubjectKind(of=of, label=_label, absent=absent)


_NO_FOREIGN_OBJECT = (
    "The profile names no object that one organisation owns and that an identity of "
    "another could ask for so: add organisation and owns to both."
)

#: Parameter name of a check → the subjects it runs on. `exchange` is not among them:
#: a check with that parameter judges every exchange of the run (`passive`).
SUBJECTS: Mapping[str, SubjectKind] = {
    "operation": _operations(_protected, "The API has no protected operation."),
    "public_operation": _operations(
        lambda deployment: [item for item in deployment.operations if item.public],
        "The API has no public operation.",
    ),
    "read_operation": _operations(
        lambda deployment: [
            item for item in _protected(deployment) if item.method == "GET"
        ],
        "The API has no protected GET operation.",
    ),
    "body_operation": _operations(
        lambda deployment: [item for item in _protected(deployment) if item.takes_json],
        "No protected operation takes a JSON body.",
    ),
    "path_operation": _operations(
        _one_for_each_path, "The API has no protected operation."
    ),
    "identity": SubjectKind(
        of=lambda deployment: [
            item for item in deployment.identities.values() if item.is_live
        ],
        label=lambda value: str(getattr(value, "name", value)),
        absent="The profile has no live identity.",
    ),
    "granted_cell": SubjectKind(
        of=access.granted,
        label=_label,
        absent="No operation is granted to more than one set of rights.",
    ),
    "denied_cell": SubjectKind(
        of=access.denied,
        label=_label,
        absent="Every live identity of the profile may call every operation.",
    ),
    "denied_write": SubjectKind(
        of=lambda deployment: access.writes(access.denied(deployment)),
        label=_label,
        absent="Every live identity of the profile may change everything.",
    ),
    "foreign_cell": SubjectKind(
        of=access.foreign, label=_label, absent=_NO_FOREIGN_OBJECT
    ),
    "foreign_read": SubjectKind(
        of=lambda deployment: access.reads(access.foreign(deployment)),
        label=_label,
        absent=_NO_FOREIGN_OBJECT,
    ),
    "foreign_write": SubjectKind(
        of=lambda deployment: access.writes(access.foreign(deployment)),
        label=_label,
        absent=_NO_FOREIGN_OBJECT,
    ),
    "listing_cell": SubjectKind(
        of=access.listings,
        label=_label,
        absent="The profile has no two organisations that own something and may read "
        "the same: add organisation and owns to an identity of each.",
    ),
}
PASSIVE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which checks a run was asked for.

    Attributes:
        suites, checks: names to run; empty for all.
    """

    tier: Tier = Tier.GATE
    suites: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    def misses(self, spec: CheckSpec) -> str:
        """Return why a check is not wanted, or an empty text."""
        if self.suites and spec.suite not in self.suites:
            return "another suite was asked for"
        names = (spec.id, *spec.aliases)
        if self.checks and not any(
            fnmatchcase(name, wanted) for name in names for wanted in self.checks
        ):
            return "another check was asked for"
        if spec.tier.rank > self.tier.rank:
            return f"runs with `tollproof {spec.tier}`, not with `{self.tier}`"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One (check, subject) as it will be called.

    Attributes:
        arguments: parameter name → subject value.
        inapplicable: why the verdict is `not_applicable` without asking the target.
        left_out: why the run does not decide it at all.
    """

    subject: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    inapplicable: str = ""
    left_out: str = ""


def cases(
    spec: CheckSpec,
    parameters: Sequence[str],
    deployment: Deployment,
    selection: Selection,
) -> tuple[Case, ...]:
    """Return every case of a check, those that will not run included.

    Args:
        parameters: the parameter names of the check's function.
    """
    profile = deployment.profile
    if reason := selection.misses(spec):
        return (Case(subject=NONE, left_out=reason),)
    if reason := _of_another_kind(spec, profile):
        return (Case(subject=NONE, left_out=reason),)
    for need in spec.needs:
        if not profile.has(need):
            return (Case(subject=NONE, inapplicable=profile.why_not(need)),)
    if reason := _without_consent(spec.impact, deployment):
        return (Case(subject=NONE, left_out=reason),)
    names = [name for name in parameters if name in SUBJECTS]
    if not names:
        return (Case(subject=WHOLE),)
    for name in names:
        if not SUBJECTS[name].of(deployment):
            return (Case(subject=NONE, inapplicable=SUBJECTS[name].absent),)
    combinations = product(*(SUBJECTS[name].of(deployment) for name in names))
    return tuple(
        _case(dict(zip(names, values, strict=True)), deployment)
        for values in combinations
    )


def _case(arguments: Mapping[str, object], deployment: Deployment) -> Case:
    subject = " as ".join(
        SUBJECTS[name].label(value) for name, value in arguments.items()
    )
    touched = [
        value.operation if isinstance(value, Cell) else value
        for value in arguments.values()
    ]
    untouchable = [
        value.label
        for value in touched
        if isinstance(value, Operation)
        and value.changes
        and not deployment.profile.consent.writes
    ]
    return Case(
        subject=subject,
        arguments=arguments,
        left_out=(
            f"{untouchable[0]} may change something; set `consent.writes = true` in "
            "the profile, or list it under `target.read_only`"
            if untouchable
            else ""
        ),
    )


def _of_another_kind(spec: CheckSpec, profile: Profile) -> str:
    """Say why a check of deployments does not judge an SDK, or the other way round."""
    about_sdk = any(need.partition(".")[0] == "sdk" for need in spec.needs)
    if about_sdk and profile.sdk is None:
        return "it judges client SDKs; the profile is about a deployment"
    if profile.sdk is not None and not about_sdk:
        return "it judges deployments; the profile is about a client SDK"
    return ""


def _without_consent(impact: Impact, deployment: Deployment) -> str:
    consent = deployment.profile.consent
    given = {
        Impact.READS: True,
        Impact.WRITES: consent.writes,
        Impact.LIFECYCLE: consent.key_lifecycle,
        Impact.LOAD: consent.load,
    }
    lines = {
        Impact.WRITES: "writes",
        Impact.LIFECYCLE: "key_lifecycle",
        Impact.LOAD: "load",
    }
    if not given[impact]:
        return f"set `consent.{lines[impact]} = true` in the profile to allow it"
    heavy = impact in (Impact.LOAD, Impact.LIFECYCLE)
    if heavy and deployment.is_production and not deployment.production_consent:
        return "the target is production; `--consent-to-production` would allow it"
    return ""
