"""Makes up a whole company from a seed: the same seed, size and day give the same people."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sandbox.personio import catalogue
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.hierarchy import Position, positions
from sandbox.personio.names import any_name, mailbox
from sandbox.personio.organisation import DEPARTMENTS, MANAGEMENT, Department, founding_units
from sandbox.personio.person import Person, Role, values_of
from sandbox.personio.units import Units

OTHERS = {"onboarding": 0.03, "leave": 0.03, "inactive": 0.06}
"""People of each further status, as a share of the active ones; at least one each."""


def generate(
    *, seed: int, active: int = 250, today: date, domain: str = "nordlicht.example", with_others: bool = True
) -> Company:
    """A company with exactly ``active`` people at work, and some who start, are on leave, or have left.

    Raises ``ValueError`` when there would be nobody to head it.
    """
    if active < 1:
        raise ValueError("a company needs at least one active employee")
    rng = random.Random(seed)
    others = {status: max(1, round(active * share)) for status, share in OTHERS.items()} if with_others else {}
    chart = positions(rng, active + sum(others.values()))
    units = Units(founding_units())
    people = _people(rng, _statuses(rng, chart, others), today, domain)
    roles = _Roles(rng, units, chart, [person.id for person in people])
    employees = [
        _employed(rng, person, values_of(rng, person, roles.at(place), units, today), today)
        for place, person in enumerate(people)
    ]
    employees.sort(key=lambda employee: employee.id)
    return Company(seed=seed, domain=domain, units=units, employees=employees, next_id=employees[-1].id + 1)


def _statuses(rng: random.Random, chart: list[Position], others: dict[str, int]) -> list[str]:
    """Who leads is at work; the other statuses are spread over the rest."""
    leaders = sum(position.leads for position in chart)
    rest = [status for status, count in others.items() for _ in range(count)]
    rest += ["active"] * (len(chart) - leaders - len(rest))
    rng.shuffle(rest)
    return ["active"] * leaders + rest


def _people(rng: random.Random, statuses: list[str], today: date, domain: str) -> list[Person]:
    hired = [_hire_date(rng, status, today) for status in statuses]
    ids = _ids_by_hire_date(rng, hired)
    mailboxes: dict[str, int] = {}
    people = []
    for place, status in enumerate(statuses):
        name = any_name(rng)
        box = mailbox(name.first, name.last)
        mailboxes[box] = mailboxes.get(box, 0) + 1
        number = "" if mailboxes[box] == 1 else str(mailboxes[box])
        people.append(Person(ids[place], name, f"{box}{number}@{domain}", status, hired[place]))
    return people


def _hire_date(rng: random.Random, status: str, today: date) -> date:
    if status == "onboarding":
        return today + timedelta(days=rng.randint(3, 90))
    return today - timedelta(days=rng.randint(30, 15 * 365))


def _ids_by_hire_date(rng: random.Random, hired: list[date]) -> list[int]:
    """Later hires have higher ids, so quite a few supervisors have a higher id than their reports."""
    ids = [0] * len(hired)
    next_id = 1001
    for place in sorted(range(len(hired)), key=lambda place: hired[place]):
        ids[place] = next_id
        next_id += rng.choice((1, 1, 1, 2, 5))
    return ids


def _employed(rng: random.Random, person: Person, values: dict[str, object], today: date) -> Employee:
    entered = min(person.hired, today) - timedelta(days=rng.randint(1, 20))
    created = datetime.combine(entered, time(8, 0), UTC) + timedelta(minutes=rng.randint(0, 500))
    modified = created + (datetime.combine(today, time(0, 0), UTC) - created) * rng.random() * 0.98
    modified = modified.replace(microsecond=0)
    return Employee(person.id, values, created, modified, {rng.choice(("position", catalogue.NOTES)): modified})


@dataclass
class _Roles:
    """What the people on the chart do."""

    rng: random.Random
    units: Units
    chart: list[Position]
    ids: list[int]

    def __post_init__(self) -> None:
        self._offset = self.rng.randrange(len(DEPARTMENTS))
        self._teams: dict[int, int] = {}

    def at(self, place: int) -> Role:
        position = self.chart[place]
        department = self._department(position)
        cost_center = self.units.find("cost_centers", department.cost_center).id
        return Role(
            position=self._title(position, department),
            supervisor=None if position.supervisor is None else self.ids[position.supervisor],
            department=self.units.find("department", department.name).id,
            team=None if position.unit is None else self._team(position.unit, department),
            cost_centers=self._shares(cost_center),
            travel_group=self._travel_group(position, department),
        )

    def _department(self, position: Position) -> Department:
        if position.branch is None:
            return MANAGEMENT
        return DEPARTMENTS[(position.branch + self._offset) % len(DEPARTMENTS)]

    def _title(self, position: Position, department: Department) -> str:
        if position.depth == 1 and position.leads:
            return f"Leitung {department.name}"
        if position.depth > 1 and position.leads:
            return f"Teamleitung {department.name}"
        return self.rng.choice(department.positions.split(","))

    def _team(self, unit: int, department: Department) -> int:
        if unit not in self._teams:
            name = self.rng.choice(department.teams.split(","))
            self._teams[unit] = self.units.add("team", f"{name} {len(self._teams) + 1}").id
        return self._teams[unit]

    def _shares(self, cost_center: int) -> list[list[int]]:
        if self.rng.random() > 0.05:
            return [[cost_center, 100]]
        other = self.rng.choice(self.units.of("cost_centers")).id
        return [[cost_center, 100]] if other == cost_center else [[cost_center, 60], [other, 40]]

    def _travel_group(self, position: Position, department: Department) -> str:
        if position.branch is None:
            return "Geschäftsführung"
        if position.leads:
            return "Führungskraft"
        return "Vertrieb" if department.name == "Vertrieb" else "Standard"
