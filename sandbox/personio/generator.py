"""Generates a whole company from a seed. The same seed, size and day give the same employees."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sandbox.personio import catalogue
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.employee_values import Identity, Role, generate_values
from sandbox.personio.hierarchy import Position, build_positions
from sandbox.personio.names import build_mailbox, draw_name
from sandbox.personio.organisation import DEPARTMENTS, MANAGEMENT, Department, create_initial_units
from sandbox.personio.units import Units

OTHER_STATUSES = {"onboarding": 0.03, "leave": 0.03, "inactive": 0.06}
"""Number of employees with each further status, as a share of the active employees; at least one each."""


def generate(
    *, seed: int, active: int = 250, today: date, domain: str = "nordlicht.example", with_other_statuses: bool = True
) -> Company:
    """Returns a company with exactly ``active`` active employees, and some with other statuses.

    Raises ``ValueError`` if ``active`` is below 1, because an active employee heads the company.
    """
    if active < 1:
        raise ValueError("a company needs at least one active employee")
    rng = random.Random(seed)
    others = (
        {status: max(1, round(active * share)) for status, share in OTHER_STATUSES.items()}
        if with_other_statuses
        else {}
    )
    chart = build_positions(rng, active + sum(others.values()))
    units = Units(create_initial_units())
    identities = _draw_identities(rng, _draw_statuses(rng, chart, others), today, domain)
    roles = _RoleFactory(rng, units, chart, [identity.id for identity in identities])
    employees = [
        _build_employee(rng, identity, generate_values(rng, identity, roles.create(index), units, today), today)
        for index, identity in enumerate(identities)
    ]
    employees.sort(key=lambda employee: employee.id)
    return Company(seed=seed, domain=domain, units=units, employees=employees, next_id=employees[-1].id + 1)


def _draw_statuses(rng: random.Random, chart: list[Position], others: dict[str, int]) -> list[str]:
    """Returns a status per position: leaders are active, the other statuses are spread over the rest."""
    leaders = sum(position.leads for position in chart)
    rest = [status for status, count in others.items() for _ in range(count)]
    rest += ["active"] * (len(chart) - leaders - len(rest))
    rng.shuffle(rest)
    return ["active"] * leaders + rest


def _draw_identities(rng: random.Random, statuses: list[str], today: date, domain: str) -> list[Identity]:
    hire_dates = [_draw_hire_date(rng, status, today) for status in statuses]
    ids = _assign_ids(rng, hire_dates)
    namesakes: dict[str, int] = {}
    identities = []
    for index, status in enumerate(statuses):
        name = draw_name(rng)
        mailbox = build_mailbox(name.first, name.last)
        namesakes[mailbox] = namesakes.get(mailbox, 0) + 1
        number = "" if namesakes[mailbox] == 1 else str(namesakes[mailbox])
        identities.append(Identity(ids[index], name, f"{mailbox}{number}@{domain}", status, hire_dates[index]))
    return identities


def _draw_hire_date(rng: random.Random, status: str, today: date) -> date:
    if status == "onboarding":
        return today + timedelta(days=rng.randint(3, 90))
    return today - timedelta(days=rng.randint(30, 15 * 365))


def _assign_ids(rng: random.Random, hire_dates: list[date]) -> list[int]:
    """Returns an id per hire date. Later hires have higher ids, so some supervisors have higher ids than their reports."""
    ids = [0] * len(hire_dates)
    next_id = 1001
    for index in sorted(range(len(hire_dates)), key=lambda index: hire_dates[index]):
        ids[index] = next_id
        next_id += rng.choice((1, 1, 1, 2, 5))
    return ids


def _build_employee(rng: random.Random, identity: Identity, values: dict[str, object], today: date) -> Employee:
    entered = min(identity.hire_date, today) - timedelta(days=rng.randint(1, 20))
    created = datetime.combine(entered, time(8, 0), UTC) + timedelta(minutes=rng.randint(0, 500))
    modified = created + (datetime.combine(today, time(0, 0), UTC) - created) * rng.random() * 0.98
    modified = modified.replace(microsecond=0)
    return Employee(identity.id, values, created, modified, {rng.choice(("position", catalogue.NOTES)): (modified,)})


@dataclass
class _RoleFactory:
    """Creates the roles of the employees on the chart, and the teams they belong to."""

    rng: random.Random
    units: Units
    chart: list[Position]
    ids: list[int]
    """Employee ids by position."""

    def __post_init__(self) -> None:
        self._offset = self.rng.randrange(len(DEPARTMENTS))
        self._teams: dict[int, int] = {}

    def create(self, index: int) -> Role:
        position = self.chart[index]
        department = self._select_department(position)
        cost_center = self.units.find("cost_centers", department.cost_center).id
        return Role(
            position=self._draw_title(position, department),
            supervisor=None if position.supervisor is None else self.ids[position.supervisor],
            department=self.units.find("department", department.name).id,
            team=None if position.group is None else self._get_team(position.group, department),
            cost_centers=self._draw_shares(cost_center),
            travel_group=self._select_travel_group(position, department),
        )

    def _select_department(self, position: Position) -> Department:
        if position.branch is None:
            return MANAGEMENT
        return DEPARTMENTS[(position.branch + self._offset) % len(DEPARTMENTS)]

    def _draw_title(self, position: Position, department: Department) -> str:
        if position.depth == 1 and position.leads:
            return f"Leitung {department.name}"
        if position.depth > 1 and position.leads:
            return f"Teamleitung {department.name}"
        return self.rng.choice(department.positions.split(","))

    def _get_team(self, group: int, department: Department) -> int:
        if group not in self._teams:
            name = self.rng.choice(department.teams.split(","))
            self._teams[group] = self.units.add("team", f"{name} {len(self._teams) + 1}").id
        return self._teams[group]

    def _draw_shares(self, cost_center: int) -> list[list[int]]:
        if self.rng.random() > 0.05:
            return [[cost_center, 100]]
        other = self.rng.choice(self.units.list_of_kind("cost_centers")).id
        return [[cost_center, 100]] if other == cost_center else [[cost_center, 60], [other, 40]]

    def _select_travel_group(self, position: Position, department: Department) -> str:
        if position.branch is None:
            return "Geschäftsführung"
        if position.leads:
            return "Führungskraft"
        return "Vertrieb" if department.name == "Vertrieb" else "Standard"
