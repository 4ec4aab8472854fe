"""What a token endpoint answers: grants and errors in the form that clients rely on.

RFC 6749, 5.1: "The authorization server MUST include the HTTP "Cache-Control" response
header field with a value of "no-store" in any response containing tokens".
5.2: "If the client attempted to authenticate via the "Authorization" request header
field, the authorization server MUST respond with an HTTP 401 (Unauthorized) status code
and include the "WWW-Authenticate" response header field matching the authentication
scheme used by the client."
"""

from collections.abc import Iterator

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Exchange,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.identity.oauth import basic
from tollproof.oauth_trial import Asked, Endpoint, endpoint, judging

WRONG = "tollproof-wrong-secret-0f6e1c"


def _media_type(exchange: Exchange) -> str:
    kind = exchange.response.header("Content-Type") if exchange.response else None
    return (kind or "").partition(";")[0].strip().lower()


@check(
    id="oauth.grant",
    title="A grant says what it is: token, type and life",
    severity=Severity.MEDIUM,
    references=(RFC(6749, "5.1"), CWE(1286)),
    remediation="Answer JSON with access_token, token_type and a whole expires_in.",
    needs=("identity.oauth",),
)
def test_grant(target: Target) -> Verdict:
    """Clients renew a token by `expires_in` and show it by `token_type`."""

    def procedure() -> Verdict:
        asked = endpoint(target).control()
        wrong = list(_wrong_in_grant(asked))
        if wrong:
            return failed(
                "A grant is not as RFC 6749 describes it.",
                asked.exchange,
                expected="application/json with token_type and a whole expires_in",
                actual="; ".join(wrong),
            )
        return passed("Token, type and life are there.", asked.exchange)

    return judging(procedure)


def _wrong_in_grant(asked: Asked) -> Iterator[str]:
    if _media_type(asked.exchange) != "application/json":
        yield f"Content-Type {_media_type(asked.exchange)!r}"
    kind = asked.document.get("token_type")
    if not isinstance(kind, str) or not kind:
        yield "no token_type"
    life = asked.document.get("expires_in")
    if life is not None and (
        isinstance(life, bool) or not isinstance(life, int) or life <= 0
    ):
        yield "expires_in is not a whole number of seconds"


@check(
    id="oauth.no-store",
    title="A response with a token is not stored",
    severity=Severity.MEDIUM,
    references=(CWE(525), CWE(524), ASVS("5.0.0", "14.3.2"), RFC(6749, "5.1")),
    remediation="Send `Cache-Control: no-store` with every grant.",
    needs=("identity.oauth",),
)
def test_no_store(target: Target) -> Verdict:
    """A token in a cache is a token in somebody's hands."""

    def procedure() -> Verdict:
        exchange = endpoint(target).control().exchange
        value = exchange.response.header("Cache-Control") if exchange.response else None
        said = {item.strip().lower() for item in (value or "").split(",")}
        if "no-store" not in said:
            return failed(
                "A response with a token may be stored by caches.",
                exchange,
                expected="Cache-Control: no-store",
                actual=f"Cache-Control: {value}" if value else "no Cache-Control",
            )
        return passed("The response says no-store.", exchange)

    return judging(procedure)


@check(
    id="oauth.no-refresh-token",
    title="Client credentials are granted no refresh token",
    severity=Severity.LOW,
    references=(CWE(613), RFC(6749, "4.4.3"), API(2, 2023)),
    remediation="Leave refresh_token out: the client can ask again by its secret.",
    needs=("identity.oauth",),
)
def test_no_refresh_token(target: Target) -> Verdict:
    """A refresh token outlives the token and is one more secret to lose."""

    def procedure() -> Verdict:
        asked = endpoint(target).control()
        if asked.document.get("refresh_token"):
            return failed(
                "A refresh token is granted beside the access token.",
                asked.exchange,
                expected="an access token alone",
                actual="refresh_token as well",
            )
        return passed("There is no refresh token.", asked.exchange)

    return judging(procedure)


def _refusals(at: Endpoint) -> list[tuple[Asked, frozenset[str], frozenset[int]]]:
    """Return wrong requests with the codes and statuses that belong to each."""
    invalid_client = frozenset({"invalid_client"})
    grant = frozenset({"unsupported_grant_type", "unauthorized_client"})
    wrong = at.ask(*at.as_client(at.client.id, WRONG), purpose="a wrong secret")
    kind = at.ask(at.form(grant_type="tollproof"), purpose="an unknown grant_type")
    none = at.ask(at.form(grant_type=None), purpose="no grant_type")
    return [
        (wrong, invalid_client, frozenset({400, 401})),
        (kind, grant, frozenset({400})),
        (none, frozenset({"invalid_request"}) | grant, frozenset({400})),
    ]


def _refused(at: Endpoint) -> list[tuple[Asked, frozenset[str], frozenset[int]]]:
    """Return those that were refused.

    Raises:
        Undetermined: none was, or the server failed.
    """
    at.control()
    found = [item for item in _refusals(at) if item[0].token is None]
    if not found:
        raise Undetermined(
            Reason.PRECONDITION,
            "Everything is granted, so there is no error to judge.",
        )
    if broken := [item for item, _, _ in found if item.exchange.status >= 500]:
        raise Undetermined(
            Reason.PRECONDITION,
            f"The token endpoint failed ({broken[0].exchange.status}) instead of "
            "refusing; see oauth.no-server-error.",
            broken[0].exchange.id,
        )
    return found


