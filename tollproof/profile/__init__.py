"""The profile: a TOML file read into one frozen value.

Knows how a deployment, its promises and our consent are written down. Must not know
HTTP, checks or reports.
"""

from tollproof.profile.load import anchors, load_profile
from tollproof.profile.model import Profile

__all__ = ["Profile", "anchors", "load_profile"]
