"""The wheel is the whole product, and nothing of whoever built it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = ("tollproof", "suites", "profiles", "reports")
FILES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE")


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST"))
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a checkout in which somebody has worked."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for name in PARTS:
        shutil.copytree(
            CHECKOUT / name,
            source / name,
            ignore=shutil.ignore_patterns("__pycache__", "out"),
        )
    for name in FILES:
        shutil.copy(CHECKOUT / name, source / name)
    run = source / "reports" / "out" / "audit"
    run.mkdir(parents=True)
    (run / "index.html").write_text("what somebody's deployment answered")
    cache = source / "suites" / "__pycache__"
    cache.mkdir()
    (cache / "left.pyc").write_bytes(b"")
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    built = _run(*command, cwd=source)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_suites_profiles_and_reports(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "tollproof/py.typed" in names
    for name in ("suites", "profiles", "reports"):
        tracked = {
            f"tollproof/_bundle/{path.relative_to(CHECKOUT)}"
            for path in (CHECKOUT / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
            if (CHECKOUT / "reports" / "out") not in path.parents
        }
        bundled = {
            item for item in names if item.startswith(f"tollproof/_bundle/{name}/")
        }
        assert bundled == tracked


def test_the_wheel_made_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    """Who packages for a distribution starts from the sdist, not from a checkout."""
    build = (sys.executable, "-m", "hatchling", "build")
    made = _run(*build, "-t", "sdist", "-d", tmp_path, cwd=wheel.parent / "source")
    assert made.returncode == 0, made.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    source = next((tmp_path / "unpacked").iterdir())
    made = _run(*build, "-t", "wheel", "-d", tmp_path, cwd=source)
    assert made.returncode == 0, made.stderr

    def contents(path: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    again = next(tmp_path.glob("*.whl"))
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)


def test_the_wheel_holds_no_results_of_whoever_built_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "/out/" in name or "__pycache__" in name]


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Install the wheel in an environment that borrows only its dependencies."""
    home = wheel.parent / "environment"
    assert _run(sys.executable, "-m", "venv", "--without-pip", home, cwd=wheel.parent)
    python = home / "bin" / "python"
    command = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps")
    done = _run(*command, "--no-index", "--quiet", wheel, cwd=wheel.parent)
    assert done.returncode == 0, done.stderr
    site = next((home / "lib").glob("python*/site-packages"))
    # Paths of a .pth file are not searched for more of them, so the editable install
    # of this checkout stays out of sight.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_an_installed_gate_judges_from_any_folder(
    installed: Path, tmp_path: Path
) -> None:
    where = _run(
        installed / "python",
        "-c",
        "import tollproof; print(tollproof.__file__)",
        cwd=tmp_path,
    )
    assert str(installed.parent) in where.stdout
    command = ("gate", "--suite", "envelope", "--suite", "headers")
    gate = _run(installed / "tollproof", *command, cwd=tmp_path)
    assert gate.returncode == 0, gate.stdout + gate.stderr
    assert (tmp_path / "tollproof-report" / "index.html").stat().st_size > 10_000
    # Nothing else is left behind, a folder of Hypothesis least of all.
    assert [path.name for path in tmp_path.iterdir()] == ["tollproof-report"]


def test_the_installed_catalogue_names_every_suite(
    installed: Path, tmp_path: Path
) -> None:
    shown = _run(installed / "tollproof", "catalogue", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    suites = [path.name for path in (CHECKOUT / "suites").iterdir() if path.is_dir()]
    for suite in suites:
        assert suite == "__pycache__" or f"{suite}." in shown.stdout
