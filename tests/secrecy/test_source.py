"""bandit and git are asked, and read back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tollproof.errors import Undetermined
from tollproof.redaction import Credential, Redactor
from tollproof.secrecy.known import Known
from tollproof.secrecy.source import bandit, history

KEY = "tp_live_Zq7Vn2Xw9Kd4Rb6Ty1Hm8Lc3"


def test_bandit_names_what_is_grave(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        "import subprocess\n\n\ndef run(name):\n"
        "    subprocess.run('rm ' + name, shell=True)\n    assert name\n"
    )
    (tmp_path / "broken.py").write_text("def (:\n")
    scan = bandit(tmp_path)
    (finding,) = scan.findings
    assert finding.where == "x.py:5"
    assert finding.kind.startswith("B602")
    assert "broken.py cannot be parsed" in scan.skipped[0]


def test_what_was_committed_once_is_found(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)

    git("init", "-q")
    for text in (f"key = '{KEY}'\n", "key = None\n"):
        (tmp_path / "x.py").write_text(text)
        git("add", ".")
        git("commit", "-qm", "c")
    redactor = Redactor()
    redactor.add(Credential(label="alpha", value=KEY))
    scan = history(tmp_path, Known(redactor=redactor))
    (finding,) = scan.findings
    assert finding.kind == "alpha (plain)"
    assert finding.where.endswith(":x.py")


def test_a_folder_without_history_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Undetermined, match="ended with code 128"):
        history(tmp_path, Known(redactor=Redactor()))
