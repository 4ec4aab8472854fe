"""Other ways to the same operation: other places, methods, spellings and fields.

RFC 6750, 2.3: "This method is included to document current use; its use is not
recommended" (of a token in the query).
RFC 9110, 9.1: "the semantics of a resource" depend on the method; whoever guards only
the methods they thought of guards nothing.
"""

import json
from dataclasses import replace
from urllib.parse import quote

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Operation,
    Outcome,
    Probe,
    Severity,
    Target,
    Verdict,
    check,
    failed,
)
from tollproof.refusal import made_like, not_let_in, raw_probe

REWRITES = ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri")


@check(
    id="authentication.credential-location",
    title="A credential anywhere but in the promised field is not let in",
    severity=Severity.HIGH,
    references=(CWE(598), API(2, 2023), ASVS("5.0.0", "14.2.1"), RFC(6750, "2.3")),
    remediation="Read the credential from the promised field and nowhere else.",
    needs=("identity.live",),
)
def test_credential_location(target: Target, operation: Operation) -> Verdict:
    """What stands in a URL is logged, cached and sent on as a referrer."""
    identity = target.caller(operation)
    bare = target.probe(operation)
    value = identity.mechanism.credential().value
    bare = replace(bare, identity=f"{identity.name}, elsewhere")
    field = identity.mechanism.header  # servers that look for it by name look there too
    common = ("api_key", "apikey", "key", "token", "access_token", "authorization")
    names = dict.fromkeys((*common, field, field.lower()))
    cookies = dict.fromkeys(("api_key", "token", "session", "access_token", field))
    joint = "&" if "?" in bare.target else "?"
    probes = [
        replace(
            bare,
            target=f"{bare.target}{joint}{name}={quote(value, safe='')}",
            purpose=f"in the query as {name}",
        )
        for name in names
    ]
    probes += [
        replace(
            bare,
            headers=(*bare.headers, ("Cookie", f"{name}={value}")),
            purpose=f"in a cookie named {name}",
        )
        for name in cookies
    ]
    own = identity.mechanism.header.lower()
    probes += [
        replace(
            bare,
            headers=(*bare.headers, (name, value)),
            purpose=f"in the field {name}",
        )
        for name in ("X-API-Key", "Api-Key", "X-Auth-Token", "Proxy-Authorization")
        if name.lower() != own
    ]
    probes += _in_body(bare, operation, value)
    return not_let_in(target, operation, probes, "with the credential in another place")


def _in_body(bare: Probe, operation: Operation, value: str) -> list[Probe]:
    """Return probes with the credential as a member of the JSON body, or as a form."""
    if operation.takes_json and bare.body:
        body = json.loads(bare.body)
        if not isinstance(body, dict):
            return []
        return [
            replace(
                bare,
                body=json.dumps({**body, name: value}).encode(),
                purpose=f"in the body as {name}",
            )
            for name in ("api_key", "access_token", "token")
        ]
    if operation.method == "GET":
        return []
    return [
        replace(
            bare,
            body=f"access_token={quote(value, safe='')}".encode(),
            headers=(("Content-Type", "application/x-www-form-urlencoded"),),
            purpose="in a form as access_token",
        )
    ]


@check(
    id="authentication.every-method",
    title="No method of a path lets a caller in without a credential",
    severity=Severity.CRITICAL,
    references=(CWE(650), CWE(306), API(2, 2023), API(5, 2023), RFC(9110, "9.1")),
    remediation="Authenticate before the method is looked at; deny by default.",
    needs=("identity.live",),
)
def test_every_method(target: Target, path_operation: Operation) -> Verdict:
    """HEAD is GET without a body; a method nobody documented may still be routed."""
    documented = {
        item.method
        for item in target.operations
        if item.path == path_operation.path and item.public
    }
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]
    if not target.profile.consent.writes:
        methods = ["GET", "HEAD", "TRACE", "PROPFIND"]
    bare = target.probe(path_operation)
    probes = [
        replace(bare, method=method, purpose=f"{method} without a credential")
        for method in methods
        if method not in documented
        and not target.profile.target.is_excluded(f"{method} {path_operation.path}")
    ]
    return not_let_in(target, path_operation, probes, "without a credential")


def _open_paths(target: Target) -> list[str]:
    """Return the paths of public operations that have one of their own."""
    paths = (target.probe(item).target for item in target.operations if item.public)
    bare = (path.partition("?")[0] for path in paths)
    return [path for path in dict.fromkeys(bare) if path.strip("/")]


