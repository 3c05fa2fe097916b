"""Generates the attribute values of an employee, in all encodings that occur in Personio accounts."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sandbox.personio import catalogue
from sandbox.personio.local_time import format_midnight
from sandbox.personio.names import Name
from sandbox.personio.organisation import FULL_TIME, OFFICES, PART_TIME, VACATION
from sandbox.personio.units import Units

REASONS = ("Eigenkündigung", "Umzug", "Befristung ausgelaufen", "")
SALARIES = range(2600, 9000, 50)


@dataclass(frozen=True, slots=True)
class Role:
    """Role of an employee in the organisation."""

    position: str
    """Name of the position."""
    supervisor: int | None
    """Employee id of the supervisor; None for the head of the company."""
    department: int
    """Id of the department."""
    team: int | None
    """Id of the team; None without a team."""
    cost_centers: list[list[int]]
    """Cost centres as ``[[id, share in percent], ...]``."""
    travel_group: str
    """Travel group, one of ``catalogue.TRAVEL_GROUPS``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Values of an employee from which the other values are generated."""

    id: int
    """Employee id."""
    name: Name
    """Name and gender."""
    email: str
    """E-mail address."""
    status: str
    """Status, such as ``active``."""
    hire_date: date
    """First working day."""


def generate_values(rng: random.Random, identity: Identity, role: Role, units: Units, today: date) -> dict[str, Any]:
    """Returns all values except ``id``, ``created_at`` and ``last_modified_at``, which are fields of the employee."""
    return {
        **_build_identity(identity),
        **_draw_position(rng, role),
        **_draw_workplace(rng, units),
        **_draw_work_schedule(rng, units),
        **_draw_dates(rng, identity, today),
        **_draw_pay(rng),
        **_draw_custom(rng, identity, role),
        "profile_picture": _draw_picture(rng, identity.id),
    }


def _build_identity(identity: Identity) -> dict[str, Any]:
    return {
        "first_name": identity.name.first,
        "last_name": identity.name.last,
        "preferred_name": f"{identity.name.first} {identity.name.last}",
        "email": identity.email,
        "gender": identity.name.gender,
        "status": identity.status,
    }


def _draw_position(rng: random.Random, role: Role) -> dict[str, Any]:
    return {
        "position": role.position,
        "supervisor": role.supervisor,
        "department": role.department,
        "team": role.team if role.team is not None and rng.random() > 0.02 else rng.choice((None, None, "", [])),
        "cost_centers": role.cost_centers if rng.random() > 0.03 else [],
        "employment_type": "external" if rng.random() < 0.04 else "internal",
    }


def _draw_workplace(rng: random.Random, units: Units) -> dict[str, Any]:
    office = rng.choices(OFFICES, weights=[office.weight for office in OFFICES])[0]
    return {
        "subcompany": units.find("subcompany", office.subcompany).id,
        "office": units.find("office", office.name).id if rng.random() > 0.02 else rng.choice((None, "")),
        "holiday_calendar": units.find("holiday_calendar", office.calendar).id,
    }


def _draw_work_schedule(rng: random.Random, units: Units) -> dict[str, Any]:
    """Returns working hours and entitlements. Hours are strings as in the vendor's example, or numbers as in its schema."""
    part_time = rng.random() < 0.15
    schedule: object = units.find("work_schedule", PART_TIME if part_time else FULL_TIME).id
    vacation = units.find("absence_entitlement", VACATION).id
    return {
        "weekly_working_hours": rng.choice(("20", "20", 20)) if part_time else rng.choice(("40", "40", "38.5", 40)),
        "work_schedule": schedule if rng.random() > 0.04 else rng.choice((None, "", [])),
        "absence_entitlement": [[vacation, 15 if part_time else 30]],
        "vacation_day_balance": rng.choice((0, 2, 7.5, 12, 30)),
    }


def _draw_dates(rng: random.Random, identity: Identity, today: date) -> dict[str, Any]:
    leaving_date = _draw_leaving_date(rng, identity, today)
    empty = rng.choice((None, ""))
    return {
        "hire_date": format_midnight(identity.hire_date),
        "contract_end_date": format_midnight(today + timedelta(days=rng.randint(60, 700)))
        if rng.random() < 0.06
        else None,
        "termination_date": format_midnight(leaving_date) if leaving_date else None,
        "last_working_day": format_midnight(leaving_date - timedelta(days=rng.choice((0, 0, 10))))
        if leaving_date
        else None,
        "termination_type": rng.choice(("employee", "fired", "contract_expired")) if leaving_date else empty,
        "termination_reason": rng.choice(REASONS) if leaving_date else empty,
        "probation_period_end": format_midnight(identity.hire_date + timedelta(days=183))
        if rng.random() < 0.9
        else None,
    }


