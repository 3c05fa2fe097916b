"""What employees belong to: offices, departments, teams, cost centres, and the like."""

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
"""Attribute that refers to a unit → ``type`` of the nested object."""


@dataclass(frozen=True, slots=True)
class Unit:
    """``kind`` is the attribute that refers to it; ``details`` are sent beside id and name."""

    kind: str
    id: int
    name: str
    details: dict[str, Any] = field(default_factory=dict)


class UnknownUnitError(LookupError):
    """No unit of this kind has this id or name."""


class Units:
    """All units of a company. ``version`` grows with every change, because employees' answers embed the names."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._by_kind: dict[str, dict[int, Unit]] = {kind: {} for kind in VENDOR_TYPES}
        for unit in units:
            self._by_kind[unit.kind][unit.id] = unit
        self.version = 0

    def all(self) -> list[Unit]:
        return [unit for units in self._by_kind.values() for unit in units.values()]

    def of(self, kind: str) -> list[Unit]:
        return list(self._by_kind[kind].values())

    def get(self, kind: str, unit_id: int) -> Unit:
        return self._by_kind[kind][unit_id]

    def find(self, kind: str, reference: object) -> Unit:
        """By id or by name; raises ``UnknownUnitError`` naming what there is."""
        for unit in self.of(kind):
            if reference in (unit.id, unit.name):
                return unit
        known = ", ".join(sorted(unit.name for unit in self.of(kind)))
        raise UnknownUnitError(f"there is no {kind} {reference!r}; there are: {known}")

    def add(self, kind: str, name: str) -> Unit:
        unit = Unit(kind, max(self._by_kind[kind], default=1000) + 7, name)
        self._by_kind[kind][unit.id] = unit
        self.version += 1
        return unit

    def rename(self, kind: str, unit_id: int, name: str) -> Unit:
        """Everybody's embedded name follows. Raises ``UnknownUnitError``."""
        unit = replace(self.find(kind, unit_id), name=name)
        self._by_kind[kind][unit_id] = unit
        self.version += 1
        return unit
