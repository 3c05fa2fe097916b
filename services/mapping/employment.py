"""When an employment begins and ends for the accounts: by the dates in Personio, on a day in the company's time zone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from services.contracts.employees import HIRE_DATE, LAST_DAYS, EmploymentPhase, get_string
from services.contracts.mappings import EmploymentDates, PublishedMapping
from services.contracts.values import Value

Phase: TypeAlias = tuple[EmploymentPhase, date | None]
"""The phase of an employment, and the day on which it changes next; None for no such day."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Years outside of which a date is a mistake, and unknown."""


@dataclass(frozen=True, slots=True)
class EmploymentCalendar:
    """The rules of a mapping, on one day."""

    dates: EmploymentDates
    """The rules."""
    today: date
    """The day in the company's time zone."""

    @classmethod
    def open(cls, published: PublishedMapping | None, zone: ZoneInfo, now: datetime) -> "EmploymentCalendar":
        """Returns the calendar of a published mapping, or of the default rules, at this time."""
        dates = published.mapping.employment if published else EmploymentDates()
        return cls(dates, now.astimezone(zone).date())

    def find_phase(self, attributes: Mapping[str, Value], before: Phase | None = None) -> Phase:
        """Returns the phase of an employment, and the day on which it changes next; None for no such day.

        An empty hire date has passed, and an empty last day does not come. Dates that the credential no longer shows stay as they
        were ``before``.
        """
        if before is not None and self._is_hidden(attributes, before):
            phase, next_day = before
            if next_day is None or self.today < next_day:
                return before
            if phase is not EmploymentPhase.UPCOMING:
                return EmploymentPhase.ENDED, None
        first = read_date(attributes, HIRE_DATE)
        begins = None if first is None else first - timedelta(days=self.dates.days_before_start or 0)
        if begins is not None and self.today < begins:
            return EmploymentPhase.UPCOMING, begins
        last = find_last_day(attributes) if self.dates.disable_after_last_day else None
        if last is None:
            return EmploymentPhase.CURRENT, None
        ends = last + timedelta(days=1)
        return (EmploymentPhase.CURRENT, ends) if self.today < ends else (EmploymentPhase.ENDED, None)

    def _is_hidden(self, attributes: Mapping[str, Value], before: Phase) -> bool:
        """Returns whether the dates that have led to this phase are unknown now."""
        phase, next_day = before
        if phase is EmploymentPhase.UPCOMING:
            return HIRE_DATE not in attributes
        has_end = phase is EmploymentPhase.ENDED or next_day is not None
        return has_end and self.dates.disable_after_last_day and not any(key in attributes for key in LAST_DAYS)


def find_last_day(attributes: Mapping[str, Value]) -> date | None:
    """Returns the last working day, or else the end of the employment; None if neither is known.

    A day before the hire date belongs to an earlier employment.
    """
    first = read_date(attributes, HIRE_DATE)
    days = (read_date(attributes, key) for key in LAST_DAYS)
    return next((day for day in days if day is not None and (first is None or day >= first)), None)


def read_date(attributes: Mapping[str, Value], key: str) -> date | None:
    """Returns the date of an attribute; None if it is absent, empty, or not a date that an employment can have."""
    try:
        day = date.fromisoformat(get_string(attributes, key) or "")
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None