@check(
    id="oauth.error-form",
    title="A refused token request is answered in JSON with an error code",
    severity=Severity.LOW,
    references=(RFC(6749, "5.2"), CWE(394)),
    remediation='Answer application/json with `{"error": "…"}`.',
    needs=("identity.oauth",),
)
def test_error_form(target: Target) -> Verdict:
    """Clients decide by the code whether to ask again, and cannot read a page."""

    def procedure() -> Verdict:
        refused = _refused(endpoint(target))
        for asked, _, _ in refused:
            kind = _media_type(asked.exchange)
            if kind != "application/json" or asked.error is None:
                return failed(
                    f"The answer to {asked.exchange.purpose} has no error code.",
                    asked.exchange,
                    expected='application/json with a text in "error"',
                    actual=f"{asked.exchange.status} {kind or 'without a type'}",
                )
        return passed(
            f"All {len(refused)} refusals have an error code.",
            *(item.exchange for item, _, _ in refused),
        )

    return judging(procedure)


@check(
    id="oauth.error",
    title="A refused token request is answered with the code and status of its cause",
    severity=Severity.LOW,
    references=(RFC(6749, "5.2"), CWE(394)),
    remediation="Answer 400 with the code of RFC 6749, 5.2; invalid_client may be 401.",
    needs=("identity.oauth",),
)
def test_error(target: Target) -> Verdict:
    """A client that hears the wrong cause mends the wrong thing."""

    def procedure() -> Verdict:
        refused = _refused(endpoint(target))
        for asked, codes, statuses in refused:
            wrong_code = asked.error is not None and asked.error not in codes
            if asked.exchange.status not in statuses or wrong_code:
                return failed(
                    f"{asked.exchange.purpose.capitalize()} is answered as something "
                    "else.",
                    asked.exchange,
                    expected=f"{' or '.join(map(str, sorted(statuses)))} "
                    f"{' or '.join(sorted(codes))}",
                    actual=f"{asked.exchange.status} {asked.error or 'without a code'}",
                )
        return passed(
            f"All {len(refused)} refusals name their cause.",
            *(item.exchange for item, _, _ in refused),
        )

    return judging(procedure)


@check(
    id="oauth.challenge",
    title="A client refused after Basic is told so with 401 and a challenge",
    severity=Severity.LOW,
    references=(RFC(6749, "5.2"), RFC(9110, "11.6.1"), RFC(7617, "2")),
    remediation="Send 401 with `WWW-Authenticate: Basic` when Basic was tried.",
    needs=("identity.oauth",),
)
def test_challenge(target: Target) -> Verdict:
    """RFC 6749, 5.2 demands it, and libraries wait for the challenge."""

    def procedure() -> Verdict:
        at = endpoint(target)
        at.control()
        fields = (
            *(pair for pair in at.headers() if pair[0] != "Authorization"),
            ("Authorization", basic(at.client.id, WRONG)),
        )
        form = at.form(client_id=None, client_secret=None)
        asked = at.ask(form, fields, purpose="a wrong secret by Basic")
        exchange = asked.exchange
        if asked.token is not None:
            return inconclusive(
                Reason.PRECONDITION,
                "A token was granted to a wrong secret; see oauth.wrong-secret.",
                exchange,
            )
        shown = exchange.response and exchange.response.header("WWW-Authenticate")
        if exchange.status == 401 and not (shown or "").lower().startswith("basic"):
            return failed(
                "A 401 after Basic carries no Basic challenge.",
                exchange,
                expected="WWW-Authenticate: Basic …",
                actual=f"WWW-Authenticate: {shown}" if shown else "no such field",
            )
        if exchange.status != 401:
            return inconclusive(
                Reason.PRECONDITION,
                f"It is refused with {exchange.status}, so there is no 401 to judge; "
                "see oauth.error.",
                exchange,
            )
        return passed("The 401 offers Basic.", exchange)

    return judging(procedure)


@check(
    id="oauth.no-server-error",
    title="No malformed token request brings the server down",
    severity=Severity.MEDIUM,
    references=(CWE(703), CWE(20), API(8, 2023), ASVS("5.0.0", "16.5.3")),
    remediation="Answer 400 invalid_request to whatever cannot be read.",
    needs=("identity.oauth",),
)
def test_no_server_error(target: Target) -> Verdict:
    """The token endpoint stands before everything: when it is down, all is."""

    def procedure() -> Verdict:
        at = endpoint(target)
        # One that fails whatever it is asked has another trouble than malformed forms.
        at.control()
        plain = tuple(pair for pair in at.headers() if pair[0] != "Authorization")
        no_type = (("Accept", "application/json"),)
        bodies = {
            "an empty body": b"",
            "no pairs": b"tollproof",
            "bytes that are no text": b"grant_type=\xff\xfe&client_id=%ff",
            "a broken escape": b"grant_type=%zz&client_id=%",
            "JSON instead of a form": b'{"grant_type":"client_credentials"}',
            "a thousand parameters": b"&".join(b"p%d=1" % n for n in range(1000)),
            "a very long parameter": b"grant_type=" + b"x" * 5000,
            "a zero byte": b"grant_type=client_credentials&client_id=%00",
        }
        asked = [at.ask(body, plain, purpose=what) for what, body in bodies.items()]
        asked.append(at.ask(at.form(), no_type, purpose="a form without its type"))
        asked.append(
            at.ask(
                at.form(client_id=None, client_secret=None),
                (*plain, ("Authorization", "Basic !!!")),
                purpose="Basic that is no base64",
            )
        )
        broken = [item for item in asked if item.exchange.status >= 500]
        if broken:
            first = broken[0].exchange
            return failed(
                f"A token request ({first.purpose}) is answered {first.status}.",
                *(item.exchange for item in broken[:5]),
                expected="400, or another refusal",
                actual=str(first.status),
            )
        return passed(
            f"None of {len(asked)} malformed requests causes a server error.",
            asked[0].exchange,
        )

    return judging(procedure)
