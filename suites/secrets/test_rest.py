"""How credentials are kept: in the store, in logs, in source, in pages.

ASVS 5.0.0, 11.4.2: "Verify that passwords are stored using an approved, computationally
intensive, key derivation function". For keys with 128 bits of randomness a keyed hash
with a salt of its own does as well, and is what is promised most.
ASVS 5.0.0, 16.2.5: "Verify that when logging sensitive data, the application enforces
logging based on the data's protection level."
ASVS 5.0.0, 13.3.1: "Verify that a secrets management solution, such as a key vault, is
used to securely create, store, control access to, and destroy backend secrets."
"""

from tollproof import API, ASVS, CWE, Severity, Target, Tier, Verdict, check
from tollproof.secrecy.looking import (
    code,
    in_pages,
    logs,
    past,
    source,
    stored,
    verdict_on,
)

AT_REST = (CWE(522), ASVS("5.0.0", "11.4.2"))
KEPT = (CWE(798), ASVS("5.0.0", "13.3.1"))


@check(
    id="secrets.stored-raw",
    title="No store holds a credential that can be read from it",
    severity=Severity.CRITICAL,
    references=(CWE(312), *AT_REST),
    remediation="Store a keyed hash of each key, and take the keys themselves out.",
    needs=("places.stores",),
)
def test_stored_raw(target: Target) -> Verdict:
    """Backups travel: whoever finds one holds every key that can be read from it."""
    return verdict_on(
        stored(target, "raw"), "stores", "a keyed hash with a salt of its own per key"
    )


@check(
    id="secrets.stored-unsalted",
    title="No store holds an unsalted digest of a credential",
    severity=Severity.HIGH,
    references=(CWE(759), CWE(916), *AT_REST),
    remediation="Store HMAC-SHA256 of salt and key, under a pepper kept elsewhere.",
    needs=("places.stores",),
)
def test_stored_unsalted(target: Target) -> Verdict:
    """Who holds a key can look it up in every store that digests it plainly."""
    return verdict_on(
        stored(target, "unsalted"),
        "stores",
        "a keyed hash with a salt of its own per key",
    )


@check(
    id="secrets.stored-unkeyed",
    title="No digest of a credential can be recomputed from its store",
    severity=Severity.MEDIUM,
    references=(CWE(916), *AT_REST),
    remediation="Key the hash with a pepper that is not in the database.",
    needs=("places.stores", "promises.secrets.at_rest"),
)
def test_stored_unkeyed(target: Target) -> Verdict:
    """A salt that lies beside a fast digest slows nobody down."""
    return verdict_on(
        stored(target, "unkeyed"), "stores", "a hash under a key kept elsewhere"
    )


@check(
    id="secrets.stored-salt",
    title="Each stored hash has a salt of its own",
    severity=Severity.MEDIUM,
    references=(CWE(760), *AT_REST),
    remediation="Draw a new salt for each key.",
    needs=("places.stores",),
)
def test_stored_salt(target: Target) -> Verdict:
    """With one salt for all, one table of guesses serves for all keys."""
    return verdict_on(stored(target, "one_salt"), "stores", "a salt of its own per key")


@check(
    id="secrets.logs",
    title="No log holds a credential",
    severity=Severity.HIGH,
    references=(CWE(532), ASVS("5.0.0", "16.2.5")),
    remediation="Log a key's id, and leave Authorization and queries out.",
    needs=("places.logs",),
)
def test_logs(target: Target) -> Verdict:
    """Logs are read by more people, and kept for longer, than any store."""
    return verdict_on(logs(target), "logs", "no credential, and none of that format")


@check(
    id="secrets.pages",
    title="Nothing a browser loads holds a key",
    severity=Severity.CRITICAL,
    references=(CWE(540), CWE(615), *KEPT),
    remediation="Keep keys on servers; give pages tokens that belong to their user.",
    needs=("places.pages",),
)
def test_pages(target: Target) -> Verdict:
    """What a browser loads, everybody has."""
    return verdict_on(
        in_pages(target, patterns=False), "pages and bundles", "no key, nor its form"
    )


@check(
    id="secrets.page-patterns",
    title="Nothing a browser loads looks like a secret of another service",
    severity=Severity.HIGH,
    references=(CWE(540), CWE(615), *KEPT),
    remediation="Call other services from servers, and withdraw what was published.",
    needs=("places.pages",),
)
def test_page_patterns(target: Target) -> Verdict:
    """Bundles carry along what lay beside the code: keys of clouds and of payment."""
    return verdict_on(
        in_pages(target, patterns=True), "pages and bundles", "nothing of that look"
    )


@check(
    id="secrets.source",
    title="No source file holds a secret",
    severity=Severity.HIGH,
    references=KEPT,
    remediation="Read secrets from the environment or a vault, and withdraw these.",
    needs=("places.source",),
    tier=Tier.AUDIT,
)
def test_source(target: Target) -> Verdict:
    """What is committed once is cloned for ever."""
    return verdict_on(source(target), "source files", "no secret written out")


@check(
    id="secrets.source-code",
    title="Source code has no weakness that bandit is sure of",
    severity=Severity.MEDIUM,
    references=(API(8, 2023), ASVS("5.0.0", "15.2.3")),
    remediation="Mend what bandit names, or say beside it why it is meant.",
    needs=("places.source",),
    tier=Tier.AUDIT,
)
def test_source_code(target: Target) -> Verdict:
    """A shell that can be talked to reads every secret of its process."""
    return verdict_on(code(target), "source code", "nothing of high severity")


@check(
    id="secrets.history",
    title="No commit ever held a secret",
    severity=Severity.MEDIUM,
    references=KEPT,
    remediation="Withdraw the secret: taking it out of the history does not.",
    needs=("places.source", "places.history"),
    tier=Tier.AUDIT,
)
def test_history(target: Target) -> Verdict:
    """A secret that was deleted is one command away."""
    return verdict_on(past(target), "the history", "no secret in any commit")
