"""The table of faults is sound, and a wrong name is answered helpfully."""

from __future__ import annotations

import re

import pytest

from tollproof.errors import UsageError
from tollproof.reference.faults import BY_NAME, FAULTS, select


def test_names_are_unique_and_checks_are_ids() -> None:
    assert len(BY_NAME) == len(FAULTS)
    for fault in FAULTS:
        assert re.fullmatch(r"[a-z][a-z0-9-]+", fault.name)
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", fault.check)
        assert fault.title
        assert not fault.title.endswith(".")


def test_known_names_are_selected() -> None:
    assert select(["debug-header", "sets-cookie"]) == {"debug-header", "sets-cookie"}


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match="did you mean auth-missing-accepted"):
        select(["auth-mising-accepted"])
    with pytest.raises(UsageError, match="--list-faults"):
        select(["zzzzzzzz"])
