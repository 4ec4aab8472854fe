"""Put suites/, profiles/ and reports/ inside the wheel.

Knows where the three folders go in a wheel; knows nothing of what they hold.
`tollproof.resources.bundled` is the reader of what is written here.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLED = ("suites", "profiles", "reports")
#: Where runs leave their results in a checkout: never anybody else's business.
RUNS = Path("reports/out")


class BundleHook(BuildHookInterface[Any]):
    """Map the top-level folders to `tollproof/_bundle/` in a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders, unless the install is editable and reads the checkout."""
        if version != "standard":
            return
        root = Path(self.root)
        for name in BUNDLED:
            for path in sorted((root / name).rglob("*")):
                own = path.relative_to(root)
                leftover = RUNS in own.parents or "__pycache__" in own.parts
                if path.is_file() and not leftover:
                    build_data["force_include"][str(path)] = f"tollproof/_bundle/{own}"
