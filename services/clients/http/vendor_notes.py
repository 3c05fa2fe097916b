"""Notes what responses say beside their content: announced ends of endpoints, the server's clock, and the requests left.

Every header may be anything: what cannot be understood is passed over.
"""

import re
from datetime import UTC, datetime, timedelta

import httpx

from services.clients.http.rate_headers import read_quota
from services.clients.http.responses import parse_date
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from services.runtime.clock import Clock

MAX_ENDPOINTS = 10
"""Maximum number of endpoints with an announced end that are noted."""
MAX_HEADER_LENGTH = 100
"""Number of characters above which a header is not parsed."""
_STEP = re.compile(r"v\d{1,2}|[a-z-]{1,40}")
"""A step of a path that is not an id: a version or a word."""
_EPOCH_SECONDS = re.compile(r"@(\d{1,12})\b")
"""A date of a structured header (RFC 9651, section 3.3.7)."""
_NOT_DEPRECATED = frozenset({"", "false", "?0"})
"""Values that announce nothing."""
_ONE_SECOND = timedelta(seconds=1)
"""The resolution of the header ``Date``."""


class NoteTaker:
    """Takes notes of the responses of one client."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` is compared with the server's."""
        self._clock = clock
        self._ends: dict[str, EndpointEnd] = {}
        self._ahead: timedelta | None = None
        self._left: int | None = None

    def take(self, response: httpx.Response, path: str, sent_at: datetime) -> None:
        """Notes what a response says. ``path`` is that of the request, which was sent at ``sent_at`` by the client's clock."""
        now = self._clock.now()
        self._note_end(response, path)
        self._note_clock(response, sent_at, now)
        quota = read_quota(response, now)
        if quota is not None and quota.remaining is not None:
            self._left = quota.remaining

    @property
    def notes(self) -> VendorNotes:
        """What all responses so far said."""
        return VendorNotes(
            ends=tuple(self._ends.values()),
            clock_ahead_seconds=None if self._ahead is None else self._ahead.total_seconds(),
            requests_left=self._left,
        )

    def _note_end(self, response: httpx.Response, path: str) -> None:
        deprecation, sunset = (response.headers.get(name, "").strip() for name in ("Deprecation", "Sunset"))
        is_deprecated, sunset_at = deprecation.lower() not in _NOT_DEPRECATED, _parse_time(sunset)
        if not is_deprecated and sunset_at is None:
            return
        endpoint = _remove_ids(path)
        if endpoint in self._ends or len(self._ends) < MAX_ENDPOINTS:
            self._ends[endpoint] = EndpointEnd(
                path=endpoint,
                is_deprecated=is_deprecated,
                deprecated_at=_parse_time(deprecation),
                sunset_at=sunset_at,
            )

    def _note_clock(self, response: httpx.Response, sent_at: datetime, received_at: datetime) -> None:
        """Notes the smallest difference of all responses: a slow answer, or an old one of a proxy, makes a difference larger."""
        at = None if "Age" in response.headers else _parse_time(response.headers.get("Date", ""))
        if at is None:
            return
        # the server wrote the time, cut to seconds, between the request and the response
        ahead = timedelta(0)
        if at > received_at:
            ahead = at - received_at
        elif sent_at - at > _ONE_SECOND:
            ahead = at + _ONE_SECOND - sent_at
        if self._ahead is None or abs(ahead) < abs(self._ahead):
            self._ahead = ahead


def _remove_ids(path: str) -> str:
    """Returns the first steps of a path, up to the first one that may be an id."""
    steps: list[str] = []
    for step in path.strip("/").split("/"):
        if not _STEP.fullmatch(step):
            break
        steps.append(step)
    return "/" + "/".join(steps)


def _parse_time(value: str) -> datetime | None:
    """Returns the time of a header, in UTC; None for anything else."""
    if not value or len(value) > MAX_HEADER_LENGTH:
        return None
    seconds = _EPOCH_SECONDS.match(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(int(seconds[1]), UTC)
        at = parse_date(value)
        return None if at is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
