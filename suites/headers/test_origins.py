"""Who may read an answer from a browser, and whether secrets travel in the clear.

ASVS 5.0.0, 3.4.2: "Verify that the Cross-Origin Resource Sharing (CORS)
Access-Control-Allow-Origin header field is a fixed value by the application, or if the
Origin HTTP request header field value is used, it is validated against an allowlist of
trusted origins."
ASVS 5.0.0, 4.1.2: "Verify that only user-facing endpoints (intended for manual
web-browser access) automatically redirect from HTTP to HTTPS, while other services or
endpoints do not implement transparent redirects."
"""

from dataclasses import replace

from tollproof import (
    API,
    ASVS,
    CWE,
    Operation,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.client import origin_of
from tollproof.model import Exchange, Reason


@check(
    id="headers.cors",
    title="No origin is trusted that the deployment does not know",
    severity=Severity.MEDIUM,
    references=(CWE(942), CWE(346), API(8, 2023), ASVS("5.0.0", "3.4.2")),
    remediation="Answer a fixed list of origins; never send back what was received.",
    needs=("promises.transport.cors",),
)
def test_cors(target: Target, operation: Operation) -> Verdict:
    """A page anywhere on the web must not read answers in its visitor's name.

    Foreign origins, `null`, and look-alikes that a careless pattern takes for the
    deployment's own are sent, in a plain request and in a preflight.
    """
    own = origin_of(target.profile.target.base_url)
    scheme, _, host = own.partition("://")
    foreign = (
        "https://tollproof.invalid",
        "null",
        f"{scheme}://{host}.tollproof.invalid",
        f"{scheme}://tollproof{host}",
    )
    bare = target.probe(operation)
    plain = [
        replace(
            bare, headers=(*bare.headers, ("Origin", origin)), purpose=f"from {origin}"
        )
        for origin in (*foreign, own)
    ]
    asked = ("Access-Control-Request-Method", operation.method)
    fields = ("Access-Control-Request-Headers", "authorization")
    preflight = [
        replace(
            bare,
            method="OPTIONS",
            headers=(("Origin", origin), asked, fields),
            body=b"",
            purpose=f"preflight from {origin}",
        )
        for origin in foreign
    ]
    if not operation.changes:
        known = target.caller(operation)
        shown = replace(bare, headers=(*bare.headers, *known.headers()))
        plain.append(
            replace(
                shown,
                headers=(*shown.headers, ("Origin", foreign[0])),
                identity=known.name,
                purpose=f"as {known.name} from {foreign[0]}",
            )
        )
    exchanges = target.send_all([*plain, *preflight])
    trusted = [item for item in exchanges if _trusts(item, foreign)]
    if trusted:
        return failed(
            f"The answer {trusted[0].purpose} may be read there.",
            *trusted[:5],
            expected="no Access-Control-Allow-Origin for an unknown origin",
            actual=_cors(trusted[0]),
        )
    return passed(f"None of {len(foreign)} foreign origins is trusted.", *exchanges[:2])


def _trusts(exchange: Exchange, foreign: tuple[str, ...]) -> bool:
    if exchange.response is None or "from " not in exchange.purpose:
        return False
    origin = exchange.purpose.rpartition("from ")[2]
    allowed = exchange.response.header("Access-Control-Allow-Origin")
    return origin in foreign and allowed in (origin, "*")


def _cors(exchange: Exchange) -> str:
    if exchange.response is None:
        return ""
    return "; ".join(
        f"{name}: {value}"
        for name, value in exchange.response.headers
        if name.lower().startswith("access-control-allow")
    )


@check(
    id="headers.https-only",
    title="The plain-HTTP twin does not take credentials",
    severity=Severity.HIGH,
    references=(CWE(523), CWE(319), API(8, 2023), ASVS("5.0.0", "4.1.2")),
    remediation="Close the plain port, or refuse everything on it unread.",
    needs=("target.https", "target.http_url"),
)
def test_https_only(target: Target, operation: Operation) -> Verdict:
    """A service that asks for credentials in the clear will be sent some.

    No credential is sent: that would put it on the wire in the clear. A twin that
    answers a bare request with 401 or a challenge takes credentials; one that is
    closed, redirects, or refuses everything does not.
    """
    twin = target.profile.target.http_url
    bare = target.probe(operation, purpose="over plain HTTP, no credential")
    exchange = target.attempt(replace(bare, origin=origin_of(twin or "")))
    if exchange.response is None:
        return passed("The plain twin does not answer.", exchange)
    if exchange.status >= 500:
        return inconclusive(
            Reason.PRECONDITION, "The plain twin fails on every request.", exchange
        )
    challenged = exchange.response.header("WWW-Authenticate") is not None
    if exchange.status == 401 or challenged or exchange.status < 300:
        return failed(
            "The plain twin handles requests like the TLS one.",
            exchange,
            expected="a closed port, a redirect, or a refusal of everything",
            actual=f"{exchange.status}" + (" with a challenge" if challenged else ""),
        )
    return passed(f"The plain twin refuses everything ({exchange.status}).", exchange)
