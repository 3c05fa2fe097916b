"""Units of the company: offices, departments, teams, cost centres, and other objects to which attributes refer."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

VENDOR_TYPES = {
    "subcompany": "Subcompany",
    "office": "Office",
    "department": "Department",
    "team": "Team",
    "cost_centers": "CostCenter",
    "holiday_calendar": "HolidayCalendar",
    "work_schedule": "WorkSchedule",
    "absence_entitlement": "TimeOffType",
}
"""``type`` of the nested object, by the attribute that refers to it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Unit to which attributes of employees refer."""

    kind: str
    """Key of the attribute that refers to the unit."""
    id: int
    """Id, unique within the kind."""
    name: str
    """Name of the unit."""
    details: dict[str, Any] = field(default_factory=dict)
    """Further keys of the nested object."""


class UnknownUnitError(LookupError):
    """No unit of this kind has this id or name."""


class Units:
    """All units of a company. ``version`` increases with every change, because rendered employees contain unit names."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._by_kind: dict[str, dict[int, Unit]] = {kind: {} for kind in VENDOR_TYPES}
        for unit in units:
            self._by_kind[unit.kind][unit.id] = unit
        self.version = 0

    def list_all(self) -> list[Unit]:
        """Returns the units of all kinds."""
        return [unit for units in self._by_kind.values() for unit in units.values()]

    def list_of_kind(self, kind: str) -> list[Unit]:
        """Returns the units of one kind."""
        return list(self._by_kind[kind].values())

    def get(self, kind: str, unit_id: int) -> Unit:
        """Returns a unit by its id. Raises ``KeyError``."""
        return self._by_kind[kind][unit_id]

    def find(self, kind: str, reference: object) -> Unit:
        """Returns a unit by its id or name. Raises ``UnknownUnitError``, which lists the existing names."""
        for unit in self.list_of_kind(kind):
            if reference in (unit.id, unit.name):
                return unit
        names = ", ".join(sorted(unit.name for unit in self.list_of_kind(kind)))
        raise UnknownUnitError(f"{kind} {reference!r} not found: use one of {names}")

    def add(self, kind: str, name: str) -> Unit:
        """Adds a unit with the next id of its kind and returns it."""
        unit = Unit(kind, max(self._by_kind[kind], default=1000) + 7, name)
        self._by_kind[kind][unit.id] = unit
        self.version += 1
        return unit

    def rename(self, kind: str, unit_id: int, name: str) -> Unit:
        """Renames a unit, also in the rendered employees, and returns it. Raises ``UnknownUnitError``."""
        unit = replace(self.find(kind, unit_id), name=name)
        self._by_kind[kind][unit_id] = unit
        self.version += 1
        return unit
