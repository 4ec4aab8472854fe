"""The small values a profile is written with: secrets by name, patterns, pointers.

Knows how each is spelt and how to refuse a wrong spelling in plain English. Must not
know files, environment variables or which section a value stands in.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)
from pydantic_core import PydanticCustomError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_LABEL = re.compile(r"([A-Z]+) (/[^\s?#]*)")
_PATTERN = re.compile(r"([A-Z]+|\*) (/[^\s?#]*|\*)")
_KINDS = ("all", "success", "error", "authenticated", "unauthenticated", "public")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_MEDIA = re.compile(rf"{TOKEN.pattern}/{TOKEN.pattern}(\s*;.*)?")


class Flaw(NamedTuple):
    """One thing wrong inside a section, before its place in the file is known.

    Attributes:
        key: the key inside the section, dotted; empty for the section itself.
    """

    key: str
    message: str
    remedy: str = ""


def refuse(message: str, remedy: str = "") -> PydanticCustomError:
    """Build the error a validator raises; never put the value into it."""
    return flawed([Flaw("", message, remedy)])


def flawed(flaws: Iterable[Flaw]) -> PydanticCustomError:
    """Build one error that carries several flaws of a section."""
    return PydanticCustomError("flaws", "refused", {"flaws": list(flaws)})


class Section(BaseModel):
    """A table of the profile: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        # The validator of a profile holds those of its sections: they need none of
        # their own, unless one of them is made while the models are imported.
        defer_build=True,
    )


class SecretRef(Section):
    """Where a secret is kept: exactly one of `env`, `file` and `command`."""

    env: str | None = None
    """Name of the environment variable that holds it."""
    file: str | None = None
    """File that holds it and nothing else, relative to the profile."""
    command: tuple[str, ...] | None = None
    """Program and arguments that print it; run without a shell."""

    @model_validator(mode="before")
    @classmethod
    def _not_a_literal(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise refuse(
                "a secret is written into the profile, or its place is not named",
                'name where it is kept: { env = "NAME" }, { file = "path" } or '
                '{ command = ["program", "argument"] }',
            )
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretRef:
        given = [item for item in (self.env, self.file, self.command) if item]
        if len(given) != 1:
            raise refuse(
                "names no place or more than one",
                "give exactly one of env, file and command, and not an empty one",
            )
        if self.env is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.env, re.A):
            raise refuse(
                "is not the name of an environment variable",
                "a name holds letters, digits and underscores, such as API_KEY_ALPHA",
            )
        return self

    def describe(self) -> str:
        """Say where the secret is kept, for messages."""
        if self.env:
            return f"environment variable {self.env}"
        if self.file:
            return f"file {self.file}"
        return f"command {(self.command or ('',))[0]}"


# -- one-line values -----------------------------------------------------------------


def _check(test: Callable[[str], object], message: str, remedy: str) -> AfterValidator:
    def validate(value: str) -> str:
        if not test(value):
            raise refuse(message, remedy)
        return value

    return AfterValidator(validate)


def _wordless(message: str) -> str:
    """Cut what `re` quotes from the pattern off its message."""
    return message.partition("'")[0].partition("?")[0].strip()


