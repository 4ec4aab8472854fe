"""Where an SDK takes its credentials from, and which source wins.

ASVS 5.0.0, 13.3.1: secrets are kept outside the source, which for a client library
means environment variables and files; what is given by argument is what was meant.
"""

from tollproof import (
    ASVS,
    CWE,
    Reason,
    Severity,
    Target,
    Verdict,
    check,
    failed,
    inconclusive,
    not_applicable,
    passed,
)
from tollproof.errors import Undetermined
from tollproof.profile.sdk import SdkMechanism
from tollproof.sdk.bench import Bench, bench
from tollproof.sdk.judging import (
    GIVEN,
    NAMES,
    carried,
    control,
    described,
    given,
    holds,
    some_mechanism,
    uses,
    why,
)
from tollproof.sdk.scenario import Scenario
from tollproof.sdk.script import Story, call, create, script

VARIABLES = {
    "api_key": ("api_key",),
    "token": ("token",),
    "client_id": ("client_id", "client_secret"),
    "credentials_file": ("credentials_file",),
}


def _variables(on: Bench, name: str, prefix: str = "") -> dict[str, str]:
    """Return the environment that gives a credential; empty when none is promised."""
    values = {
        "api_key": f"@{prefix}key",
        "token": f"@{prefix}token",
        "client_id": f"@{prefix}id",
        "client_secret": f"@{prefix}secret",
        "credentials_file": "@file",
    }
    names = {part: getattr(on.sdk.environment, part, None) for part in VARIABLES[name]}
    return {variable: values[part] for part, variable in names.items() if variable}


def _from_environment(on: Bench, name: str, mechanism: SdkMechanism) -> Verdict:
    control(on, mechanism)
    environment = _variables(on, name)
    story = on.play(script(create({}), call(), environment=environment))
    shown = " and ".join(environment)
    if not uses(on, story, mechanism):
        return failed(
            f"What {shown} holds is not used.",
            *story.evidence()[:2],
            expected=f"{NAMES[mechanism]} from {shown}",
            actual=described(on, story.api[:1]) + "." + why(story.replies),
        )
    return passed(f"It is read from {shown}.", *story.evidence()[:2])


@check(
    id="sdk.environment-base-url",
    title="The base URL is read from its environment variable",
    severity=Severity.LOW,
    references=(CWE(1059), ASVS("5.0.0", "13.1.1")),
    remediation="Read the documented variable when no base URL is given.",
    needs=("sdk.environment.base_url",),
)
def test_environment_base_url(target: Target) -> Verdict:
    """Else the same program cannot be pointed at staging, or goes to production."""
    on = bench(target)
    mechanism = some_mechanism(on)
    name = getattr(on.sdk.environment, "base_url", "") or ""
    client = create({**GIVEN[mechanism], "base_url": ""})
    story = on.play(script(client, call(), environment={name: "@platform"}))
    if not story.api:
        return failed(
            f"What {name} holds is not used.",
            expected="a call to the platform it names",
            actual=f"no call arrived.{why(story.replies)}",
        )
    return passed(f"It is read from {name}.", *story.evidence()[:1])


@check(
    id="sdk.environment-api-key",
    title="The API key is read from its environment variable",
    severity=Severity.MEDIUM,
    references=(CWE(798), ASVS("5.0.0", "13.3.1")),
    remediation="Read the documented variable when no credential is given.",
    needs=("sdk.api_key", "sdk.environment.api_key"),
)
def test_environment_api_key(target: Target) -> Verdict:
    """Where the variable is not read, keys are written into source code."""
    return _from_environment(bench(target), "api_key", "api_key")


@check(
    id="sdk.environment-token",
    title="The bearer token is read from its environment variable",
    severity=Severity.MEDIUM,
    references=(CWE(798), ASVS("5.0.0", "13.3.1")),
    remediation="Read the documented variable when no credential is given.",
    needs=("sdk.token", "sdk.environment.token"),
)
def test_environment_token(target: Target) -> Verdict:
    """Where the variable is not read, tokens are written into source code."""
    return _from_environment(bench(target), "token", "token")


