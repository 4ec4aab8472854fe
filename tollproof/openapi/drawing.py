"""Values drawn from Hypothesis' strategies, the same ones for the same seed.

Knows Hypothesis. Must not know what the values are for.
"""

from __future__ import annotations

import contextlib
import string
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.strategies import SearchStrategy
from schemathesis.errors import SchemathesisError

#: What both libraries raise over a document that no specification allows.
BROKEN: tuple[type[Exception], ...] = (
    SchemathesisError,
    HypothesisException,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)

_VISIBLE = (string.ascii_letters + string.digits + string.punctuation).encode()
#: Bytes that a header field may carry (RFC 9110, 5.5), the odd ones more often.
_FIELD_BYTES = [*_VISIBLE, 0x20, 0x09, 0x80, 0xA0, 0xC3, 0xE2, 0xFF]


def draw(strategy: SearchStrategy[Any], run_seed: int, count: int) -> Iterator[Any]:
    """Draw up to `count` values, none from a strategy that is wrong in itself."""
    drawn: list[Any] = []

    @seed(run_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(value=strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    # A schema that is unsatisfiable or wrong yields nothing; the caller copes.
    with contextlib.suppress(*BROKEN):
        collect()
    return iter(drawn)


def first(strategy: SearchStrategy[Any]) -> Any:
    """Draw one value, None when there is none."""
    return next(draw(strategy, 0, 1), None)


def field_values(run_seed: int, count: int) -> list[bytes]:
    """Draw values of a header field, up to 80 bytes each, of bytes it may carry."""
    letters = st.sampled_from(_FIELD_BYTES)
    return list(draw(st.lists(letters, max_size=80).map(bytes), run_seed, count))
