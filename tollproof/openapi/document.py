"""An OpenAPI document as the run sees it: operations, and requests for the asking.

Knows the profile's word on operations. Must not import what reads documents; asks
:class:`~tollproof.openapi.drawer.Drawer`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tollproof.openapi.described import Written
from tollproof.openapi.drawer import Drawer
from tollproof.operations import Example, Operation, expand
from tollproof.profile.target import Target

#: Invalid bodies of one operation, unless more are asked for.
BODIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What an OpenAPI document says, ready to be asked.

    Attributes:
        prefix: the path part of the first server, without a slash at the end.
        unreadable: label of each operation that had to be left out → why.
        lines: label of each operation → its line in the text, where it was found.
    """

    operations: tuple[Operation, ...]
    prefix: str
    unreadable: Mapping[str, str]
    lines: Mapping[str, int]
    _written: Mapping[str, Written] = field(repr=False)
    _drawer: Drawer = field(repr=False)
    _number: int = field(repr=False)

    def example(self, operation: Operation, values: Mapping[str, object]) -> Example:
        """Return a request the operation should understand.

        Args:
            values: path parameters known from the profile; they come first, then the
                document's examples, then a generated value.

        Raises:
            Undetermined: it takes too long to be made.
        """
        written = self._written.get(operation.label)
        if written is not None and values.keys() >= set(written.wanting):
            given = {
                name: values[name] for name in values.keys() & operation.parameters
            }
            return Example(
                path=expand(operation.path, {**written.values, **given}),
                query=written.query,
                headers=written.headers,
                body=base64.b64decode(written.body),
            )
        found = self._drawer.example(self._number, operation.label, dict(values))
        return Example(
            path=found["path"],
            query=found["query"],
            headers=tuple((name, value) for name, value in found["headers"]),
            body=base64.b64decode(found["body"]),
            certain=found["certain"],
        )

    def expect_invalid_bodies(
        self, labels: Iterable[str], *, run_seed: int, count: int = BODIES
    ) -> None:
        """Have invalid bodies of operations drawn while the run does other things.

        In the order in which they will be asked for, with the same seed and count.
        """
        taking = {item.label for item in self.operations if item.media_type}
        self._drawer.expect_invalid_bodies(
            self._number,
            [label for label in dict.fromkeys(labels) if label in taking],
            run_seed=run_seed,
            count=count,
        )

    def invalid_bodies(
        self, operation: Operation, *, run_seed: int, count: int = BODIES
    ) -> tuple[bytes, ...]:
        """Return JSON bodies that break the operation's schema, by Schemathesis.

        The same seed gives the same bodies. Empty when the schema refuses nothing.

        Raises:
            Undetermined: they take too long to be made.
        """
        return self._drawer.invalid_bodies(
            self._number, operation.label, run_seed=run_seed, count=count
        )


def read_operations(
    text: str, *, source: str, target: Target, drawer: Drawer
) -> Document:
    """Read every operation that can be read and that the profile does not exclude.

    Args:
        target: the profile's word on what is public, excluded or harmless. Where it
            names nothing public, that is what the document asks no credential for: a
            document made from the code forgets what the code forgot.

    Raises:
        UsageError: the document as a whole is not usable.
    """
    number, found = drawer.read(text, source)
    operations: list[Operation] = []
    lines: dict[str, int] = {}
    for item in found.operations:
        label = f"{item.method} {item.path}"
        if target.is_excluded(label):
            continue
        operations.append(
            Operation(
                method=item.method,
                path=item.path,
                public=target.is_public(label) or (not target.public and item.open),
                changes=not target.is_read_only(label),
                media_type=item.media_type,
                parameters=item.parameters,
            )
        )
        if item.line:
            lines[label] = item.line
    return Document(
        operations=tuple(operations),
        prefix=found.prefix,
        unreadable={
            item.label: item.problem
            for item in found.unreadable
            if not target.is_excluded(item.label)
        },
        lines=lines,
        _written={
            f"{item.method} {item.path}": item.written
            for item in found.operations
            if item.written is not None
        },
        _drawer=drawer,
        _number=number,
    )
