"""The JSON report reads back as the run it was made from."""

from __future__ import annotations

import json

from tests.reporting.sample import big_run, sample_run
from tollproof import record
from tollproof.model import Run, from_json
from tollproof.reporting import jsonreport


def test_report_reads_back_as_the_run() -> None:
    for run in (sample_run(), big_run(50)):
        assert from_json(Run, json.loads(jsonreport.render(run))) == run


def test_format_is_the_records() -> None:
    assert jsonreport.FORMAT == record.FORMAT
    assert json.loads(jsonreport.render(sample_run()))["format"] == record.FORMAT
