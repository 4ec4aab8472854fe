"""`bundled` finds the folders of a wheel and of a checkout, and nothing else's."""

from pathlib import Path

import pytest

from tollproof.errors import ResourceError
from tollproof.resources import Folder, bundled, shipped


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


def test_a_shipped_profile_is_found_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = Path("profiles/sdk/own.toml")

    assert shipped(named) == bundled("profiles") / "sdk" / "own.toml"


def test_a_file_of_ones_own_wins_over_a_shipped_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = Path("profiles/sdk/own.toml")
    named.parent.mkdir(parents=True)
    named.touch()

    assert shipped(named) == named


@pytest.mark.parametrize(
    "other", ["profiles/none.toml", "sdk/own.toml", "profiles/../pyproject.toml"]
)
def test_any_other_path_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.chdir(tmp_path)

    assert shipped(Path(other)) == Path(other)
