"""The two readers of a response agree, and bounds hold."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollproof.load.answer import HEAD_LIMIT, Answer, Malformed, Reader, Stream

WANTED = ("X-RateLimit-Remaining", "Retry-After", "Date")

NAMES = st.sampled_from(
    [
        "X-RateLimit-Remaining",
        "x-ratelimit-remaining",
        "Retry-After",
        "Date",
        "Server",
        "Content-Length",
        "content-length",
        "Connection",
        "Transfer-Encoding",
        "Upgrade",
        "Trailer",
        "X Space",
        "",
        " Folded",
        "Content-Length ",
        "Ümlaut",
        "X\x00Nul",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", "5", "05", "+5", "5, 5", "close", "keep-alive", "Close", "upgrade"),
            "chunked",
            "gzip, chunked",
            "  7\t ",
            "a\rb",
            "a\nb",
            "a\x00b",
            "\xe9",
            "1 2",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
STATUS = st.sampled_from(
    """HTTP/1.1 200 OK|HTTP/1.1 429 Too Many|HTTP/1.1 200 |HTTP/1.1 200
    |HTTP/1.0 200 OK|HTTP/1.1 204 No Content|HTTP/1.1 304 X|HTTP/2 200 OK
    |HTTP/1.1 100 Continue|HTTP/1.1 099 X|HTTP/1.1 700 X|http/1.1 200 OK
    |HTTP/1.1  200 OK|HTTP/1.1 200 \xe9|HTTP/1.1 2000 X|HTTP/1.1 503 a\rb""".replace(
        "\n    ", ""
    ).split("|")
)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    body = draw(st.binary(max_size=8))
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    if draw(st.booleans()):
        fields.insert(0, ("Content-Length", str(len(body))))
    separator = draw(st.sampled_from([":", ": ", ":\t", " : "]))
    lines = [draw(STATUS)] + [f"{name}{separator}{value}" for name, value in fields]
    ending = draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n"]))
    return (ending.join(lines) + ending * 2).encode("latin-1", "replace") + body


def streamed(data: bytes, *, pieces: int = 1 << 20) -> Answer | None:
    """What llhttp makes of `data`, or None when that is not one whole response."""
    stream = Stream(Reader(WANTED), limit=1 << 20)
    try:
        for start in range(0, len(data), pieces):
            stream.feed(data[start : start + pieces])
    except Malformed:
        return None
    return stream.answer if stream.done else None


@given(responses())
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab")
@example(
    b"HTTP/1.1 200 OK\r\nRetry-After: 1\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n"
)
def test_what_the_fast_reader_takes_llhttp_reads_alike(data: bytes) -> None:
    reader = Reader(WANTED)
    for answer in (reader.whole(data), reader.whole(data)):  # unseen, then remembered
        if answer is None:
            return
        other = streamed(data)
        assert other is not None
        assert (answer.status, answer.values, answer.reusable, answer.complete) == (
            other.status,
            other.values,
            other.reusable,
            other.complete,
        )


@given(responses(), st.integers(1, 7))
def test_pieces_make_no_difference(data: bytes, pieces: int) -> None:
    whole, cut = streamed(data), streamed(data, pieces=pieces)
    assert (whole is None) == (cut is None)
    if whole is not None and cut is not None:
        assert (whole.status, whole.values, whole.reusable) == (
            cut.status,
            cut.values,
            cut.reusable,
        )


def test_the_plain_case_is_taken_by_the_fast_reader() -> None:
    data = (
        b"HTTP/1.1 429 Too Many Requests\r\nX-RateLimit-Remaining: 0\r\n"
        b"Date: Mon, 23 Nov 2026 01:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = Reader(WANTED).whole(data)
    assert answer is not None
    assert answer.status == 429
    assert answer.values == [b"0", None, b"Mon, 23 Nov 2026 01:00:00 GMT"]
    assert answer.reusable


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
            b"Content-Length: 0\r\n\r\n",
            200,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n0\r\n\r\n",
            200,
        ),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304),
    ],
)
def test_what_is_not_plain_is_left_to_llhttp(data: bytes, status: int) -> None:
    assert Reader(WANTED).whole(data) is None
    answer = streamed(data)
    assert answer is not None
    assert answer.status == status


def test_the_end_of_the_connection_ends_a_body_without_length() -> None:
    stream = Stream(Reader(WANTED), limit=100)
    assert not stream.feed(b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\n\r\nsome")
    assert stream.head
    assert stream.end()
    assert stream.answer.values == [None, b"3", None]
    assert not stream.answer.reusable


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"]
)
def test_the_end_of_the_connection_does_not_end_a_body_with_one(framing: bytes) -> None:
    stream = Stream(Reader(WANTED), limit=100)
    stream.feed(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n4\r\nso")
    assert stream.head
    assert not stream.end()
    assert stream.answer.status == 200
    assert not stream.answer.complete


def test_a_head_response_has_no_body_whatever_it_says() -> None:
    stream = Stream(Reader(WANTED), limit=100, bodiless=True)
    assert stream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert stream.answer.reusable


def test_a_second_response_spoils_the_connection_not_the_first() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 X\r\n\r\n"
    assert Reader(WANTED).whole(data) is None
    answer = streamed(data)
    assert answer is not None
    assert (answer.status, answer.reusable) == (200, False)


def test_trailers_are_not_headers() -> None:
    answer = streamed(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n"
        b"0\r\nRetry-After: 2\r\n\r\n"
    )
    assert answer is not None
    assert answer.values[1] == b"1"


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * HEAD_LIMIT * 2,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2000,
        b"HTTP/1.1 100 C\r\n\r\n" * 9000,
    ],
    ids=["head", "body", "interim"],
)
def test_more_than_the_limit_is_refused(flood: bytes) -> None:
    stream = Stream(Reader(WANTED), limit=1000)

    def pour() -> None:
        for start in range(0, len(flood), 500):
            stream.feed(flood[start : start + 500])

    with pytest.raises(Malformed):
        pour()


def test_a_header_that_is_left_out_keeps_its_place() -> None:
    data = b"HTTP/1.1 200 OK\r\nB: 2\r\nContent-Length: 0\r\n\r\n"
    for names, values in (
        (("", "", ""), [None, None, None]),
        (("", "b", ""), [None, b"2", None]),
    ):
        reader = Reader(names)
        answer = reader.whole(data)
        assert answer is not None
        assert answer.values == values
        stream = Stream(reader, limit=1000)
        assert stream.feed(data)
        assert stream.answer.values == values
