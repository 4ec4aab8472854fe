"""No caller is asked to spend more than its share, and none waits without need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.allowance import LONGER, SHARE, Account, ledger_of
from tollproof.profile.load import load_profile
from tollproof.profile.model import Profile

IDENTITIES = """
[identities.alpha]
kind = "api_key"
key.env = "ALPHA"
organisation = "one"

[identities.beta]
kind = "api_key"
key.env = "BETA"
organisation = "one"

[identities.tiny]
kind = "api_key"
key.env = "TINY"
limit = { requests = 5, window = 60 }
"""


def profile_of(folder: Path, promise: str) -> Profile:
    file = folder / "profile.toml"
    file.write_text(
        'name = "x"\n[target]\nbase_url = "http://127.0.0.1:1"\n'
        'environment = "staging"\n'
        '[[target.operations]]\nmethod = "GET"\npath = "/x"\n'
        f"{IDENTITIES}\n{promise}"
    )
    environ = {"ALPHA": "a" * 20, "BETA": "b" * 20, "TINY": "c" * 20}
    return load_profile(file, base_url=None, environ=environ)


def most_in(starts: Sequence[float], seconds: float) -> int:
    return max(sum(at <= one < at + seconds for one in starts) for at in starts)


@given(
    most=st.integers(1, 20),
    seconds=st.floats(0.1, 60),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=60),
)
def test_no_span_holds_more_than_the_allowance(
    most: int, seconds: float, gaps: list[float]
) -> None:
    account = Account(most=most, seconds=seconds)
    clock = 0.0
    starts: list[float] = []
    for gap in gaps:
        clock += gap
        start = account.earliest(clock)
        assert start >= clock
        assert start == clock or len(starts) >= most
        account.starts.append(start)
        starts.append(start)
    assert most_in(starts, seconds * (1 - 1e-9)) <= most


def starts(profile: Profile, *names: str, each: int) -> list[float]:
    ledger = ledger_of(profile)
    return [ledger.reserve(name, 0.0) for _ in range(each) for name in names]


@pytest.mark.parametrize(
    ("per", "together"),
    [("key", 34), ("token", 34), ("organisation", 17), ("address", 17)],
)
def test_those_share_who_are_counted_together(
    tmp_path: Path, per: str, together: int
) -> None:
    promise = f'[promises.rate_limit]\nlimit = 20\nwindow = 10\nper = "{per}"\n'
    found = starts(profile_of(tmp_path, promise), "alpha", "beta", each=20)
    assert sum(at == 0.0 for at in found) == together
    assert max(found) >= 10 * LONGER


def test_a_small_burst_is_not_exceeded(tmp_path: Path) -> None:
    promise = "[promises.rate_limit]\nlimit = 600\nwindow = 60\nburst = 20\n"
    found = starts(profile_of(tmp_path, promise), "alpha", each=40)
    assert sum(at == 0.0 for at in found) == int(20 * SHARE)
    # 600 a minute refill 20 in two seconds.
    assert max(found) == pytest.approx(2 * 2 * LONGER)


@pytest.mark.parametrize(
    ("name", "promise"),
    [
        ("tiny", "[promises.rate_limit]\nlimit = 2\nwindow = 10\n"),
        ("anonymous", "[promises.rate_limit]\nlimit = 2\nwindow = 10\n"),
        ("alpha", "[promises.rate_limit]\nlimit = 2\nwindow = 86400\n"),
        ("alpha", ""),
    ],
    ids=["there to be throttled", "nobody's", "too long to wait", "no promise"],
)
def test_others_never_wait(tmp_path: Path, name: str, promise: str) -> None:
    assert set(starts(profile_of(tmp_path, promise), name, each=50)) == {0.0}


def test_anybody_waits_where_addresses_are_counted(tmp_path: Path) -> None:
    promise = '[promises.rate_limit]\nlimit = 20\nwindow = 10\nper = "address"\n'
    found = starts(profile_of(tmp_path, promise), "anonymous", "alpha", each=20)
    assert sum(at == 0.0 for at in found) == int(20 * SHARE)


def test_processes_share(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, "[promises.rate_limit]\nlimit = 20\nwindow = 10\n")
    ledger = ledger_of(profile, processes=2)
    found = [ledger.reserve("alpha", 0.0) for _ in range(20)]
    assert sum(at == 0.0 for at in found) == 8
