"""How long after a change the account is right: one pair of histograms for each connection.

A change counts once: when a batch settles its revision first, and the account is written. So neither a replay, nor a resend
of an old change, nor a new mapping of it counts. A resent change counts if the ledger knows that it has waited, with all of
that time. After a loss of the ledger, no old change counts. Time in which a run was held counts as well: the account was wrong.

Personio's own stamp is less reliable than the detection, and not every change sets it. It counts only if it is newer than the
stamp of the employee's previous change, which a first import and a new employee do not have. It must also not be later than
the detection, which comes from another clock, and at most ``OLDEST_STAMP`` before it: a mapping that reads a further attribute
detects changes that are years old.
"""

from collections.abc import Iterable
from datetime import timedelta

from services.contracts.events import AccountSynced
from services.contracts.ids import ConnectionId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics

WRITTEN = frozenset(
    {
        Outcome.CREATED,
        Outcome.LINKED,
        Outcome.UPDATED,
        Outcome.ENABLED,
        Outcome.DISABLED,
        Outcome.INCOMPLETE,
    }
)
"""Outcomes of changes that reached the server."""
OLDEST_STAMP = timedelta(days=7)
"""Largest time between Personio's stamp and the detection of a change that counts."""
IDLE_SECONDS = 86_400.0
"""Seconds after which the histograms of a connection without changes in this replica are removed."""
MAX_CONNECTIONS = 5_000
"""Maximum number of connections with histograms. Above it, those of the connection that is idle for the longest time are removed."""


def is_first_write(stored: LedgerEntry, outcome: AccountSynced, *, is_detected: bool) -> bool:
    """Returns whether an outcome tells of the first settlement of a revision, with a write.

    ``stored`` is the entry before the batch. ``is_detected`` tells whether the change was sent because it was detected.
    """
    if outcome.outcome not in WRITTEN:
        return False
    if stored.decided is not None and stored.decided.revision >= outcome.revision:
        return False
    return is_detected or (stored.waiting is not None and stored.waiting.version.revision == outcome.revision)


def find_source_age(stored: LedgerEntry, outcome: AccountSynced) -> timedelta | None:
    """Returns the time from Personio's stamp to the settlement; None if the stamp says nothing about this change."""
    stamp = outcome.source_modified_at
    previous = stored.decided.source_modified_at if stored.decided is not None else None
    if stamp is None or previous is None or stamp <= previous:
        return None
    is_plausible = timedelta() <= outcome.detected_at - stamp <= OLDEST_STAMP
    return outcome.settled_at - stamp if is_plausible else None


class Freshness:
    """The histograms of the connections that this replica serves."""

    def __init__(self, metrics: Metrics, clock: Clock, max_connections: int = MAX_CONNECTIONS) -> None:
        """``max_connections`` is the largest number of connections with histograms."""
        self._from_detection = metrics.freshness
        self._from_source = metrics.source_freshness
        self._histograms = (self._from_detection, self._from_source)
        self._clock = clock
        self._max_connections = max_connections
        self._served: dict[ConnectionId, float] = {}

    @property
    def connections(self) -> frozenset[ConnectionId]:
        """The connections with histograms."""
        return frozenset(self._served)

    def note_served(self, connection: ConnectionId) -> None:
        """Notes that changes of a connection are about to be settled.

        Makes its histograms with zeros, because Prometheus sees a change only of a number that it has read before.
        """
        self._served.pop(connection, None)  # the connection that was served last comes last
        self._served[connection] = self._clock.monotonic()
        for histogram in self._histograms:
            histogram.labels(connection)
        while len(self._served) > self._max_connections:
            self.forget([next(iter(self._served))])

    def measure(self, stored: LedgerEntry, outcome: AccountSynced) -> None:
        """Counts a first settlement. ``stored`` is the entry before the batch."""
        if outcome.connection_id not in self._served:
            return  # removed, or displaced, while the batch was in progress
        connection = outcome.connection_id
        age = (outcome.settled_at - outcome.detected_at).total_seconds()
        self._from_detection.labels(connection).observe(max(age, 0.0))  # another machine's clock may be ahead
        source_age = find_source_age(stored, outcome)
        if source_age is not None:
            self._from_source.labels(connection).observe(max(source_age.total_seconds(), 0.0))

    def forget_idle(self) -> None:
        """Removes the histograms of connections without changes for ``IDLE_SECONDS``."""
        idle_since = self._clock.monotonic() - IDLE_SECONDS
        self.forget([connection for connection, served in self._served.items() if served <= idle_since])

    def forget(self, connections: Iterable[ConnectionId]) -> None:
        """Removes the histograms of these connections."""
        for connection in connections:
            if self._served.pop(connection, None) is not None:
                for histogram in self._histograms:
                    histogram.remove(connection)
