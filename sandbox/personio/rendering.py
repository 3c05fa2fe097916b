"""Renders employees as JSON of API v1 (developer.personio.de/reference/get_company-employees)."""

import json
from collections.abc import Iterable
from typing import Any, Literal

from sandbox.personio.catalogue import ATTRIBUTES, Attribute, Language, sort_keys
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.local_time import format_timestamp
from sandbox.personio.units import VENDOR_TYPES

SupervisorForm = Literal["id", "short"]
SHORT_EMPLOYEE = ("id", "first_name", "last_name", "email")
"""Attributes of a nested supervisor in the form ``short``."""
MAX_CACHED_SELECTIONS = 4
"""Number of attribute selections above which the cache is emptied."""
SHARES = {"cost_centers": "percentage", "absence_entitlement": "entitlement"}
"""Key of the share in the nested object, by attribute."""

Cache = dict[int, tuple[Employee, bytes]]


class Renderer:
    """Renderer with a cache per employee and attribute selection.

    A cached object is valid until the employee or the name of a unit changes.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._caches: dict[tuple[object, ...], Cache] = {}
        self._units_version = company.units.version

    def render(
        self, employees: Iterable[Employee], keys: frozenset[str], language: Language, supervisor: SupervisorForm
    ) -> list[bytes]:
        """Returns one JSON object per employee with these attributes and ``id``."""
        cache = self._get_cache(keys, language, supervisor)
        ordered = sort_keys(keys | {"id"})
        return [self._render_employee(employee, ordered, language, supervisor, cache) for employee in employees]

    def _get_cache(self, *selection: object) -> Cache:
        if self._units_version != self._company.units.version or len(self._caches) > MAX_CACHED_SELECTIONS:
            self._caches.clear()
            self._units_version = self._company.units.version
        return self._caches.setdefault(selection, {})

    def _render_employee(
        self,
        employee: Employee,
        keys: tuple[str, ...],
        language: Language,
        supervisor: SupervisorForm,
        cache: Cache,
    ) -> bytes:
        entry = cache.get(employee.id)
        if entry is not None and entry[0] is employee:
            return entry[1]
        attributes = render_attributes(self._company, employee, keys, language, supervisor)
        rendered = encode({"type": "Employee", "attributes": attributes})
        # The short form contains the supervisor's name. That name can change while this employee stays the same.
        if supervisor == "id":
            cache[employee.id] = (employee, rendered)
        return rendered


def encode(document: object) -> bytes:
    """Returns compact JSON in UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def render_attributes(
    company: Company,
    employee: Employee,
    keys: Iterable[str],
    language: Language = "en",
    supervisor: SupervisorForm = "id",
) -> dict[str, Any]:
    """Returns the ``attributes`` object of an employee. Attributes that the employee does not have are omitted."""
    values = {
        **employee.values,
        "id": employee.id,
        "created_at": format_timestamp(employee.created_at),
        "last_modified_at": format_timestamp(employee.modified_at),
    }
    return {
        key: _render_attribute(ATTRIBUTES[key], _resolve_references(company, key, values[key], supervisor), language)
        for key in keys
        if key in values
    }


def _render_attribute(attribute: Attribute, value: Any, language: Language) -> dict[str, Any]:
    return {
        "label": attribute.get_label(language),
        "value": value,
        "type": attribute.type,
        "universal_id": attribute.universal_id,
        **attribute.extra,
    }


def _resolve_references(company: Company, key: str, value: Any, supervisor: SupervisorForm) -> Any:
    """Returns nested objects in place of ids, and any other value unchanged."""
    if key == "supervisor" and isinstance(value, int):
        return _render_supervisor(company, value, supervisor)
    if key in VENDOR_TYPES and isinstance(value, int):
        return _render_unit(company, key, value, {})
    if key in SHARES and isinstance(value, list):
        return [_render_unit(company, key, unit, {SHARES[key]: amount}) for unit, amount in value]
    return value


def _render_supervisor(company: Company, supervisor_id: int, form: SupervisorForm) -> dict[str, Any]:
    """Returns the nested supervisor: with the id only as in the vendor's example, or as in its schema ShortEmployee."""
    keys = SHORT_EMPLOYEE if form == "short" else ("id",)
    return {"type": "Employee", "attributes": render_attributes(company, company.get(supervisor_id), keys)}


def _render_unit(company: Company, kind: str, unit_id: int, share: dict[str, Any]) -> dict[str, Any]:
    unit = company.units.get(kind, unit_id)
    return {"type": VENDOR_TYPES[kind], "attributes": {"id": unit.id, "name": unit.name, **unit.details, **share}}
