"""A realistic run: what a report of an audit of a small staging deployment shows.

Knows the model. Deterministic, so that what it renders to can be compared.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from tollproof.model import (
    About,
    Anchor,
    CheckSpec,
    Exchange,
    Failure,
    FailureKind,
    Impact,
    Leak,
    LeftOut,
    Outcome,
    Planned,
    Reason,
    Request,
    Response,
    Result,
    Run,
    Severity,
    Tier,
    Traffic,
    Verdict,
    Waiver,
)
from tollproof.references import API, ASVS, CWE, RFC

__all__ = ["big_run", "former_run", "sample_run"]

BASE = "https://staging.api.example.com"
_OPERATIONS = (
    "GET /api/v1/me",
    "GET /api/v1/keys",
    "POST /api/v1/keys",
    "DELETE /api/v1/keys/{id}",
    "GET /api/v1/projects",
    "POST /api/v1/projects",
)

CHECKS = (
    CheckSpec(
        id="authentication.missing",
        title="No credential is not let in",
        severity=Severity.CRITICAL,
        rationale="An operation that answers without a credential has no caller.",
        remediation="Refuse by default: authenticate in one place, before routing.",
        references=(
            CWE(306),
            API(2, 2023),
            ASVS("5.0.0", "8.2.1"),
            RFC(9110, "15.5.2"),
        ),
        needs=("identity",),
    ),
    CheckSpec(
        id="authentication.revoked-key",
        title="A revoked key is not let in",
        severity=Severity.CRITICAL,
        rationale="Revoking is the only answer to a key that has leaked.",
        remediation="Look the key's state up on every request; cache no acceptance.",
        references=(CWE(613), API(2, 2023), ASVS("5.0.0", "7.4.1")),
        needs=("identity.revoked",),
        aliases=("auth.revoked",),
    ),
    CheckSpec(
        id="authentication.challenge",
        title="A 401 carries a challenge",
        severity=Severity.LOW,
        rationale="A client learns from the challenge which scheme to use.",
        remediation="Send `WWW-Authenticate: Bearer` with every 401.",
        references=(RFC(9110, "11.6.1"), RFC(6750, "3")),
    ),
    CheckSpec(
        id="tokens.unsigned",
        title="Unsigned tokens are refused",
        severity=Severity.CRITICAL,
        rationale="A token whose header says `alg: none` proves nothing.",
        remediation="Verify with a fixed list of algorithms without `none`.",
        references=(CWE(347), API(2, 2023), ASVS("5.0.0", "9.1.2"), RFC(8725, "3.1")),
        needs=("identity.token",),
    ),
    CheckSpec(
        id="envelope.disclosure",
        title="Errors tell nothing of the inside",
        severity=Severity.MEDIUM,
        rationale="Stack traces and SQL are a map for an attacker.",
        remediation="Answer unexpected errors with one generic body; log the details.",
        references=(CWE(209), API(8, 2023), ASVS("5.0.0", "16.5.1")),
    ),
    CheckSpec(
        id="headers.cache-control",
        title="Authenticated responses are not stored",
        severity=Severity.MEDIUM,
        rationale="A shared cache would hand one caller's answer to another.",
        remediation="Send `Cache-Control: no-store` whenever a credential was used.",
        references=(CWE(524), RFC(9111, "5.2.2.5"), ASVS("5.0.0", "14.3.2")),
    ),
    CheckSpec(
        id="headers.hsts",
        title="TLS responses carry HSTS",
        severity=Severity.LOW,
        rationale="Without it a first request may go out in the clear.",
        remediation="Send `Strict-Transport-Security: max-age=31536000`.",
        references=(CWE(319), RFC(6797, "7.1"), ASVS("5.0.0", "3.4.1")),
    ),
    CheckSpec(
        id="ratelimit.admitted",
        title="A key is admitted as often as promised",
        severity=Severity.HIGH,
        rationale="Both sides plan by this number: more costs you, less costs them.",
        remediation="Count in a store that all workers share, atomically.",
        references=(CWE(770), API(4, 2023), RFC(6585, "4"), ASVS("5.0.0", "2.4.1")),
        tier=Tier.AUDIT,
        impact=Impact.LOAD,
        needs=("promises.rate_limit",),
    ),
    CheckSpec(
        id="rotation.overlap",
        title="No request is lost while a key is rotated",
        severity=Severity.HIGH,
        rationale="A rotation that loses requests is one that nobody dares.",
        remediation="Accept old and new until the old key is revoked.",
        references=(CWE(324), ASVS("5.0.0", "13.3.4")),
        tier=Tier.AUDIT,
        impact=Impact.LIFECYCLE,
        needs=("lifecycle",),
    ),
    CheckSpec(
        id="tenancy.read",
        title="Another organisation's objects cannot be read",
        severity=Severity.CRITICAL,
        rationale="Tenants trust you with each other's absence.",
        remediation="Put the organisation in every query, not in the handler.",
        references=(CWE(639), API(1, 2023), ASVS("5.0.0", "8.4.1")),
    ),
    CheckSpec(
        id="secrets.responses",
        title="No credential comes back in a response",
        severity=Severity.CRITICAL,
        rationale="What is echoed ends in logs, caches and screenshots.",
        remediation="Show a key once, at its creation; mask it ever after.",
        references=(CWE(201), API(3, 2023), ASVS("5.0.0", "14.2.6")),
    ),
)


def sample_run() -> Run:
    """An audit with every kind of verdict, evidence, drawing and remark."""
    results: list[Result] = []
    exchanges: list[Exchange] = []

    def say(check: str, subject: str, verdict: Verdict, *seen: Exchange) -> None:
        stamped = []
        for item in seen:
            ident = f"main-{len(exchanges) + 1}"
            exchanges.append(replace(item, id=ident, check=check, operation=subject))
            stamped.append(ident)
        results.append(
            Result(
                check=check,
                subject=subject,
                at=_at(len(results)),
                seconds=0.042,
                verdict=replace(verdict, exchanges=tuple(stamped)),
                waiver=WAIVER if check == WAIVER.check else None,
            )
        )

    for operation in _OPERATIONS:
        if operation == "GET /api/v1/projects":
            say(
                "authentication.missing",
                operation,
                Verdict(
                    outcome=Outcome.FAILED,
                    summary="It answered 200 to a request without a credential.",
                    expected="401 Unauthorized",
                    actual='200 OK: [{"id": "p_81", "name": "Orbit"}, …]',
                ),
                _get(
                    "/api/v1/projects",
                    200,
                    '[{"id": "p_81", "name": "Orbit"}, {"id": "p_82"}]',
                ),
            )
        else:
            say(
                "authentication.missing",
                operation,
                _passed("Refused with 401."),
                _get("/api/v1/me", 401, _ENVELOPE),
            )
        say(
            "authentication.challenge",
            operation,
            _passed("`WWW-Authenticate: Bearer` is there."),
        )
        say(
            "authentication.revoked-key",
            operation,
            _passed("The revoked key was refused with 401.")
            if "me" not in operation
            else Verdict(
                outcome=Outcome.FAILED,
                summary="The revoked key was let in, 4 seconds after its revocation.",
                expected="401 Unauthorized, within 1 s of the revocation",
                actual="200 OK, 4.1 s after the revocation",
                measurements={"seconds_after_revocation": 4.1, "attempts": 9},
            ),
            _get("/api/v1/me", 200, '{"id": "u_1"}', key="alpha-revoked"),
        )
    say(
        "tokens.unsigned",
        "GET /api/v1/me",
        Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.PRECONDITION,
            summary="The control token was refused, so a refusal proves nothing.",
        ),
        _get("/api/v1/me", 401, _ENVELOPE, key="firebase"),
    )
    say(
        "envelope.disclosure",
        "deployment",
        Verdict(
            outcome=Outcome.FAILED,
            summary="A 500 holds a stack trace and the SQL that failed.",
            expected="one generic body: {code, message, request_id}",
            actual="Traceback (most recent call last): … sqlite3.OperationalError: "
            "near \"'\": syntax error; SELECT * FROM projects WHERE name = 'x''",
        ),
        replace(
            _get("/api/v1/projects", 500, "Traceback (most recent call last):\n  …"),
            request=Request(
                method="POST",
                url=f"{BASE}/api/v1/projects",
                headers=(
                    ("Authorization", "Bearer [redacted:alpha]"),
                    ("Content-Type", "application/json"),
                ),
                body='{"name": "x\'"}',
                body_bytes=14,
            ),
        ),
    )
    say(
        "headers.cache-control",
        "deployment",
        Verdict(
            outcome=Outcome.FAILED,
            summary="3 of 214 authenticated responses may be stored.",
            expected="Cache-Control: no-store",
            actual="no Cache-Control at all",
            measurements={"responses": 214, "without": 3},
        ),
        _get("/api/v1/keys", 200, "[]", key="alpha"),
    )
    say(
        "headers.hsts",
        "deployment",
        Verdict(
            outcome=Outcome.FAILED,
            summary="No response carries HSTS.",
            expected="Strict-Transport-Security with max-age of a year or more",
            actual="no such header",
        ),
        _get("/api/v1/me", 200, "{}", key="alpha"),
    )
    say(
        "ratelimit.admitted",
        "alpha",
        Verdict(
            outcome=Outcome.FAILED,
            summary="The key was admitted 712 times in a window that promises 600.",
            expected="600 requests admitted in 60 s",
            actual="712 requests admitted in 60 s (between 709 and 712 for every "
            "placement of the decisions)",
            measurements={
                "admitted": 712,
                "refused": 88,
                "window_seconds": 60.02,
                "algorithm": "fixed window by clock",
                "chart": _limit_chart(),
            },
        ),
    )
    say(
        "rotation.overlap",
        "alpha",
        Verdict(
            outcome=Outcome.PASSED,
            summary="Both keys worked all through the overlap; no request was lost.",
            measurements={
                "requests": 1840,
                "lost": 0,
                "active_p50_seconds": 0.041,
                "active_max_seconds": 0.120,
                "chart": _rotation_chart(),
            },
        ),
    )
    say(
        "tenancy.read",
        "GET /api/v1/projects/{id}",
        Verdict(
            outcome=Outcome.NOT_APPLICABLE,
            summary="The profile names one organisation only.",
        ),
    )
    say(
        "secrets.responses",
        "deployment",
        Verdict(
            outcome=Outcome.INCONCLUSIVE,
            reason=Reason.UNREACHABLE,
            summary="The target closed the connection three times in a row.",
        ),
        replace(
            _get("/dashboard", 0, ""),
            response=None,
            failure=Failure(
                kind=FailureKind.CLOSED, detail="the peer closed before the status line"
            ),
            leaks=(
                Leak(credential="alpha", encoding="base64", place="header X-Debug"),
            ),
        ),
    )
    return Run(
        about=About(
            tool="tollproof 0.1.0",
            run_id="20270114-093012-7f3a",
            command="audit",
            deployment="Sparkient staging",
            base_url=BASE,
            environment="staging",
            profile="profiles/sparkient.toml",
            started="2027-01-14T09:30:12.004Z",
            ended="2027-01-14T09:31:44.310Z",
            seed=20270114,
            anchors={
                "GET /api/v1/projects": Anchor(file="openapi.yaml", line=88),
                "ratelimit": Anchor(file="profiles/sparkient.toml", line=41),
                "headers.hsts": Anchor(file="profiles/sparkient.toml", line=67),
            },
            notes=(
                "The target's clock is 0.4 s behind ours.",
                "One operation of the document has no example and was left out.",
            ),
        ),
        checks=CHECKS,
        planned=tuple(
            Planned(check=item.check, subject=item.subject) for item in results
        ),
        left_out=(
            LeftOut(
                check="oauth.wrong-secret",
                subject="",
                reason="The profile has no identity with client credentials.",
            ),
            LeftOut(
                check="authentication.missing",
                subject="GET /api/v1/report",
                reason="The operation has no example request.",
            ),
        ),
        results=tuple(results),
        exchanges=tuple(exchanges),
        waivers=(WAIVER,),
        problems=(),
        traffic=Traffic(
            requests=4412,
            responses=4409,
            bytes_received=1_893_221,
            by_status={"200": 3904, "401": 214, "429": 290, "500": 1},
            budget=50_000,
        ),
    )


def former_run() -> Run:
    """The run before: one failure since fixed, one passed that now fails."""
    run = sample_run()
    results = []
    for item in run.results:
        if item.check == "authentication.missing" and item.verdict.outcome == "failed":
            item = replace(item, verdict=_passed("Refused with 401."))
        elif item.check == "rotation.overlap":
            item = replace(
                item,
                verdict=Verdict(
                    outcome=Outcome.FAILED,
                    summary="17 requests were lost.",
                    expected="none lost",
                    actual="17 lost",
                ),
            )
        results.append(item)
    about = replace(
        run.about, run_id="20270107-091500-11c2", started="2027-01-07T09:15:00.000Z"
    )
    return replace(run, about=about, results=tuple(results))


def big_run(size: int = 5_000) -> Run:
    """The sample with as many results, each with two exchanges of its own."""
    run = sample_run()
    results, exchanges = [], []
    for number in range(size):
        source = run.results[number % len(run.results)]
        pair = []
        for part in range(2):
            item = run.exchanges[(number + part) % len(run.exchanges)]
            pair.append(f"w{part}-{number}")
            exchanges.append(replace(item, id=pair[-1]))
        results.append(
            replace(
                source,
                subject=f"{source.subject} #{number}",
                verdict=replace(source.verdict, exchanges=tuple(pair)),
            )
        )
    planned = tuple(Planned(check=it.check, subject=it.subject) for it in results)
    return replace(
        run, results=tuple(results), planned=planned, exchanges=tuple(exchanges)
    )


WAIVER = Waiver(
    check="headers.hsts",
    subject="*",
    reason="TLS ends at the load balancer",
    owner="jane@example.com",
    expires=date(2027, 1, 31),
)

_ENVELOPE = '{"error": {"code": "unauthorized", "message": "Key missing or unknown."}}'


def _passed(summary: str) -> Verdict:
    return Verdict(outcome=Outcome.PASSED, summary=summary)


def _at(number: int) -> str:
    return f"2027-01-14T09:30:{13 + number % 40:02d}.000Z"


def _get(path: str, status: int, body: str, *, key: str = "") -> Exchange:
    headers = [("Host", "staging.api.example.com"), ("Accept", "application/json")]
    if key:
        headers.append(("Authorization", f"Bearer [redacted:{key}]"))
    return Exchange(
        id="",
        at="2027-01-14T09:30:13.120Z",
        seconds=0.0131,
        identity=key or "anonymous",
        purpose="does it let this caller in?",
        request=Request(method="GET", url=BASE + path, headers=tuple(headers)),
        response=Response(
            status=status,
            body=body,
            body_bytes=len(body.encode()),
            headers=(
                ("Content-Type", "application/json"),
                ("X-RateLimit-Limit", "600"),
                ("X-RateLimit-Remaining", "571"),
                ("X-RateLimit-Reset", "1799919072"),
            ),
        ),
    )


def _limit_chart() -> dict[str, Any]:
    admitted = [[second, min(712, 13 * second)] for second in range(61)]
    admitted += [[60 + second, 13 * second] for second in range(1, 21)]
    refused = [[second, max(0, 13 * second - 712)] for second in range(61)]
    return {
        "title": "Requests of key alpha, added up in each window",
        "x_label": "seconds since the window began",
        "y_label": "requests",
        "promise": 600,
        "series": [
            {"name": "admitted", "points": admitted},
            {"name": "refused", "points": refused},
        ],
        "bands": [{"from": 0, "to": 60, "label": "one window"}],
    }


def _rotation_chart() -> dict[str, Any]:
    return {
        "title": "Requests answered under each key while it was rotated",
        "x_label": "seconds",
        "y_label": "requests a second",
        "promise": None,
        "kind": "line",
        "series": [
            {
                "name": "old key",
                "points": [[x, 40 + (x * 7) % 5 if x < 22 else 0] for x in range(41)],
            },
            {
                "name": "new key",
                "points": [[x, 40 + (x * 3) % 4 if x > 9 else 0] for x in range(41)],
            },
            {"name": "lost", "kind": "points", "points": [[30, 0]]},
        ],
        "bands": [{"from": 9, "to": 22, "label": "overlap"}],
        "marks": [
            {"x": 9, "label": "new key created"},
            {"x": 22, "label": "old key revoked"},
        ],
    }
