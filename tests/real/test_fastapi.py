"""FastAPI with PyJWT under uvicorn, judged by the OpenAPI document it publishes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.real.stacks import HERE, Judged, fastapi, gate
from tollproof.identity.forge import SigningKey, generate

PROFILE = HERE / "fastapi" / "profile.toml"
PATHS = {"GET /documents", "POST /documents", "GET /documents/{document_id}"}


@cache
def _key() -> SigningKey:
    return generate("RS256", key_id="")


def _judged(folder: Path, *faults: str) -> Judged:
    public = _key().public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with fastapi(public.decode(), faults) as base_url:
        signing = {"SIGNING_KEY": _key().pem().decode()}
        return gate(PROFILE, "DOCUMENTS", base_url, folder / "out", **signing)


def test_what_keeps_its_promises_may_be_released(tmp_path: Path) -> None:
    judged = _judged(tmp_path)
    assert judged.failed == {}, judged.reasons()
    assert judged.inconclusive == {}, judged.reasons()
    assert judged.code == 0


def test_what_the_libraries_leave_out_is_noticed_and_nothing_else(
    tmp_path: Path,
) -> None:
    """FastAPI's own answer to invalid bodies, and PyJWT without a second look."""
    judged = _judged(tmp_path, "echoing-validation", "pyjwt-alone")
    assert set(judged.failed) == {
        "envelope.content-type",  # of the answers 500, which are plain text
        "envelope.hostile-body",
        "envelope.message",  # a list in place of the promised text
        "headers.nosniff",  # likewise
        "tokens.encoding",
        "tokens.expiry-required",
        "tokens.subject",
    }, judged.reasons()


def test_each_mistake_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    faults = ("no-aud", "any-case", "key-in-query", "any-origin")
    judged = _judged(tmp_path, *faults, "any-tenant", "unfiltered", "forgotten")
    everywhere = {*PATHS, "GET /export"}
    reading = {"GET /documents/{document_id} of acme as other"}
    reading |= {"GET /documents/{document_id} of globex as main"}
    assert judged.failed.pop("authentication.missing") == {"GET /export"}
    assert judged.failed["headers.cors"] <= {*everywhere, "GET /health"}
    found = judged.failed
    assert found["tenancy.read"] >= reading, judged.reasons()
    assert found["authentication.altered-key"] == PATHS, judged.reasons()
    assert found["authentication.credential-location"] == PATHS, judged.reasons()
    assert found["tokens.audience"] >= PATHS, judged.reasons()
    assert set(found) == {
        "authentication.altered-key",
        "authentication.credential-location",
        "authentication.missing",
        "headers.cors",
        "tenancy.list",
        "tenancy.read",
        "tokens.audience",
    }, judged.reasons()
