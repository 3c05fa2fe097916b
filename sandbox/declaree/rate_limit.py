"""The rate limits of the SCIM endpoint, and the headers that tell clients about them."""

import math
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

RetryAfterForm = Literal["seconds", "date", "epoch", "epoch_milliseconds", "milliseconds", "none"]
"""Forms of the Retry-After header. RFC 9110, section 10.2.3, allows the first two."""
QuotaHeaders = Literal["none", "ratelimit", "ratelimit_fields", "x_ratelimit", "x_ratelimit_epoch"]
"""Headers about the quota: one of the IETF's draft, its earlier three, or these with ``X-``, with seconds or a time since 1970."""

Headers = tuple[tuple[str, str], ...]


class RateLimiter:
    """A token bucket that holds the requests of one second, and at least one."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._last: float | None = None

    def try_acquire(self, now: float, rate: float) -> bool:
        """Takes a token and returns True; returns False if the bucket is empty.

        ``now`` is in seconds of a monotonic clock, ``rate`` in requests per second.
        """
        capacity = max(rate, 1.0)
        if self._last is None:
            self._tokens = capacity
        else:
            self._tokens = min(capacity, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class WindowLimiter:
    """A fixed window: it admits a number of requests, and then none until the next window."""

    def __init__(self) -> None:
        self._window = -1
        self._used = 0

    def try_acquire(self, now: float, limit: int, seconds: float) -> bool:
        """Returns whether a request is admitted, of at most ``limit`` in a window of ``seconds``."""
        window = int(now // seconds)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used >= limit:
            return False
        self._used += 1
        return True

    def count_remaining(self, limit: int) -> int:
        """Returns how many more requests the window admits."""
        return max(limit - self._used, 0)


def find_window_end(now: float, seconds: float) -> int:
    """Returns the seconds until the next window, rounded up."""
    return max(math.ceil(seconds - now % seconds), 1)


def build_retry_after(seconds: int, form: RetryAfterForm, now: datetime) -> Headers:
    """Returns the Retry-After header."""
    at = now + timedelta(seconds=seconds)
    values: dict[RetryAfterForm, str] = {
        "seconds": str(seconds),
        "date": format_datetime(at, usegmt=True),
        "epoch": str(math.ceil(at.timestamp())),
        "epoch_milliseconds": str(round(at.timestamp() * 1000)),
        "milliseconds": str(seconds * 1000),
    }
    return (("Retry-After", values[form]),) if form in values else ()


def build_quota(form: QuotaHeaders, limit: int, remaining: int, reset: int, now: datetime) -> Headers:
    """Returns the headers that tell how many requests are left, and for how many seconds."""
    match form:
        case "none":
            return ()
        case "ratelimit":
            return (("RateLimit-Policy", f'"default";q={limit}'), ("RateLimit", f'"default";r={remaining};t={reset}'))
    prefix = "RateLimit" if form == "ratelimit_fields" else "X-RateLimit"
    end = math.ceil(now.timestamp() + reset) if form == "x_ratelimit_epoch" else reset
    values = (("Limit", limit), ("Remaining", remaining), ("Reset", end))
    return tuple((f"{prefix}-{name}", str(value)) for name, value in values)
