"""The way of a request through the deployment, as an ASGI application.

Who is calling comes first, then how often, then what is asked: whatever is not public
is refused to strangers, whether there is such a thing or not. Every answer, of whatever
kind, leaves by :meth:`Sparkient.finish`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TextIO

from starlette.types import Receive, Scope, Send

from tollproof.reference.limiters import Limiter
from tollproof.reference.sparkient import bodies
from tollproof.reference.sparkient.bearers import Bearers
from tollproof.reference.sparkient.blemishes import Blemish
from tollproof.reference.sparkient.byways import Byways
from tollproof.reference.sparkient.credentials import Refusal, authenticate
from tollproof.reference.sparkient.errors import ApiError, envelope
from tollproof.reference.sparkient.fields import (
    CHALLENGE,
    INVALID_TOKEN,
    add_common,
    preflight,
)
from tollproof.reference.sparkient.loopholes import Loopholes
from tollproof.reference.sparkient.messages import Answer, Call
from tollproof.reference.sparkient.miscounts import Miscount, Request, owner_of
from tollproof.reference.sparkient.negotiation import accepts
from tollproof.reference.sparkient.oauth import PATH as TOKEN_PATH
from tollproof.reference.sparkient.routes import Service, locate

#: Bytes of a request target, and of all header fields together, that are handled.
LONGEST_TARGET = 8_192
LARGEST_FIELDS = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkient:
    """The application.

    Attributes:
        origins: those that cross-origin requests are answered for.
        blemishes: what spoils answers on their way out; none in a correct deployment.
        loopholes: ways past the rules; None in a correct deployment.
        bearers: who comes with a token instead of a key.
        byways: ways past the rules of access; None in a correct deployment.
        miscount: what the limiter does wrong; None in a correct deployment.
        log: where one line for each request goes.
    """

    service: Service
    limiter: Limiter
    origins: frozenset[bytes] = frozenset()
    blemishes: tuple[Blemish, ...] = ()
    loopholes: Loopholes | None = None
    bearers: Bearers | None = None
    byways: Byways | None = None
    miscount: Miscount | None = None
    log: TextIO | None = None
    clock: Callable[[], float] = time.time

    @property
    def faults(self) -> frozenset[str]:
        """The names of the faults it has."""
        return self.service.faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        call = Call.of(scope)
        answer = envelope(500, "Something went wrong on our side")
        try:
            answer = await self._answer(call, receive)
            if self.miscount is not None:
                self.miscount.ended(call, answer.status)
        finally:
            # What goes wrong in here is answered too, and then reported by the server.
            self.finish(call, answer)
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": answer.encoded(),
                }
            )
            await send({"type": "http.response.body", "body": answer.body})

    def finish(self, call: Call, answer: Answer) -> None:
        """Give an answer what every answer carries, and note it in the log."""
        add_common(call, answer, self.origins)
        for blemish in self.blemishes:
            blemish(self.service, call, answer)
        if self.log is not None:
            who = call.principal.id if call.principal else "-"
            path = ascii(call.path)[1:201].rstrip("'")
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.log.write(f"{moment} {call.method} {path} {answer.status} {who}\n")

    async def _answer(self, call: Call, receive: Receive) -> Answer:
        try:
            return await self._handle(call, receive)
        except ApiError as error:
            return error.answer()

    async def _handle(self, call: Call, receive: Receive) -> Answer:
        now = self.clock()
        if (answer := preflight(call, self.origins)) is not None:
            return answer
        path = call.path
        if path == TOKEN_PATH and self.bearers is not None:
            self._bound(call)
            body = await bodies.read(call, receive, self.faults)
            return self.bearers.endpoint.answer(call, body, now)
        if self.loopholes is not None:
            await self.loopholes.prepare(call, receive)
            path = self.loopholes.reroute(call)
        methods, call.parameters = locate(path) or ({}, {})
        call.route = methods.get(call.method)
        refusal = None
        if not any(route.public for route in methods.values()) or (
            self.loopholes and self.loopholes.closes(call)
        ):
            refusal = await self._identify(call, now)
        self._bound(call)
        if refusal:
            if refusal is not Refusal.MISSING:
                self._count_failure(call, now)
            raise ApiError(
                401,
                "Missing credentials: send an API key as a bearer token"
                if refusal is Refusal.MISSING
                else "Invalid or expired API key",
                www_authenticate=CHALLENGE
                if refusal is Refusal.MISSING
                else INVALID_TOKEN,
            )
        if not methods:
            raise ApiError(404, "There is nothing at this path")
        if (route := call.route) is None:
            allow = ", ".join(sorted(methods))
            raise ApiError(405, "This path does not have this method", allow=allow)
        who = call.principal
        if who is not None and self.byways is not None:
            who = self.byways.enter(self.service, call, who)
        if who is not None and who.role not in route.roles:
            if self.byways is not None:
                self.byways.refuse(self.service, call, who)
            raise ApiError(403, "This key is not allowed to do this")
        if route.produces and "accept-ignored" not in self.faults:
            accept = b", ".join(call.values(b"accept"))
            if not accepts(accept, route.produces):
                raise ApiError(406, f"This is available as {route.produces} only")
        if route.body is not None:
            bodies.check_media_type(call, self.faults)
            if call.body is None:
                call.body = await bodies.read(call, receive, self.faults)
        if route.open is not None:
            return route.open()
        if route.handle is None or who is None:
            raise LookupError(f"{route.method} {route.path} is nobody's to answer")
        if self.byways is not None:
            who = self.byways.in_body(call, who)
            if (answer := self.byways.answer(self.service, call, who)) is not None:
                return answer
        return route.handle(self.service, call, who, now)

    async def _identify(self, call: Call, now: float) -> Refusal | None:
        """Find out who is calling and count the request; return why that failed.

        Raises:
            ApiError: 429, when the caller's allowance is spent.
        """
        if self.loopholes is not None:
            self.loopholes.crash(call)
        who, refusal = authenticate(call, self.service.keys, now)
        if refusal is not None and self.bearers is not None:
            who = await self.bearers.identify(call, now)
            refusal = None if who else refusal
        if who is not None and who.flaw is not None:
            call.flaw = who.flaw
            who, refusal = None, Refusal.INVALID
        if self.loopholes is not None:
            if who is None:
                # Who comes in through a loophole has no key, so no allowance either.
                call.principal = self.loopholes.admit(call, now)
                return None if call.principal else refusal
            if self.loopholes.refuses(call):
                return Refusal.INVALID
        if who is None:
            return refusal
        call.principal = who
        call.window = who.seconds or self.service.window
        limit = who.requests or self.service.limit
        owner = owner_of(self.service.per, call, who)
        if self.miscount is None:
            decision = self.limiter.hit(owner, limit, call.window, now)
        else:
            one = Request(
                call=call,
                owner=owner,
                who=who,
                limit=limit,
                window=call.window,
                now=now,
            )
            decision = await self.miscount.hit(self.limiter, one)
        if who.requests and "small-limit-ignored" in self.faults:
            decision = replace(decision, allowed=True)
        call.decision = decision
        if not decision.allowed:
            raise ApiError(
                429,
                "Too many requests: wait until the window is over",
                retry_after=str(max(1, math.ceil(decision.retry_after))),
            )
        return None

    def _count_failure(self, call: Call, now: float) -> None:
        """Count a wrong credential against its address, where that is limited.

        Raises:
            ApiError: 429, when the address has shown too many.
        """
        service = self.service
        if not service.failures or "failures-unlimited" in self.faults:
            return
        source = call.peer
        if "failures-trust-forwarded-for" in self.faults:
            source = call.value(b"x-forwarded-for").decode("latin-1") or source
        owner = f"failures {source}"
        decision = self.limiter.hit(owner, service.failures, service.window, now)
        if not decision.allowed:
            raise ApiError(
                429,
                "Too many wrong credentials: wait until the window is over",
                retry_after=str(max(1, math.ceil(decision.retry_after))),
            )

    def _bound(self, call: Call) -> None:
        """Refuse what is too long to be meant.

        Raises:
            ApiError: 414 or 431.
        """
        target = len(call.path) + len(call.query)
        if target > LONGEST_TARGET and "target-unbounded" not in self.faults:
            raise ApiError(414, f"The target is longer than {LONGEST_TARGET} bytes")
        size = sum(len(name) + len(value) + 4 for name, value in call.fields)
        if size > LARGEST_FIELDS and "headers-unbounded" not in self.faults:
            raise ApiError(431, f"The header is larger than {LARGEST_FIELDS} bytes")
