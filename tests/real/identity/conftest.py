"""Real verifiers and token endpoints: judged by `make study`, which installs them."""

import os

collect_ignore_glob = [] if os.environ.get("TOLLPROOF_STUDY") else ["test_*.py"]
