"""What holds for every test: a property is judged by what it finds, not by a clock.

The same examples come every time: a gate must not turn red by chance. Set
`TOLLPROOF_EXPLORE=1` to look for new ones.
"""

import os

from hypothesis import settings

settings.register_profile(
    "tollproof",
    deadline=None,
    print_blob=True,
    derandomize=not os.environ.get("TOLLPROOF_EXPLORE"),
)
settings.load_profile("tollproof")
