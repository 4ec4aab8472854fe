"""Reading rate-limit headers in every dialect that real servers speak.

Each reader gives both what the value *means*, as far as one can tell, and what is
*wrong* with its form: a client must cope with the first, a promise is judged by both.
Knows texts. Must not know when a header was received or whether what it says is true.

Sources: RFC 9110 (Retry-After 10.2.3, HTTP-date 5.6.7), RFC 9651, and
draft-ietf-httpapi-ratelimit-headers in its editions -06, -07 and -08 to -11.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from tollproof.ratelimit.promise import Ietf, ResetForm, RetryAfterForm
from tollproof.ratelimit.structured import (
    Item,
    Malformed,
    parse_dictionary,
    parse_list,
)

_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_COUNT = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_IMF = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4})"
    r" (\d\d):(\d\d):(\d\d) GMT"
)
_RFC850 = re.compile(
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d)"
    r" (\d\d):(\d\d):(\d\d) GMT"
)
_ASCTIME = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d)"
    r" (\d\d):(\d\d):(\d\d) (\d{4})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The value of a Limit or Remaining header.

    Attributes:
        value: the number of requests; None when none can be read.
        windows: (quota, seconds) of each policy that follows it, as Envoy writes it.
        wrong: what is wrong with the form; empty when nothing is.
    """

    value: int | None
    windows: tuple[tuple[int, float], ...] = ()
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The value of a Reset header.

    Attributes:
        form: what the number is: told by the promise, or by its size.
        seconds: Unix seconds, or seconds from the answer on for a delta.
        step: the resolution in which it is told, in seconds.
        wrong: what is wrong with the form; empty when nothing is.
    """

    form: ResetForm | None
    seconds: float | None
    step: float = 1.0
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """The value of a Retry-After header.

    Attributes:
        form: None when it has neither of the two forms that exist.
        seconds: the delay; Unix seconds for a date; what a lenient client would make
            of an invalid number; None when there is no number in it.
    """

    form: RetryAfterForm | None
    seconds: float | None
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPolicy:
    """One member of RateLimit-Policy.

    Attributes:
        window: seconds; None when the policy does not tell it.
    """

    name: str
    quota: int
    window: int | None = None
    unit: str = "requests"
    partition: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimit:
    """One member of RateLimit.

    Attributes:
        reset: seconds until more is available (drafts -10 on) or the quota resets.
        limit: told by the draft-7 form only.
    """

    name: str
    remaining: int
    reset: int | None = None
    limit: int | None = None
    partition: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What the two IETF fields of one response say.

    Attributes:
        dialect: the edition whose syntax `RateLimit` has; NONE without the field, or
            when it has no such syntax.
        wrong: breaches of the edition's rules, as sentences. A client must ignore a
            field that does not parse, so then its members are empty.
    """

    dialect: Ietf = Ietf.NONE
    limits: tuple[ServiceLimit, ...] = ()
    policies: tuple[QuotaPolicy, ...] = ()
    wrong: tuple[str, ...] = ()


@lru_cache(4096)
def parse_count(raw: str) -> Count:
    """Read Limit or Remaining: `600`, `600, 600;w=60` (draft-6, Envoy), `600,600`."""
    first, *rest = [part.strip() for part in raw.split(",")]
    windows = []
    for part in rest:
        quota, _, parameters = part.partition(";")
        for parameter in parameters.split(";"):
            name, _, text = parameter.strip().partition("=")
            if name == "w" and _DIGITS.fullmatch(text) and _COUNT.fullmatch(quota):
                windows.append((int(quota), float(text)))
    if not _COUNT.fullmatch(first):
        if _NUMBER.fullmatch(first) and float(first).is_integer():
            return Count(value=int(float(first)), wrong="written with a fraction")
        return Count(value=None, wrong=f"not a whole number: {_shown(raw)}")
    value = int(first)
    wrong = ""
    if value < 0:
        wrong = f"negative: {value}"
    elif len(windows) != len(rest):
        wrong = f"more than one value: {_shown(raw)}"
    return Count(value=value, windows=tuple(windows), wrong=wrong)