def _draw_leaving_date(rng: random.Random, identity: Identity, today: date) -> date | None:
    if identity.status == "inactive":
        return identity.hire_date + timedelta(days=rng.randint(0, max((today - identity.hire_date).days - 1, 0)))
    if identity.status == "active" and rng.random() < 0.01:
        return today + timedelta(days=rng.randint(14, 120))
    return None


def _draw_pay(rng: random.Random) -> dict[str, Any]:
    hourly = rng.random() < 0.08
    return {
        "fix_salary": 0 if hourly else rng.choice(SALARIES),
        "fix_salary_interval": "" if hourly else "monthly",
        "hourly_salary": rng.choice((14.5, 16, 18.25)) if hourly else 0,
    }


def _draw_custom(rng: random.Random, identity: Identity, role: Role) -> dict[str, Any]:
    values = {
        catalogue.TITLE: rng.choices(("Dr.", "Prof. Dr.", "", None), weights=(6, 1, 10, 83))[0],
        catalogue.IBAN: generate_iban(rng),
        catalogue.ANNIVERSARY: (identity.hire_date + timedelta(days=3653)).isoformat(),
        catalogue.BIRTHDAY: format_midnight(_draw_birthday(rng)),
        catalogue.PERSONNEL_NUMBER: f"{identity.id:06d}",
        catalogue.TRAVEL_GROUP: role.travel_group,
        catalogue.SKILLS: generate_tags(rng),
        catalogue.COMPANY_CARD: rng.choice(("Ja", "Nein", "Nein", None)),
        catalogue.CHILDREN: rng.choice((0, 0, 1, 2, None)),
        catalogue.BONUS: rng.choice((None, 5, 7.5, 12.25)),
        catalogue.NOTES: rng.choice(
            (None, "", "Homeoffice montags\nLaptop übergeben", "Brillenträgerin – Zuschuss beantragt")
        ),
        catalogue.PROFILE_LINK: f"https://people.example/{identity.id}",
        catalogue.MOBILE: _write_mobile(identity.id),
    }
    return _drop_profile_link(rng, values)


def _write_mobile(employee_id: int) -> str | None:
    """Returns a telephone number as people write it, by the id. Two of eight employees have none, and one has another text."""
    digits = f"{20_000_000 + employee_id:08d}"
    ways = (
        *(f"0151 {digits}", f"+49 151 {digits}", f"0049 (0)151 / {digits}", f"0151/{digits[:4]}-{digits[4:]}"),
        *(f"+43 664 {digits[1:]}", "siehe Notizen", "", None),
    )
    return ways[employee_id % len(ways)]


def _drop_profile_link(rng: random.Random, values: Mapping[str, Any]) -> dict[str, Any]:
    """Drops the profile link of 5 % of the employees. Personio omits an attribute that was never set."""
    is_absent = rng.random() < 0.05
    return {key: value for key, value in values.items() if not (is_absent and key == catalogue.PROFILE_LINK)}


def _draw_birthday(rng: random.Random) -> date:
    """Returns a birthday. One in 200 is a century too early, for which the vendor shows an offset of +00:53."""
    year = rng.randint(1960, 2004) - (100 if rng.random() < 0.005 else 0)
    return date(year, rng.randint(1, 12), rng.randint(1, 28))


def _draw_picture(rng: random.Random, employee_id: int) -> str | None:
    url = f"https://api.personio.de/v1/company/employees/{employee_id}/profile-picture"
    return url if rng.random() < 0.5 else None


def generate_tags(rng: random.Random) -> str | None:
    """Returns tags in one of two encodings that occur in the same account: separated by commas, or a JSON list in a string."""
    chosen = rng.sample(catalogue.SKILL_OPTIONS, rng.randint(0, 3))
    if not chosen:
        return rng.choice((None, ""))
    return ",".join(chosen) if rng.random() < 0.6 else json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))


def generate_iban(rng: random.Random) -> str:
    """Returns a German IBAN with valid check digits (ISO 13616), in groups of four as in the vendor's example."""
    account = f"{rng.randrange(10**18):018d}"
    check = 98 - int(account + "131400") % 97
    plain = f"DE{check:02d}{account}"
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))
