"""The attribute values of one made-up person, in all the encodings that accounts of the vendor are known to show."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sandbox.personio import catalogue
from sandbox.personio.local_time import midnight
from sandbox.personio.names import Name
from sandbox.personio.organisation import FULL_TIME, OFFICES, PART_TIME, VACATION
from sandbox.personio.units import Units

REASONS = ("Eigenkündigung", "Umzug", "Befristung ausgelaufen", "")
SALARIES = range(2600, 9000, 50)


@dataclass(frozen=True, slots=True)
class Role:
    """Where somebody stands in the organisation. ``cost_centers`` is ``[[id, share], ...]``."""

    position: str
    supervisor: int | None
    department: int
    team: int | None
    cost_centers: list[list[int]]
    travel_group: str


@dataclass(frozen=True, slots=True)
class Person:
    """What is settled before the rest is made up around it."""

    id: int
    name: Name
    email: str
    status: str
    hired: date


def values_of(rng: random.Random, person: Person, role: Role, units: Units, today: date) -> dict[str, Any]:
    """``id``, ``created_at`` and ``last_modified_at`` are not among them: they belong to the employee itself."""
    return {
        **_identity(person),
        **_position(rng, role),
        **_workplace(rng, units),
        **_working_time(rng, units),
        **_dates(rng, person, today),
        **_pay(rng),
        **_custom(rng, person, role),
        "profile_picture": _picture(rng, person.id),
    }


def _identity(person: Person) -> dict[str, Any]:
    return {
        "first_name": person.name.first,
        "last_name": person.name.last,
        "preferred_name": f"{person.name.first} {person.name.last}",
        "email": person.email,
        "gender": person.name.gender,
        "status": person.status,
    }


def _position(rng: random.Random, role: Role) -> dict[str, Any]:
    return {
        "position": role.position,
        "supervisor": role.supervisor,
        "department": role.department,
        "team": role.team if role.team is not None and rng.random() > 0.02 else rng.choice((None, None, "", [])),
        "cost_centers": role.cost_centers if rng.random() > 0.03 else [],
        "employment_type": "external" if rng.random() < 0.04 else "internal",
    }


def _workplace(rng: random.Random, units: Units) -> dict[str, Any]:
    office = rng.choices(OFFICES, weights=[office.weight for office in OFFICES])[0]
    return {
        "subcompany": units.find("subcompany", office.subcompany).id,
        "office": units.find("office", office.name).id if rng.random() > 0.02 else rng.choice((None, "")),
        "holiday_calendar": units.find("holiday_calendar", office.calendar).id,
    }


def _working_time(rng: random.Random, units: Units) -> dict[str, Any]:
    """Hours are text in the vendor's example and a number in its schema: both occur here."""
    part_time = rng.random() < 0.15
    schedule: object = units.find("work_schedule", PART_TIME if part_time else FULL_TIME).id
    vacation = units.find("absence_entitlement", VACATION).id
    return {
        "weekly_working_hours": rng.choice(("20", "20", 20)) if part_time else rng.choice(("40", "40", "38.5", 40)),
        "work_schedule": schedule if rng.random() > 0.04 else rng.choice((None, "", [])),
        "absence_entitlement": [[vacation, 15 if part_time else 30]],
        "vacation_day_balance": rng.choice((0, 2, 7.5, 12, 30)),
    }


def _dates(rng: random.Random, person: Person, today: date) -> dict[str, Any]:
    leaves = _leaving_date(rng, person, today)
    none_given = rng.choice((None, ""))
    return {
        "hire_date": midnight(person.hired),
        "contract_end_date": midnight(today + timedelta(days=rng.randint(60, 700))) if rng.random() < 0.06 else None,
        "termination_date": midnight(leaves) if leaves else None,
        "last_working_day": midnight(leaves - timedelta(days=rng.choice((0, 0, 10)))) if leaves else None,
        "termination_type": rng.choice(("employee", "fired", "contract_expired")) if leaves else none_given,
        "termination_reason": rng.choice(REASONS) if leaves else none_given,
        "probation_period_end": midnight(person.hired + timedelta(days=183)) if rng.random() < 0.9 else None,
    }


def _leaving_date(rng: random.Random, person: Person, today: date) -> date | None:
    if person.status == "inactive":
        return person.hired + timedelta(days=rng.randint(0, max((today - person.hired).days - 1, 0)))
    if person.status == "active" and rng.random() < 0.01:
        return today + timedelta(days=rng.randint(14, 120))
    return None


def _pay(rng: random.Random) -> dict[str, Any]:
    hourly = rng.random() < 0.08
    return {
        "fix_salary": 0 if hourly else rng.choice(SALARIES),
        "fix_salary_interval": "" if hourly else "monthly",
        "hourly_salary": rng.choice((14.5, 16, 18.25)) if hourly else 0,
    }


def _custom(rng: random.Random, person: Person, role: Role) -> dict[str, Any]:
    values = {
        catalogue.TITLE: rng.choices(("Dr.", "Prof. Dr.", "", None), weights=(6, 1, 10, 83))[0],
        catalogue.IBAN: iban(rng),
        catalogue.ANNIVERSARY: (person.hired + timedelta(days=3653)).isoformat(),
        catalogue.BIRTHDAY: midnight(_birthday(rng)),
        catalogue.PERSONNEL_NUMBER: f"{person.id:06d}",
        catalogue.TRAVEL_GROUP: role.travel_group,
        catalogue.SKILLS: tags(rng),
        catalogue.COMPANY_CARD: rng.choice(("Ja", "Nein", "Nein", None)),
        catalogue.CHILDREN: rng.choice((0, 0, 1, 2, None)),
        catalogue.BONUS: rng.choice((None, 5, 7.5, 12.25)),
        catalogue.NOTES: rng.choice(
            (None, "", "Homeoffice montags\nLaptop übergeben", "Brillenträgerin – Zuschuss beantragt")
        ),
        catalogue.PROFILE_LINK: f"https://people.example/{person.id}",
    }
    return _without_some(rng, values)


def _without_some(rng: random.Random, values: Mapping[str, Any]) -> dict[str, Any]:
    """A released custom attribute can be absent for a person who never had it."""
    absent = rng.random() < 0.05
    return {key: value for key, value in values.items() if not (absent and key == catalogue.PROFILE_LINK)}


def _birthday(rng: random.Random) -> date:
    """One in two hundred is typed a century too early, which the vendor answers with an offset of +00:53."""
    year = rng.randint(1960, 2004) - (100 if rng.random() < 0.005 else 0)
    return date(year, rng.randint(1, 12), rng.randint(1, 28))


def _picture(rng: random.Random, employee_id: int) -> str | None:
    url = f"https://api.personio.de/v1/company/employees/{employee_id}/profile-picture"
    return url if rng.random() < 0.5 else None


def tags(rng: random.Random) -> str | None:
    """Two encodings live side by side in one account: separated by commas, and a JSON list within the text."""
    chosen = rng.sample(catalogue.SKILL_OPTIONS, rng.randint(0, 3))
    if not chosen:
        return rng.choice((None, ""))
    return ",".join(chosen) if rng.random() < 0.6 else json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))


def iban(rng: random.Random) -> str:
    """A German one with right check digits (ISO 13616), in groups of four as the vendor's example writes it."""
    account = f"{rng.randrange(10**18):018d}"
    check = 98 - int(account + "131400") % 97
    plain = f"DE{check:02d}{account}"
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))
