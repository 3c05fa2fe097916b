"""One Declaree: its key, its accounts, how it behaves, what is about to go wrong and what was asked of it."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.changelog import Changelog, open_changelog
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.faults import Faults
from sandbox.declaree.journal import Journal
from sandbox.declaree.pace import Pace
from sandbox.declaree.registry import Registry


def utc_now() -> datetime:
    return datetime.now(UTC)


class Declaree:
    """All of it in memory; with ``state_file`` the accounts, the groups and a regenerated key outlive the process.

    A key that was regenerated stays in force over a restart, whatever ``api_key`` says.
    """

    def __init__(
        self,
        *,
        api_key: str = "demo-key",
        behaviour: Behaviour | None = None,
        journal_size: int = 10_000,
        state_file: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.api_key = api_key
        self.behaviour = behaviour or Behaviour()
        self.clock = clock
        self.directory = Directory()
        self.registry = Registry(self.directory, clock)
        self.journal = Journal(journal_size)
        self.faults = Faults()
        self.pace = Pace()
        self.snapshots: dict[str, list[Entry]] = {}
        self._first_key = api_key
        self._first_behaviour = self.behaviour
        self._changelog: Changelog | None = None
        if state_file is not None:
            self._changelog, kept_key = open_changelog(state_file, self.directory)
            self.api_key = kept_key or api_key

    def regenerate_key(self, key: str | None = None) -> str:
        """The old key stops working at once, as the vendor says."""
        self.api_key = key or secrets.token_urlsafe(24)
        if self._changelog is not None:
            self._changelog.api_key(self.api_key)
        return self.api_key

    def take_snapshot(self, name: str) -> int:
        self.snapshots[name] = list(self.directory.entries())
        return len(self.snapshots[name])

    def restore(self, name: str) -> int:
        """Brings an older state back, as a restored backup does. Raises ``KeyError`` for an unknown name."""
        entries = self.snapshots[name]
        self.directory.load(entries, 0)
        return len(entries)

    def reset(self) -> None:
        """As freshly started: no accounts, nothing in the journal, first key and behaviour; ids go on."""
        self.directory.load((), 0)
        self.journal.clear()
        self.faults.clear()
        self.faults.outage = False
        self.snapshots.clear()
        self.behaviour = self._first_behaviour
        if self.api_key != self._first_key:
            self.regenerate_key(self._first_key)

    def close(self) -> None:
        if self._changelog is not None:
            self._changelog.close()
