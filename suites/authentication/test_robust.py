"""Live credentials work, public operations are open, and nothing breaks the server."""

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Operation,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    passed,
)
from tollproof.model import Reason
from tollproof.refusal import raw_probe


@check(
    id="authentication.live-key",
    title="A live credential is let in wherever it is granted",
    severity=Severity.HIGH,
    references=(CWE(287), API(2, 2023), RFC(9110, "15.5.2")),
    remediation="Accept the credential on this operation as on the others.",
    needs=("identity.live",),
)
def test_live_key(target: Target, operation: Operation) -> Verdict:
    """The control of all that is refused: security that lets nobody in is an outage."""
    identity = target.caller(operation)
    target.deployment.preflight(identity, target.check)
    exchange = target.send(target.probe(operation, identity, purpose="control"))
    if exchange.status in (401, 403):
        return failed(
            f"{identity.name} is let in elsewhere, and here refused.",
            exchange,
            expected="an answer to a caller who is let in",
            actual=str(exchange.status),
        )
    if exchange.status >= 500:
        return inconclusive(
            Reason.PRECONDITION,
            f"The target failed ({exchange.status}) on the example request.",
            exchange,
        )
    target.control(operation)  # what everybody gets shows nothing
    return passed(f"{identity.name} is let in ({exchange.status}).", exchange)


@check(
    id="authentication.public-operations",
    title="A public operation needs no credential",
    severity=Severity.MEDIUM,
    references=(API(9, 2023), CWE(1059), RFC(9110, "15.5.2")),
    remediation="Leave the operation open, or take it off the list of public ones.",
)
def test_public_operation(target: Target, public_operation: Operation) -> Verdict:
    """What is promised to everybody, a health check for one, must be there for them."""
    exchange = target.send(target.probe(public_operation, purpose="as anybody"))
    if exchange.status in (401, 403):
        return failed(
            f"{public_operation.label} is refused to a caller without a credential.",
            exchange,
            expected="an answer to everybody",
            actual=str(exchange.status),
        )
    return passed(f"{public_operation.label} is open ({exchange.status}).", exchange)


@check(
    id="authentication.no-server-error",
    title="No credential field makes the server fail",
    severity=Severity.MEDIUM,
    references=(CWE(755), CWE(20), API(8, 2023), ASVS("5.0.0", "16.5.3")),
    remediation="Refuse what does not parse before anything is done with it.",
    needs=("identity.live",),
)
def test_no_server_error(target: Target, operation: Operation) -> Verdict:
    """What a stranger can write must not reach code that trusts it.

    A list of shapes that broke servers before, and more that Hypothesis makes up from
    the run's seed: the same seed gives the same fields.
    """
    target.control(operation)  # hanging up on everything refuses nothing
    mechanism = target.caller(operation).mechanism
    prefix = f"{mechanism.scheme} ".encode() if mechanism.scheme else b""
    field = mechanism.header.encode()
    made_up = target.deployment.drawer.field_values(run_seed=target.seed, count=12)
    values = [
        *_known(prefix),
        *((f"made up ({number})", prefix + one) for number, one in enumerate(made_up)),
    ]
    exchanges = target.answers(
        raw_probe(target, operation, ((field, value),), purpose=what)
        for what, value in values
    )
    broken = [item for item in exchanges if item.status >= 500]
    if broken:
        return failed(
            f"The server fails on a credential field that is {broken[0].purpose}.",
            *broken[:5],
            expected="a refusal (4xx)",
            actual=str(broken[0].status),
        )
    return passed(f"None of {len(values)} fields makes the server fail.", exchanges[0])


def _known(prefix: bytes) -> list[tuple[str, bytes]]:
    return [
        ("empty", b""),
        ("the scheme alone", prefix.strip()),
        ("a NUL byte", prefix + b"a\x00b"),
        ("UTF-8 text", prefix + "schlüssel".encode()),
        ("latin-1 text", prefix + b"schl\xfcssel"),
        ("invalid UTF-8", prefix + b"\xc3\x28\xff"),
        ("a format string", prefix + b"%s%n{0}{{}}${x}"),
        ("a quote", prefix + b"'\" OR 1=1 --"),
        ("7,000 characters", prefix + b"a" * 7000),
        ("many dots", prefix + b"." * 500),
        ("three empty segments", prefix + b".."),
        ("base64 of nothing", prefix + b"e30.e30."),
        ("deep JSON in base64", prefix + b"W1tbW1tbW1tbW1tb" * 100),
        ("only separators", prefix + b"_" * 50),
        ("bad base64 after Basic", b"Basic %%%"),
        ("Basic without a colon", b"Basic YWJj"),
        ("Digest without parameters", b"Digest "),
    ]
