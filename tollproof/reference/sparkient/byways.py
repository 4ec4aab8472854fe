"""Faults of what a known caller may do, and to whose decisions.

Asked after the caller is known and before, or instead of, what the rules would do.
Each is a way past one rule. Knows decisions; keys keep to the rules.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import parse_qsl

from tollproof.reference.sparkient.errors import ApiError
from tollproof.reference.sparkient.keys import Principal, Role
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.routes import Service

FAULTS = frozenset(
    {
        "authz-role-ignored",
        "authz-role-header-trusted",
        "authz-granted-refused",
        "authz-refused-with-404",
        "authz-refused-but-done",
        "tenancy-read",
        "tenancy-change",
        "tenancy-refused-but-done",
        "tenancy-forbidden-not-concealed",
        "tenancy-existence-told",
        "tenancy-list-leak",
        "tenancy-search-leak",
        "tenancy-header-trusted",
        "tenancy-query-trusted",
        "tenancy-body-trusted",
    }
)
_ORGANISATIONS = ("acme", "globex")


class Byways:
    """The ways past the rules of access that a set of faults opens."""

    def __init__(self, faults: Collection[str]) -> None:
        self._faults = frozenset(faults) & FAULTS

    def __bool__(self) -> bool:
        return bool(self._faults)

    def _has(self, fault: str) -> bool:
        return fault in self._faults

    def enter(self, service: Service, call: Call, who: Principal) -> Principal:
        """Return whom the rules take the caller for.

        Raises:
            ApiError: the caller is refused, in one way or another.
        """
        label = _label(call)
        if self._has("authz-role-ignored") and label == "GET /api/v1/keys":
            who = replace(who, role=Role.ADMIN)
        claimed = call.value(b"x-role").lower() == b"admin"
        if self._has("authz-role-header-trusted") and claimed:
            who = replace(who, role=Role.ADMIN)
        if (
            self._has("authz-granted-refused")
            and label == "GET /api/v1/decisions"
            and who.role == Role.READER
        ):
            raise ApiError(403, "This key is not allowed to do this")
        return self._of_tenant(service, call, self._named(service, call, who))

    def _named(self, service: Service, call: Call, who: Principal) -> Principal:
        """Believe what the request says of the organisation."""
        query = dict(parse_qsl(call.query.decode("latin-1")))
        organisation = ""
        if self._has("tenancy-header-trusted"):
            organisation = call.value(b"x-organization-id").decode("latin-1")
        if self._has("tenancy-query-trusted"):
            organisation = query.get("tenant_id", "")
        if self._has("tenancy-search-leak") and "id" in query:
            organisation = _owner(service, query["id"]) or ""
        return replace(who, organisation=organisation) if organisation else who

    def _of_tenant(self, service: Service, call: Call, who: Principal) -> Principal:
        """Forget, or tell, whose a decision is."""
        decision_id = call.parameters.get("decision_id", "")
        owner = _owner(service, decision_id) if decision_id else None
        if owner is None or owner == who.organisation:
            return who
        reads = call.method in ("GET", "HEAD")
        if self._has("tenancy-read" if reads else "tenancy-change"):
            return replace(who, organisation=owner)
        if self._has("tenancy-refused-but-done") and call.method == "DELETE":
            service.decisions.redact(owner, decision_id)
        if self._has("tenancy-forbidden-not-concealed"):
            raise ApiError(403, "This key is not allowed to do this")
        if self._has("tenancy-existence-told"):
            raise ApiError(404, "No such decision in your organisation")
        return who

    def refuse(self, service: Service, call: Call, who: Principal) -> None:
        """Refuse a role in another way than promised.

        Raises:
            ApiError: 404.
        """
        decision_id = call.parameters.get("decision_id", "")
        if self._has("authz-refused-but-done") and call.method == "DELETE":
            service.decisions.redact(who.organisation, decision_id)
        if self._has("authz-refused-with-404"):
            raise ApiError(404, "There is nothing at this path")

    def answer(self, service: Service, call: Call, who: Principal) -> Answer | None:
        """Answer in the handler's place, or not at all."""
        if self._has("tenancy-list-leak") and _label(call) == "GET /api/v1/decisions":
            everything = [
                item
                for organisation in (who.organisation, *_ORGANISATIONS)
                for item in service.decisions.listing(organisation)
            ]
            return Answer.of_json({"decisions": everything})
        return None

    def in_body(self, call: Call, who: Principal) -> Principal:
        """Believe what the body says of the organisation, and take it out."""
        if not self._has("tenancy-body-trusted"):
            return who
        try:
            document = json.loads(call.body or b"")
        except (ValueError, RecursionError):
            return who
        if not isinstance(document, dict) or "organisation_id" not in document:
            return who
        organisation = document.pop("organisation_id")
        call.body = json.dumps(document).encode()
        known = organisation in _ORGANISATIONS
        return replace(who, organisation=organisation) if known else who


def _label(call: Call) -> str:
    return f"{call.route.method} {call.route.path}" if call.route else ""


def _owner(service: Service, decision_id: str) -> str | None:
    return next(
        (
            organisation
            for organisation in _ORGANISATIONS
            if service.decisions.get(organisation, decision_id) is not None
        ),
        None,
    )
