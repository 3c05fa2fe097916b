"""Company of the sandbox: its employees, their order in the list, and the status changes that become due."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sandbox.personio.employee import STATUSES, Employee
from sandbox.personio.local_time import parse_calendar_date
from sandbox.personio.units import Units


class UnknownEmployeeError(LookupError):
    """The company has no employee with this id, or no longer has one."""


class EmailTakenError(ValueError):
    """Another employee already has this e-mail address; Personio allows one employee per address."""


def _compute_sort_key(employee_id: int) -> int:
    """Returns the sort key of an employee in the list.

    The vendor documents no order. The key is stable and follows neither id nor name nor date.
    """
    return employee_id * 2654435761 % 2**32


class Company:
    """All employees of any status, and the units they belong to. An id is never used twice."""

    def __init__(self, *, seed: int, domain: str, units: Units, employees: Iterable[Employee], next_id: int) -> None:
        self.seed = seed
        self.domain = domain
        self.units = units
        self.next_id = next_id
        self._employees = {employee.id: employee for employee in employees}
        self._emails = {employee.email.lower(): employee.id for employee in self._employees.values() if employee.email}
        self._order: list[int] | None = None
        self._statuses_applied_on: date | None = None

    def __len__(self) -> int:
        return len(self._employees)

    def get(self, employee_id: int) -> Employee:
        """Returns an employee. Raises ``UnknownEmployeeError``."""
        try:
            return self._employees[employee_id]
        except KeyError as error:
            raise UnknownEmployeeError(f"employee {employee_id} not found") from error

    def find_by_email(self, email: str) -> Employee | None:
        """Returns the employee with this e-mail address in any letter case, or None."""
        employee_id = self._emails.get(email.lower())
        return None if employee_id is None else self._employees[employee_id]

    def list_employees(self) -> list[Employee]:
        """Returns all employees in the order of the list endpoint."""
        if self._order is None:
            self._order = sorted(self._employees, key=_compute_sort_key)
        return [self._employees[employee_id] for employee_id in self._order]

    def count_by_status(self) -> dict[str, int]:
        """Returns the number of employees per status; the four documented statuses are always present."""
        numbers = Counter(str(employee.status) for employee in self._employees.values())
        return dict.fromkeys(STATUSES, 0) | dict(numbers)

    def hire(self, values: Mapping[str, Any], at: datetime) -> Employee:
        """Adds an employee with these values and the next id. Raises ``EmailTakenError``."""
        second = at.replace(microsecond=0)
        employee = Employee(self.next_id, dict(values), created_at=second, modified_at=second)
        self._store(employee)
        self.next_id += 1
        self._order = None
        return employee

    def change(self, employee_id: int, changes: Mapping[str, Any], at: datetime) -> Employee:
        """Changes values of an employee and returns it. Raises ``UnknownEmployeeError`` and ``EmailTakenError``."""
        return self._store(self.get(employee_id).update(changes, at))

    def remove_attributes(self, employee_id: int, keys: Iterable[str], at: datetime) -> Employee:
        """Removes attributes from an employee and returns it. Raises ``UnknownEmployeeError``."""
        return self._store(self.get(employee_id).remove(keys, at))

    def delete(self, employee_id: int, at: datetime) -> None:
        """Deletes an employee and clears the supervisor of its reports. Raises ``UnknownEmployeeError``."""
        deleted = self._employees.pop(self.get(employee_id).id)
        self._emails.pop(deleted.email.lower(), None)
        self._order = None
        for report in [employee for employee in self._employees.values() if employee.supervisor == employee_id]:
            self.change(report.id, {"supervisor": None}, at)

    def restore(self, employee: Employee, at: datetime) -> Employee:
        """Adds a deleted employee again, with the same id, as a new one. Raises ``EmailTakenError``.

        The vendor does not document whether an id can come back.
        """
        self._order = None
        second = at.replace(microsecond=0)
        return self._store(replace(employee, created_at=second, modified_at=second))

    def apply_due_statuses(self, today: date, at: datetime, *, mark_modified: bool) -> None:
        """Applies the status changes that are due, once a day: starters become active, leavers become inactive.

        ``mark_modified`` records each status change as a modification.
        """
        if self._statuses_applied_on == today:
            return
        self._statuses_applied_on = today
        for employee in list(self._employees.values()):
            status = _compute_status(today, employee)
            if status != employee.status:
                change = {"status": status}
                updated = employee.update(change, at) if mark_modified else employee.update_silently(change)
                self._employees[employee.id] = updated

    def _store(self, employee: Employee) -> Employee:
        email = employee.email.lower()
        if email and self._emails.get(email, employee.id) != employee.id:
            raise EmailTakenError(f"employee {self._emails[email]} already has this e-mail address")
        before = self._employees.get(employee.id)
        if before is not None and before.email.lower() != email:
            self._emails.pop(before.email.lower(), None)
        if email:
            self._emails[email] = employee.id
        self._employees[employee.id] = employee
        return employee


def _compute_status(today: date, employee: Employee) -> str | None:
    starts = parse_calendar_date(employee.values.get("hire_date"))
    ends = parse_calendar_date(employee.values.get("termination_date"))
    if employee.status in {"active", "leave"} and ends is not None and ends < today:
        return "inactive"
    if employee.status == "onboarding" and starts is not None and starts <= today:
        return "active"
    return employee.status
