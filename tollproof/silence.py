"""Why an exchange tells nothing, in a sentence that names what to do about it.

Knows the ways in which a connection, a TLS session and an answer go wrong, as the
libraries below word them. Must not know what any check was after.
"""

from __future__ import annotations

from collections.abc import Sequence

from tollproof.model import Exchange, Failure, FailureKind
from tollproof.profile.target import Target

#: What is said of a TLS session that does not come about (OpenSSL's words) → remedy.
_TLS: Sequence[tuple[tuple[str, ...], str]] = (
    (("expired",), "renew its certificate"),
    (("not yet valid",), "see to its certificate and to the clocks of both sides"),
    (
        ("mismatch", "not valid for"),
        "give target.base_url the host name that its certificate is for",
    ),
    (
        ("self-signed", "self signed", "issuer certificate"),
        "if its authority is to be trusted, name that in target.tls.ca",
    ),
    (
        ("wrong_version_number", "record layer", "http request", "packet length"),
        "what answers there speaks no TLS; is target.base_url an http URL?",
    ),
    (
        ("unsupported protocol", "unsupported_protocol", "protocol version"),
        "it speaks TLS 1.1 at most; switch TLS 1.2 or 1.3 on",
    ),
    (
        ("certificate required", "handshake failure", "bad certificate"),
        "does it want a client certificate? See target.tls.certificate",
    ),
)
_HEADERS = "its header section is larger than is read; what answers there?"


def why_silent(failure: Failure | None, target: Target) -> str:
    """Return what happened instead of an answer and what to do, as one sentence."""
    if failure is None:
        return "The target did not answer."
    detail = failure.detail.strip().rstrip(".")
    remedy = _remedy(failure, target)
    end = "" if remedy.endswith("?") else "."
    return f"The target did not answer: {detail}; {remedy}{end}"


def _remedy(failure: Failure, target: Target) -> str:
    words = failure.detail.lower().replace("certificate_verify_failed", "")
    match failure.kind:
        case FailureKind.CONNECT:
            return (
                "is it up, can it be reached from here, and is target.base_url right?"
            )
        case FailureKind.TLS:
            fitting = (
                remedy for marks, remedy in _TLS if any(mark in words for mark in marks)
            )
            return next(fitting, "see target.tls")
        case FailureKind.TIMEOUT:
            return (
                f"if it is slow and not stuck, raise target.timeout "
                f"({target.timeout:g} s)"
            )
        case FailureKind.CLOSED:
            return "is it an HTTP server, and is the scheme of target.base_url right?"
        case FailureKind.DECOMPRESSION:
            return "its Content-Encoding says what the body is not; mend the server"
        case FailureKind.PROXY:
            return "see target.proxy"
        case _ if "buffer too long" in words:
            return _HEADERS
        case _:
            return "that is not HTTP (RFC 9112); mend what answers there"


def says_nothing(exchange: Exchange) -> str:
    """Return why an answer is none, though there is a status; empty when it is one.

    That is a redirect, which is never followed, and a body without an end. Only when
    everybody is answered so does it follow that nothing can be told: an operation may
    redirect whom it lets in.
    """
    response = exchange.response
    if response is None:
        return ""
    if exchange.status in (301, 302, 303, 307, 308):
        where = response.header("Location") or "nowhere"
        shown = where if len(where) <= 80 else f"{where[:80]}…"
        return f"a redirect to {shown}, which is not followed"
    measured = response.header("Content-Length") and not response.header(
        "Content-Encoding"
    )
    if response.truncated and not measured:
        return f"a body that had no end after {response.body_bytes:,} bytes"
    return ""
