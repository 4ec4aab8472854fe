"""Finds what looks like a secret of anybody's: detect-secrets, its filters off.

Knows detect-secrets' plugins, called one by one on one text, so that an allowlist
comment in a hostile answer switches nothing off and nothing is verified over the
network. Entropy is measured only on values that were parsed, and only on short ones:
it takes quadratic time, and a whole line always looks random.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tollproof.secrecy.finding import Finding

#: What each line is searched for. Left out: public addresses are no secrets, and words
#: such as `password` are looked for in parsed values, where they are names.
_REGEX = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "CloudantDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "IbmCloudIamDetector",
    "IbmCosHmacDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SoftlayerDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString")
#: Characters of a line that are searched at once, and how far two such stretches
#: overlap: some of the expressions go back and forth in a long one.
STRETCH, OVERLAP = 4096, 256
#: Characters of a value whose entropy is measured; longer ones are data, not keys.
LONGEST = 200
SHORTEST = 20
MOST = 100
_NAMES = re.compile(
    r"pass(?:word|wd|phrase)?$|secret|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|auth[_-]?token|access[_-]?token|credential",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"""["']?([A-Za-z_][\w.-]{1,60})["']?\s*[:=]\s*["']([^"'\s]{8,200})["']"""
)
_PLACEHOLDER = re.compile(
    r"^(?:x+|\*+|\.+|<.*>|\$\{.*|\{\{.*|%\(.*|example.*|changeme|your[_-].*|test|none"
    r"|null|true|false)$",
    re.IGNORECASE,
)
#: A character that is repeated like this fills the place of a secret in an example.
_FILLED = re.compile(r"(.)\1{7}")
_lock = threading.Lock()


def find_patterns(text: str, where: str) -> tuple[Finding, ...]:
    """Return what in a text looks like a secret, each with its line.

    Takes time linear in the length of the text.
    """
    found: dict[Finding, None] = {}
    with _detectors(_REGEX) as plugins:
        for number, line in enumerate(text.split("\n"), 1):
            for stretch in _stretches(line):
                for plugin in plugins:
                    values = plugin.analyze_string(stretch)
                    if any(not _FILLED.search(value) for value in values):
                        place = f"{where}:{number}"
                        found[Finding(where=place, kind=plugin.secret_type)] = None
            for name in _named(line):
                kind = f"a value named {name}"
                found[Finding(where=f"{where}:{number}", kind=kind)] = None
            if len(found) >= MOST:
                break
    return tuple(found)


def find_random(document: Any, where: str) -> tuple[Finding, ...]:
    """Return which texts in a parsed document are too random for words, by pointer."""
    found = []
    with _detectors(_ENTROPY) as plugins:
        for pointer, value in _texts(document, ""):
            if not SHORTEST <= len(value) <= LONGEST or _PLACEHOLDER.match(value):
                continue
            for plugin in plugins:
                if _is_random(plugin, value):
                    kind = f"{plugin.secret_type} at {pointer or 'its top'}"
                    found.append(Finding(where=where, kind=kind))
                    break
            if len(found) >= MOST:
                break
    return tuple(found)


def parsed(text: str) -> Any:
    """Return a JSON document, or None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@contextmanager
def _detectors(names: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Give detect-secrets' plugins of these names, to one thread at a time."""
    # It comes with an HTTP library, to verify what it finds: fifty milliseconds that
    # only a run with places to search should spend.
    from detect_secrets.settings import get_plugins, transient_settings

    settings = {"plugins_used": [{"name": name} for name in names], "filters_used": []}
    # It keeps its settings in one place for the whole process.
    with _lock, transient_settings(settings):
        yield get_plugins()


def _is_random(plugin: Any, value: str) -> bool:
    letters = set(value)
    if not letters <= set(plugin.charset) or len(letters) < 8:
        return False
    return bool(plugin.calculate_shannon_entropy(value) > plugin.entropy_limit)


def _stretches(line: str) -> Iterator[str]:
    if len(line) <= STRETCH:
        yield line
        return
    for start in range(0, len(line), STRETCH):
        yield line[start : start + STRETCH + OVERLAP]


def _named(line: str) -> Iterator[str]:
    """Yield names that say "secret" of values that are written out beside them."""
    for stretch in _stretches(line):
        for match in _PAIR.finditer(stretch):
            name, value = match[1], match[2]
            if _NAMES.search(name) and _is_secret(value):
                yield name[:40]


def _is_secret(value: str) -> bool:
    """Whether a value is written out: no placeholder, no name of another value."""
    if _PLACEHOLDER.match(value) or len(set(value)) < 6:
        return False
    kinds = (str.isdigit, str.islower, str.isupper)
    mixed = sum(any(kind(letter) for letter in value) for kind in kinds)
    return mixed >= 2 and not re.fullmatch(r"[A-Za-z_]+(?:[./][A-Za-z_]+)*", value)


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a document with its pointer, without recursion."""
    waiting: list[tuple[str, Any]] = [(pointer, value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, str):
            yield place, item
        elif isinstance(item, dict):
            waiting += [(f"{place}/{str(key)[:60]}", one) for key, one in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{place}/{number}", one) for number, one in enumerate(item)]