@lru_cache(4096)
def parse_reset(raw: str, form: ResetForm | None = None) -> Reset:
    """Read a Reset in the promised form, or in the one that its size suggests.

    A value whose size contradicts the promised form is read as what it looks like,
    and the contradiction is what is wrong with it. Doubled values (`5,5`) are read
    once.
    """
    parts = {part.strip() for part in raw.split(",")}
    text = parts.pop() if len(parts) == 1 else raw.strip()
    wrong = ""
    if not _NUMBER.fullmatch(text):
        moment = _timestamp(text)
        if moment is None:
            return Reset(form=None, seconds=None, wrong=f"not a number: {_shown(raw)}")
        return Reset(
            form=ResetForm.UNIX_SECONDS,
            seconds=moment,
            step=1e-3,
            wrong="a timestamp instead of a number",
        )
    value = float(text)
    looks = ResetForm.DELTA_SECONDS
    if abs(value) > 1e11:
        looks = ResetForm.UNIX_MILLISECONDS
    elif abs(value) > 5e8:
        looks = ResetForm.UNIX_SECONDS
    if value < 0:
        wrong = f"negative: {text}"
    elif form is not None and form is not looks:
        wrong = f"{text} is not {_WORDS[form]} but looks like {_WORDS[looks]}"
    elif "," in raw:
        wrong = f"more than one value: {_shown(raw)}"
    _, dot, decimals = text.partition(".")
    step = 1.0 if not dot or not decimals.strip("0") else 10.0 ** -len(decimals)
    if looks is ResetForm.UNIX_MILLISECONDS:
        return Reset(form=looks, seconds=value / 1e3, step=step / 1e3, wrong=wrong)
    return Reset(form=looks, seconds=value, step=step, wrong=wrong)


_WORDS = {
    ResetForm.UNIX_SECONDS: "Unix seconds",
    ResetForm.UNIX_MILLISECONDS: "Unix milliseconds",
    ResetForm.DELTA_SECONDS: "seconds from now",
}


@lru_cache(4096)
def parse_retry_after(raw: str) -> RetryAfter:
    """Read Retry-After: a delay in whole seconds or an HTTP-date (RFC 9110, 10.2.3)."""
    text = raw.strip()
    if _DIGITS.fullmatch(text):
        return RetryAfter(form=RetryAfterForm.DELAY_SECONDS, seconds=float(text))
    if _NUMBER.fullmatch(text):
        wrong = "negative" if text.startswith("-") else "not a whole number of seconds"
        return RetryAfter(form=None, seconds=float(text), wrong=f"{wrong}: {text}")
    moment = parse_http_date(text)
    if moment is not None:
        wrong = "" if _IMF.fullmatch(text) else "a date in an obsolete form"
        return RetryAfter(form=RetryAfterForm.HTTP_DATE, seconds=moment, wrong=wrong)
    return RetryAfter(
        form=None, seconds=None, wrong=f"neither a delay nor a date: {_shown(raw)}"
    )


@lru_cache(4096)
def parse_http_date(text: str) -> float | None:
    """Return the Unix seconds of an HTTP-date in any of its three forms, or None."""
    if found := _IMF.fullmatch(text):
        _, day, month, year, hour, minute, second = found.groups()
    elif found := _RFC850.fullmatch(text):
        day, month, year, hour, minute, second = found.groups()
        # Two digits mean the century that is at most fifty years ahead.
        year = str(2000 + int(year)) if int(year) < 77 else str(1900 + int(year))
    elif found := _ASCTIME.fullmatch(text):
        month, day, hour, minute, second, year = found.groups()
    else:
        return None
    if month not in _MONTHS:
        return None
    try:
        moment = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            min(59, int(second)),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return moment.timestamp() + (1.0 if int(second) == 60 else 0.0)


@lru_cache(4096)
def parse_rate_limit_fields(
    rate_limit: str | None, policy: str | None, edition: Ietf | None = None
) -> Fields:
    """Read `RateLimit` and `RateLimit-Policy` of one response.

    Args:
        edition: the promised edition; None takes the one whose syntax fits.
    """
    wrong: list[str] = []
    dialect = Ietf.NONE
    limits: tuple[ServiceLimit, ...] = ()
    policies: tuple[QuotaPolicy, ...] = ()
    if rate_limit is not None:
        dictionary = re.match(r" *(limit|remaining|reset)\b", rate_limit) is not None
        dialect = Ietf.DRAFT_7 if dictionary else Ietf.DRAFT_10
        try:
            limits = _draft_7(rate_limit) if dictionary else _limits(rate_limit)
        except Malformed as error:
            wrong.append(f"RateLimit: {error}")
        if edition in (Ietf.DRAFT_7, Ietf.DRAFT_10) and edition is not dialect:
            wrong.append(f"RateLimit has the syntax of {dialect}, not of {edition}")
    if policy is not None:
        numbers = dialect is Ietf.DRAFT_7 or edition in (Ietf.DRAFT_6, Ietf.DRAFT_7)
        try:
            policies = _policies(policy, numbers=numbers)
        except Malformed as error:
            wrong.append(f"RateLimit-Policy: {error}")
    known = {one.name for one in policies}
    if policies and dialect is Ietf.DRAFT_10:
        wrong.extend(
            f"RateLimit names the policy {_shown(one.name)}, RateLimit-Policy does not"
            for one in limits
            if one.name not in known
        )
    return Fields(dialect=dialect, limits=limits, policies=policies, wrong=tuple(wrong))


