"""What looks like a secret is found; hostile text neither hides it nor costs more."""

from __future__ import annotations

import json
import time

import pytest

from tollproof.secrecy.patterns import find_patterns, find_random, parsed

AWS = "AKIA" + "Q3EGTV5XN2LKJ7WD"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"id = {AWS}", "AWS Access Key"),
        (f"token: {GITHUB}", "GitHub Token"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "Private Key"),
        ("https://user:" + "hunter2pass@host/", "Basic Auth Credentials"),
        ('password = "Tr0ub4dor-and-3"', "a value named password"),
        ('{"clientSecret": "q9Wx7Zr2Lk5M"}', "a value named clientSecret"),
    ],
)
def test_secrets_of_others_are_found(text: str, kind: str) -> None:
    found = find_patterns(f"one line\n{text}\n", "file")
    assert [(item.where, item.kind) for item in found] == [("file:2", kind)]


@pytest.mark.parametrize(
    "comment",
    ["# pragma: allowlist secret", "// pragma: allowlist nextline secret", "# nosec"],
)
def test_a_comment_switches_nothing_off(comment: str) -> None:
    assert find_patterns(f"{comment}\nid = {AWS}  {comment}", "file")


@pytest.mark.parametrize(
    "text",
    [
        'password = "changeme"',
        'password = "${PASSWORD}"',
        'api_key = os.environ["API_KEY"]',
        'secret = "settings.secret_name"',
        'label = "Password for the account"',
        "sk_" + "live_xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "192.0.2.7",
    ],
)
def test_what_only_speaks_of_secrets_is_none(text: str) -> None:
    assert find_patterns(text, "file") == ()


def test_findings_never_hold_the_secret() -> None:
    assert AWS not in repr(find_patterns(AWS, "file"))


def test_a_secret_across_two_stretches_of_one_line_is_found() -> None:
    for place in (4090, 4096, 8185):
        assert find_patterns("x " * (place // 2) + AWS, "file")


def test_a_line_of_a_megabyte_costs_no_more_than_many_short_ones() -> None:
    def seconds(text: str) -> float:
        started = time.process_time()
        find_patterns(text, "file")
        return time.process_time() - started

    words = "Qk7xAbc=: " * 20
    short = seconds("\n".join([words] * 1_500))
    assert seconds(words * 1_500) < 5 * short + 0.2


def test_entropy_is_measured_on_values_alone() -> None:
    value = "kJ8fQ2mZx7Lw4Rt9Yv3Bn6Pc1Ds5"
    text = json.dumps({"a": [{"b": value}], "c": "a sentence of some twenty letters"})
    (found,) = find_random(parsed(text), "doc")
    assert found.kind.endswith("at /a/0/b")
    assert find_random(parsed(json.dumps({"data": value * 200})), "doc") == ()
    assert parsed("[" * 100_000) is None
