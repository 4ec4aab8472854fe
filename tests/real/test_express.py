"""Express with express-rate-limit and helmet, judged from its OpenAPI document."""

from __future__ import annotations

from pathlib import Path

from tests.real.stacks import HERE, express, gate

PROFILE = HERE / "express" / "profile.toml"
EVERY_PATH = {
    "GET /orders",
    "POST /orders",
    "GET /orders/report",
    "GET /orders/{id}",
}


def test_what_keeps_its_promises_may_be_released(tmp_path: Path) -> None:
    with express() as base_url:
        judged = gate(PROFILE, "ORDERS", base_url, tmp_path / "out")
    assert judged.failed == {}, judged.reasons()
    assert judged.inconclusive == {}, judged.reasons()
    assert judged.code == 0


def test_each_mistake_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    """Express without helmet and error handler, in development mode.

    One route stands above the line that asks for a credential, and the others are
    guarded by a list of exact paths while Express routes any letter case.
    """
    faults = ("powered-by", "default-errors", "forgotten-middleware", "exact-paths")
    with express(faults, NODE_ENV="development") as base_url:
        judged = gate(PROFILE, "ORDERS", base_url, tmp_path / "out")
    whole = {"deployment"}
    open_route = "GET /orders/report"
    assert judged.failed == {
        "authentication.missing": {open_route},
        "authentication.path-spelling": EVERY_PATH - {open_route},
        "envelope.content-type": whole,
        "envelope.disclosure": whole,
        "headers.cache-control": whole,  # of the open route, which no middleware sees
        "headers.forbidden": whole,
        "headers.nosniff": whole,
        "headers.rate-limit-present": whole,  # likewise
    }, judged.reasons()
    assert judged.code == 1
    # What lets everybody in cannot be seen to refuse anybody; HTML has no fields.
    for check, subjects in judged.inconclusive.items():
        if check.startswith("authentication."):
            assert subjects == {open_route}, judged.reasons()
        else:
            assert check in {"envelope.shape", "envelope.code", "envelope.message"}
