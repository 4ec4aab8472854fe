"""The archive has what HAR 1.2 demands of every entry."""

from __future__ import annotations

import json
from typing import Any

from tests.reporting.sample import sample_run
from tollproof.model import Exchange, Request
from tollproof.reporting import har


def _entries() -> list[dict[str, Any]]:
    run = sample_run()
    log = json.loads(har.render(run.exchanges, tool=run.about.tool))["log"]
    assert log["version"] == "1.2"
    assert log["creator"] == {"name": "tollproof", "version": "0.1.0"}
    entries: list[dict[str, Any]] = log["entries"]
    return entries


def test_every_entry_has_the_members_the_format_demands() -> None:
    demanded = {
        "request": {
            "method",
            "url",
            "httpVersion",
            "cookies",
            "headers",
            "queryString",
            "headersSize",
            "bodySize",
        },
        "response": {
            "status",
            "statusText",
            "httpVersion",
            "cookies",
            "headers",
            "content",
            "redirectURL",
            "headersSize",
            "bodySize",
        },
        "timings": {"send", "wait", "receive"},
    }
    for entry in _entries():
        assert {"startedDateTime", "time", "cache"} <= set(entry)
        for part, members in demanded.items():
            assert members <= set(entry[part])
        assert {"size", "mimeType"} <= set(entry["response"]["content"])
        assert entry["time"] == sum(entry["timings"].values())
        extra = set(entry) - {
            "startedDateTime",
            "time",
            "request",
            "response",
            "cache",
            "timings",
            "comment",
        }
        assert all(name.startswith("_") for name in extra)


def test_entry_tells_what_was_sent_and_what_came() -> None:
    entry = next(e for e in _entries() if e["request"]["method"] == "POST")

    assert entry["request"]["postData"]["text"] == '{"name": "x\'"}'
    assert entry["request"]["postData"]["mimeType"] == "application/json"
    assert entry["response"]["status"] == 500
    assert entry["response"]["statusText"] == "Internal Server Error"
    assert entry["time"] == 13.1


def test_attempt_without_response_is_status_0_with_the_reason() -> None:
    (entry,) = [e for e in _entries() if e["response"]["status"] == 0]

    assert entry["_failure"]["kind"] == "closed"
    assert entry["_leaks"] == ["alpha as base64 in header X-Debug"]


def test_malformed_url_has_no_query_and_does_no_harm() -> None:
    exchange = Exchange(
        id="a",
        at="",
        seconds=0.0,
        request=Request(method="GET", url="http://[::1?a=b"),
    )
    (entry,) = json.loads(har.render([exchange]))["log"]["entries"]

    assert entry["request"]["queryString"] == []
