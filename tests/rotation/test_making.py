"""A sample of keys shows what is wrong with them, and never cries wolf."""

from __future__ import annotations

import random
import string
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.rotation.making import can_tell, structures, study

BASE62 = string.ascii_letters + string.digits


def keys(
    seed: int, count: int = 16, length: int = 40, letters: str = BASE62
) -> list[str]:
    chance = random.Random(seed)
    return [
        "sk_" + "".join(chance.choice(letters) for _ in range(length))
        for _ in range(count)
    ]


@given(
    seed=st.integers(0, 2**32), letters=st.sampled_from([BASE62, "0123456789abcdef"])
)
def test_random_keys_are_as_good_as_their_alphabet(seed: int, letters: str) -> None:
    making = study(keys(seed, letters=letters), "sk_")
    assert making.size >= len(letters)
    assert min(making.at_most, making.bound) == making.at_most
    assert making.varying == 40


@given(seed=st.integers(0, 2**32))
def test_random_keys_have_no_structure(seed: int) -> None:
    assert structures(keys(seed), "sk_", now=1.7e9) == ()


@given(seed=st.integers(0, 2**32), count=st.integers(8, 20))
def test_a_promise_that_is_kept_to_the_bit_is_not_contradicted(
    seed: int, count: int
) -> None:
    """`token_urlsafe(24)` has 192 bits, whatever letters a small sample lacks."""
    letters = BASE62 + "-_"
    making = study(keys(seed, count=count, length=32, letters=letters), "sk_")
    assert min(making.at_most, making.bound) >= 192


def test_32_hexadecimal_digits_are_exactly_128_bits() -> None:
    assert study(keys(1, length=32, letters="0123456789abcdef"), "sk_").at_most == 128


def test_a_uuid_has_122_bits_at_most_give_or_take_its_variant() -> None:
    chance = random.Random(2)
    values = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(64)]
    assert 120 <= study(values).at_most <= 124


def test_constant_and_repeated_characters_count_for_nothing() -> None:
    plain = keys(3, length=10)
    making = study([key + key[3:] + "0" * 20 for key in plain], "sk_")
    assert making.varying == 10
    assert making.length == 40


def test_a_biased_generator_is_caught_by_its_frequencies() -> None:
    making = study(keys(4, letters=string.ascii_lowercase + "e" * 60), "sk_")
    assert making.at_most > 180
    assert making.bound < 90


@pytest.mark.parametrize("step", [1, -1])
def test_a_running_number_is_found(step: int) -> None:
    values = [f"{key}{5000 + step * n:08d}" for n, key in enumerate(keys(5))]
    (found,) = structures(values, "sk_")
    assert (found.kind, found.start, found.width) == ("counter", 40, 8)


def test_a_time_of_day_is_found_in_every_usual_form() -> None:
    now = time.time()
    for written in (f"{now:.0f}", f"{now * 1000:.0f}", f"{int(now):08x}"):
        (found,) = structures([key + written for key in keys(6)], "sk_", now=now)
        assert (found.kind, found.start) == ("time", 40)


def test_few_keys_cannot_tell_a_counter_from_an_accident() -> None:
    assert not can_tell(6, 40)
    assert can_tell(16, 50)
    assert (
        structures([f"{key}{n:04d}" for n, key in enumerate(keys(7, 4))], "sk_") == ()
    )


def test_keys_of_many_lengths_are_judged_by_the_commonest() -> None:
    assert study([*keys(8, 10), *keys(9, 3, length=20)], "sk_").count == 10
    with pytest.raises(ValueError, match="fewer than two"):
        study(["one", "other"])
