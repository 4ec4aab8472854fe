"""What a deployment promises about its rate limit, as the analysis needs it.

Knows numbers and names. Must not know the profile, which is turned into this value by
whoever calls the analysis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: What may have an allowance of its own, beside keys, tokens and organisations.
BY_ADDRESS, BY_OPERATION = "address", "operation"
#: Names of the requests that ask for another operation, or come from another address.
OTHER_OPERATION, OTHER_ADDRESS = "other-operation", "other-address"
#: Name of the requests of a second key that shares the first one's allowance.
OTHER_KEY = "other-key"
#: Names of the requests that end in an error: of an operation, or of no operation.
ERRONEOUS, ERRONEOUS_AT_ALL = "erroneous", "erroneous-path"


class Algorithm(StrEnum):
    """How a limiter decides, in the field's own words."""

    FIXED_WINDOW = "fixed_window"
    FIXED_WINDOW_CLOCK = "fixed_window_clock"
    FIXED_WINDOW_FIRST = "fixed_window_first"
    SLIDING_LOG = "sliding_log"
    SLIDING_COUNTER = "sliding_counter"
    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - not a secret
    LEAKY_BUCKET = "leaky_bucket"


class ResetForm(StrEnum):
    """What the number in a Reset header is."""

    UNIX_SECONDS = "unix_seconds"
    UNIX_MILLISECONDS = "unix_milliseconds"
    DELTA_SECONDS = "delta_seconds"


class RetryAfterForm(StrEnum):
    """The form of Retry-After (RFC 9110, 10.2.3) on refusals."""

    DELAY_SECONDS = "delay_seconds"
    HTTP_DATE = "http_date"
    EITHER = "either"
    NONE = "none"


class Ietf(StrEnum):
    """The draft of draft-ietf-httpapi-ratelimit-headers that is promised."""

    NONE = ""
    DRAFT_6 = "draft-6"
    DRAFT_7 = "draft-7"
    DRAFT_10 = "draft-10"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPromise:
    """Names and forms of the rate headers; an empty name means it is not promised.

    Attributes:
        reset_form: None when the promise does not say.
        retry_after_on_success: whether Retry-After is tolerated on admitted requests.
    """

    limit: str = ""
    remaining: str = ""
    reset: str = ""
    reset_form: ResetForm | None = None
    retry_after: RetryAfterForm = RetryAfterForm.NONE
    retry_after_on_success: bool = False
    ietf: Ietf = Ietf.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """Which requests count towards the limit; None where nothing is promised."""

    errors: bool | None = None
    rejected: bool | None = None
    methods: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """So many requests in so many seconds.

    Attributes:
        window: seconds.
        burst: most requests at once, for a bucket; None for all of `limit`.
        per: what it is counted by; empty for what the promise is counted by.
    """

    limit: int
    window: float
    burst: int | None = None
    name: str = ""
    per: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ValueError: the limit, the window or the burst is not positive.
        """
        if self.limit < 1 or not self.window > 0 or (self.burst or 1) < 1:
            raise ValueError("limit, window and burst must be positive")

    @property
    def text(self) -> str:
        """`600 requests per 60 s`, for sentences."""
        return f"{self.limit} requests per {self.window:g} s"

    @property
    def interval(self) -> float:
        """Seconds in which one request is earned."""
        return self.window / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitPromise:
    """The promise that observations are judged against.

    Attributes:
        policy: the limit.
        per: what has an allowance of its own: `key`, `organisation`, `address`,
            `operation` or `token`.
        algorithm: None when none is promised.
        any_window: whether the limit holds for every interval of that length,
            wherever it starts, not only for the limiter's own windows.
        tolerance: share of the limit by which it may be exceeded, 0.05 for 5 %.
        status: of a refusal.
        policies: further limits that hold at the same time.
        strangers: the limit on requests with a wrong credential; None without one.
    """

    policy: Policy
    per: str = "key"
    algorithm: Algorithm | None = None
    any_window: bool = False
    tolerance: float = 0.0
    status: int = 429
    headers: HeaderPromise = field(default_factory=HeaderPromise)
    counting: Counting = field(default_factory=Counting)
    policies: tuple[Policy, ...] = ()
    strangers: Policy | None = None

    @property
    def all_policies(self) -> tuple[Policy, ...]:
        """Every limit, the main one first."""
        return (self.policy, *self.policies)

    @property
    def scopes(self) -> tuple[str, ...]:
        """All that its limits are counted by, the main one's first."""
        own = (policy.per or self.per for policy in self.policies)
        return tuple(dict.fromkeys((self.per, *own)))

    @property
    def tightest(self) -> Policy:
        """The limit that bites first under full load: that of the shortest window."""
        return min(self.all_policies, key=lambda policy: policy.window)

    @property
    def capacity(self) -> int:
        """The most that a rested key may be admitted at once."""
        return self.tightest.burst or self.tightest.limit


def header_names(promise: RateLimitPromise) -> Mapping[str, str]:
    """Return, for each role of an observation, the header it is read from.

    Where the promise names none, the usual `X-RateLimit-…` is read, so that what a
    deployment sends unpromised is seen as well.
    """
    headers = promise.headers
    prefix = "RateLimit-" if headers.ietf is Ietf.DRAFT_6 else "X-RateLimit-"
    return {
        "limit": headers.limit or prefix + "Limit",
        "remaining": headers.remaining or prefix + "Remaining",
        "reset": headers.reset or prefix + "Reset",
        "retry_after": "Retry-After",
        "date": "Date",
        "ratelimit": "RateLimit",
        "policy": "RateLimit-Policy",
        "age": "Age",
    }
