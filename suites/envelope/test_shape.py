"""The body of every error the run has seen: its type, shape, code, message, silence.

RFC 9457, 3: "The canonical model for problem details is a JSON object."
ASVS 5.0.0, 16.5.1: "Verify that a generic message is returned to the consumer when an
unexpected or security-sensitive error occurs, ensuring no exposure of sensitive
internal system data such as stack traces, queries, secret keys, and tokens."
"""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

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
from tollproof.disclosure import find_disclosure
from tollproof.pointer import MISSING, resolve
from tollproof.profile.promises import Errors

MISCONFIGURED = API(8, 2023)


def _error(target: Target, exchange: Exchange) -> Response | None:
    """Return the response when it is an error with a body to judge."""
    response = exchange.response
    if response is None or response.status < 400:
        return None
    if exchange.request.method == "HEAD" or response.truncated:
        return None
    if target.is_exempt(exchange) or _is_preflight(exchange):
        return None
    return response


def _is_preflight(exchange: Exchange) -> bool:
    """Whether a browser asked for leave: nobody is ever shown that answer's body."""
    names = {name.lower() for name, _ in exchange.request.headers}
    is_options = exchange.request.method == "OPTIONS"
    return is_options and "access-control-request-method" in names


def _promise(target: Target) -> Errors:
    errors = target.profile.promises.errors
    if errors is None:
        raise LookupError("the check needs promises.errors")
    return errors


def _media_type(response: Response) -> str:
    value = response.header("Content-Type") or ""
    return value.partition(";")[0].strip().lower()


def _document(response: Response) -> Any:
    """Return the body as JSON, or MISSING when it is none."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return MISSING


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


@check(
    id="envelope.content-type",
    title="Every error has the promised content type",
    severity=Severity.MEDIUM,
    references=(CWE(436), MISCONFIGURED, ASVS("5.0.0", "4.1.1"), RFC(9457, "3")),
    remediation="Let one place make all errors, the framework's and server's included.",
    needs=("promises.errors.content_type",),
)
def test_content_type(target: Target, exchange: Exchange) -> Verdict:
    """A client that parses errors stumbles over the first page of HTML."""
    response = _error(target, exchange)
    if response is None:
        return not_applicable("Not an error with a body.")
    wanted = (_promise(target).content_type or "").lower()
    found = _media_type(response)
    if found != wanted:
        return failed(
            f"an error of another content type{target.whose(exchange)}",
            expected=wanted,
            actual=f"{response.status} as {found or 'nothing'}: {response.body[:80]}",
        )
    return passed("Each error has the promised type.")


@check(
    id="envelope.shape",
    title="Every error has the promised shape",
    severity=Severity.MEDIUM,
    references=(CWE(388), MISCONFIGURED, RFC(9457, "3")),
    remediation="Let one place make all errors, the framework's and server's included.",
    needs=("promises.errors.schema",),
)
def test_shape(target: Target, exchange: Exchange) -> Verdict:
    """One envelope means one way to handle errors.

    An error that does not even say it is JSON is reported by `envelope.content-type`.
    """
    response = _error(target, exchange)
    if response is None:
        return not_applicable("Not an error with a body.")
    document = _document(response)
    if document is MISSING and not _is_json(_media_type(response)):
        return not_applicable("Not JSON.")
    if document is MISSING:
        return failed(
            "an error that says it is JSON and is not",
            expected="JSON",
            actual=f"{response.status}: {response.body[:120] or 'an empty body'}",
        )
    schema = _promise(target).schema_ or {}
    wrong = best_match(_validator(json.dumps(schema)).iter_errors(document))
    if wrong is not None:
        where = "/".join(str(part) for part in wrong.absolute_path)
        return failed(
            "an error of another shape",
            expected="the promised JSON Schema",
            actual=f"{response.status}: at /{where}: {wrong.message[:200]}",
        )
    return passed("Each error has the promised shape.")


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


@check(
    id="envelope.code",
    title="The code of every error belongs to its status",
    severity=Severity.LOW,
    references=(CWE(394), MISCONFIGURED),
    remediation="Derive code and status from one table.",
    needs=("promises.errors.codes",),
)
def test_code(target: Target, exchange: Exchange) -> Verdict:
    """Clients branch on the code; a wrong one sends them down the wrong branch."""
    response = _error(target, exchange)
    promise = _promise(target)
    allowed = {int(key): value for key, value in promise.codes.items()}
    if response is None or response.status not in allowed:
        return not_applicable("No code is promised for it.")
    code = resolve(_document(response), promise.code or "")
    if code is MISSING:
        return not_applicable("It has no code; see envelope.shape.")
    if code not in allowed[response.status]:
        return failed(
            f"a {response.status} with a code that is not its own",
            expected=" or ".join(allowed[response.status]),
            actual=str(code)[:80],
        )
    return passed("Codes belong to their status.")


@check(
    id="envelope.message",
    title="Every error says in words what went wrong",
    severity=Severity.INFO,
    references=(CWE(1059), MISCONFIGURED, RFC(9457, "3.1.4")),
    remediation="Give every error a sentence for the person who reads the log.",
    needs=("promises.errors.message",),
)
def test_message(target: Target, exchange: Exchange) -> Verdict:
    """An empty sentence, or the code again, helps nobody."""
    response = _error(target, exchange)
    if response is None:
        return not_applicable("Not an error with a body.")
    promise = _promise(target)
    document = _document(response)
    message = resolve(document, promise.message or "")
    if message is MISSING:
        return not_applicable("It has no message; see envelope.shape.")
    text = message.strip() if isinstance(message, str) else ""
    if len(text) < 3 or text == resolve(document, promise.code or "/-"):
        return failed(
            "an error whose message says nothing",
            expected="a sentence",
            actual=f"{response.status}: {message!r:.100}",
        )
    return passed("Each error says what went wrong.")


@check(
    id="envelope.disclosure",
    title="No error tells how the deployment is built",
    severity=Severity.MEDIUM,
    references=(CWE(209), CWE(497), MISCONFIGURED, ASVS("5.0.0", "16.5.1")),
    remediation="Log the cause; answer with a sentence that was written for callers.",
)
def test_disclosure(target: Target, exchange: Exchange) -> Verdict:
    """Stack traces, queries, paths and versions are a map for whoever wants in."""
    response = exchange.response
    if response is None or response.status < 400:
        return not_applicable("Not an error with a body.")
    found = find_disclosure(response.body)
    if found is not None:
        return failed(
            f"an error with {found.kind}",
            expected="nothing of the inside",
            actual=f"{response.status}: {found.excerpt}",
        )
    return passed("No error tells of the inside.")


@check(
    id="envelope.allow-header",
    title="Every 405 lists the methods that are allowed",
    severity=Severity.LOW,
    references=(RFC(9110, "15.5.6"), RFC(9110, "10.2.1")),
    remediation="Send Allow with every 405.",
    needs=("promises.errors.status.405",),
)
def test_allow(target: Target, exchange: Exchange) -> Verdict:
    """RFC 9110: "The origin server MUST generate an Allow header field"."""
    if exchange.response is None or exchange.status != 405:
        return not_applicable("Not a 405.")
    if not exchange.response.header_list("Allow"):
        return failed("a 405 without Allow", expected="Allow", actual="no such field")
    return passed("Each 405 lists the methods.")
