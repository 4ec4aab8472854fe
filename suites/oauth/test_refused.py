"""Whom a token endpoint must not grant anything.

RFC 6749, 3.2.1: "Confidential clients or other clients issued client credentials MUST
authenticate with the authorization server".
2.3.1: "The parameters can only be transmitted in the request-body and MUST NOT be
included in the request URI." 3.2: "The client MUST use the HTTP "POST" method".
"""

from collections.abc import Iterable
from urllib.parse import urlencode

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.model import Reason
from tollproof.oauth_trial import (
    Asked,
    Endpoint,
    NoEndpoint,
    endpoint,
    endpoints,
    judging,
)
from tollproof.redaction import Credential

WRONG = "tollproof-wrong-secret-0f6e1c"


def not_granted(control: Asked | None, asked: Iterable[Asked], how: str) -> Verdict:
    """Say whether any of these requests was granted a token."""
    answers = list(asked)
    granted = [item for item in answers if item.token is not None]
    known = (control.exchange,) if control else ()
    if granted:
        return failed(
            f"The token endpoint grants a token {how}: {granted[0].exchange.purpose}.",
            *(item.exchange for item in granted),
            *known,
            expected="an error (RFC 6749, 5.2)",
            actual=f"{granted[0].exchange.status} with an access token",
        )
    return passed(
        f"None of {len(answers)} requests {how} is granted a token.",
        *(item.exchange for item in answers),
        *known,
    )


@check(
    id="oauth.wrong-secret",
    title="A client with a wrong secret is granted nothing",
    severity=Severity.CRITICAL,
    references=(CWE(287), API(2, 2023), ASVS("5.0.0", "10.4.10"), RFC(6749, "3.2.1")),
    remediation="Compare the whole secret, in constant time, on every request.",
    needs=("identity.oauth",),
)
def test_wrong_secret(target: Target) -> Verdict:
    """A client id is public; the secret is all that tells the client from others."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        secret = at.client.secret
        wrong = {
            "with another secret": WRONG,
            "with its secret cut short": secret[:-1],
            "with its secret lengthened": secret + "0",
            "with its secret in another letter case": secret.swapcase(),
        }
        for what, value in wrong.items():
            if value == WRONG:
                continue  # invented here: no secret, and sent by other checks as well
            target.deployment.redactor.add(
                Credential(
                    label=f"{at.identity.name}, {what}", value=value, kind="secret"
                )
            )
        return not_granted(
            control,
            (
                at.ask(*at.as_client(at.client.id, value), purpose=what)
                for what, value in wrong.items()
                if value != secret
            ),
            "to a client with a wrong secret",
        )

    return judging(procedure)


@check(
    id="oauth.missing-secret",
    title="A client without its secret is granted nothing",
    severity=Severity.CRITICAL,
    references=(CWE(306), API(2, 2023), ASVS("5.0.0", "10.4.10"), RFC(6749, "4.4")),
    remediation="Grant client credentials to confidential clients only.",
    needs=("identity.oauth",),
)
def test_missing_secret(target: Target) -> Verdict:
    """RFC 6749, 4.4: the grant "MUST only be used by confidential clients"."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        plain = tuple(pair for pair in at.headers() if pair[0] != "Authorization")
        empty = at.form(client_id=at.client.id, client_secret="")
        absent = at.form(client_id=at.client.id, client_secret=None)
        return not_granted(
            control,
            (
                at.ask(empty, plain, purpose="with an empty secret"),
                at.ask(absent, plain, purpose="without a secret"),
            ),
            "to a client without its secret",
        )

    return judging(procedure)


@check(
    id="oauth.unknown-client",
    title="An unknown client is granted nothing",
    severity=Severity.CRITICAL,
    references=(CWE(287), API(2, 2023), RFC(6749, "3.2.1")),
    remediation="Refuse clients that are not registered with invalid_client.",
    needs=("identity.oauth",),
)
def test_unknown_client(target: Target) -> Verdict:
    """Whoever grants to strangers has no clients."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        unknown = f"{at.client.id}-unknown"
        return not_granted(
            control,
            (
                at.ask(*at.as_client(unknown, at.client.secret), purpose="unknown id"),
                at.ask(*at.as_client("", at.client.secret), purpose="empty id"),
            ),
            "to an unknown client",
        )

    return judging(procedure)


@check(
    id="oauth.revoked-client",
    title="A revoked client is granted nothing",
    severity=Severity.CRITICAL,
    references=(CWE(613), API(2, 2023), RFC(6749, "5.2")),
    remediation="Look up the client's state on every request for a token.",
    needs=("identity.oauth", "identity.revoked"),
)
def test_revoked_client(target: Target) -> Verdict:
    """Revocation is what one does after a leak."""

    def procedure() -> Verdict:
        revoked = endpoints(target, "revoked")
        if not revoked:
            raise NoEndpoint(
                "The profile has no client whose credentials are revoked: add an "
                'identity of kind "oauth" with state = "revoked".'
            )
        control = endpoint(target).control()
        return not_granted(
            control,
            (at.ask(at.form(), purpose="a revoked client") for at in revoked),
            "to a revoked client",
        )

    return judging(procedure)


@check(
    id="oauth.query-credentials",
    title="Client credentials in the query are granted nothing",
    severity=Severity.HIGH,
    references=(CWE(598), API(2, 2023), ASVS("5.0.0", "14.2.1"), RFC(6749, "2.3.1")),
    remediation="Read client credentials from the body or from Basic alone.",
    needs=("identity.oauth",),
)
def test_query_credentials(target: Target) -> Verdict:
    """URLs are logged; what accepts a secret there invites clients to send it so."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        plain = tuple(pair for pair in at.headers() if pair[0] != "Authorization")
        pair = {"client_id": at.client.id, "client_secret": at.client.secret}
        form = at.form(client_id=None, client_secret=None)
        return not_granted(
            control,
            [
                at.ask(
                    form, plain, query=urlencode(pair), purpose="credentials in query"
                )
            ],
            "to credentials in the query",
        )

    return judging(procedure)


