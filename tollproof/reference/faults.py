"""The faults a reference deployment can be given: each breaks one promise, no other.

A fault is noticed by the checks it names and leaves every other check passing; that is
how the checks themselves are tested. Knows names and sentences. The code that a fault
switches stands where the promise is kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tollproof.errors import UsageError
from tollproof.reference.identity_faults import AUTHORIZATION, OAUTH, TENANCY, TOKENS
from tollproof.reference.lifecycle_faults import ROTATION, SECRETS
from tollproof.reference.limiter_faults import LOAD, RATELIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One switch.

    Attributes:
        check: id of the check that must notice it.
        title: what is wrong, as a sentence without a full stop.
        needs: what the deployment must be started with for it to show: `"tls"`,
            `"workers"` for two, `"replicas"` for one,
            `"algorithm=sliding_log"` or `"per=address"` for another limiter.
        of: what has the fault: a reference deployment, or a sample SDK.
    """

    name: str
    check: str
    title: str
    needs: tuple[str, ...] = ()
    of: str = "sparkient"


def _fault(check: str, name: str, title: str, *needs: str) -> Fault:
    return Fault(name=name, check=check, title=title, needs=needs)


_AUTHENTICATION = (
    ("missing", "auth-missing-accepted", "one operation forgot authentication"),
    ("malformed-header", "auth-empty-accepted", "an empty Authorization is let in"),
    ("scheme", "auth-scheme-ignored", "a live key is let in under any scheme"),
    (
        "scheme-case",
        "auth-scheme-case-sensitive",
        "the scheme is understood in one letter case only",
    ),
    (
        "doubled-header",
        "auth-doubled-header-accepted",
        "of two Authorization fields either may hold the key",
    ),
    (
        "unknown-key",
        "auth-format-only",
        "an unknown key of the right form is let in",
    ),
    (
        "altered-key",
        "auth-key-prefix-compared",
        "only the first characters of a key are compared",
    ),
    (
        "altered-key",
        "auth-key-case-insensitive",
        "keys are compared without regard to letter case",
    ),
    ("revoked-key", "auth-revoked-accepted", "a revoked key is let in"),
    ("expired-key", "auth-expired-accepted", "an expired key is let in"),
    (
        "other-environment-key",
        "auth-environment-ignored",
        "a key of the test environment is let in",
    ),
    ("credential-location", "auth-key-in-query", "a key in the query is let in"),
    ("credential-location", "auth-key-in-cookie", "a key in a cookie is let in"),
    ("credential-location", "auth-key-in-body", "a key in the body is let in"),
    (
        "credential-location",
        "auth-key-in-other-header",
        "a key in X-API-Key and its kin is let in",
    ),
    ("every-method", "auth-head-open", "HEAD needs no credential"),
    (
        "path-spelling",
        "auth-trailing-slash-open",
        "a slash at the end of the path leads around authentication",
    ),
    (
        "path-spelling",
        "auth-path-case-open",
        "a path in other letter case leads around authentication",
    ),
    (
        "override-headers",
        "auth-rewrite-header-bypass",
        "X-Original-URL and its kin lead around authentication",
    ),
    (
        "override-headers",
        "auth-method-override-bypass",
        "X-HTTP-Method-Override: OPTIONS leads around authentication",
    ),
    (
        "forwarding-headers",
        "auth-forwarded-localhost-trusted",
        "X-Forwarded-For: 127.0.0.1 is taken for a credential",
    ),
    (
        "refusal-status",
        "auth-refused-with-403",
        "one operation refuses unknown callers with 403",
    ),
    ("live-key", "auth-live-key-refused", "one operation refuses live keys"),
    ("public-operations", "auth-public-closed", "a public operation needs a key"),
    ("challenge", "challenge-missing", "401 comes without WWW-Authenticate"),
    ("challenge-syntax", "challenge-malformed", "the challenge does not parse"),
    (
        "challenge-error",
        "challenge-error-wrong",
        "a request without a credential is told invalid_token",
    ),
    (
        "indistinguishable",
        "refusal-tells-revoked",
        "a revoked key is told that it is revoked",
    ),
    ("timing", "refusal-timing", "known keys are refused more slowly than unknown"),
    (
        "no-server-error",
        "auth-non-ascii-crash",
        "a credential that is not ASCII makes the server fail",
    ),
)
_ENVELOPE = (
    ("content-type", "envelope-html-404", "404 is an HTML page"),
    ("content-type", "envelope-text-plain", "401 is JSON that is called text/plain"),
    ("shape", "envelope-shape-404", "404 has another shape"),
    (
        "shape",
        "envelope-server-400",
        "what is refused before routing has another shape",
    ),
    ("code", "envelope-code-mismatch", "404 carries the code of 403"),
    ("message", "envelope-empty-message", "404 has an empty message"),
    ("disclosure", "envelope-stack-trace", "404 shows a stack trace"),
    ("disclosure", "envelope-sql", "401 shows an SQL statement"),
    ("unknown-path", "unknown-path-200", "an unknown path is answered with 200"),
    (
        "method-not-allowed",
        "method-not-allowed-404",
        "an unknown method of a known path is answered with 404",
    ),
    ("allow-header", "allow-missing", "405 comes without Allow"),
    ("malformed-body", "body-malformed-accepted", "a body that is no JSON is accepted"),
    ("invalid-body", "body-not-validated", "bodies are not held to their schema"),
    ("hostile-body", "body-deep-crash", "deeply nested JSON makes the server fail"),
    ("media-type", "media-type-ignored", "any Content-Type is taken for JSON"),
    ("too-large", "body-unbounded", "a body may be of any size"),
    ("long-target", "target-unbounded", "a request target may be of any length"),
    ("large-headers", "headers-unbounded", "the header may be of any size"),
    ("not-acceptable", "accept-ignored", "Accept is ignored"),
    (
        "before-routing",
        "raw-request-500",
        "a malformed request line is answered with 500",
    ),
    ("rate-limited", "small-limit-ignored", "a key's own, smaller limit is ignored"),
    ("head-agrees", "head-differs", "HEAD names another content type than GET"),
)
_HEADERS = (
    (
        "rate-limit-present",
        "ratelimit-headers-missing-on-404",
        "404 comes without rate-limit headers",
    ),
    (
        "rate-limit-scope",
        "ratelimit-headers-on-public",
        "public operations carry rate-limit headers",
    ),
    ("rate-limit-limit", "ratelimit-limit-wrong", "X-RateLimit-Limit is 100 too high"),
    (
        "rate-limit-remaining",
        "ratelimit-remaining-negative",
        "X-RateLimit-Remaining is -1 on 429",
    ),
    (
        "rate-limit-reset",
        "ratelimit-reset-delta",
        "X-RateLimit-Reset is the seconds left, not a Unix time",
    ),
    ("ietf-rate-limit", "ietf-malformed", "RateLimit is no structured field"),
    ("retry-after-present", "retry-after-missing", "429 comes without Retry-After"),
    ("retry-after-form", "retry-after-fractional", "Retry-After has a fraction"),
    ("retry-after-scope", "retry-after-on-success", "200 carries Retry-After"),
    (
        "cache-control",
        "cache-control-missing",
        "authenticated answers may be stored",
    ),
    (
        "vary-origin",
        "cors-vary-missing",
        "Access-Control-Allow-Origin varies without Vary: Origin",
    ),
    ("cors", "cors-reflects-origin", "any origin is trusted with credentials"),
    ("cors", "cors-wildcard-credentials", "every origin is allowed credentials"),
    ("no-cookies", "sets-cookie", "a cookie is set"),
    ("no-server-version", "server-version", "Server names a version"),
    ("nosniff", "nosniff-missing", "errors come without X-Content-Type-Options"),
    ("content-type", "content-type-missing", "one operation names no content type"),
    ("hsts", "hsts-missing", "no Strict-Transport-Security over TLS", "tls"),
    (
        "https-only",
        "http-accepts-credentials",
        "plain HTTP takes the credential",
        "tls",
    ),
    ("required", "request-id-missing", "errors come without X-Request-Id"),
    ("forbidden", "debug-header", "answers carry X-Debug"),
)

FAULTS: tuple[Fault, ...] = tuple(
    _fault(f"{suite}.{slug}", *rest)
    for suite, table in (
        ("authentication", _AUTHENTICATION),
        ("envelope", _ENVELOPE),
        ("headers", _HEADERS),
        ("tokens", TOKENS),
        ("oauth", OAUTH),
        ("authorization", AUTHORIZATION),
        ("tenancy", TENANCY),
        ("ratelimit", RATELIMIT),
        ("load", LOAD),
        ("rotation", ROTATION),
        ("secrets", SECRETS),
    )
    for slug, *rest in table
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def select(
    names: Iterable[str], known: Mapping[str, Fault] = BY_NAME
) -> frozenset[str]:
    """Return a set of faults by name.

    Raises:
        UsageError: one is not known; says which ones are near.
    """
    chosen = frozenset(names)
    for name in sorted(chosen - known.keys()):
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "see --list-faults"
        raise UsageError(f"there is no fault {name!r}: {hint}")
    return chosen
