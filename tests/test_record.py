"""What is on disk: readable after a kill at any byte, and free of credentials."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.deploying import KEY
from tests.leaking import ENCODINGS
from tests.reporting import strategies
from tests.reporting.sample import sample_run
from tollproof.errors import ArtefactRefused, RecordError
from tollproof.model import (
    Exchange,
    Outcome,
    Reason,
    Request,
    Response,
    Result,
    Run,
    Verdict,
    Waiver,
)
from tollproof.plan import Plan
from tollproof.record import (
    JOURNAL,
    PLAN,
    RESULTS,
    RUN,
    Lines,
    finish,
    is_draft,
    read_journal,
    read_lines,
    read_plan,
    read_run,
    write_artefact,
    write_plan,
)
from tollproof.redaction import Credential, Redactor
from tollproof.reporting import FORMATS

SAMPLE = sample_run()
PLANNED = Plan(checks=SAMPLE.checks, planned=SAMPLE.planned, left_out=SAMPLE.left_out)
WAIVER = Waiver(
    check="a.b", subject="*", reason="known", owner="ops", expires=date(2027, 1, 31)
)


def exchange(number: int, status: int = 200, body: str = "{}") -> Exchange:
    return Exchange(
        id=f"main-{number}",
        at="2026-01-01T00:00:00.000Z",
        seconds=0.1,
        request=Request(method="GET", url="http://x/y"),
        response=Response(status=status, body=body, body_bytes=len(body)),
    )


def write_lines(path: Path, values: list[Any]) -> bytes:
    lines = Lines(path)
    for value in values:
        lines.append(value)
    lines.close()
    return path.read_bytes()


# -- lines ---------------------------------------------------------------------------

anything = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)


@anything
@given(strategies.runs())
def test_lines_are_read_as_they_were_written(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "lines"
    path.unlink(missing_ok=True)
    raw = write_lines(path, list(run.results))

    assert raw.count(b"\n") == len(run.results)
    assert str(list(read_lines(path, Result))) == str(list(run.results))


texts = st.lists(st.sampled_from(["", "a", "é\n\r\u2028", "\ud800", '"\\'] * 2))


@anything
@given(texts, st.integers(0, 10_000))
@example(["a", "b"], 0)
def test_a_kill_at_any_byte_loses_at_most_the_last_line(
    tmp_path: Path, bodies: list[str], cut: int
) -> None:
    path = tmp_path / "lines"
    path.unlink(missing_ok=True)
    written = [exchange(number, body=body) for number, body in enumerate(bodies)]
    raw = write_lines(path, written)
    kept = raw[: cut % (len(raw) + 1)]
    path.write_bytes(kept)

    assert list(read_lines(path, Exchange)) == written[: kept.count(b"\n")]


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"7", b'{"id": 1}', b"null", b"\xff\xfe", b"{}", b""]
)
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "lines"
    good = write_lines(path, [exchange(1)])
    path.write_bytes(good + line + b"\n" + good)

    found = read_lines(path, Exchange)
    assert next(found) == exchange(1)
    with pytest.raises(RecordError, match=f"{path}:2: "):
        next(found)


def test_threads_do_not_write_into_each_others_lines(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "lines")

    def write(first: int) -> None:
        for number in range(50):
            lines.append(exchange(first + number, body="x" * 5000))

    threads = [threading.Thread(target=write, args=(n * 50,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close()

    found = {item.id for item in read_lines(tmp_path / "lines", Exchange)}
    assert found == {f"main-{number}" for number in range(200)}


def test_the_journal_is_that_of_every_process(tmp_path: Path) -> None:
    for name in ("gw1", "main", "gw0"):
        path = tmp_path / JOURNAL / f"{name}.jsonl"
        write_lines(path, [replace(exchange(n), id=f"{name}-{n}") for n in (1, 2)])

    assert [item.id for item in read_journal(tmp_path)] == [
        f"{name}-{n}" for name in ("gw0", "gw1", "main") for n in (1, 2)
    ]
    assert list(read_journal(tmp_path / "elsewhere")) == []


# -- artefacts -----------------------------------------------------------------------


def knowing() -> Redactor:
    redactor = Redactor()
    redactor.add(Credential(label="alpha", value=KEY))
    return redactor


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_with_a_credential_is_refused_and_nothing_is_left(
    tmp_path: Path, encoding: str
) -> None:
    text = f"<p>{ENCODINGS[encoding](KEY)}</p>"
    with pytest.raises(ArtefactRefused, match=r"index\.html.*'alpha'") as caught:
        write_artefact(tmp_path / "sub" / "index.html", text, knowing())

    assert KEY not in str(caught.value)
    assert list(tmp_path.rglob("*")) == []


def test_a_refused_file_leaves_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    write_artefact(path, "former", knowing())
    with pytest.raises(ArtefactRefused):
        write_artefact(path, KEY, knowing())

    assert path.read_text() == "former"


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_artefact(tmp_path / "index.html", "text", Redactor())

    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_what_is_written(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        write_artefact(tmp_path / "index.html", "\ud800 text", Redactor())
        write_plan(tmp_path, SAMPLE.about, PLANNED, Redactor())
        write_lines(tmp_path / JOURNAL / "main.jsonl", [exchange(1)])
    finally:
        os.umask(former)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_what_a_killed_writer_leaves_is_told_from_files_of_others() -> None:
    assert is_draft(".plan.json.4711", {PLAN})
    for name in ("plan.json", ".plan.json.bak", ".other.json.4711", ".plan.json"):
        assert not is_draft(name, {PLAN}), name


# -- the plan and the run ------------------------------------------------------------


def test_the_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_plan(tmp_path / "new", SAMPLE.about, PLANNED, Redactor())

    assert read_plan(tmp_path / "new") == PLANNED


def unfinished(folder: Path, results: list[Result]) -> None:
    begun = replace(SAMPLE.about, ended="")
    write_plan(folder, begun, PLANNED, Redactor(), (WAIVER,))
    write_lines(folder / RESULTS, list(results))
    write_lines(folder / JOURNAL / "main.jsonl", list(SAMPLE.exchanges))


def test_a_run_that_was_killed_is_made_of_what_there_is(tmp_path: Path) -> None:
    reached = list(SAMPLE.results[:3])
    unfinished(tmp_path, reached)
    run = read_run(tmp_path)

    assert run.about.interrupted
    assert not run.about.ended
    assert run.waivers == (WAIVER,)
    assert [(item.check, item.subject) for item in run.results] == [
        (item.check, item.subject) for item in SAMPLE.planned
    ]
    found = {(item.check, item.subject): item.verdict for item in run.results}
    for result in reached:
        assert found.pop((result.check, result.subject)) == result.verdict
    assert {verdict.reason for verdict in found.values()} == {Reason.NOT_RUN}


def test_a_run_killed_before_its_first_result(tmp_path: Path) -> None:
    write_plan(tmp_path, SAMPLE.about, PLANNED, Redactor())
    run = read_run(tmp_path)

    assert {item.verdict.outcome for item in run.results} == {Outcome.INCONCLUSIVE}
    assert run.traffic.requests == 0


@anything
@given(st.integers(0, 100_000))
def test_a_run_killed_at_any_byte_of_its_files_can_be_read(
    tmp_path: Path, cut: int
) -> None:
    for name in (RESULTS, f"{JOURNAL}/main.jsonl"):
        (tmp_path / name).unlink(missing_ok=True)
    unfinished(tmp_path, list(SAMPLE.results))
    for name in (RESULTS, f"{JOURNAL}/main.jsonl"):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw[: cut % (len(raw) + 1)])
    run = read_run(tmp_path)

    assert len(run.results) == len(SAMPLE.planned)
    for form in FORMATS.values():
        assert form.render(run, None)


def test_the_evidence_is_what_results_refer_to_and_the_account_is_of_all(
    tmp_path: Path,
) -> None:
    silent = replace(exchange(4), response=None)
    sent = [exchange(1), exchange(2, 401), exchange(3, 401, "long"), silent]
    write_lines(tmp_path / JOURNAL / "main.jsonl", sent)
    result = Result(
        check="a.b",
        subject="x",
        verdict=Verdict(
            outcome=Outcome.PASSED, summary="", exchanges=("main-2", "gone")
        ),
        at="",
        seconds=0.0,
    )
    run = finish(tmp_path, SAMPLE.about, Plan(), [result])

    assert run.exchanges == (sent[1],)
    assert (run.traffic.requests, run.traffic.responses) == (4, 3)
    assert run.traffic.by_status == {"200": 1, "401": 2}
    assert run.traffic.bytes_received == 8


def test_a_finished_run_is_read_from_its_folder_or_its_file(tmp_path: Path) -> None:
    text = FORMATS["json"].render(SAMPLE, None)
    write_artefact(tmp_path / RUN, text, Redactor())

    assert read_run(tmp_path) == read_run(tmp_path / RUN) == SAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"about": {}}',
        '{"format": 2}',
        '{"format": 0, "about": {}}',
        '{"format": 1}',
        '{"format": 1, "about": 7}',
        '{"format": 1, "about": {"tool": "x"}}',
        '{"format": 1, "results": 3}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", [RUN, PLAN])
def test_what_is_no_record_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordError, match=name.replace(".", r"\.")):
        read_run(tmp_path)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\x00" * 10])
def test_a_binary_file_is_no_record(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / RUN).write_bytes(raw)
    with pytest.raises(RecordError):
        read_run(tmp_path)


def test_a_folder_without_a_record_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="--output"):
        read_run(tmp_path)
