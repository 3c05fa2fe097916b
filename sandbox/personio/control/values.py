"""Converts input of the control API to attribute values: names to ids, and days to the vendor's dates."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.personio.catalogue import ALL_KEYS, ATTRIBUTES, SYSTEM
from sandbox.personio.company import Company, UnknownEmployeeError
from sandbox.personio.control.errors import ControlError
from sandbox.personio.local_time import format_midnight
from sandbox.personio.units import VENDOR_TYPES, UnknownUnitError

UNCHANGEABLE = frozenset({"id", "created_at", "last_modified_at"})
SHARED = frozenset({"cost_centers", "absence_entitlement"})
SYSTEM_DATES = frozenset(attribute.key for attribute in SYSTEM if attribute.type == "date")
EMPTY: tuple[object, ...] = (None, "", [])
"""Empty values. All three occur in the vendor's responses, so the control API accepts all three."""


def interpret_values(company: Company, fields: Mapping[str, Any], *, employee_id: int | None = None) -> dict[str, Any]:
    """Returns the attribute values of a request. Raises ``ControlError`` for unknown attributes and invalid references.

    ``employee_id`` is the changed employee; None for a new one.
    """
    unknown = sorted(fields.keys() - (ALL_KEYS - UNCHANGEABLE))
    if unknown:
        changeable = ", ".join(key for key in ATTRIBUTES if key not in UNCHANGEABLE)
        raise ControlError(422, f"attribute cannot be set ({', '.join(unknown)}): use some of {changeable}")
    return {key: _interpret(company, key, value, employee_id) for key, value in fields.items()}


def _interpret(company: Company, key: str, value: Any, employee_id: int | None) -> Any:
    if value in EMPTY:
        return value
    if key == "supervisor":
        return _find_supervisor(company, value, employee_id)
    if key in SHARED:
        return _parse_shares(company, key, value)
    if key in VENDOR_TYPES:
        return _find_unit(company, key, value)
    if key in SYSTEM_DATES:
        return _parse_date(key, value)
    return value


def _find_supervisor(company: Company, value: Any, employee_id: int | None) -> int:
    """Returns the id of a supervisor. Rejects the employee as its own supervisor, but accepts longer reporting cycles."""
    if not isinstance(value, int) or value == employee_id:
        raise ControlError(422, "supervisor must be the id of another employee")
    try:
        return company.get(value).id
    except UnknownEmployeeError:
        raise ControlError(422, f"Supervisor with ID {value} not found") from None


def _find_unit(company: Company, kind: str, reference: Any) -> int:
    try:
        return company.units.find(kind, reference).id
    except UnknownUnitError as error:
        raise ControlError(422, str(error)) from error


def _parse_shares(company: Company, kind: str, value: Any) -> list[list[Any]]:
    """Returns ``[[id, share], ...]`` for one reference or for ``[[reference, share], ...]``."""
    if isinstance(value, str | int):
        return [[_find_unit(company, kind, value), 100 if kind == "cost_centers" else 30]]
    if isinstance(value, list) and all(isinstance(part, list) and len(part) == 2 for part in value):
        return [[_find_unit(company, kind, reference), share] for reference, share in value]
    raise ControlError(422, f"{kind} must be a name, an id, or a list of [name or id, share]")


def _parse_date(key: str, value: Any) -> Any:
    """Returns local midnight for a plain day, and any longer value unchanged."""
    try:
        return format_midnight(date.fromisoformat(value)) if len(str(value)) == 10 else value
    except (TypeError, ValueError) as error:
        raise ControlError(422, f"{key} must be a day such as 2026-12-31") from error
