"""Turns what a person writes into what an employee's values hold: names into ids, days into the vendor's dates."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.personio.catalogue import ALL_KEYS, ATTRIBUTES, SYSTEM
from sandbox.personio.company import Company, UnknownEmployeeError
from sandbox.personio.control.errors import ControlError
from sandbox.personio.local_time import midnight
from sandbox.personio.units import VENDOR_TYPES, UnknownUnitError

UNCHANGEABLE = frozenset({"id", "created_at", "last_modified_at"})
SHARED = frozenset({"cost_centers", "absence_entitlement"})
SYSTEM_DATES = frozenset(attribute.key for attribute in SYSTEM if attribute.type == "date")
EMPTY: tuple[object, ...] = (None, "", [])
"""All three occur in the vendor's answers, so all three can be set."""


def interpreted(company: Company, given: Mapping[str, Any], *, employee_id: int | None = None) -> dict[str, Any]:
    """Raises ``ControlError`` for attributes that do not exist, and for values that refer to nothing."""
    unknown = sorted(given.keys() - (ALL_KEYS - UNCHANGEABLE))
    if unknown:
        known = ", ".join(key for key in ATTRIBUTES if key not in UNCHANGEABLE)
        raise ControlError(422, f"cannot set {', '.join(unknown)}; there are: {known}")
    return {key: _value(company, key, value, employee_id) for key, value in given.items()}


def _value(company: Company, key: str, value: Any, employee_id: int | None) -> Any:
    if value in EMPTY:
        return value
    if key == "supervisor":
        return _supervisor(company, value, employee_id)
    if key in SHARED:
        return _shares(company, key, value)
    if key in VENDOR_TYPES:
        return _unit(company, key, value)
    if key in SYSTEM_DATES:
        return _date(key, value)
    return value


def _supervisor(company: Company, value: Any, employee_id: int | None) -> int:
    """By id; nobody is their own supervisor, but cycles of more people can be made, as in real life."""
    if not isinstance(value, int) or value == employee_id:
        raise ControlError(422, "supervisor must be the id of another employee")
    try:
        return company.get(value).id
    except UnknownEmployeeError:
        raise ControlError(422, f"Supervisor with ID {value} not found") from None


def _unit(company: Company, kind: str, reference: Any) -> int:
    try:
        return company.units.find(kind, reference).id
    except UnknownUnitError as error:
        raise ControlError(422, str(error)) from error


def _shares(company: Company, kind: str, value: Any) -> list[list[Any]]:
    """One reference, or ``[[reference, share], ...]``."""
    if isinstance(value, str | int):
        return [[_unit(company, kind, value), 100 if kind == "cost_centers" else 30]]
    if isinstance(value, list) and all(isinstance(part, list) and len(part) == 2 for part in value):
        return [[_unit(company, kind, reference), share] for reference, share in value]
    raise ControlError(422, f"{kind} must be a name, an id, or a list of [name or id, share]")


def _date(key: str, value: Any) -> Any:
    """A plain day becomes local midnight; anything longer is kept as it is written."""
    try:
        return midnight(date.fromisoformat(value)) if len(str(value)) == 10 else value
    except (TypeError, ValueError) as error:
        raise ControlError(422, f"{key} must be a day such as 2026-12-31") from error