@check(
    id="authentication.path-spelling",
    title="No spelling of a path lets a caller in without a credential",
    severity=Severity.CRITICAL,
    references=(CWE(289), CWE(551), API(2, 2023), RFC(9110, "4.2.3")),
    remediation="Authenticate after routing, or normalise the path once and first.",
    needs=("identity.live",),
)
def test_path_spelling(target: Target, operation: Operation) -> Verdict:
    """Two components that read a path differently leave a gap between them.

    A gateway that guards `/keys` and a router that serves `/keys/`, `//keys` or
    `/KEYS` as the same resource guard nothing together.
    """
    bare = target.probe(operation)
    path, mark, query = bare.target.partition("?")
    last = path.rpartition("/")[2]
    parent = path.removesuffix(last)
    encoded = "".join(f"%{ord(letter):02x}" for letter in last[:1]) + last[1:]
    spellings = {
        "a slash at the end": f"{path}/",
        "a doubled slash in front": f"/{path}",
        "a doubled slash inside": f"{parent}/{last}",
        "upper case": path.upper(),
        "an encoded letter": parent + encoded,
        "a dot segment": f"{parent}./{last}",
        "a dot-dot segment": f"{parent}x/../{last}",
        "encoded dot segments": f"{parent}x/%2e%2e/{last}",
        "an encoded slash": f"{parent.removesuffix('/') or '/'}%2f{last}",
        "a path parameter": f"{path};v=1",
        "an extension": f"{path}.json",
        "a blank at the end": f"{path}%20",
        "a NUL at the end": f"{path}%00",
        "a semicolon segment": f"{parent}..;/{last}",
    }
    probes = [
        replace(bare, target=spelling + mark + query, purpose=what)
        for what, spelling in spellings.items()
        if spelling != path
    ]
    # A guard that looks for open paths anywhere in the URL finds them in the query too.
    probes += [
        replace(
            bare,
            target=f"{bare.target}{'&' if mark else '?'}tollproof={shown}",
            purpose=f"{shown}, which is open, in the query",
        )
        for shown in _open_paths(target)[:2]
    ]
    absolute = f"{target.profile.target.base_url.rstrip('/')}{bare.target}"
    probes.append(
        raw_probe(
            target,
            operation,
            (),
            purpose="the absolute form of the request target",
            line_target=absolute.encode("ascii", "replace"),
        )
    )
    return not_let_in(target, operation, probes, "under another spelling of the path")


@check(
    id="authentication.override-headers",
    title="No method or path override lets a caller in without a credential",
    severity=Severity.CRITICAL,
    references=(CWE(288), API(2, 2023), API(8, 2023), ASVS("5.0.0", "4.1.3")),
    remediation="Drop override fields at the edge, or authenticate after they act.",
    needs=("identity.live",),
)
def test_override_headers(target: Target, operation: Operation) -> Verdict:
    """A field that changes where a request goes must not change whether it may go."""
    bare = target.probe(operation)
    public = next((item for item in target.operations if item.public), None)
    open_path = target.probe(public).target if public else "/"
    probes = [
        replace(
            bare,
            headers=(*bare.headers, (field, open_path)),
            purpose=f"{field}: {open_path}",
        )
        for field in REWRITES
    ]
    probes += [
        replace(
            bare,
            headers=(*bare.headers, (field, method)),
            purpose=f"{field}: {method}",
        )
        for field in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
        for method in ("GET", "OPTIONS")
    ]
    verdict = not_let_in(target, operation, probes, "with an override field")
    if verdict.outcome is Outcome.PASSED and public and operation.method == "GET":
        return _through_public_path(target, operation, public, verdict)
    return verdict


def _through_public_path(
    target: Target, operation: Operation, public: Operation, otherwise: Verdict
) -> Verdict:
    """Ask a public path while an override field names the operation.

    The public path answers by itself, so an answer counts only when it is made like the
    operation's own and unlike the public one's.
    """
    control = target.control(operation)
    carrier = target.probe(public)
    path = target.probe(operation).target.partition("?")[0]
    plain = made_like(target.send(carrier))
    if plain == made_like(control):
        return otherwise
    exchanges = target.answers(
        replace(
            carrier,
            headers=(*carrier.headers, (field, path)),
            purpose=f"{carrier.target} with {field}: {path}",
        )
        for field in REWRITES
    )
    through = [item for item in exchanges if made_like(item) == made_like(control)]
    if not through:
        return otherwise
    return failed(
        f"{through[0].purpose} is answered with {operation.label}.",
        *through,
        control,
        expected="the public path's own answer, or a refusal",
        actual=f"{through[0].status}, made like the answer to the live credential",
    )


@check(
    id="authentication.forwarding-headers",
    title="Fields that a proxy sets are no credential",
    severity=Severity.CRITICAL,
    references=(CWE(290), CWE(291), API(2, 2023), ASVS("5.0.0", "4.1.3")),
    remediation="Strip forwarding fields at the edge; never take them for identity.",
    needs=("identity.live",),
)
def test_forwarding_headers(target: Target, operation: Operation) -> Verdict:
    """Anybody can write `X-Forwarded-For: 127.0.0.1`."""
    bare = target.probe(operation)
    local = "127.0.0.1"
    lines = {
        "X-Forwarded-For": local,
        "X-Real-IP": local,
        "X-Client-IP": local,
        "True-Client-IP": local,
        "X-Originating-IP": local,
        "Forwarded": f"for={local};proto=https;by={local}",
        "X-Forwarded-Host": "localhost",
        "X-Forwarded-User": "admin",
        "X-Remote-User": "admin",
        "X-User-Id": "1",
        "X-Internal": "true",
        "X-Authenticated": "true",
    }
    probes = [
        replace(
            bare,
            headers=(*bare.headers, (field, value)),
            purpose=f"{field}: {value}",
        )
        for field, value in lines.items()
    ]
    return not_let_in(target, operation, probes, "with a proxy's field")
