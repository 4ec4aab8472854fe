"""Other forms of a request, for the measurement of a rate limit.

What a caller may write, or spell otherwise, must not give its request an allowance of
its own. A spelling proves something only where it is served like the plain request, so
each that may lead elsewhere is asked for once, before it is asked for under load. Knows
operations, the profile and the target. Must not know the limit or how it is measured.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import urlsplit

from tollproof.client import Headers
from tollproof.deployment import Deployment
from tollproof.errors import Undetermined
from tollproof.identity import Identity
from tollproof.load.job import RequestSpec
from tollproof.model import Exchange
from tollproof.operations import Operation, expand
from tollproof.ratelimit.promise import (
    ERRONEOUS,
    ERRONEOUS_AT_ALL,
    OTHER_ADDRESS,
    OTHER_OPERATION,
)
from tollproof.target import Target

#: Fields that must not give a request an allowance of its own; the first claims another
#: origin.
FORWARDED = "forwarded"
_FORWARDED: Headers = (
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Real-IP", "203.0.113.8"),
    ("Forwarded", "for=203.0.113.9"),
)
_FIELDS: tuple[tuple[str, Headers], ...] = (
    (FORWARDED, _FORWARDED),
    ("other-agent", (("User-Agent", "Mozilla/5.0"), ("Accept-Language", "xx"))),
)
#: What no object is called.
NOTHING = "tollproof-nothing"


class Proof(Enum):
    """What one request in a form must be answered, for the form to be of use."""

    NONE = "nothing"
    ALIKE = "as the plain request is"
    SUCCESS = "a success"
    ERROR = "a client error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One other form of the plain request.

    Attributes:
        spec: the request, without its credential; its name is the form's.
    """

    spec: RequestSpec
    proof: Proof = Proof.NONE

    @property
    def name(self) -> str:
        """How schedules and findings name it."""
        return self.spec.name


def forms(
    deployment: Deployment,
    operation: Operation,
    plain: RequestSpec,
    keys: Iterable[Identity],
) -> tuple[Form, ...]:
    """Return every form that may be tried, those without use among them.

    Args:
        plain: the request that the keys will send.
        keys: all of them must be granted whatever is asked for.
    """
    keys = tuple(keys)
    return (
        *(
            Form(spec=replace(plain, name=name, headers=(*plain.headers, *extra)))
            for name, extra in _FIELDS
        ),
        *_queries(plain),
        *_methods(deployment, operation, plain),
        *_spellings(plain),
        *_scopes(deployment, operation, plain, keys),
        *_errors(deployment, plain, keys),
    )


def _queries(plain: RequestSpec) -> Iterator[Form]:
    mark = "&" if "?" in plain.path else "?"
    yield Form(spec=replace(plain, name="query", path=f"{plain.path}{mark}_=1"))
    if mark == "?":
        path = f"{plain.path}?"
        yield Form(spec=replace(plain, name="empty-query", path=path))


def _methods(
    deployment: Deployment, operation: Operation, plain: RequestSpec
) -> Iterator[Form]:
    declared = deployment.profile.promises.rate_limit
    counts = declared.counts if declared else None
    methods = counts.methods if counts else ("*",)
    if operation.method == "GET" and ("*" in methods or "HEAD" in methods):
        yield Form(spec=replace(plain, name="head", method="HEAD"))
    said = counts is not None and "methods" in counts.model_fields_set
    # That OPTIONS is answered to all and sundry is what CORS asks for, so it must have
    # been promised in so many words that it counts.
    if said and ("*" in methods or "OPTIONS" in methods):
        yield Form(
            spec=replace(plain, name="options", method="OPTIONS", body=""),
            proof=Proof.SUCCESS,
        )
    known = {item.method for item in deployment.operations if _same(item, operation)}
    # A method that nobody has described may do anything.
    if deployment.profile.consent.writes and operation.method == "GET":
        for method in ("POST",):
            if method not in known and ("*" in methods or method in methods):
                yield Form(
                    spec=replace(plain, name=method.lower(), method=method),
                    proof=Proof.ALIKE,
                )


def _same(one: Operation, other: Operation) -> bool:
    return one.path == other.path


def _spellings(plain: RequestSpec) -> Iterator[Form]:
    path, mark, query = plain.path.partition("?")
    last = path.rpartition("/")[2]
    if not last:
        return
    parent = path.removesuffix(last)
    spelled = {
        "slash-at-the-end": f"{path}/",
        "doubled-slash": f"{parent}/{last}",
        "dot-segment": f"{parent}./{last}",
        "upper-case": parent + last.swapcase(),
        "encoded-letter": f"{parent}%{ord(last[0]):02x}{last[1:]}",
        "path-parameter": f"{path};v=1",
    }
    for name, other in spelled.items():
        if other != path:
            yield Form(
                spec=replace(plain, name=name, path=other + mark + query),
                proof=Proof.ALIKE,
            )


