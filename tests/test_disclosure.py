"""What an error must not tell, and what it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollproof.disclosure import find_disclosure

MUST_FLAG = {
    "a Python stack trace": [
        'Traceback (most recent call last):\n  File "app.py", line 3, in f',
        '{"detail": "File \\"/x/app.py\\", line 31"}',
    ],
    "a Java stack trace": [
        "java.lang.NullPointerException",
        "at com.acme.Api.handle(Api.java:42)",
        "org.springframework.web.bind.MissingServletRequestParameterException",
    ],
    "a .NET stack trace": ["System.NullReferenceException: Object reference"],
    "a JavaScript stack trace": [
        "at Layer.handle [as handle_request] (/srv/node_modules/express/x.js:95:5)",
        "at file:///app/server.js:12:7",
    ],
    "a Go stack trace": ["goroutine 1 [running]:", "panic: runtime error: index"],
    "a PHP stack trace": ["#0 /var/www/index.php(12): f()"],
    "a Ruby stack trace": ["app/models/key.rb:12:in `find'"],
    "a database error": [
        "sqlite3.OperationalError: near",
        "SQLSTATE[42S02]: Base table",
        "ORA-00942: table or view does not exist",
        'relation "keys" does not exist',
        "You have an error in your SQL syntax; check",
        "no such table: api_keys",
    ],
    "an SQL statement": [
        "SELECT id, hash FROM api_keys WHERE id = 1",
        "insert into keys (id) values (1)",
        "UPDATE keys SET revoked = 1",
        "DELETE FROM keys WHERE id = 3",
    ],
    "a path of the server's file system": [
        "cannot open /var/lib/app/keys.db",
        r"C:\inetpub\wwwroot\web.config",
    ],
    "the name of a class or function inside": [
        "<class 'KeyError'>",
        "app.Store object at 0x7f3a2b4c5d60",
    ],
    "a version of the software behind it": [
        "<center>nginx/1.22.1</center>",
        "Werkzeug/3.0.1 Python/3.11.7",
    ],
    "a private address or host": [
        "upstream 10.0.3.17:8080 refused",
        "http://keys.prod.svc.cluster.local",
    ],
}

MUST_NOT_FLAG = [
    '{"error": {"code": "unauthorized", "message": "Invalid or expired API key"}}',
    "Select an item from the list, where possible.",
    "Delete it from your account.",
    "No decision at /api/v1/decisions/dec_123",
    "See https://docs.example.com/errors/home/keys.html#not-found",
    "The field `input` must be an object, at /input/text",
    "Back off and retry after the limit window resets (1 minute)",
    "Try again at 10:30:15.",
    "version 2.1 of the API is required",
    "The date 2026-11-23T10.15 is wrong",
    "java is not a supported language",
    "Your request id is 0x7f3a2b4c5d60",
    "Update: keys set to expire",
    "",
]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind, texts in MUST_FLAG.items() for text in texts],
)
def test_must_flag(kind: str, text: str) -> None:
    found = find_disclosure(f"something went wrong: {text} - sorry")

    assert found is not None
    assert found.kind == kind
    assert len(found.excerpt) <= 160


@pytest.mark.parametrize("text", MUST_NOT_FLAG)
def test_must_not_flag(text: str) -> None:
    assert find_disclosure(text) is None


@given(st.text(alphabet="aA /.:;0<(\\\"'", max_size=400))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    found = find_disclosure(text)

    assert found is None or found.excerpt


def test_hostile_texts_take_linear_time() -> None:
    """Doubling the text at most about doubles the work: no pattern backtracks."""
    from time import process_time

    def cost(text: str) -> float:
        started = process_time()
        for _ in range(3):
            find_disclosure(text)
        return process_time() - started

    for piece in ("SELECT a, ", "/usr/", "at a.b", "a." * 3, "C:\\a b\\", "<class '"):
        short, long = piece * 1000, piece * 4000
        assert cost(long) < 40 * cost(short) + 0.05
