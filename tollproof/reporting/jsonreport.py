"""The run as JSON, for programs: what the record holds, readable by every parser.

Knows how :func:`tollproof.model.to_json` writes; :mod:`tollproof.reporting.schema`
says what comes out. Must not know where the file goes.
"""

from __future__ import annotations

from tollproof.model import Run, to_json
from tollproof.reporting.text import laid_out, plain_json

__all__ = ["FORMAT", "render"]

#: The version of the format, as :mod:`tollproof.record` writes it.
FORMAT = 1


def render(run: Run) -> str:
    """Return the run as JSON that the schema accepts and `from_json` reads back.

    Figures that JSON has no word for (not-a-number, the infinities) become text, and
    lone surrogates are spelt out: every strict parser can read the file.
    """
    body = {"format": FORMAT, **to_json(run)}
    return laid_out(plain_json(body))
