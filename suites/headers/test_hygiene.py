"""What every response carries, and what none may: caching, types, cookies, versions.

ASVS 5.0.0, 4.1.1: "Verify that every HTTP response with a message body contains a
Content-Type header field that matches the actual content of the response".
RFC 9111, 5.2.2.5: "The no-store response directive indicates that a cache MUST NOT
store any part of either the immediate request or the response".
"""

import re

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Exchange,
    Response,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    not_applicable,
    passed,
)

MISCONFIGURED = API(8, 2023)


def _response(exchange: Exchange) -> Response:
    if exchange.response is None:
        raise LookupError("only answered exchanges are judged")
    return exchange.response


def _tokens(value: str | None) -> set[str]:
    """Return the directives of a comma list, in lower case, without arguments."""
    parts = (value or "").lower().split(",")
    return {part.partition("=")[0].strip() for part in parts} - {""}


@check(
    id="headers.cache-control",
    title="Authenticated responses are not stored by caches",
    severity=Severity.MEDIUM,
    references=(
        CWE(524),
        CWE(525),
        MISCONFIGURED,
        ASVS("5.0.0", "14.2.2"),
        RFC(9111, "5.2.2.5"),
    ),
    remediation="Send `Cache-Control: no-store` with responses to a credential.",
    needs=("promises.transport.no_store",),
)
def test_cache_control(target: Target, exchange: Exchange) -> Verdict:
    """What one caller was shown must not lie in a cache for the next."""
    if not target.is_authenticated(exchange) or not 200 <= exchange.status < 300:
        return not_applicable("Not an authenticated success.")
    value = _response(exchange).header("Cache-Control")
    if not _tokens(value) & {"no-store", "private"}:
        return failed(
            "a response to a credential that caches may store",
            expected="Cache-Control: no-store (or private)",
            actual=f"Cache-Control: {value}" if value else "no Cache-Control",
        )
    return passed("Responses to a credential are not stored.")


@check(
    id="headers.content-type",
    title="A response with a body says what it is",
    severity=Severity.LOW,
    references=(CWE(436), MISCONFIGURED, ASVS("5.0.0", "4.1.1"), RFC(9110, "8.3")),
    remediation="Send Content-Type with every body, with its charset for text.",
)
def test_content_type(target: Target, exchange: Exchange) -> Verdict:
    """What is not named is guessed, and guesses can be steered by what is inside."""
    response = _response(exchange)
    if not response.body_bytes or exchange.status in (204, 304):
        return not_applicable("No body.")
    if not response.header("Content-Type"):
        return failed(
            "a body without Content-Type",
            expected="Content-Type",
            actual=f"{exchange.status} with {response.body_bytes} bytes and none",
        )
    return passed("Each body has a type.")


@check(
    id="headers.nosniff",
    title="No response lets its type be guessed",
    severity=Severity.LOW,
    references=(CWE(693), MISCONFIGURED, ASVS("5.0.0", "3.4.4")),
    remediation="Send `X-Content-Type-Options: nosniff` with every response.",
    needs=("promises.transport.nosniff",),
)
def test_nosniff(target: Target, exchange: Exchange) -> Verdict:
    """A browser that sniffs may run as a script what was meant as data."""
    response = _response(exchange)
    if not response.body_bytes or target.is_exempt(exchange):
        return not_applicable("No body.")
    value = response.header("X-Content-Type-Options")
    if (value or "").strip().lower() != "nosniff":
        return failed(
            f"a body whose type may be guessed{target.whose(exchange)}",
            expected="X-Content-Type-Options: nosniff",
            actual=f"X-Content-Type-Options: {value}" if value else "no such field",
        )
    return passed("Types are not guessed.")


@check(
    id="headers.no-cookies",
    title="A token API sets no cookies",
    severity=Severity.MEDIUM,
    references=(CWE(352), API(2, 2023), RFC(6265, "8.2")),
    remediation="Do not start sessions for API calls; the credential is in the header.",
    needs=("promises.transport.no_cookies",),
)
def test_no_cookies(target: Target, exchange: Exchange) -> Verdict:
    """A cookie is a second credential that browsers send by themselves."""
    cookies = _response(exchange).header_list("Set-Cookie")
    if cookies:
        return failed(
            "a response that sets a cookie",
            expected="no Set-Cookie",
            actual=f"Set-Cookie: {cookies[0]}",
        )
    return passed("No cookie is set.")


_VERSIONED = (
    "Server",
    "X-Powered-By",
    "X-AspNet-Version",
    "X-AspNetMvc-Version",
    "X-Runtime-Version",
    "X-Generator",
    "X-Backend-Server",
    "X-Version",
)
_VERSION = re.compile(r"\d+\.\d+|/\s*v?\d+\b")


