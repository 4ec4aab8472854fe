"""Checks spread over processes, which are forked when all is imported and collected.

Knows who takes what, and how results come back. Must not know what a check does. Only
checks that ask nothing of pytest are spread; a result that does not come back is no
result, and whoever called runs that check itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import pytest

from tollproof.common import Common, Place
from tollproof.forks import Fork, Say, can_fork, some_speak
from tollproof.model import Result, from_json, to_json
from tollproof.pytest_plugin.items import kin
from tollproof.pytest_plugin.judging import direct_arguments, judged, judges_of
from tollproof.session import MAIN, Part, Session

#: Seconds that a process has to remove what it has created, when the run is ended.
PATIENCE = 30.0

Items = Sequence[pytest.Function]
#: Told of each result: the item, its result, and whether it is written down already.
Told = Callable[[pytest.Function, Result, bool], None]

#: Where pytest keeps the processes of a run that has several.
SPREAD = pytest.StashKey["Spread"]()


class Spread:
    """Processes that run items between them; this one takes part.

    Made before anything is sent and before any thread is started: what is forked later
    would take locks along that nobody opens any more.

    Args:
        items: what any of them may run.
        every: all items of the run.

    Attributes:
        ran: whether :meth:`run` was called.
        told: the items whose results have been told.
    """

    def __init__(
        self, session: Session, items: Items, every: Sequence[pytest.Item]
    ) -> None:
        self.ran = False
        self.told = set[pytest.Item]()
        self._session = session
        self._judges = judges_of(every, session)
        self._groups = _groups(items)
        self._parts: dict[str, Part] = {}
        self._ahead = False
        self._common = Common()
        session.deployment.share(self._common)
        # Nobody takes any before this process has let go.
        self._begun = ExitStack()
        self._begun.enter_context(self._common.held(Place.TURN))
        names = [f"fork{number}" for number in range(1, session.processes)]
        self._forks = [Fork(partial(self._work, name)) for name in names]
        self._probing = list(self._forks)

    def run(self, first: Items, told: Told) -> None:
        """Run all items, here and there, and tell of every result.

        When this is interrupted the others end as well, and what they had found by
        then is told.

        Args:
            first: further items, which are run here before any other.
        """
        self.ran, ended = True, False
        try:
            with self._begun:
                self._run(first, told)
            self._run(self._taken(), told)
            ended = True
        finally:
            deadline = None if ended else time.monotonic() + PATIENCE
            for fork in self._forks:
                if not ended:
                    fork.interrupt()
            while some_speak(self._probing, until=deadline):
                self._listen(told)
            self._session.deployment.client.catch_up()

    def tally_ahead(self) -> None:
        """Have the exchanges of this process tallied while it does the rest."""
        if self._ahead or not self._judges:
            return
        self._ahead = True
        self._session.deployment.client.rest()
        if can_fork():
            tally = partial(self._tally, MAIN, self._session.journal.written)
            self._forks.append(Fork(tally))

    def parts(self) -> Mapping[str, Part]:
        """Wait for what the others have tallied."""
        while some_speak(self._forks):
            self._listen(lambda *_: None)
        return self._parts

    def close(self) -> None:
        """See the others end, and let go of what they had in common."""
        for fork in self._forks:
            fork.end()
        self._common.close()

    def _run(self, items: Iterable[pytest.Function], told: Told) -> None:
        for item in items:
            told(item, _result(item, self._session), False)
            self.told.add(item)
            self._listen(told)

    # -- what the others say ---------------------------------------------------------

    def _listen(self, told: Told) -> None:
        for fork in self._forks:
            for line in fork.heard():
                match json.loads(line):
                    case ["result", group, place, result]:
                        item = self._groups[group][place]
                        told(item, from_json(Result, result), True)
                        self.told.add(item)
                    case ["probed"]:
                        self._probing.remove(fork)
                    case ["tallied", name, part]:
                        self._parts[name] = from_json(Part, part)

    def _work(self, name: str, tell: Say) -> None:
        """Run items in a forked process, then tally the exchanges that it has had."""
        session = self._session
        session.begin_anew(name)
        places = {
            item: (number, place)
            for number, group in enumerate(self._groups)
            for place, item in enumerate(group)
        }
        try:
            for item in self._taken():
                result = _result(item, session)
                session.keep(result)
                tell(_line("result", *places[item], result))
        finally:
            session.tidy_worker()
        tell(_line("probed"))
        self._tally(name, session.journal.written, tell)

    def _tally(self, name: str, count: int, tell: Say) -> None:
        session = self._session
        part = Part(count, session.tally(self._judges, name, range(count)))
        tell(_line("tallied", name, part))

    def _taken(self) -> Iterator[pytest.Function]:
        """Yield the items of one group after another that nobody else has taken."""
        while True:
            with self._common.held(Place.TURN) as figures:
                number = figures.count
                figures.count += 1
            if number >= len(self._groups):
                return
            yield from self._groups[number]


def _line(*what: object) -> str:
    return json.dumps(to_json(what))


def _groups(items: Items) -> list[Items]:
    """Return the items that one process is to run, in order of the first of each."""
    groups: dict[str, list[pytest.Function]] = {}
    for item in items:
        groups.setdefault(kin(item), []).append(item)
    return [*groups.values()]


def _result(item: pytest.Function, session: Session) -> Result:
    return judged(item, session, direct_arguments(item, session))
