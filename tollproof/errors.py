"""Everything tollproof raises on purpose.

Knows the tree below and nothing else::

    TollproofError
    ├── UsageError            the caller is wrong: exit 3
    │   ├── ProfileError      the profile cannot be used; holds every problem found
    │   ├── CatalogueError    checks that collide or are badly declared
    │   └── RecordError       a results file or journal that cannot be read
    ├── Undetermined          a probe told nothing: becomes an inconclusive verdict
    │   └── NotAsked          it was not even sent, since nothing answers just now
    ├── ResourceError         the installation lacks a folder of its own
    └── ArtefactRefused       a report was about to hold a credential
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tollproof.model import Reason


class TollproofError(Exception):
    """The root: catching it catches all that is raised on purpose."""


class UsageError(TollproofError):
    """The command, profile or check declaration is wrong; the text names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file.

    Attributes:
        where: dotted path of the key, or empty for the whole file.
        line: 1-based line, or 0 when unknown.
        message: what is wrong, never with a value that may be a secret.
        remedy: what to write instead.
    """

    where: str
    message: str
    line: int = 0
    remedy: str = ""


class ProfileError(UsageError):
    """A profile that cannot be used.

    Attributes:
        file: the profile's path as the user gave it.
        problems: all of them, in file order.
    """

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__(file, self.problems)

    def __str__(self) -> str:
        """Render one line a problem: `file:line: key: message (remedy)`."""

        def line(problem: Problem) -> str:
            place = f"{self.file}:{problem.line}" if problem.line else self.file
            where = f" {problem.where}:" if problem.where else ""
            remedy = f"\n    {problem.remedy}" if problem.remedy else ""
            return f"{place}:{where} {problem.message}{remedy}"

        return "\n".join(line(problem) for problem in self.problems)


class CatalogueError(UsageError):
    """Checks that cannot live together: colliding ids, a malformed declaration."""


class RecordError(UsageError):
    """A record that cannot be read: missing, cut short, or of another format."""


class Undetermined(TollproofError):
    """A probe told nothing about the promise.

    Raised by the client and by checks; `evaluate` turns it into `inconclusive`.

    Attributes:
        reason: the machine-readable why.
        exchanges: ids of the exchanges that show it.
    """

    def __init__(self, reason: Reason, sentence: str, *exchanges: str) -> None:
        self.reason = reason
        self.sentence = sentence
        self.exchanges = exchanges
        super().__init__(sentence)


class NotAsked(Undetermined):
    """A probe was not sent: the target has gone silent. Asked later, it may answer."""


class ResourceError(TollproofError):
    """The installation lacks a folder that belongs to it."""


class ArtefactRefused(TollproofError):
    """A file was about to be written with a credential in it; nothing was written."""
