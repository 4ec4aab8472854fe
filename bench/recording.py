"""Copies every request of a gate, credentials and all, to replay them elsewhere.

Loaded by the interpreter that runs the checks, as `sitecustomize`, when BENCH_REQUESTS
names a file. The journal is redacted, as it must be; the replay needs what was sent.
The file is the bench's own and goes with its folder.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

WHERE = os.environ.get("BENCH_REQUESTS", "")


def _record(client: Any) -> None:
    """Make a client's class write each request down before it is sent."""
    send = client._exchange
    # One write a line, whole: threads share it.
    file = os.open(WHERE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def recording(self: Any, probe: Any, origin: str) -> Any:
        whole = probe.raw if probe.raw is not None else probe.body
        line = {
            "method": probe.method,
            "origin": origin,
            "target": probe.target,
            "headers": [] if probe.raw is not None else list(self._headers(probe)),
            "body": base64.b64encode(whole).decode(),
            "raw": probe.raw is not None,
        }
        os.write(file, json.dumps(line).encode() + b"\n")
        return send(self, probe, origin)

    client._exchange = recording


class _Finder(MetaPathFinder):
    """Finds `tollproof.client` as ever, and has it recorded once it is loaded."""

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tollproof.client":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                _record(module.Client)

            loader: Loader = spec.loader
            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if WHERE:
    sys.meta_path.insert(0, _Finder())
