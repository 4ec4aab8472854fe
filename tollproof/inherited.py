"""What a process of our own gets of our environment: enough to start, no credential.

Knows names of variables. Must not know what is started.
"""

from __future__ import annotations

import os
import site

#: All that is passed on: a credential of ours may be in any other.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "SYSTEMROOT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HYPOTHESIS_STORAGE_DIRECTORY"),
)


def inherited() -> dict[str, str]:
    """Return the environment of a Python process that imports what we can import."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, "PYTHONUSERBASE": site.getuserbase()}