@check(
    id="headers.no-server-version",
    title="No response names the version of the software behind it",
    severity=Severity.LOW,
    references=(CWE(497), CWE(200), MISCONFIGURED, ASVS("5.0.0", "13.4.6")),
    remediation="Take versions out of Server and X-Powered-By.",
    needs=("promises.transport.no_version",),
)
def test_no_server_version(target: Target, exchange: Exchange) -> Verdict:
    """A version is a line in a table of known holes."""
    for name in _VERSIONED:
        value = _response(exchange).header(name)
        if value and _VERSION.search(value):
            return failed(
                f"{name} names a version",
                expected=f"{name} without a version",
                actual=f"{name}: {value}",
            )
    return passed("No version is named.")


@check(
    id="headers.hsts",
    title="Responses over TLS tell browsers to stay with TLS",
    severity=Severity.MEDIUM,
    references=(CWE(319), MISCONFIGURED, ASVS("5.0.0", "3.4.1"), RFC(6797, "7.1")),
    remediation="Send `Strict-Transport-Security: max-age=31536000` over TLS.",
    needs=("promises.transport.hsts", "target.https"),
)
def test_hsts(target: Target, exchange: Exchange) -> Verdict:
    """The first plain request is the one that is intercepted."""
    if not exchange.request.url.startswith("https:") or target.is_exempt(exchange):
        return not_applicable("Not over TLS, or the server's own answer.")
    value = _response(exchange).header("Strict-Transport-Security")
    age = re.search(r"max-age\s*=\s*\"?(\d+)", value or "", re.IGNORECASE)
    if age is None or int(age[1]) == 0:
        return failed(
            "a response over TLS without Strict-Transport-Security",
            expected="Strict-Transport-Security with a max-age above 0",
            actual=f"Strict-Transport-Security: {value}" if value else "no such field",
        )
    return passed("Browsers are told to stay with TLS.")


@check(
    id="headers.vary-origin",
    title="An answer that depends on the origin says so to caches",
    severity=Severity.LOW,
    references=(CWE(524), MISCONFIGURED, RFC(9110, "12.5.5")),
    remediation="Send `Vary: Origin` wherever Access-Control-Allow-Origin may differ.",
    needs=("promises.transport.cors",),
)
def test_vary_origin(target: Target, exchange: Exchange) -> Verdict:
    """A cache that does not know serves one site's permission to the next."""
    response = _response(exchange)
    allowed = response.header("Access-Control-Allow-Origin")
    if allowed == "*":
        return not_applicable("The answer is the same for every origin.")
    if allowed and not _tokens(response.header("Vary")) & {"origin", "*"}:
        return failed(
            "an answer to one origin that caches may give to another",
            expected="Vary: Origin",
            actual=f"Access-Control-Allow-Origin: {allowed}, "
            f"Vary: {response.header('Vary')}",
        )
    return passed("No answer for one origin can be taken for another's.")


@check(
    id="headers.required",
    title="Every response carries the fields the profile requires of it",
    severity=Severity.LOW,
    references=(CWE(1059), ASVS("5.0.0", "4.1.1")),
    remediation="Add the field where responses leave the server, errors included.",
    needs=("promises.headers.required",),
)
def test_required(target: Target, exchange: Exchange) -> Verdict:
    """What was promised of every response is promised of errors too."""
    judged = False
    if target.is_exempt(exchange):
        return not_applicable("The server's own answer, of which nothing is promised.")
    for promise in target.profile.promises.headers:
        if promise.rule != "required" or not target.means(promise.on, exchange):
            continue
        judged = True
        value = _response(exchange).header(promise.name)
        if value is None:
            return failed(
                f"a response without {promise.name}",
                expected=promise.name,
                actual=f"{exchange.status} without it",
            )
        if promise.value and not re.fullmatch(promise.value, value):
            return failed(
                f"{promise.name} has another form than promised",
                expected=promise.value,
                actual=f"{promise.name}: {value}",
            )
    return passed("All are there.") if judged else not_applicable("None is required.")


@check(
    id="headers.forbidden",
    title="No response carries a field the profile forbids",
    severity=Severity.LOW,
    references=(CWE(200), MISCONFIGURED, ASVS("5.0.0", "13.4.6")),
    remediation="Take the field out where responses leave the server.",
    needs=("promises.headers.forbidden",),
)
def test_forbidden(target: Target, exchange: Exchange) -> Verdict:
    """Fields meant for developers tell strangers how the inside is built."""
    judged = False
    for promise in target.profile.promises.headers:
        if promise.rule != "forbidden" or not target.means(promise.on, exchange):
            continue
        judged = True
        value = _response(exchange).header(promise.name)
        if value is None or (promise.value and not re.fullmatch(promise.value, value)):
            continue
        return failed(
            f"a response with {promise.name}",
            expected=f"no {promise.name}",
            actual=f"{promise.name}: {value}",
        )
    return passed("None is there.") if judged else not_applicable("None is forbidden.")
