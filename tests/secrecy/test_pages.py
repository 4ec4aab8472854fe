"""What a browser loads of a page is loaded, and nothing else."""

from __future__ import annotations

import base64
import json

from tollproof.secrecy.pages import Resource, loaded, unpacked

SITE = "https://app.example"
PAGE = """<!doctype html><script src="/a.js?v=1"></script>
<link rel="modulepreload" href="lib/b.js"><link rel=canonical href="/not">
<script src="https://cdn.example/c.js"></script>
<script>const state = {"inline": true}; import("./d.js")</script>"""


def urls(files: dict[str, tuple[str, str]], *pages: str) -> list[str]:
    asked: list[str] = []

    def load(url: str) -> tuple[str, str] | None:
        asked.append(url)
        return files.get(url)

    found = [item.url for item in loaded([*pages], load)]
    assert len(asked) == len(set(asked))
    return found


def test_scripts_imports_and_maps_of_the_same_origin() -> None:
    files = {
        f"{SITE}/app/": (PAGE, ""),
        f"{SITE}/a.js?v=1": ("import x from './e.js'\n//# sourceMappingURL=a.map", ""),
        f"{SITE}/app/lib/b.js": ("", "b.map"),
        f"{SITE}/app/d.js": ("import './d.js'", ""),
        f"{SITE}/e.js": ("", ""),
        f"{SITE}/a.map": ("{}", ""),
        f"{SITE}/app/lib/b.map": ("{}", ""),
    }
    assert set(urls(files, f"{SITE}/app/")) == set(files)


def test_a_site_without_end_is_left() -> None:
    def load(url: str) -> tuple[str, str]:
        return f"import '{url}x.js'", ""

    assert len(list(loaded([f"{SITE}/"], load))) == 60


def test_sources_inside_a_map_are_read_each_by_its_name() -> None:
    document = {"sources": ["src/x.ts"], "sourcesContent": ["one", None, "three"]}
    data = base64.b64encode(json.dumps(document).encode()).decode()
    script = f"//# sourceMappingURL=data:application/json;base64,{data}"
    files = {f"{SITE}/a.js": (script, "")}
    found = [
        part for item in loaded([f"{SITE}/a.js"], files.get) for part in unpacked(item)
    ]
    assert [item.text for item in found[2:]] == ["one", "three"]
    assert found[2].url.endswith("› src/x.ts")


def test_hostile_maps_are_just_text() -> None:
    for text in ('{"sourcesContent": 5}', '{"sourcesContent"', '["sourcesContent"]'):
        item = Resource(url="x", text=text)
        assert list(unpacked(item)) == [item]
    assert list(loaded(["data:,x"], lambda _: ("<script src='data:x'>", "")))
