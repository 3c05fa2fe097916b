"""Reads what a response says about the server's limits of requests. Pure.

Servers send ``Retry-After`` (RFC 9110), the headers ``RateLimit`` or ``RateLimit-Remaining`` and ``RateLimit-Reset`` of the
IETF's draft (draft-ietf-httpapi-ratelimit-headers), or the latter with the prefix ``X-``.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import httpx

from services.clients.http.responses import (
    MAX_RETRY_AFTER_SECONDS,
    interpret_wait,
    parse_number,
    parse_retry_after,
)

_REMAINING = re.compile(r"\b(?:r|remaining)\s*=\s*(\d{1,9})\b")
_RESET = re.compile(r"\b(?:t|reset)\s*=\s*(\d{1,9})\b")
_STEM = b"ratelimit"


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests a server still accepts, and for how long."""

    remaining: int | None
    """Number of requests that the server still accepts; None if it does not say so."""
    reset: float | None
    """Seconds until it accepts more; None if it does not say so."""


def read_quota(response: httpx.Response, now: datetime) -> Quota | None:
    """Returns the quota in the response's headers; None without one.

    If there are several, returns the one that is used up for the longest time.
    """
    found: dict[bytes, str] = {}
    for name, value in response.headers.raw:
        stem = name.lower().replace(b"-", b"").removeprefix(b"x")
        if stem.startswith(_STEM):
            found[stem] = value.decode("latin-1")
    if not found:
        return None
    listed = _read_listed(found.get(_STEM, ""))
    if listed:
        return max(listed, key=lambda quota: (quota.remaining == 0, quota.reset or 0.0))
    remaining, reset = (
        parse_number(found.get(b"ratelimitremaining", "")),
        parse_number(found.get(b"ratelimitreset", "")),
    )
    seconds = None if reset is None else min(max(interpret_wait(reset, now), 0.0), MAX_RETRY_AFTER_SECONDS)
    return Quota(None if remaining is None else int(min(remaining, 1e9)), seconds)


def read_pause(response: httpx.Response, now: datetime) -> float | None:
    """Returns the seconds after which a rate-limited request may be repeated; None if the server names no time above 0."""
    named = parse_retry_after(response, now)
    if named is None:
        quota = read_quota(response, now)
        named = quota.reset if quota is not None and not quota.remaining else None
    return named or None


def _read_listed(value: str) -> list[Quota]:
    """Returns the quotas of ``RateLimit``: ``"a";r=0;t=30, "b";r=5;t=600``, or ``limit=9, remaining=0, reset=30``."""
    quotas: list[Quota] = []
    for entry in value.split(",") if ";" in value else [value]:
        remaining, reset = _REMAINING.search(entry), _RESET.search(entry)
        if remaining is not None:
            seconds = None if reset is None else min(float(reset[1]), MAX_RETRY_AFTER_SECONDS)
            quotas.append(Quota(int(remaining[1]), seconds))
    return quotas