@check(
    id="sdk.environment-client",
    title="Client id and secret are read from their environment variables",
    severity=Severity.MEDIUM,
    references=(CWE(798), ASVS("5.0.0", "13.3.1")),
    remediation="Read the documented variables when no credential is given.",
    needs=("sdk.oauth", "sdk.environment.client_id"),
)
def test_environment_client(target: Target) -> Verdict:
    """Where the variables are not read, secrets are written into source code."""
    return _from_environment(bench(target), "client_id", "oauth")


def _of_file(on: Bench) -> Story:
    return on.play(script(create({"credentials_file": "@file"}), call()))


def _file_is_used(on: Bench, story: Story) -> bool:
    return uses(on, story, "oauth") and all(
        holds(request, on.made["id"]) and holds(request, on.made["secret"])
        for request in story.tokens
    )


@check(
    id="sdk.credentials-file",
    title="Client id and secret are read from a credentials file",
    severity=Severity.MEDIUM,
    references=(CWE(798), ASVS("5.0.0", "13.3.1")),
    remediation="Read id and secret of the file under their documented names.",
    needs=("sdk.oauth.file_keys",),
)
def test_credentials_file(target: Target) -> Verdict:
    """A file can be readable by its owner alone; a source file is not."""
    on = bench(target)
    control(on, "oauth")
    story = _of_file(on)
    if not _file_is_used(on, story):
        return failed(
            "The credentials of a file are not used as they stand there.",
            *story.evidence()[:3],
            expected="a token request with id and secret of the file",
            actual=described(on, story.api[:1]) + "." + why(story.replies),
        )
    return passed("Id and secret of the file are used.", *story.evidence()[:2])


@check(
    id="sdk.environment-file",
    title="The credentials file is found by its environment variable",
    severity=Severity.MEDIUM,
    references=(CWE(798), ASVS("5.0.0", "13.3.1")),
    remediation="Read the documented variable when no credential is given.",
    needs=("sdk.oauth.file_keys", "sdk.environment.credentials_file"),
)
def test_environment_file(target: Target) -> Verdict:
    """Where the variable is not read, paths and secrets move into source code."""
    on = bench(target)
    control(on, "oauth")
    if not _file_is_used(on, _of_file(on)):
        raise Undetermined(
            Reason.PRECONDITION,
            "A file given by argument is not used; see sdk.credentials-file.",
        )
    return _from_environment(on, "credentials_file", "oauth")


# -- which source wins -----------------------------------------------------------------


@check(
    id="sdk.explicit-argument",
    title="An argument wins over the environment variable of the same name",
    severity=Severity.HIGH,
    references=(CWE(807), CWE(1059), ASVS("5.0.0", "13.1.1")),
    remediation="Look at the environment only where no argument is given.",
    needs=("sdk.environment",),
)
def test_explicit_argument(target: Target) -> Verdict:
    """What stands in the code is what was meant; the environment is often forgotten."""
    on = bench(target)
    wrong: list[Story] = []
    right: list[Story] = []
    for mechanism in on.sdk.mechanisms:
        name = "client_id" if mechanism == "oauth" else mechanism
        environment = _variables(on, name, "other-")
        if not environment:
            continue
        control(on, mechanism)
        story = on.play(script(given(mechanism), call(), environment=environment))
        own = all(holds(item, on.made["secret"]) for item in story.tokens)
        (right if uses(on, story, mechanism) and own else wrong).append(story)
    if wrong:
        return failed(
            "The environment overrides an argument.",
            *(item for story in wrong for item in story.evidence()[:2]),
            expected="the credential that was given by argument",
            actual="; ".join(described(on, story.api[:1]) for story in wrong),
        )
    if not right:
        return not_applicable("No mechanism has an environment variable.")
    return passed(
        f"The argument wins for each of {len(right)} mechanisms.",
        *(item for story in right for item in story.evidence()[:1]),
    )


