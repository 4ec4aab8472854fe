"""No answer gives a credential away, in whatever encoding.

ASVS 5.0.0, 14.2.4: "Verify that controls around sensitive data related to encryption,
integrity verification, retention, how the data is to be logged, access controls around
sensitive data in logs, privacy and privacy-enhancing technologies, are implemented".
RFC 6750, 5.3: "Don't pass bearer tokens in page URLs".

Every exchange of the run is judged, those on raw sockets included. What was found in an
answer was replaced in the record before anything of it was kept.
"""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Exchange,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    not_applicable,
    passed,
)
from tollproof.secrecy.transit import Where, leaks_in

HIDDEN = (API(3, 2023), ASVS("5.0.0", "14.2.4"))


def _judged(target: Target, exchange: Exchange, where: Where, words: str) -> Verdict:
    leaks = leaks_in(target, exchange, where)
    if leaks is None:
        return not_applicable("Not an answer of that kind.")
    if leaks:
        named = ", ".join(f"{item.credential} ({item.encoding})" for item in leaks[:3])
        return failed(
            f"{words} that gives away {named}",
            expected="no credential of the run, in any encoding",
            actual=f"{named} in the {leaks[0].place}",
        )
    return passed("No answer of that kind holds a credential of the run.")


@check(
    id="secrets.in-answer",
    title="No successful answer holds a credential",
    severity=Severity.CRITICAL,
    references=(CWE(201), CWE(522), *HIDDEN),
    remediation="Show a key once, in the answer that creates it, and never again.",
)
def test_in_answer(target: Target, exchange: Exchange) -> Verdict:
    """What an answer holds is cached, logged, and shown to whoever asks next."""
    return _judged(target, exchange, Where.ANSWER, "an answer")


@check(
    id="secrets.in-error",
    title="No error holds a credential",
    severity=Severity.HIGH,
    references=(CWE(209), *HIDDEN),
    remediation="Say that a credential is wrong without quoting it.",
)
def test_in_error(target: Target, exchange: Exchange) -> Verdict:
    """Errors are what is pasted into tickets and chats."""
    return _judged(target, exchange, Where.ERROR, "an error")


@check(
    id="secrets.in-header",
    title="No header field of an answer holds a credential",
    severity=Severity.HIGH,
    references=(CWE(201), *HIDDEN),
    remediation="Take fields out of the answer that repeat what was sent.",
)
def test_in_header(target: Target, exchange: Exchange) -> Verdict:
    """Proxies log header fields that nobody looks at."""
    return _judged(target, exchange, Where.HEADER, "a header field")


@check(
    id="secrets.in-redirect",
    title="No redirect or link carries a credential",
    severity=Severity.HIGH,
    references=(CWE(598), RFC(6750, "5.3"), ASVS("5.0.0", "14.2.1")),
    remediation="Leave credentials out of every URL you hand out.",
)
def test_in_redirect(target: Target, exchange: Exchange) -> Verdict:
    """A URL is kept in histories, sent in Referer, and logged at every hop."""
    return _judged(target, exchange, Where.REDIRECT, "a redirect or link")