def _scopes(
    deployment: Deployment,
    operation: Operation,
    plain: RequestSpec,
    keys: tuple[Identity, ...],
) -> Iterator[Form]:
    others = [
        item
        for item in deployment.operations
        if item.label != operation.label
        and item.method == "GET"
        and not item.public
        and not item.changes
        and all(key in deployment.callers(item) for key in keys)
    ]
    if others and keys:
        other = min(others, key=lambda item: (len(item.parameters), len(item.path)))
        probe = deployment.probe(other, keys[0])
        yield Form(
            spec=replace(
                plain,
                name=OTHER_OPERATION,
                method=probe.method,
                path=probe.target,
                body=probe.body.decode("utf-8", "replace"),
            ),
            proof=Proof.SUCCESS,
        )
    if own := _second_loopback(deployment.profile.target.base_url):
        yield Form(spec=replace(plain, name=OTHER_ADDRESS, source=own))


def _second_loopback(base_url: str) -> str:
    """Return another address of this machine that the target can be reached from.

    On Linux all of 127.0.0.0/8 is the machine's own; elsewhere, and towards other
    machines, there is but one address to send from.
    """
    try:
        host = ipaddress.ip_address(urlsplit(base_url).hostname or "")
    except ValueError:
        return ""
    if not sys.platform.startswith("linux") or host.version != 4:
        return ""
    return "127.0.0.2" if host.is_loopback and str(host) != "127.0.0.2" else ""


def _errors(
    deployment: Deployment,
    plain: RequestSpec,
    keys: tuple[Identity, ...],
) -> Iterator[Form]:
    """Return requests that must end in a client error, the best first."""
    for item in deployment.operations:
        routed = item.parameters and item.method == "GET"
        if not routed or item.public or item.changes:
            continue
        if all(key in deployment.callers(item) for key in keys):
            values = dict.fromkeys(item.parameters, NOTHING)
            path = deployment.prefix + expand(item.path, values)
            yield Form(
                spec=replace(plain, name=ERRONEOUS, method="GET", path=path, body=""),
                proof=Proof.ERROR,
            )
            break
    bare = plain.path.partition("?")[0].rstrip("/")
    yield Form(
        spec=replace(plain, name=ERRONEOUS_AT_ALL, path=f"{bare}/{NOTHING}"),
        proof=Proof.ERROR,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """The forms that are of use, and those of which that could not be found out.

    Attributes:
        unasked: name and reason of each form that had no answer.
    """

    kept: tuple[Form, ...]
    unasked: tuple[str, ...] = ()


def useful(target: Target, operation: Operation, candidates: Iterable[Form]) -> Sifted:
    """Ask once for each form that may lead elsewhere, and keep those that do not.

    Raises:
        Undetermined: the plain request is not answered.
    """
    control = target.control(operation)
    kept: list[Form] = []
    unasked: list[str] = []
    for form in candidates:
        try:
            if form.proof is Proof.NONE or _proves(target, operation, form, control):
                kept.append(form)
        except Undetermined as why:
            unasked.append(f"{form.name} ({why.reason.value})")
    return Sifted(kept=tuple(kept), unasked=tuple(unasked))


def _proves(
    target: Target, operation: Operation, form: Form, control: Exchange
) -> bool:
    caller = target.caller(operation)
    probe = replace(
        target.probe(operation, caller, purpose=f"{form.name}, before the load"),
        method=form.spec.method,
        target=form.spec.path,
        body=form.spec.body.encode(),
    )
    (answer,) = target.answers((probe,))  # who hangs up on a form does not serve it
    if form.proof is Proof.SUCCESS:
        return 200 <= answer.status < 300
    if form.proof is Proof.ERROR:
        return 400 <= answer.status < 500 and answer.status not in (401, 403)
    return _alike(answer, control)


def _alike(one: Exchange, other: Exchange) -> bool:
    """Whether two answers are of the same thing, though it may have changed since."""
    if one.response is None or other.response is None:
        return False
    if one.status != other.status:
        return False
    return one.response.body == other.response.body or (
        (shape := _shape(one.response.body)) != ""
        and shape == _shape(other.response.body)
    )


def _shape(body: str) -> str:
    """Return what a JSON text is made of at its top; nothing for any other text."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(document, dict):
        return f"object of {sorted(document)}"
    return type(document).__name__