@check(
    id="sdk.explicit-mechanism",
    title="A mechanism given by argument wins over a lower one of the environment",
    severity=Severity.HIGH,
    references=(CWE(807), CWE(287), ASVS("5.0.0", "13.1.1")),
    remediation="Decide on the mechanism once, arguments first.",
    needs=("sdk.environment",),
)
def test_explicit_mechanism(target: Target) -> Verdict:
    """A variable left over from another program must not change who is calling."""
    on = bench(target)
    names = {"api_key": ("api_key",), "token": ("token",)}
    wrong: list[tuple[str, Story]] = []
    tried = 0
    for rank, mechanism in enumerate(on.sdk.mechanisms):
        for lower in on.sdk.mechanisms[rank + 1 :]:
            for name in names.get(lower, ("client_id", "credentials_file")):
                environment = _variables(on, name)
                if not environment:
                    continue
                control(on, mechanism)
                story = on.play(
                    script(given(mechanism), call(), environment=environment)
                )
                tried += 1
                if not uses(on, story, mechanism):
                    wrong.append((f"{NAMES[mechanism]} with {name} set", story))
    if wrong:
        return failed(
            "A variable of the environment overrides a mechanism that is given.",
            *(item for _, story in wrong for item in story.evidence()[:2]),
            expected="the mechanism that was given by argument",
            actual="; ".join(
                f"{what}: {described(on, story.api[:1])}" for what, story in wrong
            ),
        )
    if not tried:
        return not_applicable("No lower mechanism has an environment variable.")
    return passed(f"The argument wins in {tried} cases.")


@check(
    id="sdk.open-over-environment",
    title="A client that is made for public APIs stays open, whatever the environment",
    severity=Severity.HIGH,
    references=(CWE(201), CWE(807)),
    remediation="Look for no credential when the client is open.",
    needs=("sdk.open", "sdk.environment"),
)
def test_open_over_environment(target: Target) -> Verdict:
    """Else a forgotten variable sends a credential to a host that is not its own."""
    on = bench(target)
    client = create({"api_key": on.sdk.open or ""})
    unguarded = Scenario(guarded=False)
    plain = on.play(script(client, call(), scenario=unguarded))
    if not plain.api or any(carried(on, item) for item in plain.api):
        raise Undetermined(
            Reason.PRECONDITION,
            f"An open client is not open to begin with; see sdk.open."
            f"{why(plain.replies)}",
        )
    tried = 0
    for name in ("token", "client_id", "credentials_file"):
        environment = _variables(on, name)
        if not environment:
            continue
        story = on.play(
            script(client, call(), scenario=unguarded, environment=environment)
        )
        tried += 1
        sent = [item for item in story.api if carried(on, item)]
        if sent or story.tokens:
            return failed(
                f"With {' and '.join(environment)} set, an open client is not open.",
                *story.evidence(*sent, *story.tokens)[:3],
                expected="no credential, and no request for one",
                actual=described(on, sent) if sent else "a token was asked for",
            )
    if not tried:
        return not_applicable("No other mechanism has an environment variable.")
    return passed(f"It stays open with each of {tried} variables set.")


@check(
    id="sdk.host",
    title="Credentials are given only to hosts of the platform",
    severity=Severity.HIGH,
    references=(CWE(601), CWE(180), CWE(20)),
    remediation="Parse the URL first, then compare the whole host name.",
    needs=("sdk.hosts",),
)
def test_host(target: Target) -> Verdict:
    """A base URL that only looks right sends every credential to somebody else."""
    on = bench(target)
    mechanism = some_mechanism(on)
    accepted: list[str] = []
    tried = 0
    for host in on.sdk.hosts:
        good = create({**GIVEN[mechanism], "base_url": f"https://api.{host}/acme"})
        story = on.play(script(good))
        if not story.created[0].ok:
            return inconclusive(
                Reason.PRECONDITION,
                f"Even https://api.{host}/acme is not accepted.{why(story.replies)}",
            )
        for url in _confusing(host):
            bad = create({**GIVEN[mechanism], "base_url": url})
            tried += 1
            if on.play(script(bad)).created[0].ok:
                accepted.append(url)
    if accepted:
        return failed(
            f"{len(accepted)} of {tried} base URLs of other hosts are accepted.",
            expected=f"a host of {', '.join(on.sdk.hosts)}",
            actual=", ".join(accepted),
        )
    return passed(f"{tried} URLs of other hosts, made to look right, are refused.")


def _confusing(host: str) -> tuple[str, ...]:
    return (
        "https://evil.example/acme",
        f"https://evil.example#.{host}",
        f"https://evil.example?.{host}/acme",
        f"https://evil.example/.{host}/acme",
        f"https://api.{host}.evil.example/acme",
        f"https://api.{host}@evil.example/acme",
        f"https://evil{host}/acme",
    )
