"""`bundled` finds the folders of a wheel and of a checkout, and nothing else's."""

from pathlib import Path

import pytest

from tollproof.errors import ResourceError
from tollproof.resources import Folder, bundled


@pytest.mark.parametrize("name", ["suites", "profiles", "reports"])
def test_checkout_folder_is_found_beside_the_package(name: Folder) -> None:
    assert bundled(name) == Path(__file__).resolve().parents[1] / name


def test_wheel_folder_wins_over_a_neighbour(tmp_path: Path) -> None:
    packed = tmp_path / "tollproof" / "_bundle" / "reports"
    packed.mkdir(parents=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "pyproject.toml").touch()

    assert bundled("reports", package=tmp_path / "tollproof") == packed


def test_neighbour_without_pyproject_is_somebody_elses(tmp_path: Path) -> None:
    """A damaged wheel in site-packages must not read site-packages/reports."""
    (tmp_path / "tollproof").mkdir()
    (tmp_path / "reports").mkdir()

    with pytest.raises(ResourceError, match="install it again"):
        bundled("reports", package=tmp_path / "tollproof")


def test_missing_folder_of_a_checkout_is_told(tmp_path: Path) -> None:
    (tmp_path / "tollproof").mkdir()
    (tmp_path / "pyproject.toml").touch()

    with pytest.raises(ResourceError, match="'suites' is missing"):
        bundled("suites", package=tmp_path / "tollproof")