def _compiles(value: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # they would quote the pattern
            re.compile(value)
    except re.error as error:
        reason = f": {_wordless(error.msg)} at {error.pos}"
    except (OverflowError, RecursionError):
        reason = ": it is too large"
    else:
        return value
    raise refuse(
        f"is not a regular expression{reason}",
        "write it as Python's re understands it, in 'single quotes' so that "
        "backslashes stay as they are",
    )


def _url(*schemes: str) -> AfterValidator:
    def validate(value: str) -> str:
        try:
            parts = urlsplit(value)
            good = bool(parts.scheme in schemes and parts.hostname)
            good = good and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or any(ch.isspace() or not ch.isprintable() for ch in value):
            wanted = " or ".join(f"{scheme}://host" for scheme in schemes)
            raise refuse("is not an absolute URL", f"write {wanted}, with a host")
        if "@" in parts.netloc:
            raise refuse(
                "carries a user name or password",
                "take it out of the URL: credentials belong to an identity, by name",
            )
        if parts.fragment or parts.query:
            raise refuse(
                "carries a query or a fragment", "end the URL before the ? or #"
            )
        return value.rstrip("/")

    return AfterValidator(validate)


def _upper_label(value: str) -> str:
    if not (match := _LABEL.fullmatch(value)) or match[1] not in METHODS:
        raise refuse(
            "does not name an operation",
            'write METHOD and path template, such as "GET /things/{id}"',
        )
    return value


def _pattern(value: str) -> str:
    bare = value.removeprefix("!")
    match = _PATTERN.fullmatch(bare)
    if bare != "*" and not (match and (match[1] == "*" or match[1] in METHODS)):
        raise refuse(
            "is not a pattern of operations",
            'write "*", or METHOD and path with * as a wildcard, such as '
            '"GET /things/*"; a leading ! denies',
        )
    return value


def _positive_pattern(value: str) -> str:
    if value.startswith("!"):
        raise refuse("denies, which has no meaning here", "leave the ! out")
    return _pattern(value)


def _kind_of_response(value: str) -> str:
    kind = value.removeprefix("!")
    if kind in _KINDS or re.fullmatch(r"[1-5](\d\d|xx)", kind):
        return value
    if (match := _PATTERN.fullmatch(kind)) and (match[1] == "*" or match[1] in METHODS):
        return value
    raise refuse(
        "is not a kind of response",
        f"write one of {', '.join(_KINDS)}, a status (404), a class of statuses (4xx) "
        'or an operation ("GET /things/*"); "!404" takes responses out again',
    )


def _as_text(value: Any) -> Any:
    # Path parameters are text on the wire; 42 in the profile is meant as "42".
    return (
        str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    )


Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Seconds = Annotated[float, Strict(), Field(ge=0)]
Window = Annotated[float, Strict(), Field(gt=0)]
Ratio = Annotated[float, Strict(), Field(ge=0, le=1)]
Status = Annotated[int, Strict(), Field(ge=100, le=599)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]
Text = Annotated[str, Field(min_length=1)]
PathValue = Annotated[
    str,
    BeforeValidator(_as_text, json_schema_input_type=str | int),
    Field(min_length=1),
]
Regex = Annotated[str, AfterValidator(_compiles)]
Url = Annotated[str, _url("http", "https")]
PlainUrl = Annotated[str, _url("http")]
ProxyUrl = Annotated[str, _url("http", "https", "socks5", "socks5h")]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
CountedMethod = Literal[
    "*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"
]
Label = Annotated[str, AfterValidator(_upper_label)]
Pattern = Annotated[str, AfterValidator(_positive_pattern)]
Grant = Annotated[str, AfterValidator(_pattern)]
ResponseKind = Annotated[str, AfterValidator(_kind_of_response)]
HeaderName = Annotated[
    str,
    _check(
        TOKEN.fullmatch,
        "is not a header field name",
        "a name holds letters, digits and hyphens (RFC 9110, 5.6.2)",
    ),
]
Address = Annotated[
    str,
    _check(
        re.compile(r"[A-Za-z0-9.-]+:\d{1,5}").fullmatch,
        "is not an address",
        'write host and port, as in "203.0.113.5:8443"; port 0 for any free one',
    ),
]
Scheme = Annotated[
    str,
    _check(
        lambda value: value == "" or TOKEN.fullmatch(value),
        "is not an authentication scheme",
        'write the scheme alone, such as "Bearer", or "" for the bare key',
    ),
]
MediaType = Annotated[
    str,
    _check(
        _MEDIA.fullmatch, "is not a media type", 'write it as in "application/json"'
    ),
]
PathTemplate = Annotated[
    str,
    _check(
        re.compile(r"/[^\s?#]*").fullmatch,
        "is not a path",
        "begin it with / and put a query under query",
    ),
]
Pointer = Annotated[
    str,
    _check(
        _POINTER.fullmatch,
        "is not a JSON pointer",
        'write it as in "/error/code" (RFC 6901)',
    ),
]
Command = Annotated[tuple[str, ...], Field(min_length=1)]


def label_matches(pattern: str, label: str) -> bool:
    """Tell whether a pattern of operations covers a label `"METHOD /path"`.

    `*` stands for any run of characters, slashes too; everything else for itself.
    """
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), label) is not None
