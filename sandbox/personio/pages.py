"""Pages of the list endpoint, with the irregularities that faults and switches order."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from sandbox.personio.employee import Employee
from sandbox.personio.faults import Fault, Kind
from sandbox.personio.selection import Selection


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    employees: list[Employee]
    """Employees of the page."""
    total: int
    """Number of employees that the list promises."""

    def build_head(self, selection: Selection) -> dict[str, Any]:
        """Returns the body without its data. ``offset`` counts records; ``current_page`` starts at 0."""
        metadata = {
            "total_elements": self.total,
            "current_page": selection.offset // selection.limit,
            "total_pages": max(1, ceil(self.total / selection.limit)),
        }
        return {"success": True, "metadata": metadata, "offset": selection.offset, "limit": selection.limit}


def build_page(
    employees: list[Employee], selection: Selection, faults: Sequence[Fault], ends_after: int | None
) -> Page:
    """Returns the selected page of a list.

    ``ends_after`` is the number of employees after which the list ends; its total is not affected.
    """
    employees = _change_list(employees, faults)
    total = len(employees) + _sum_up("grow", faults) - _sum_up("shrink", faults)
    return Page(_slice(employees[:ends_after], selection, faults), max(0, total))


def _change_list(employees: list[Employee], faults: Sequence[Fault]) -> list[Employee]:
    """Returns the whole list as it is for this request, so that the next pages begin elsewhere.

    - ``drop``: without its first employees, as after deletions. The others move forward.
    - ``repeat``: its first employees are in it twice, as after additions. The others move back.
    - ``reorder``: in reverse, because the vendor documents no order.
    """
    employees = employees[_sum_up("drop", faults) :]
    employees = employees[: _sum_up("repeat", faults)] + employees
    return employees[::-1] if _has("reorder", faults) else employees


def _slice(employees: list[Employee], selection: Selection, faults: Sequence[Fault]) -> list[Employee]:
    """Returns the employees of the page.

    - ``duplicate``: the last employee of the previous page replaces the first one.
    - ``skip``: without the first employee.
    - ``short``: without its last employees.
    - ``empty``: without all employees.
    """
    page = employees[selection.offset : selection.offset + selection.limit]
    if _has("duplicate", faults) and page:
        page = [employees[selection.offset - 1], *page[1:]]
    if _has("skip", faults):
        page = page[1:]
    if _has("empty", faults):
        return []
    return page[: max(0, len(page) - _sum_up("short", faults))]


def _has(kind: Kind, faults: Sequence[Fault]) -> bool:
    return any(fault.kind == kind for fault in faults)


def _sum_up(kind: Kind, faults: Sequence[Fault]) -> int:
    return sum(fault.by for fault in faults if fault.kind == kind)
