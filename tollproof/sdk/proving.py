"""Profiles of the sample SDKs with a fault: what the checks of SDKs are tested on.

Knows how a fault gets into each sample. Must not know how a check judges.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tollproof.resources import bundled
from tollproof.sdk.sample import faults

_SAMPLE = Path(__file__).with_name("sample")
_COMMAND = '"{drivers}/sample.py"]'
_BROWSER = '"{drivers}/../sample/browser.mjs"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFault:
    """A fault of a sample SDK.

    Attributes:
        check: id of the check that must notice it.
        title: what is wrong, as a sentence without a full stop.
        profile: name of the shipped profile whose sample can have it.
    """

    name: str
    check: str
    title: str
    profile: str


SDK_FAULTS: tuple[SdkFault, ...] = tuple(
    SdkFault(name=name, check=f"sdk.{slug}", title=title, profile=profile)
    for profile, rows in (("sample", faults.PYTHON), ("sample-node", faults.NODE))
    for slug, name, title in rows
)


def write_profile(folder: Path, fault: SdkFault | None, sample: str = "sample") -> Path:
    """Write the profile of a sample SDK to a folder, sound or with a fault."""
    profile = fault.profile if fault else sample
    text = (bundled("profiles") / "sdk" / f"{profile}.toml").read_text("utf-8")
    if fault is not None and profile == "sample":
        text = text.replace(
            _COMMAND, f'"{{drivers}}/sample.py", "--fault", "{fault.name}"]'
        )
    elif fault is not None:
        text = text.replace(_BROWSER, f'"{_faulty_page(folder, fault)}"')
    path = folder / f"{profile}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _faulty_page(folder: Path, fault: SdkFault) -> str:
    """Write the browser's modules to a folder, with one that switches a fault on."""
    for name in ("client.mjs", "browser.mjs"):
        (folder / name).write_text((_SAMPLE / name).read_text("utf-8"), "utf-8")
    (folder / "faulty.mjs").write_text(
        'import { call, create as make } from "./browser.mjs";\n'
        f"const faults = {json.dumps([fault.name])};\n"
        "export const create = (options) => make({ ...options, faults });\n"
        "export { call };\n",
        "utf-8",
    )
    return "faulty.mjs"
