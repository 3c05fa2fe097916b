"""Generates the values of a new employee that a request does not specify."""

import random
from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.personio.catalogue import TRAVEL_GROUPS
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.employee_values import Identity, Role, generate_values
from sandbox.personio.local_time import parse_calendar_date
from sandbox.personio.names import Name, build_mailbox, draw_name


def generate_newcomer(company: Company, specified: Mapping[str, Any], today: date) -> dict[str, Any]:
    """Returns all values of the next employee: the specified ones, and the rest drawn from the seed and the next id.

    Without a status, a hire date in the future means ``onboarding``, otherwise ``active``, as the vendor documents for POST.
    """
    rng = random.Random(f"{company.seed}/{company.next_id}")
    name = _draw_name(rng, specified)
    hire_date = parse_calendar_date(specified.get("hire_date")) or today
    status = str(specified.get("status", "onboarding" if hire_date > today else "active"))
    email = str(specified.get("email") or find_free_email(company, name.first, name.last))
    identity = Identity(company.next_id, name, email, status, hire_date)
    values = generate_values(rng, identity, _draw_role(rng, company), company.units, today)
    without_end = dict.fromkeys(("contract_end_date", "termination_date", "last_working_day"))
    return {**values, **without_end, **specified, "email": email, "status": specified.get("status", status)}


def find_free_email(company: Company, first: str, last: str) -> str:
    """Returns the next unused e-mail address for this name."""
    mailbox = build_mailbox(first, last)
    number = 1
    email = f"{mailbox}@{company.domain}"
    while company.find_by_email(email) is not None:
        number += 1
        email = f"{mailbox}{number}@{company.domain}"
    return email


def _draw_name(rng: random.Random, specified: Mapping[str, Any]) -> Name:
    generated = draw_name(rng)
    return Name(
        str(specified.get("gender", generated.gender)),
        str(specified.get("first_name", generated.first)),
        str(specified.get("last_name", generated.last)),
    )


def _draw_role(rng: random.Random, company: Company) -> Role:
    """Returns the role of a random active colleague, or a role below the head of the company."""
    employees = company.list_employees()
    colleague = rng.choice([employee for employee in employees if employee.status == "active"] or employees)
    has_supervisor = colleague.supervisor is not None
    return Role(
        position=str(colleague.values.get("position") or "Sachbearbeitung") if has_supervisor else "Referent",
        supervisor=colleague.supervisor if has_supervisor else colleague.id,
        department=_get_unit_id(colleague, "department", company.units.list_of_kind("department")[0].id),
        team=_get_unit_id(colleague, "team", None),
        cost_centers=list(colleague.values.get("cost_centers") or []),
        travel_group=TRAVEL_GROUPS[0],
    )


def _get_unit_id(colleague: Employee, key: str, default: Any) -> Any:
    value = colleague.values.get(key)
    return value if isinstance(value, int) else default
