"""The day of the company, and the moment at which the status changes of a day take effect."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo


def find_zone(name: str) -> tzinfo:
    """Returns a time zone. Raises ``ValueError`` for an unknown name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"time zone {name!r} not found: use a name such as Europe/Berlin") from error


def find_effective_day(now: datetime, zone: tzinfo, hour: float) -> date:
    """Returns the last day that began at least ``hour`` hours ago at local midnight."""
    day = now.astimezone(zone).date()
    return day if compute_flip(day, zone, hour) <= now else day - timedelta(days=1)


def compute_flip(day: date, zone: tzinfo, hour: float) -> datetime:
    """Returns the moment, in UTC, at which the status changes of a day take effect."""
    return datetime.combine(day, time(), zone).astimezone(UTC) + timedelta(hours=hour)
