"""Decides whether a run asks for all employees, or for those that have changed since a time. Pure.

Personio's filter by time is a hint: it can lag, repeat and miss changes. So incremental polls overlap, compare contents, and
a full scan follows every day.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from services.contracts.polls import PollProgress, ScanBasis
from services.poller.ports import PollPlan

SPREAD = timedelta(hours=3)
"""Time over which the full scans of a morning are spread: all companies of a time zone would begin at once."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rules for the time from which a run asks for changes."""

    overlap: timedelta
    """How long before the last run an incremental poll asks for changes, because Personio shows them late."""
    full_scan_every: timedelta
    """Maximum time between the starts of two full scans."""
    morning: timedelta
    """Time after midnight in the company's time zone from which a full scan of that day is due, within ``SPREAD``."""

    def find_since(self, plan: PollPlan, basis: ScanBasis, now: datetime) -> datetime | None:
        """Returns the time from which a run asks for changes; None if it asks for all employees.

        All employees are compared in the first run, each morning, with another basis, and while a run is held: only a full scan
        shows again what that run holds.
        """
        progress = plan.progress
        if progress is None or progress.basis != basis or plan.needs_any("held_run"):
            return None
        if now < progress.released_until or not timedelta() <= now - progress.full_scan_at < self.full_scan_every:
            return None  # also after the clock of this machine was set back
        if progress.full_scan_at < self._find_morning(plan, now):
            return None
        return progress.released_until - self.overlap

    def _find_morning(self, plan: PollPlan, now: datetime) -> datetime:
        """Returns the newest moment from which a full scan is due in the company's morning.

        Statuses change on the day on which employees start or leave, without a trace that the filter by time would show.
        """
        offset = self.morning + SPREAD * (zlib.crc32(plan.connection_id.encode()) / (1 << 32))
        today = now.astimezone(plan.time_zone).date()
        mornings = (
            datetime.combine(day, time(), plan.time_zone).astimezone(UTC) + offset
            for day in (today, today - timedelta(days=1), today - timedelta(days=2))  # a day can have 22 hours, or none
        )
        return next(moment for moment in mornings if moment <= now)

    def is_missed(self, progress: PollProgress | None, modified_at: datetime | None) -> bool:
        """Returns whether the incremental polls since the last full scan should have shown a change with this timestamp."""
        if progress is None or modified_at is None:
            return False
        return progress.full_scan_at < modified_at < progress.released_until - self.overlap
