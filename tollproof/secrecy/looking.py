"""Looks at the places of a profile, for the checks of the suite.

Knows which place is read how, and what is looked for in it. Every place is read once a
run, whichever check asks first. A place that cannot be read is said, never passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urljoin, urlsplit

from tollproof import lifecycle
from tollproof.client import Probe, origin_of
from tollproof.declare import failed, inconclusive, passed
from tollproof.errors import Undetermined
from tollproof.model import Reason, Verdict
from tollproof.secrecy.finding import Finding, Scan, by_kind, joined, listed
from tollproof.secrecy.known import Known, anywhere
from tollproof.secrecy.marks import gone, remembered
from tollproof.secrecy.pages import Resource, loaded, unpacked
from tollproof.secrecy.patterns import find_patterns, find_random, parsed
from tollproof.secrecy.places import (
    Read,
    files_in,
    is_text,
    read_file,
    read_program,
    rotated,
)
from tollproof.secrecy.salting import Sought, Stored, examine
from tollproof.secrecy.source import bandit, history
from tollproof.secrecy.stores import Store, read_store
from tollproof.target import Target

#: What exchanges that load pages are for, in the record.
LOADING = "a page as a browser loads it"
#: Credentials with which digests are recomputed: a store keeps all in one way.
TRIED = 12
#: Files whose texts are values: their entropy tells something.
_VALUES = (".json", ".env", ".tfvars", ".har")


def known(target: Target) -> Known:
    """Return what is looked for everywhere: the run's credentials, and the format."""
    keys = target.profile.promises.keys
    return Known(
        redactor=target.deployment.redactor,
        format=anywhere(keys.format if keys else None),
        beside=frozenset({lifecycle.UNREAD}),
    )


def run_only(target: Target) -> Known:
    """Return the run's own credentials alone."""
    return Known(
        redactor=target.deployment.redactor, beside=frozenset({lifecycle.UNREAD})
    )


def verdict_on(scan: Scan, what: str, expected: str) -> Verdict:
    """Return the verdict on a scan: failed by any finding, open where nothing was read.

    Args:
        what: what was looked at, in words: "logs".
    """
    measured = {
        "read": dict(list(scan.looked_at.items())[:20]),
        "bytes": scan.bytes,
        "findings": by_kind(scan.findings),
    }
    left = f" Not read: {'; '.join(scan.skipped[:4])}." if scan.skipped else ""
    if scan.findings:
        return failed(
            f"{len(scan.findings)} secrets lie in {what}: {listed(scan.findings)}."
            + left,
            expected=expected,
            actual=listed(scan.findings, 8),
            measurements=measured,
        )
    if not scan.looked_at or scan.skipped:
        return inconclusive(
            Reason.PRECONDITION,
            f"Not all {what} could be read, and no secret lies in the rest."
            + (left or " Nothing was there."),
            measurements=measured,
        )
    return passed(
        f"No secret in {what}: {scan.bytes:,} bytes in {len(scan.looked_at)} places.",
        measurements=measured,
    )


# -- logs ----------------------------------------------------------------------------


def logs(target: Target) -> Scan:
    """Return what the logs of the profile give away."""
    return joined(_log(target, read) for read in _log_places(target))


def _log_places(target: Target) -> Iterator[Read | str]:
    folder, before = target.profile.folder, remembered(target.deployment)
    for place in target.profile.places.logs if target.profile.places else ():
        if place.command is not None:
            yield _read_or_why(partial(read_program, place.command, folder))
            continue
        path = folder / (place.file or "")
        for item in rotated(path):
            yield _read_or_why(partial(read_file, item, item.name, end=True))
        if path in before and (lost := gone(path, before[path])):
            yield lost


def _read_or_why(read: Callable[[], Read]) -> Read | str:
    try:
        return read()
    except Undetermined as undetermined:
        return undetermined.sentence


