"""The company of a schedule: its people in Personio, and the script of what happens to them."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.values import Value
from services.poller.ports import PollPlan
from tests.simulation.faults import Fault
from tests.simulation.process import Life
from tests.support.fakes import FakePersonio

Values: TypeAlias = dict[str, Value]
"""Attribute values of one employee, by key."""

FIRST_PEOPLE, ALL_PEOPLE = 4, 7
"""Number of employees at the start, and at the end."""
INTERVALS = (0.3, 2.0, 16.0, 16.0, 45.0, 300.0)
"""Seconds between two changes."""
PAGE = 3
"""Employees per page of a scan."""


@dataclass(frozen=True)
class Change:
    """One change in the company."""

    after: float
    """Seconds since the change before."""
    employee: str
    """The employee."""
    values: Values
    """The values that change; all of them for a new employee."""
    is_polled: bool
    """Whether an administrator asks for a poll right after it."""


class _Author:
    """Invents the life of a company."""

    def __init__(self, rng: random.Random, taken_addresses: Sequence[str]) -> None:
        self._rng = rng
        self._taken = taken_addresses
        self._last: str | None = None
        self.people: dict[str, Values] = {}

    def hire(self) -> tuple[str, Values]:
        """Returns a new employee, sometimes with an address that a stranger's account has."""
        employee = str(len(self.people) + 1)
        is_taken = len(self.people) == ALL_PEOPLE - 1 and self._rng.random() < 0.5
        values: Values = {
            "first_name": "Ada",
            "last_name": f"Name{employee}",
            "email": self._rng.choice(self._taken) if is_taken else f"e{employee}@nordlicht.example",
            "status": "active",
            "supervisor.id": None,
        }
        self.people[employee] = values
        values["supervisor.id"] = self._choose_manager(employee)
        return employee, dict(values)

    def exchange_addresses(self) -> list[tuple[str, Values]]:
        """Returns the changes of two employees that exchange their addresses."""
        one, other = self._rng.sample(sorted(self.people), 2)
        first, second = self.people[one]["email"], self.people[other]["email"]
        if {first, second} & set(self._taken):
            return []
        self.people[one]["email"], self.people[other]["email"] = second, first
        return [(one, {"email": second}), (other, {"email": first})]

    def change(self) -> tuple[str, Values]:
        """Returns a change of an employee, often the last one again. Values may return to what they were before."""
        is_again = self._last is not None and self._rng.random() < 0.5
        employee = self._last if self._last is not None and is_again else self._rng.choice(sorted(self.people))
        self._last = employee
        values = self.people[employee]
        is_active = values["status"] == "active"
        kind = self._rng.choices(("name", "email", "manager", "status", "two"), (4, 3, 3, 4 if is_active else 12, 1))[0]
        changed: Values = {}
        if kind in {"name", "two"}:
            changed["last_name"] = self._rng.choice([f"Name{employee}", f"King{employee}", f"Byron{employee}"])
        if kind in {"email", "two"}:
            others = [other["email"] for key, other in self.people.items() if key != employee]
            addresses = [f"e{employee}{kind}@nordlicht.example" for kind in ("", ".new", ".old")]
            changed["email"] = self._rng.choice([address for address in addresses if address not in others])
        if kind == "manager":
            changed["supervisor.id"] = self._choose_manager(employee)
        if kind == "status":
            changed["status"] = self._rng.choice(("inactive", "inactive", "leave")) if is_active else "active"
        values |= changed
        return employee, changed

    def _choose_manager(self, employee: str) -> Value:
        """Returns another employee that does not report to this one, directly or not; sometimes None."""
        others = [other for other in sorted(self.people) if employee not in self._list_chain(other)]
        return self._rng.choice([None, *others])

    def _list_chain(self, employee: str) -> list[str]:
        chain: list[str] = []
        current: Value = employee
        while current is not None:
            chain.append(str(current))
            current = self.people[str(current)]["supervisor.id"]
        return chain


@dataclass(frozen=True)
class Script:
    """What happens to the company."""

    people: dict[str, Values]
    """The employees at the start."""
    changes: tuple[Change, ...]
    """The changes, in order."""


def write_script(rng: random.Random, taken_addresses: Sequence[str]) -> Script:
    """Invents a script. ``taken_addresses`` are addresses of strangers' accounts."""
    author = _Author(rng, taken_addresses)
    first = dict(author.hire() for _ in range(FIRST_PEOPLE))
    changes: list[Change] = []
    for _ in range(rng.randrange(6, 14)):
        if rng.random() < 0.1:
            changes += [
                Change(0.1, employee, values, is_polled=False) for employee, values in author.exchange_addresses()
            ]
        may_hire = len(author.people) < ALL_PEOPLE
        employee, values = author.hire() if may_hire and rng.random() < 0.35 else author.change()
        changes.append(Change(rng.choice(INTERVALS), employee, values, is_polled=rng.random() < 0.7))
    if changes:
        changes[-1] = replace(changes[-1], is_polled=True)
    return Script(first, tuple(changes))


class Company:
    """The company as Personio shows it."""

    def __init__(self, script: Script, now: Callable[[], datetime]) -> None:
        """``now`` returns the time that Personio notes for a change."""
        self.people = {employee: dict(values) for employee, values in script.people.items()}
        """Attribute values by employee id."""
        self._now = now
        self._changed_at: dict[str, datetime] = {}

    def apply(self, change: Change) -> None:
        """Makes a change visible in Personio."""
        self._changed_at[change.employee] = self._now()
        self.people[change.employee] = self.people.get(change.employee, {}) | change.values

    @asynccontextmanager
    async def open(self, life: Life, plan: PollPlan) -> AsyncIterator[FakePersonio]:
        """Opens Personio for a run of one life."""
        personio = FakePersonio(self.people, PAGE)
        personio.changed_at = self._changed_at

        async def answer_page(number: int) -> None:
            await life.reach(f"page {number} of Personio")
            if life.faults.strikes(Fault.PERSONIO_FAILS):
                life.history.note(life.name, "Personio fails")
                raise PersonioUnavailableError("Personio does not answer")

        personio.before_page = answer_page
        async with personio.source(plan) as opened:
            yield opened
