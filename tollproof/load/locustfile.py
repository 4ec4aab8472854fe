"""A load job under Locust.

    TOLLPROOF_LOAD_JOB=job.json TOLLPROOF_LOAD_SECRETS=secrets.json \
        locust -f …/tollproof/load/locustfile.py --headless

Works as well with Locust's web pages (without `--headless`), on several cores
(`--processes N`) and on several machines (`--master --expect-workers N`, and
`--worker` on each with the same two files). See :mod:`tollproof.load.channel` for the
variables. Numbers of users on the command line are not heeded: the job says it all.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import locust
import locust.runners

from tollproof.errors import UsageError
from tollproof.load import channel
from tollproof.load.user import Post, Prober, Shares

__all__ = ["Prober", "Shares"]

try:
    # Read before Locust forks, so that a descriptor is read once for all processes.
    ASSIGNMENT = channel.receive(os.environ)
except UsageError as error:
    sys.stderr.write(f"tollproof: {error}\n")
    raise SystemExit(3) from None

# Locust waits so many times so many seconds; both are settings of its module.
WAIT = float(os.environ.pop(channel.WAIT, "300"))
RUNNERS: Any = locust.runners
RUNNERS.CONNECT_TIMEOUT = min(5.0, WAIT)
RUNNERS.CONNECT_RETRY_COUNT = max(0, round(WAIT / RUNNERS.CONNECT_TIMEOUT) - 1)


def prepare(environment: Any, **_: Any) -> None:
    """Attach this process's part in the run to Locust's environment."""
    post = Post(ASSIGNMENT, environment)
    environment.tollproof_post = post
    environment.events.test_stopping.add_listener(post.settle)
    environment.events.quitting.add_listener(post.leave)
    if post.conductor is not None:
        conductor = post.conductor
        environment.events.test_start.add_listener(lambda **_: conductor.begin())
        environment.events.quitting.add_listener(lambda **_: conductor.close())
    # Refusals are what is looked for: the verdict is not Locust's to give.
    environment.process_exit_code = 0


EVENTS: Any = locust.events
EVENTS.init.add_listener(prepare)
