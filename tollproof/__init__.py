"""tollproof proves, from the outside, that an HTTP API keeps its promises.

This is the authoring API, all that a suite needs, and nothing else::

    from tollproof import CWE, Severity, Target, Verdict, check, failed, passed
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tollproof.version import __version__

if TYPE_CHECKING:
    from tollproof.client import Probe
    from tollproof.declare import (
        check,
        failed,
        inconclusive,
        not_applicable,
        passed,
    )
    from tollproof.errors import Undetermined
    from tollproof.identity import Identity
    from tollproof.model import (
        Exchange,
        Impact,
        Outcome,
        Reason,
        Response,
        Severity,
        Tier,
        Verdict,
    )
    from tollproof.operations import Operation
    from tollproof.references import API, ASVS, CWE, RFC
    from tollproof.target import Target

_HOMES = {
    "API": "references",
    "ASVS": "references",
    "CWE": "references",
    "Exchange": "model",
    "Identity": "identity",
    "Impact": "model",
    "Operation": "operations",
    "Outcome": "model",
    "Probe": "client",
    "RFC": "references",
    "Reason": "model",
    "Response": "model",
    "Severity": "model",
    "Target": "target",
    "Tier": "model",
    "Undetermined": "errors",
    "Verdict": "model",
    "check": "declare",
    "failed": "declare",
    "inconclusive": "declare",
    "not_applicable": "declare",
    "passed": "declare",
}

__all__ = [
    "API",
    "ASVS",
    "CWE",
    "RFC",
    "Exchange",
    "Identity",
    "Impact",
    "Operation",
    "Outcome",
    "Probe",
    "Reason",
    "Response",
    "Severity",
    "Target",
    "Tier",
    "Undetermined",
    "Verdict",
    "__version__",
    "check",
    "failed",
    "inconclusive",
    "not_applicable",
    "passed",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: `tollproof --help` needs none."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tollproof' has no attribute {name!r}")
    return getattr(import_module(f"tollproof.{home}"), name)