def _log(target: Target, read: Read | str) -> Scan:
    if isinstance(read, str):
        return Scan(skipped=(read.rstrip("."),))
    return Scan(
        findings=known(target).find(read.data, read.name),
        looked_at={read.name: len(read.data)},
        # The run's own lines are at the end of a log, and that is what is read.
    )


# -- stores --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A store that was looked at.

    Attributes:
        raw: what its bytes give away, deleted rows included, beside its tables.
    """

    store: Store
    found: Stored
    raw: tuple[Finding, ...]


def stores(target: Target) -> tuple[tuple[Examined, ...], tuple[str, ...]]:
    """Return every store of the profile, looked at once, and which cannot be read."""
    return target.deployment.once("stores at rest", lambda: _stores(target))


def _stores(target: Target) -> tuple[tuple[Examined, ...], tuple[str, ...]]:
    examined: list[Examined] = []
    problems: list[str] = []
    sought = Sought(redactor=target.deployment.redactor, values=_credentials(target))
    places = target.profile.places
    for place in places.stores if places else ():
        try:
            store = read_store(place, target.profile.folder)
        except Undetermined as undetermined:
            problems.append(undetermined.sentence.rstrip("."))
            continue
        problems += store.notes
        found = examine(store.tables, sought, store.name)
        raw = [
            finding
            for read in store.files
            for finding in run_only(target).find(read.data, read.name)
            if _is_whole(finding)
        ]
        # A row that was found says more than a place in the file.
        known_kinds = {item.kind for item in found.raw}
        examined.append(
            Examined(
                store=store,
                found=found,
                raw=tuple(
                    _unplaced(item) for item in raw if item.kind not in known_kinds
                ),
            )
        )
    return tuple(examined), tuple(problems)


def _unplaced(finding: Finding) -> Finding:
    """Take the line away from a place in a file that has no lines."""
    return Finding(where=finding.where.rpartition(":")[0], kind=finding.kind)


def _is_whole(finding: Finding) -> bool:
    """Whether a whole credential was found, and not a digest of one.

    In a file's bytes one cell follows another without a gap: a public id and the
    letters after it can pass for the beginning of a key.
    """
    partial = ", in part)" in finding.kind or "(letter-case" in finding.kind
    digest = any(name in finding.kind for name in ("(md5-", "(sha"))
    return not partial and not digest


def _credentials(target: Target) -> dict[str, str]:
    """Return some of the run's keys, to recompute digests with."""
    found = {
        item.name: item.mechanism.credential().value
        for item in target.deployment.identities.values()
        if item.declared.kind == "api_key" and not item.is_open
    }
    book = lifecycle.book(target.deployment)
    created = {name: value for value, name in list(book.values.items())[-4:]}
    return {**dict(list(found.items())[: TRIED - len(created)]), **created}


def stored(target: Target, what: str) -> Scan:
    """Return one kind of finding of all stores.

    Args:
        what: `raw`, `unsalted`, `unkeyed` or `one_salt`.
    """
    examined, problems = stores(target)
    findings: list[Finding] = []
    looked_at: dict[str, int] = {}
    for item in examined:
        findings += getattr(item.found, what)
        findings += item.raw if what == "raw" else ()
        for read in item.store.files:
            looked_at[read.name] = len(read.data)
    return Scan(
        findings=tuple(dict.fromkeys(findings)),
        looked_at=looked_at,
        skipped=problems,
    )


# -- pages ---------------------------------------------------------------------------


def pages(target: Target) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
    """Return what a browser loads of the profile's pages, and what it cannot."""
    return target.deployment.once("pages", lambda: _pages(target))


