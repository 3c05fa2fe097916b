"""Dates as API v1 writes them: local midnight in Germany with the offset of that day.

The rule is written out instead of taken from ``zoneinfo``, which needs the system's time zone files (slim images have
none) and gives the local mean time before April 1893 with seconds, where the vendor shows ``+00:53``.
"""

from datetime import UTC, date, datetime, timedelta, timezone

CET = timezone(timedelta(hours=1))
CEST = timezone(timedelta(hours=2))
LOCAL_MEAN_TIME = timezone(timedelta(minutes=53))


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def offset_at_midnight(day: date) -> timezone:
    """Summer time as decreed since 1980; it ended in September until 1995. Older summer times are left out."""
    if day < date(1893, 4, 1):
        return LOCAL_MEAN_TIME
    if day.year < 1980:
        return CET
    begins = date(1980, 4, 6) if day.year == 1980 else _last_sunday(day.year, 3)
    ends = _last_sunday(day.year, 9 if day.year < 1996 else 10)
    return CEST if begins < day <= ends else CET


def midnight(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=offset_at_midnight(day)).isoformat()


def timestamp(moment: datetime) -> str:
    """``created_at`` and ``last_modified_at``: to the second, with the offset of the day."""
    utc = moment.astimezone(UTC).replace(microsecond=0)
    return utc.astimezone(offset_at_midnight(utc.date())).isoformat()


def calendar_date(value: object) -> date | None:
    """The day of a date value; None when it is empty or no date."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
