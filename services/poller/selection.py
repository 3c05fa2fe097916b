"""Selects the attributes that a scan requests and stores: those that are wanted and visible."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from services.contracts.employees import HIRE_DATE, AttributeDefinition, find_missing_attributes, get_parent
from services.errors import ConfigurationError
from services.mapping.employment import EmploymentCalendar
from services.mapping.wanted import find_wanted_attributes
from services.poller.ports import Personio, PollPlan


class MissingAttributesError(ConfigurationError):
    """The credential cannot read the attributes that a synchronisation requires."""

    code: ClassVar[str] = "missing-attributes"


@dataclass(frozen=True)
class Selection:
    """The attributes of one connection during one scan."""

    wanted: frozenset[str]
    """Keys of the wanted attributes. Parts have keys of their own."""
    definitions: tuple[AttributeDefinition, ...]
    """The attributes that the credential can read."""

    @cached_property
    def stored(self) -> frozenset[str]:
        """Keys of the attributes that snapshots may contain: wanted and visible."""
        visible = {definition.key for definition in self.definitions}
        return frozenset(key for key in self.wanted if get_parent(key) in visible)

    @cached_property
    def requested(self) -> frozenset[str]:
        """Keys of the attributes that Personio is asked for. A nested attribute is requested as a whole."""
        return frozenset(map(get_parent, self.stored))

    @property
    def invisible(self) -> tuple[str, ...]:
        """Keys of the wanted attributes that the credential cannot read, in order. A hire date that it hides counts as passed."""
        return tuple(sorted(self.wanted - self.stored - {HIRE_DATE}))


def read_mapping(plan: PollPlan, now: datetime) -> tuple[frozenset[str], EmploymentCalendar]:
    """Returns the wanted attributes of the published mapping, and its rules for dates on this day."""
    published = plan.open_mapping()
    wanted = find_wanted_attributes(published.mapping if published else None)
    return wanted, EmploymentCalendar.open(published, plan.time_zone, now)


async def read_selection(personio: Personio, wanted: frozenset[str]) -> Selection:
    """Returns the selection of a scan. Raises ``MissingAttributesError`` if a required attribute is not visible."""
    definitions = await personio.list_attributes()
    missing = find_missing_attributes({definition.key for definition in definitions})
    if missing:
        raise MissingAttributesError(
            f"the Personio credential does not release: {', '.join(missing)}. "
            "Release these attributes for the credential in Personio (Settings, API credentials)"
        )
    return Selection(wanted, definitions)
