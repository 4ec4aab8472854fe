"""Where suites/, profiles/ and reports/ are, in a wheel and in a checkout alike.

Knows the layout that `hatch_build.py` writes. Must not know what the folders hold:
nothing imports them, they are loaded by path or read as data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tollproof.errors import ResourceError

__all__ = ["Folder", "bundled", "shipped"]

Folder = Literal["suites", "profiles", "reports"]

_PACKAGE = Path(__file__).resolve().parent


def bundled(name: Folder, *, package: Path = _PACKAGE) -> Path:
    """Return the folder `name`: inside the wheel, else beside the package.

    Args:
        name: `suites`, `profiles` or `reports`.
        package: the folder of the installed package; only tests pass another.

    Raises:
        ResourceError: neither place has it. The checkout counts only with its
            pyproject.toml: a damaged wheel must not fall back on whatever folder of
            that name happens to lie in site-packages.
    """
    packed = package / "_bundle" / name
    if packed.is_dir():
        return packed
    checkout = package.parent
    beside = checkout / name
    if (checkout / "pyproject.toml").is_file() and beside.is_dir():
        return beside
    raise ResourceError(
        f"the folder {name!r} is missing from this installation of tollproof; "
        "install it again"
    )


def shipped(profile: Path) -> Path:
    """Return the shipped profile that a path such as `profiles/sdk/own.toml` names.

    Only where there is no file of that path; else, and for any other path, the path
    itself.
    """
    if profile.exists() or profile.parts[:1] != ("profiles",) or ".." in profile.parts:
        return profile
    ours = bundled("profiles").joinpath(*profile.parts[1:])
    return ours if ours.is_file() else profile
