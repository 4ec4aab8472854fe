"""Where a token stands: in the field that is promised, and nowhere else.

In the words of a promise: "The dashboard sends this token as `Authorization: Bearer
<idToken>`". RFC 6750, 2.3, of a token in the query: "its use is not recommended, due to
its security deficiencies"; 5.3: "Implementations MUST NOT store bearer tokens within
cookies that can be sent in the clear".
"""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from tollproof import (
    API,
    ASVS,
    CWE,
    RFC,
    Probe,
    Severity,
    Target,
    Verdict,
    check,
)
from tollproof.refusal import judge
from tollproof.token_trial import (
    NoToken,
    Trial,
    judging,
    principal_operation,
    trial_on,
)

QUERY = ("access_token", "id_token", "idToken", "token", "auth")
#: `__session` is the one cookie that Firebase Hosting hands on.
COOKIES = ("__session", "session", "id_token", "access_token", "token")
FIELDS = ("X-Auth-Token", "X-Id-Token", "X-Access-Token", "Proxy-Authorization")


@check(
    id="tokens.location",
    title="A token anywhere but in the promised field is not let in",
    severity=Severity.HIGH,
    references=(
        CWE(598),
        CWE(352),
        API(2, 2023),
        ASVS("5.0.0", "14.2.1"),
        RFC(6750, "2.3"),
        RFC(6750, "5.3"),
    ),
    remediation="Read the token from the Authorization field and nowhere else.",
    needs=("identity.token",),
)
def test_location(target: Target) -> Verdict:
    """A URL is logged and sent on; a cookie is sent by any page that names the API.

    A session that rests on the field alone cannot be ridden by another site.
    """
    return judging(lambda: _location(target))


def _location(target: Target) -> Verdict:
    operation = principal_operation(target)
    if operation is None:
        raise NoToken("No identity of the profile calls an operation with a token.")
    trial = trial_on(target, operation)
    exchanges = target.answers(list(_elsewhere(trial)))
    return judge(target, trial.control, exchanges, "with the token in another place")


def _elsewhere(trial: Trial) -> Iterator[Probe]:
    bare = trial.target.probe(trial.operation)
    bare = replace(bare, identity=f"{trial.identity.name}, elsewhere")
    token, own = trial.material.genuine, trial.identity.mechanism.header.lower()
    joint = "&" if "?" in bare.target else "?"
    for name in QUERY:
        yield replace(
            bare,
            target=f"{bare.target}{joint}{name}={quote(token, safe='')}",
            purpose=f"in the query as {name}",
        )
    shown = [
        ("Cookie", f"{name}={token}", f"a cookie named {name}") for name in COOKIES
    ]
    shown += [(name, token, f"the field {name}") for name in FIELDS]
    for name, value, where in shown:
        if name.lower() != own:
            yield replace(
                bare, headers=(*bare.headers, (name, value)), purpose=f"in {where}"
            )
