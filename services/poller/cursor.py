"""Decides whether a run asks for all employees, or for those that have changed since a time. Pure.

Personio's filter by time is a hint: it can lag, repeat and miss changes. So incremental polls overlap, compare contents, and
a full scan follows every day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.contracts.polls import PollProgress
from services.poller.ports import PollPlan


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rules for the time from which a run asks for changes."""

    overlap: timedelta
    """How long before the last run an incremental poll asks for changes, because Personio shows them late."""
    full_scan_every: timedelta
    """Time between the starts of two full scans."""

    def find_since(self, plan: PollPlan, compared: Sequence[str], source: str, now: datetime) -> datetime | None:
        """Returns the time from which a run asks for changes; None if it asks for all employees.

        ``compared`` are the keys of the attributes of the run, in order, and ``source`` is Personio's fingerprint. All employees
        are compared in the first run, after a day, with other attributes, with another credential, and while a run is held: only a
        full scan shows again what that run holds.
        """
        progress = plan.progress
        if progress is None or plan.needs_any("held_run"):
            return None
        if progress.attributes != tuple(compared) or progress.source != source:
            return None
        if now < progress.released_until or not timedelta() <= now - progress.full_scan_at < self.full_scan_every:
            return None  # also after the clock of this machine was set back
        return progress.released_until - self.overlap

    def is_missed(self, progress: PollProgress | None, modified_at: datetime | None) -> bool:
        """Returns whether the incremental polls since the last full scan should have shown a change with this timestamp."""
        if progress is None or modified_at is None:
            return False
        return progress.full_scan_at < modified_at < progress.released_until - self.overlap
