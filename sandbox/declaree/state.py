"""The state of one sandbox: key, accounts, behaviour, ordered faults and journal."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.changelog import Changelog, open_changelog
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.faults import Faults
from sandbox.declaree.journal import Journal
from sandbox.declaree.message import Reply, Request
from sandbox.declaree.rate_limit import RateLimiter, WindowLimiter
from sandbox.declaree.registry import Registry


def get_utc_now() -> datetime:
    """Returns the current time in UTC."""
    return datetime.now(UTC)


class Declaree:
    """One sandbox of Declaree, in memory.

    With ``state_file``, accounts, groups and a regenerated key are kept in a file and survive a restart. A regenerated
    key takes precedence over ``api_key`` after a restart.
    """

    def __init__(
        self,
        *,
        api_key: str = "demo-key",
        behaviour: Behaviour | None = None,
        journal_size: int = 10_000,
        state_file: Path | None = None,
        clock: Callable[[], datetime] = get_utc_now,
    ) -> None:
        self.api_key = api_key
        self.behaviour = behaviour or Behaviour()
        self.clock = clock
        self.directory = Directory()
        self.registry = Registry(self.directory, clock)
        self.journal = Journal(journal_size)
        self.faults = Faults()
        self.rate_limiter = RateLimiter()
        self.window_limiter = WindowLimiter()
        self.late_writes: dict[int, Request] = {}
        self.snapshots: dict[str, list[Entry]] = {}
        self._last_late_number = 0
        self._first_key = api_key
        self._first_behaviour = self.behaviour
        self._changelog: Changelog | None = None
        if state_file is not None:
            self._changelog, stored_key = open_changelog(state_file, self.directory)
            self.api_key = stored_key or api_key

    def regenerate_key(self, key: str | None = None) -> str:
        """Replaces the API key; None generates one. The old key is rejected at once, as the vendor documents."""
        self.api_key = key or secrets.token_urlsafe(24)
        if self._changelog is not None:
            self._changelog.record_api_key(self.api_key)
        return self.api_key

    def record(self, request: Request, reply: Reply | None, *, fault: str | None, delivered: bool) -> None:
        """Adds a request to the journal; a request that was not processed has no reply."""
        self.journal.append(
            time=self.clock().isoformat(timespec="milliseconds"),
            method=request.method,
            path=request.path,
            query=request.query,
            status=reply.status if reply else None,
            delivered=delivered,
            account_id=reply.account_id if reply else None,
            fault=fault,
            body=request.body,
        )

    def take_late_number(self) -> int:
        """Returns the number of the next late write."""
        self._last_late_number += 1
        return self._last_late_number

    def take_snapshot(self, name: str) -> int:
        """Stores all entries under a name, and returns their number."""
        self.snapshots[name] = list(self.directory.list_entries())
        return len(self.snapshots[name])

    def restore(self, name: str) -> int:
        """Replaces all entries by a snapshot, like a restored backup. Raises ``KeyError`` for an unknown name."""
        entries = self.snapshots[name]
        self.directory.load(entries, 0)
        return len(entries)

    def reset(self) -> None:
        """Restores the state after the first start.

        Removes accounts, journal, faults, late writes and snapshots, and restores the first key and behaviour. Ids continue.
        """
        self.directory.load((), 0)
        self.journal.clear()
        self.faults.clear()
        self.faults.outage = False
        self.late_writes.clear()
        self.snapshots.clear()
        self.behaviour = self._first_behaviour
        if self.api_key != self._first_key:
            self.regenerate_key(self._first_key)

    def close(self) -> None:
        """Closes the state file."""
        if self._changelog is not None:
            self._changelog.close()
