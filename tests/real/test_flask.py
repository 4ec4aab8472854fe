"""Flask with Flask-Limiter under gunicorn, judged by operations declared by hand."""

from __future__ import annotations

from pathlib import Path

from tests.real.stacks import HERE, flask, gate

PROFILE = HERE / "flask" / "profile.toml"


def test_what_keeps_its_promises_may_be_released(tmp_path: Path) -> None:
    with flask() as base_url:
        judged = gate(PROFILE, "NOTES", base_url, tmp_path / "out")
    assert judged.failed == {}, judged.reasons()
    assert judged.inconclusive == {}, judged.reasons()
    assert judged.code == 0


def test_each_mistake_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    """Flask's own HTML errors, open HEAD, live revoked keys, unchecked bodies.

    And Flask-Limiter's Retry-After on every answer, to a profile that wants it only
    on refusals.
    """
    text = PROFILE.read_text(encoding="utf-8")
    strict = tmp_path / "profile.toml"
    strict.write_text(
        text.replace("retry_after_on_success = true", "retry_after_on_success = false"),
        encoding="utf-8",
    )
    faults = ("html-errors", "head-open", "revoked-alive", "unchecked")
    with flask(faults) as base_url:
        judged = gate(strict, "NOTES", base_url, tmp_path / "out")
    whole = {"deployment"}
    reads = {"GET /notes", "GET /notes/{note_id}", "GET /export"}
    assert judged.failed == {
        "authentication.every-method": reads,
        "authentication.revoked-key": reads | {"POST /notes"},
        "envelope.content-type": whole,
        "envelope.hostile-body": {"POST /notes"},
        "headers.retry-after-scope": whole,
    }, judged.reasons()
    assert judged.code == 1


def test_the_default_settings_of_flask_limiter_tell_callers_nothing(
    tmp_path: Path,
) -> None:
    """Without `headers_enabled` no answer says what is left, nor when to come back."""
    with flask(["no-headers"]) as base_url:
        judged = gate(PROFILE, "NOTES", base_url, tmp_path / "out")
    assert set(judged.failed) == {
        "headers.rate-limit-present",
        "headers.retry-after-present",
    }, judged.reasons()
