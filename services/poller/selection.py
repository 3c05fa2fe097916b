"""Reads the attributes that a scan requests and stores, and the rules for dates."""

from datetime import datetime

from services.mapping.employment import EmploymentCalendar
from services.mapping.selection import MissingAttributesError as MissingAttributesError
from services.mapping.selection import Selection as Selection
from services.mapping.selection import select_attributes
from services.mapping.wanted import find_wanted_attributes
from services.poller.ports import Personio, PollPlan


def read_mapping(plan: PollPlan, now: datetime) -> tuple[frozenset[str], EmploymentCalendar]:
    """Returns the wanted attributes of the published mapping, and its rules for dates on this day."""
    published = plan.open_mapping()
    wanted = find_wanted_attributes(published.mapping if published else None)
    return wanted, EmploymentCalendar.open(published, plan.time_zone, now)


async def read_selection(personio: Personio, wanted: frozenset[str]) -> Selection:
    """Returns the selection of a scan. Raises ``MissingAttributesError`` if a required attribute is not visible."""
    return select_attributes(wanted, await personio.list_attributes())
