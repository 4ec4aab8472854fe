"""The rules of the package that a reader may rely on, read from its source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "tollproof"
DATA = {"suites", "profiles", "reports"}


def sources(*folders: str) -> list[Path]:
    return [path for name in folders for path in sorted((PROJECT / name).rglob("*.py"))]


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def test_dependencies_point_one_way() -> None:
    script = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run(
        [str(script), "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " 0 broken" in finished.stdout


def test_loading_every_check_imports_nothing_dear_that_not_every_run_needs() -> None:
    told = """
import sys
from tollproof import session
from tollproof.catalogue import load_entries
from tollproof.resources import bundled

assert load_entries([bundled("suites")])
print(*sys.modules)
"""
    finished = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    )

    dear = {"tollproof.quota", "tollproof.sustain", "detect_secrets", "requests"}
    assert not dear & set(finished.stdout.split())


@pytest.mark.parametrize("path", sources("tollproof"), ids=named)
def test_no_assertion_can_be_switched_off(path: Path) -> None:
    lines = [
        item.lineno for item in ast.walk(tree(path)) if isinstance(item, ast.Assert)
    ]

    assert lines == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler keeps everything; one that raises it again does not."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None
        or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
        for kind in kinds
    )


#: Programs of their own, which tell on a pipe whatever is raised; it is raised again
#: where it is read.
TELLING = ("tollproof/sdk/drivers/", "tollproof/openapi/process.py")


def test_only_evaluate_catches_everything() -> None:
    broad = {
        named(path)
        for path in sources("tollproof", "suites")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
        if not named(path).startswith(TELLING)
    }

    assert broad == {"tollproof/evaluate.py"}


@pytest.mark.parametrize("path", sources("tollproof", "suites"), ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{named(path)} has no docstring"


def test_nothing_imports_what_is_data() -> None:
    importing = {
        (named(path), name)
        for path in sources("tollproof", "suites", "tests")
        for name in imported(tree(path))
        if name.partition(".")[0] in DATA
    }

    assert importing == set()
