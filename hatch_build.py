"""Put suites/, profiles/ and reports/ inside the wheel.

Knows where the three folders go in a wheel; knows nothing of what they hold.
`tollproof.resources.bundled` is the reader of what is written here.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLED = ("suites", "profiles", "reports")


class BundleHook(BuildHookInterface[Any]):
    """Map the top-level folders to `tollproof/_bundle/` in a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders, unless the install is editable and reads the checkout."""
        if version != "standard":
            return
        for name in BUNDLED:
            build_data["force_include"][name] = f"tollproof/_bundle/{name}"
