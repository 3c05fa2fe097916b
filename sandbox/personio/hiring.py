"""Makes up what nobody said about a new colleague."""

import random
from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.personio.catalogue import TRAVEL_GROUPS
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.local_time import calendar_date
from sandbox.personio.names import Name, any_name, mailbox
from sandbox.personio.person import Person, Role, values_of


def newcomer(company: Company, given: Mapping[str, Any], today: date) -> dict[str, Any]:
    """All values of the next employee: what is given, and the rest drawn from the seed and the next id.

    Without a status, a start in the future means ``onboarding`` and ``active`` else, as documented for POST employees.
    """
    rng = random.Random(f"{company.seed}/{company.next_id}")
    name = _name(rng, given)
    hired = calendar_date(given.get("hire_date")) or today
    status = str(given.get("status", "onboarding" if hired > today else "active"))
    email = str(given.get("email") or free_email(company, name.first, name.last))
    person = Person(company.next_id, name, email, status, hired)
    values = values_of(rng, person, _role(rng, company), company.units, today)
    stays = dict.fromkeys(("contract_end_date", "termination_date", "last_working_day"))
    return {**values, **stays, **given, "email": email, "status": given.get("status", status)}


def free_email(company: Company, first: str, last: str) -> str:
    """The next address of this name that nobody has."""
    box = mailbox(first, last)
    number = 1
    email = f"{box}@{company.domain}"
    while company.by_email(email) is not None:
        number += 1
        email = f"{box}{number}@{company.domain}"
    return email


def _name(rng: random.Random, given: Mapping[str, Any]) -> Name:
    made_up = any_name(rng)
    return Name(
        str(given.get("gender", made_up.gender)),
        str(given.get("first_name", made_up.first)),
        str(given.get("last_name", made_up.last)),
    )


def _role(rng: random.Random, company: Company) -> Role:
    """The same place in the company as some colleague at work."""
    peer = rng.choice([person for person in company.listed() if person.status == "active"] or company.listed())
    leads_nobody = peer.supervisor is not None
    return Role(
        position=str(peer.values.get("position") or "Sachbearbeitung") if leads_nobody else "Referent",
        supervisor=peer.supervisor if leads_nobody else peer.id,
        department=_id_or(peer, "department", company.units.of("department")[0].id),
        team=_id_or(peer, "team", None),
        cost_centers=list(peer.values.get("cost_centers") or []),
        travel_group=TRAVEL_GROUPS[0],
    )


def _id_or(peer: Employee, key: str, default: Any) -> Any:
    value = peer.values.get(key)
    return value if isinstance(value, int) else default