def _draft_7(text: str) -> tuple[ServiceLimit, ...]:
    members = parse_dictionary(text)
    found = {}
    for name in ("limit", "remaining", "reset"):
        if name not in members:
            raise Malformed(f"{name} is missing")
        found[name] = _whole(members[name].value, name)
    return (
        ServiceLimit(
            name="",
            remaining=found["remaining"],
            reset=found["reset"],
            limit=found["limit"],
        ),
    )


def _limits(text: str) -> tuple[ServiceLimit, ...]:
    limits = []
    for item in parse_list(text):
        parameters = item.parameters
        if "r" not in parameters:
            raise Malformed("the parameter r is missing")
        limits.append(
            ServiceLimit(
                name=_name(item),
                remaining=_whole(parameters["r"], "r"),
                reset=_whole(parameters["t"], "t") if "t" in parameters else None,
                partition=_partition(item),
            )
        )
    if not limits:
        raise Malformed("no member")
    return tuple(limits)


def _policies(text: str, *, numbers: bool) -> tuple[QuotaPolicy, ...]:
    policies = []
    for item in parse_list(text):
        parameters = item.parameters
        window = _whole(parameters["w"], "w") if "w" in parameters else None
        if window == 0:
            raise Malformed("w is zero")
        if numbers:
            quota = _whole(item.value, "the quota")
            policies.append(QuotaPolicy(name="", quota=quota, window=window))
            continue
        if "q" not in parameters:
            raise Malformed("the parameter q is missing")
        unit = parameters.get("qu", "requests")
        if not isinstance(unit, str):
            raise Malformed("qu is not a string")
        policies.append(
            QuotaPolicy(
                name=_name(item),
                quota=_whole(parameters["q"], "q"),
                window=window,
                unit=str(unit),
                partition=_partition(item),
            )
        )
    if not policies:
        raise Malformed("no member")
    return tuple(policies)


def _name(item: Item) -> str:
    if type(item.value) is not str:
        raise Malformed("the name of a policy is not a string in quotes")
    return item.value


def _partition(item: Item) -> bytes | None:
    value = item.parameters.get("pk")
    if value is not None and not isinstance(value, bytes):
        raise Malformed("pk is not a byte sequence")
    return value


def _whole(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise Malformed(f"{name} is not a whole number from 0 up")
    return value


def _timestamp(text: str) -> float | None:
    """RFC 3339, as some platforms write Reset."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{5,20}(Z|[+-]\d\d:\d\d)", text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _shown(raw: str) -> str:
    """A hostile value, short and harmless enough for a sentence."""
    return ascii(raw[:40])


def seconds_until_reset(
    reset: str | None,
    form: ResetForm | None,
    *,
    date: str | None,
    wall: float,
) -> float | None:
    """Return how long after an answer its Reset is, for whoever executes a schedule.

    A Reset in Unix time is compared with the answer's own Date, which the same clock
    gave; only without one with `wall`, our Unix time at its reception.
    """
    if reset is None:
        return None
    told = parse_reset(reset, form)
    if told.seconds is None or not math.isfinite(told.seconds):
        return None
    if told.form is ResetForm.DELTA_SECONDS:
        return told.seconds
    server = parse_http_date(date) if date else None
    return told.seconds - (wall if server is None else server + 0.5)


def seconds_to_wait(
    retry_after: str | None, *, date: str | None, wall: float
) -> float | None:
    """Return how long a client waits that does as Retry-After says; None if it cannot.

    What is not a valid value but a number is read as a lenient client would.
    """
    if retry_after is None:
        return None
    told = parse_retry_after(retry_after)
    if told.seconds is None:
        return None
    if told.form is not RetryAfterForm.HTTP_DATE:
        return max(0.0, told.seconds)
    server = parse_http_date(date) if date else None
    return max(0.0, told.seconds - (wall if server is None else server))