@check(
    id="oauth.get",
    title="A token request by GET is granted nothing",
    severity=Severity.MEDIUM,
    references=(CWE(598), API(8, 2023), RFC(6749, "3.2")),
    remediation="Answer token requests by POST only.",
    needs=("identity.oauth",),
)
def test_get(target: Target) -> Verdict:
    """A GET is cached, prefetched and logged with all its parameters."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        fields = tuple(pair for pair in at.headers() if pair[0] != "Content-Type")
        asked = at.ask(
            b"", fields, method="GET", query=urlencode(at.form()), purpose="by GET"
        )
        return not_granted(control, [asked], "by GET")

    return judging(procedure)


def _tolerant(at: Endpoint, asked: Asked, how: str) -> Verdict:
    return not_granted(at.control(), [asked], how)


@check(
    id="oauth.two-methods",
    title="A client that authenticates in two ways at once is granted nothing",
    severity=Severity.LOW,
    references=(CWE(436), RFC(6749, "2.3"), RFC(6749, "5.2")),
    remediation="Answer invalid_request to more than one authentication method.",
    needs=("identity.oauth",),
)
def test_two_methods(target: Target) -> Verdict:
    """Which of two identities counts must not be left to chance (invalid_request)."""

    def procedure() -> Verdict:
        from tollproof.identity.oauth import basic

        at = endpoint(target)
        at.control()
        fields = (
            *(pair for pair in at.headers() if pair[0] != "Authorization"),
            ("Authorization", basic(at.client.id, at.client.secret)),
        )
        both = at.form(client_id=at.client.id, client_secret=at.client.secret)
        asked = at.ask(both, fields, purpose="Basic and body at once")
        return _tolerant(at, asked, "to two authentication methods at once")

    return judging(procedure)


@check(
    id="oauth.repeated-parameter",
    title="A token request with a repeated parameter is granted nothing",
    severity=Severity.LOW,
    references=(CWE(436), RFC(6749, "3.2")),
    remediation="Answer invalid_request when a parameter stands there twice.",
    needs=("identity.oauth",),
)
def test_repeated_parameter(target: Target) -> Verdict:
    """RFC 6749, 3.2: parameters "MUST NOT be included more than once"."""

    def procedure() -> Verdict:
        at = endpoint(target)
        at.control()
        twice = [*at.form(), ("grant_type", "client_credentials")]
        asked = at.ask(twice, purpose="grant_type twice")
        return _tolerant(at, asked, "to a repeated parameter")

    return judging(procedure)


@check(
    id="oauth.unsupported-grant",
    title="A grant that is not client credentials is not granted so",
    severity=Severity.HIGH,
    references=(CWE(285), API(2, 2023), ASVS("5.0.0", "10.4.4"), RFC(6749, "5.2")),
    remediation="Answer unsupported_grant_type, or unauthorized_client, to all others.",
    needs=("identity.oauth",),
)
def test_unsupported_grant(target: Target) -> Verdict:
    """A `grant_type` nobody reads turns every flow into the weakest one."""

    def procedure() -> Verdict:
        at = endpoint(target)
        control = at.control()
        kinds = ("tollproof", "CLIENT_CREDENTIALS", "urn:tollproof:grant", "")
        return not_granted(
            control,
            (
                at.ask(at.form(grant_type=kind), purpose=f'grant_type "{kind}"')
                for kind in kinds
            ),
            "of an unknown kind",
        )

    return judging(procedure)


@check(
    id="oauth.unknown-scope",
    title="A scope that does not exist is not granted",
    severity=Severity.LOW,
    references=(CWE(285), API(5, 2023), RFC(6749, "3.3")),
    remediation="Answer invalid_scope, or say in `scope` what was granted instead.",
    needs=("identity.oauth",),
)
def test_unknown_scope(target: Target) -> Verdict:
    """RFC 6749, 3.3: what is granted otherwise than asked for must be said."""

    def procedure() -> Verdict:
        at = endpoint(target)
        at.control()
        wanted = "tollproof-no-such-scope"
        asked = at.ask(at.form(scope=wanted), purpose="unknown scope")
        if asked.token is None:
            return passed(
                f"Refused with {asked.exchange.status} {asked.error or ''}.".strip(),
                asked.exchange,
            )
        granted = asked.document.get("scope")
        if isinstance(granted, str) and wanted not in granted.split():
            return passed("The answer says what was granted instead.", asked.exchange)
        if granted is None:
            return failed(
                "A token is granted, and not a word that the scope is another than "
                "was asked for.",
                asked.exchange,
                expected="invalid_scope, or `scope` with what was granted",
                actual="a token without `scope`",
            )
        return failed(
            "A scope that does not exist is granted.",
            asked.exchange,
            expected="invalid_scope",
            actual=f"a token with scope {granted!r}"[:120],
        )

    return judging(procedure)


def must_refuse(asked: Asked, see: str) -> None:
    """Go on only if a request was refused.

    Raises:
        Undetermined: it was granted.
    """
    if asked.token is not None:
        raise Undetermined(
            Reason.PRECONDITION,
            f"A token was granted, so there is no error to judge; see {see}.",
            asked.exchange.id,
        )
