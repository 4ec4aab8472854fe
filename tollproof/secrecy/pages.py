"""What a browser would load of a page: markup, scripts, their imports, source maps.

Knows HTML as far as it names further resources, and source maps. Nothing is run, and
nothing is loaded from another origin. Must not know what is looked for.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

#: Resources that are loaded for all pages together, and bytes that are looked at of
#: what a source map holds.
MOST = 60
_LARGEST_MAP = 16 << 20
_LOADED = frozenset(
    {"stylesheet", "modulepreload", "preload", "prefetch", "manifest", "icon"}
)
_IMPORT = re.compile(
    r"""\b(?:import|from)\s*\(?\s*["']([^"'\s]{1,500})["']|"""
    r"""\bimportScripts\(\s*["']([^"'\s]{1,500})["']"""
)
_MAP = re.compile(r"[#@]\s*sourceMappingURL=([^\s*'\"]{1,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something a browser loaded, or found inside of what it loaded."""

    url: str
    text: str = field(repr=False)


#: Loads a URL: its text and its SourceMap field; None when there is none.
Load = Callable[[str], tuple[str, str] | None]


def loaded(pages: list[str], load: Load) -> Iterator[Resource]:
    """Yield everything a browser would load for pages, each once.

    Args:
        pages: absolute URLs; what they name is loaded from their own origins only.
    """
    origins = {_origin(page) for page in pages}
    waiting = list(dict.fromkeys(pages))
    seen = set(waiting)
    count = 0
    while waiting and count < MOST:
        url = waiting.pop(0)
        count += 1
        if (answer := load(url)) is None:
            continue
        text, source_map = answer
        yield Resource(url=url, text=text)
        for place in _named(text, source_map):
            if place.startswith("data:"):
                yield from _inline(url, place)
                continue
            further = urljoin(url, place).partition("#")[0]
            if _origin(further) in origins and further not in seen:
                seen.add(further)
                waiting.append(further)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _named(text: str, source_map: str) -> Iterator[str]:
    if source_map:
        yield source_map
    if text.lstrip()[:1] == "<":
        reader = _Reader()
        reader.feed(text)
        yield from reader.found
    for match in _IMPORT.finditer(text):
        yield match[1] or match[2]
    for match in _MAP.finditer(text):
        yield match[1]


class _Reader(HTMLParser):
    """Collects what markup makes a browser load."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        kinds = set(given.get("rel", "").lower().split())
        if tag in ("script", "iframe") and given.get("src"):
            self.found.append(given["src"])
        elif tag == "link" and kinds & _LOADED and given.get("href"):
            self.found.append(given["href"])


def _inline(url: str, place: str) -> Iterator[Resource]:
    """Yield what a `data:` URL holds."""
    head, comma, body = place[5:_LARGEST_MAP].partition(",")
    if not comma:
        return
    data = unquote_to_bytes(body)
    if head.endswith(";base64"):
        try:
            data = base64.b64decode(data + b"=" * (-len(data) % 4))
        except (binascii.Error, ValueError):
            return
    yield Resource(url=f"{url} (data URL)", text=data.decode("utf-8", "replace"))


def unpacked(resource: Resource) -> Iterator[Resource]:
    """Yield a resource, and each source that it holds if it is a source map."""
    yield resource
    if '"sourcesContent"' not in resource.text:
        return
    try:
        document = json.loads(resource.text)
        names, texts = document.get("sources") or [], document["sourcesContent"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return
    if not isinstance(texts, list) or not isinstance(names, list):
        return
    for number, text in enumerate(texts[:2000]):
        if isinstance(text, str):
            name = str(names[number])[:120] if number < len(names) else str(number)
            yield Resource(url=f"{resource.url} › {name}", text=text)
