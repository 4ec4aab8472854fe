"""Loads an SDK into a real headless browser and has it make one call.

Knows Chromium's command line and a page that reports what came of it. Needs no driver
of the browser: the page is served by the scripted platform and tells it. Must not
judge.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tollproof.errors import Undetermined
from tollproof.model import Exchange, Reason
from tollproof.sdk.bench import Bench, filled
from tollproof.sdk.platform import REPORT, Arrival
from tollproof.sdk.scenario import Scenario

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: Seconds that a browser is given to start, to load the page and to tell.
PATIENCE = 45.0
#: Modules that are served, and bytes of each.
FILES, SIZE = 60, 2 << 20
PAGE, FOLDER = "/tollproof/page", "/tollproof/files"

_HTML = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="module">
const told = {};
try {
  const sdk = await import(%(driver)s);
  told.loaded = true;
  const client = await sdk.create(%(options)s);
  told.created = true;
  await sdk.call(client);
  told.called = true;
} catch (error) {
  told.error = String(error);
}
await fetch(%(report)s, { method: "POST", body: JSON.stringify(told) });
</script>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page in a browser came to.

    Attributes:
        created: a client was made.
        called: its call succeeded.
        error: what was raised; empty when nothing was.
        calls: requests of the API that arrived.
    """

    created: bool
    called: bool
    error: str
    calls: tuple[Arrival, ...]
    exchanges: tuple[Exchange, ...] = field(repr=False)


def visit(
    on: Bench, options: Mapping[str, str | bool], *, guarded: bool = True
) -> Visit:
    """Make a client with these options in a browser, and one call; once in a run.

    Raises:
        Undetermined: there is no browser, or the page never told what came of it.
    """
    key = ("sdk visit", tuple(sorted(options.items())), guarded)
    return on.deployment.once(key, lambda: _visit(on, options, guarded=guarded))


def _visit(on: Bench, options: Mapping[str, str | bool], *, guarded: bool) -> Visit:
    declared = on.sdk.browser
    if declared is None:
        raise Undetermined(Reason.PRECONDITION, "The SDK has no build for browsers.")
    folder = on.deployment.profile.folder
    module = folder / filled(declared.driver, folder)
    program = declared.program or _installed()
    # The base URL is the page's own origin, which only the browser knows by then.
    written = json.dumps(dict(options))
    told_options = f"{{ ...{written}, base_url: location.origin }}"
    page = _HTML % {
        "driver": json.dumps(f"{FOLDER}/{module.name}"),
        "options": told_options.replace("<", "\\u003c"),
        "report": json.dumps(REPORT),
    }
    scenario = Scenario(
        guarded=guarded, pages=((PAGE, "text/html", page), *_modules(module))
    )
    with on.platform(scenario) as platform:
        with _browser(program, platform.url + PAGE):
            report = platform.report(PATIENCE)
        arrivals = platform.arrivals
        told = _told(report)
        calls = tuple(item for item in arrivals if item.kind != "page")
        return Visit(
            created=told.get("created") is True,
            called=told.get("called") is True,
            error=str(told.get("error", ""))[:400],
            calls=calls,
            exchanges=tuple(on.record(item, platform) for item in calls),
        )


def _told(report: str | None) -> Mapping[str, Any]:
    try:
        told = json.loads(report or "")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Undetermined(
            Reason.PRECONDITION,
            f"The page did not tell within {PATIENCE:g} s what came of it: does the "
            "browser start, and does the module load?",
        )
    if not told.get("loaded"):
        raise Undetermined(
            Reason.PRECONDITION,
            f"The SDK's module does not load: {str(told.get('error'))[:300]}",
        )
    return told


def _installed() -> tuple[str, ...]:
    for name in BROWSERS:
        if found := shutil.which(name):
            return (found,)
    raise Undetermined(
        Reason.PRECONDITION,
        "There is no Chromium on this machine: install one, or name a browser under "
        "`program` in [sdk.browser].",
    )


def _modules(module: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the modules beside the driver's, bounded in number and size."""
    try:
        files = sorted(
            path
            for pattern in ("*.mjs", "*.js")
            for path in module.parent.glob(pattern)
            if path.is_file() and path.stat().st_size <= SIZE
        )
        for path in files[:FILES]:
            text = path.read_text(encoding="utf-8")
            yield f"{FOLDER}/{path.name}", "text/javascript", text
    except (OSError, UnicodeDecodeError) as error:
        raise Undetermined(
            Reason.PRECONDITION, f"The browser's modules cannot be read: {error}"
        ) from None


@contextlib.contextmanager
def _browser(program: tuple[str, ...], url: str) -> Iterator[None]:
    """Run a browser for the length of a `with` block, with a profile of its own."""
    with tempfile.TemporaryDirectory(
        prefix="tollproof-browser-", ignore_cleanup_errors=True
    ) as home:
        # Chromium's sandbox refuses to start for root, which is who runs containers.
        unboxed = ("--no-sandbox",) if os.geteuid() == 0 else ()
        try:
            process = subprocess.Popen(  # noqa: S603  (a list, from the profile)
                [
                    *program,
                    "--headless=new",
                    *unboxed,
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-dev-shm-usage",
                    "--disable-gpu",
                    f"--user-data-dir={home}",
                    url,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise Undetermined(
                Reason.PRECONDITION, f"The browser cannot be started: {error.strerror}."
            ) from None
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