def _pages(target: Target) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
    problems: list[str] = []
    base = target.profile.target.base_url.rstrip("/") + "/"
    own = target.deployment.client.settings.origins
    places = target.profile.places
    urls = [urljoin(base, page) for page in (places.pages if places else ())]

    def load(url: str) -> tuple[str, str] | None:
        parts = urlsplit(url)
        if origin_of(url) not in own:
            problems.append(f"{url} is on another host")
            return None
        bodies: list[bytes] = []
        where = parts.path or "/"
        probe = Probe(
            method="GET",
            target=f"{where}?{parts.query}" if parts.query else where,
            headers=(("Accept", "text/html,*/*;q=0.8"),),
            origin=origin_of(url),
            purpose=LOADING,
            take=bodies.append,
        )
        exchange = target.attempt(probe)
        if exchange.response is None or not 200 <= exchange.status < 300:
            if url in urls or exchange.response is None:
                problems.append(f"{where} answered {exchange.status or 'nothing'}")
            return None
        if exchange.response.truncated:
            problems.append(f"{where} is longer than is read")
        source_map = exchange.response.header("SourceMap") or ""
        return b"".join(bodies).decode("utf-8", "replace"), source_map

    found = [item for each in loaded(urls, load) for item in unpacked(each)]
    return tuple(found), tuple(problems)


def in_pages(target: Target, *, patterns: bool) -> Scan:
    """Return what pages and bundles give away.

    Args:
        patterns: what looks like anybody's secret, else the run's own and its format.
    """
    resources, problems = pages(target)
    findings: dict[Finding, None] = {}
    for item in resources:
        own = known(target).find(item.text.encode("utf-8", "replace"), item.url)
        if not patterns:
            findings |= dict.fromkeys(own)
            continue
        lines = {finding.where for finding in own}
        for finding in find_patterns(item.text, item.url):
            if finding.where not in lines:
                findings[finding] = None
    return Scan(
        findings=tuple(findings),
        looked_at={item.url: len(item.text) for item in resources},
        skipped=problems,
    )


# -- source --------------------------------------------------------------------------


def source(target: Target) -> Scan:
    """Return which secrets lie in the source folders of the profile."""
    return joined(_in_folders(target))


def _in_folders(target: Target) -> Iterator[Scan]:
    looking = known(target)
    for name in target.profile.places.source if target.profile.places else ():
        folder = target.profile.folder / name
        if not folder.is_dir():
            yield Scan(skipped=(f"{name} is no folder",))
            continue
        paths, left_out = files_in(folder)
        yield Scan(skipped=tuple(item for item in left_out if "more than" in item))
        for path in paths:
            shown = str(path.relative_to(folder))
            try:
                read = read_file(path, shown)
            except Undetermined as undetermined:
                yield Scan(skipped=(undetermined.sentence.rstrip("."),))
                continue
            yield Scan(
                findings=tuple(_in_file(read, looking)),
                looked_at={shown: len(read.data)},
            )


def _in_file(read: Read, looking: Known) -> Iterator[Finding]:
    own = looking.find(read.data, read.name)
    yield from own
    if not is_text(read.data):
        return
    lines = {finding.where for finding in own}
    text = read.data.decode("utf-8", "replace")
    found: Sequence[Finding] = find_patterns(text, read.name)
    if read.name.endswith(_VALUES) and (document := parsed(text)) is not None:
        found = (*found, *find_random(document, read.name))
    yield from (finding for finding in found if finding.where not in lines)


def code(target: Target) -> Scan:
    """Return what bandit says of the source folders."""
    places = target.profile.places
    folders = [
        target.profile.folder / name for name in (places.source if places else ())
    ]
    there = [folder for folder in folders if folder.is_dir()]
    missing = [
        f"{folder.name} is no folder" for folder in folders if folder not in there
    ]
    return joined([Scan(skipped=tuple(missing)), *(bandit(item) for item in there)])


def past(target: Target) -> Scan:
    """Return which secrets the history of the source folders holds."""
    places = target.profile.places
    folders = [
        target.profile.folder / name for name in (places.source if places else ())
    ]
    return joined(history(item, known(target)) for item in folders)
