"""Finds out whether the connections to one host share a limit, and keeps the pace of all of them if they do. Pure.

A server may count the requests of each key, or those of its whole host. A refusal that reaches one connection while another
pauses shows that they share a limit. During a long pause, a connection that was not refused itself sends a single request from
time to time. If the server accepts it, the limit is that of the other connection's key: only that connection waits.
"""

from typing import Generic, TypeVar

from services.clients.declaree.pace import Pace

SCOUT_SECONDS = 2.0
"""Seconds before the end of a pause in which no connection tests whether the pause applies to itself."""
SCOUT_INTERVAL_SECONDS = 1.0
"""Seconds between two requests of such a test."""
SHARED_SECONDS = 600.0
"""Seconds without a refusal after which connections count as independent again."""

Connection = TypeVar("Connection")


class HostPace(Generic[Connection]):
    """The pace of a host. All times are monotonic seconds."""

    def __init__(self) -> None:
        """Starts with independent connections."""
        self.is_shared = False
        """Whether the connections share one limit."""
        # always spaced: a window that one connection uses up at once would leave nothing of it to the others
        self._pace = Pace(longest_spaced=float("inf"))
        self._refused: Connection | None = None
        self._refused_at = float("-inf")
        self._refused_until = float("-inf")
        self._scout_at = float("-inf")

    def find_ready_time(self, own: Pace, now: float) -> float:
        """Returns from when the host accepts a request of a connection with this pace of its own, if they share a limit."""
        ready_at, pause_end = self._pace.find_ready_time(), self._pace.paused_until
        is_untried = own.limited_at < self._refused_at
        if pause_end - now > SCOUT_SECONDS and is_untried:
            return min(ready_at, self._scout_at)
        return ready_at

    def take(self, now: float) -> None:
        """Notes that a request is sent."""
        if self.is_shared and now - self._pace.limited_at > SHARED_SECONDS:
            self._part()
        if self.is_shared and self._pace.paused_until > now:
            self._scout_at = now + SCOUT_INTERVAL_SECONDS
        else:
            self._pace.take(now)

    def record_success(self, connection: Connection, sent_at: float, now: float) -> None:
        """Notes that the server accepted a request of a connection."""
        is_in_pause = self._refused_at < sent_at < self._refused_until - SCOUT_SECONDS
        if is_in_pause and connection is not self._refused:
            self._part()
        self._pace.record_success(sent_at, now)

    def record_refusal(self, connection: Connection, sent_at: float, now: float, until: float, *, learns: bool) -> bool:
        """Notes that the server refused a request until a time. Returns whether the connections share the limit."""
        is_other = self._refused is not None and self._refused is not connection
        begins_to_share = is_other and self._refused_until > now and not self.is_shared
        if not self.is_shared or is_other or not self._pace.is_known_refusal(sent_at):
            self._refused, self._refused_at = connection, now
        self._refused_until = until
        self._pace.record_refusal(sent_at, now, until - now, learns=learns)
        if begins_to_share:
            self.is_shared = True
            self._pace.search_again()  # the rate may be that of one key
        return self.is_shared

    def _part(self) -> None:
        """Lets the connections be independent."""
        self.is_shared = False
        self._pace.resume()
        self._pace.forget_rate()
