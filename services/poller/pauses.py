"""Pauses of connections: after a failure, and while another replica works on a connection."""

from dataclasses import dataclass, field

from services.contracts.ids import ConnectionId
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
"""Seconds without work on a connection after a failure: at first, and at most. Other connections are polled in the pause."""


@dataclass
class _Failures:
    """The failures of one connection in a row."""

    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
    until: float = 0.0
    """Monotonic time at which the pause ends, in seconds."""


class Pauses:
    """The connections that are not worked on for a time."""

    def __init__(self, clock: Clock) -> None:
        """Starts without a pause."""
        self._clock = clock
        self._failures: dict[ConnectionId, _Failures] = {}
        self._elsewhere: dict[ConnectionId, float] = {}

    def find_present(self) -> set[ConnectionId]:
        """Returns the connections that pause now."""
        now = self._clock.monotonic()
        self._elsewhere = {connection: until for connection, until in self._elsewhere.items() if now < until}
        failed = {connection for connection, failures in self._failures.items() if now < failures.until}
        return failed | self._elsewhere.keys()

    def begin_after_failure(self, connection: ConnectionId) -> None:
        """Pauses a connection after a failure. The pause grows with each further failure."""
        failures = self._failures.setdefault(connection, _Failures())
        failures.until = self._clock.monotonic() + failures.backoff.next_pause()

    def begin_elsewhere(self, connection: ConnectionId) -> None:
        """Pauses a connection because another replica works on it."""
        self._elsewhere[connection] = self._clock.monotonic() + FIRST_PAUSE_SECONDS

    def end(self, connection: ConnectionId) -> None:
        """Forgets the failures of a connection, because work on it has succeeded."""
        self._failures.pop(connection, None)
