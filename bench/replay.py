"""The bare program of the overhead figure: sends recorded requests, and that is all.

    python bench/replay.py FILE CONCURRENCY

Prints the seconds from the first request to the last answer.
Threads and httpx, each body read to its end; what httpx cannot send goes through a
plain socket. Stands alone: what it imports counts as its own start-up.
"""

import base64
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx


def main(path: str, concurrency: int) -> None:
    with open(path, encoding="utf-8") as file:
        requests = [json.loads(line) for line in file]
    with (
        httpx.Client(limits=httpx.Limits(max_connections=concurrency)) as client,
        ThreadPoolExecutor(max_workers=concurrency) as pool,
    ):
        started = time.perf_counter()
        for _ in pool.map(lambda request: send(client, request), requests):
            pass
        print(time.perf_counter() - started)


def send(client: httpx.Client, request: dict[str, Any]) -> int:
    body = base64.b64decode(request["body"])
    if request["raw"]:
        parts = urlsplit(request["origin"])
        return send_raw((parts.hostname or "", parts.port or 80), body)
    headers = [(name.encode(), text(value)) for name, value in request["headers"]]
    bare = client.build_request(
        request["method"],
        request["origin"],
        headers=headers,
        content=body or None,
        extensions={"target": text(request["target"])},
    )
    try:
        return len(client.send(bare).content)
    except httpx.HTTPError:
        return 0  # the target may hang up on a hostile probe


def send_raw(address: tuple[str, int], payload: bytes) -> int:
    received = 0
    try:
        with socket.create_connection(address, 10) as sock:
            sock.sendall(payload)
            while data := sock.recv(65_536):
                received += len(data)
    except OSError:
        pass
    return received


def text(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
