"""The run's credentials are found in any bytes, wherever a piece ends."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.redaction import Credential, Redactor
from tollproof.secrecy.known import OVERLAP, PIECE, Known, anywhere

KEY = "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3"
FORMAT = r"^tp_live_[A-Za-z0-9]{24}$"


def looking(format: str | None = None) -> Known:
    redactor = Redactor()
    redactor.add(Credential(label="alpha", value=KEY, public_prefix="tp_live_"))
    return Known(redactor=redactor, format=anywhere(format))


@given(
    before=st.binary(max_size=300),
    encode=st.sampled_from([str.encode, lambda key: base64.b64encode(key.encode())]),
)
def test_it_is_found_in_any_bytes_and_never_shown(
    before: bytes, encode: object
) -> None:
    data = before + b" " + encode(KEY) + b" "  # type: ignore[operator]
    found = looking().find(data, "log")
    assert [item.kind.split(" ")[0] for item in found] == ["alpha"]
    line = 1 + before.count(b"\n")
    assert found[0].where == f"log:{line}"
    assert KEY not in repr(found)


@pytest.mark.parametrize("place", [PIECE - 20, PIECE, PIECE + OVERLAP - 20])
def test_no_credential_is_cut_in_two(place: int) -> None:
    data = b"x" * place + b" " + KEY.encode() + b"\n" + b"y" * 1000
    assert [item.where for item in looking().find(data, "log")] == ["log:1"]


def test_lines_are_counted_across_pieces() -> None:
    data = b"a line\n" * 300_000 + KEY.encode() + b"\n"
    assert looking().find(data, "log")[0].where == "log:300001"


def test_a_text_of_the_format_is_found_unless_it_is_an_example() -> None:
    stranger = b"tp_live_Bn5Qs8Wd2Fg7Hj4Kl9Zx3Cv6"
    example = b"tp_live_xxxxxxxxxxxxxxxxxxxxxxxx"
    (found,) = looking(FORMAT).find(b"%s and %s" % (stranger, example), "page")
    assert found.kind == "a text of the promised key format"


@pytest.mark.parametrize("vague", ["^[0-9a-f]{32}$", ".*", "", None])
def test_a_format_without_a_literal_beginning_is_not_searched(
    vague: str | None,
) -> None:
    assert anywhere(vague) is None


def test_time_is_linear_in_bytes() -> None:
    """Ten times the bytes take no more than some twenty times as long."""

    def seconds(data: bytes) -> float:
        best = []
        for _ in range(3):
            started = time.process_time()
            looking(FORMAT).find(data, "one line")
            best.append(time.process_time() - started)
        return min(best)

    line = b'{"a": "' + b"Qk7\\u0041%41&amp;" * 6_000
    assert seconds(line * 10) < 20 * seconds(line) + 0.05
