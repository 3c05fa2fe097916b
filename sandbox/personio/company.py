"""The company: its people, their order in the list, and what happens to it as days pass."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sandbox.personio.employee import STATUSES, Employee
from sandbox.personio.local_time import calendar_date
from sandbox.personio.units import Units


class UnknownEmployeeError(LookupError):
    """There is nobody with this id (any more)."""


class EmailTakenError(ValueError):
    """Personio keeps one person per e-mail address."""


def _place(employee_id: int) -> int:
    """No order of the list is documented, so it follows neither id nor name nor date; but it is stable."""
    return employee_id * 2654435761 % 2**32


class Company:
    """All employees, whatever their status. Ids are never given twice."""

    def __init__(self, *, seed: int, domain: str, units: Units, employees: Iterable[Employee], next_id: int) -> None:
        self.seed = seed
        self.domain = domain
        self.units = units
        self.next_id = next_id
        self._people = {employee.id: employee for employee in employees}
        self._emails = {person.email.lower(): person.id for person in self._people.values() if person.email}
        self._order: list[int] | None = None
        self._settled_on: date | None = None

    def __len__(self) -> int:
        return len(self._people)

    def get(self, employee_id: int) -> Employee:
        """Raises ``UnknownEmployeeError``."""
        try:
            return self._people[employee_id]
        except KeyError as error:
            raise UnknownEmployeeError(f"there is no employee {employee_id}") from error

    def by_email(self, email: str) -> Employee | None:
        employee_id = self._emails.get(email.lower())
        return None if employee_id is None else self._people[employee_id]

    def listed(self) -> list[Employee]:
        """Everybody, in the order of the list endpoint."""
        if self._order is None:
            self._order = sorted(self._people, key=_place)
        return [self._people[employee_id] for employee_id in self._order]

    def counts(self) -> dict[str, int]:
        """People per status; the four known ones are always there."""
        counted = Counter(str(employee.status) for employee in self._people.values())
        return dict.fromkeys(STATUSES, 0) | dict(counted)

    def hire(self, values: Mapping[str, Any], at: datetime) -> Employee:
        """Raises ``EmailTakenError``."""
        second = at.replace(microsecond=0)
        employee = Employee(self.next_id, dict(values), created_at=second, modified_at=second)
        self._keep(employee)
        self.next_id += 1
        self._order = None
        return employee

    def change(self, employee_id: int, changes: Mapping[str, Any], at: datetime) -> Employee:
        """Raises ``UnknownEmployeeError`` and ``EmailTakenError``."""
        return self._keep(self.get(employee_id).changed(changes, at))

    def forget(self, employee_id: int, keys: Iterable[str], at: datetime) -> Employee:
        """Makes attributes of one person absent. Raises ``UnknownEmployeeError``."""
        return self._keep(self.get(employee_id).without(keys, at))

    def delete(self, employee_id: int, at: datetime) -> None:
        """Only the id is left, never to be used again; those who reported to them have no supervisor now."""
        gone = self._people.pop(self.get(employee_id).id)
        self._emails.pop(gone.email.lower(), None)
        self._order = None
        for report in [person for person in self._people.values() if person.supervisor == employee_id]:
            self.change(report.id, {"supervisor": None}, at)

    def settle(self, today: date, at: datetime, *, leave_a_mark: bool) -> None:
        """Status flips that are due: who starts becomes active, who has left becomes inactive. Once a day."""
        if self._settled_on == today:
            return
        self._settled_on = today
        for employee in list(self._people.values()):
            status = _status_on(today, employee)
            if status != employee.status:
                flip = {"status": status}
                settled = employee.changed(flip, at) if leave_a_mark else employee.silently_changed(flip)
                self._people[employee.id] = settled

    def _keep(self, employee: Employee) -> Employee:
        email = employee.email.lower()
        if email and self._emails.get(email, employee.id) != employee.id:
            raise EmailTakenError(f"employee {self._emails[email]} has this e-mail address already")
        before = self._people.get(employee.id)
        if before is not None and before.email.lower() != email:
            self._emails.pop(before.email.lower(), None)
        if email:
            self._emails[email] = employee.id
        self._people[employee.id] = employee
        return employee


def _status_on(today: date, employee: Employee) -> str | None:
    starts = calendar_date(employee.values.get("hire_date"))
    ends = calendar_date(employee.values.get("termination_date"))
    if employee.status in {"active", "leave"} and ends is not None and ends < today:
        return "inactive"
    if employee.status == "onboarding" and starts is not None and starts <= today:
        return "active"
    return employee.status
