"""Dates in the form of API v1: local midnight in Germany with the offset of that day.

The offsets do not come from ``zoneinfo``: before April 1893 its local mean time has seconds, but the vendor shows ``+00:53``.
"""

from datetime import UTC, date, datetime, timedelta, timezone

CET = timezone(timedelta(hours=1))
CEST = timezone(timedelta(hours=2))
LOCAL_MEAN_TIME = timezone(timedelta(minutes=53))


def _compute_last_sunday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def get_offset_at_midnight(day: date) -> timezone:
    """Returns the offset at the midnight with which a day begins.

    Summer time follows the rule since 1980, and ends in September until 1995. Summer times before 1980 are ignored.
    """
    if day < date(1893, 4, 1):
        return LOCAL_MEAN_TIME
    if day.year < 1980:
        return CET
    begins = date(1980, 4, 6) if day.year == 1980 else _compute_last_sunday(day.year, 3)
    ends = _compute_last_sunday(day.year, 9 if day.year < 1996 else 10)
    return CEST if begins < day <= ends else CET


def format_midnight(day: date) -> str:
    """Returns a date value: the midnight with which the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=get_offset_at_midnight(day)).isoformat()


def format_timestamp(moment: datetime) -> str:
    """Returns the value of ``created_at`` or ``last_modified_at``: to the second, with the offset of the day."""
    utc = moment.astimezone(UTC).replace(microsecond=0)
    return utc.astimezone(get_offset_at_midnight(utc.date())).isoformat()


def parse_calendar_date(value: object) -> date | None:
    """Returns the day of a date value, or None if the value is empty or not a date."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
