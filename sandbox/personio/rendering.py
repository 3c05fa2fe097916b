"""Employees as JSON of API v1 (developer.personio.de/reference/get_company-employees)."""

import json
from collections.abc import Iterable
from typing import Any, Literal

from sandbox.personio.catalogue import ATTRIBUTES, Attribute, Language, in_order
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.local_time import timestamp
from sandbox.personio.units import VENDOR_TYPES

SupervisorForm = Literal["id", "short"]
SHORT_EMPLOYEE = ("id", "first_name", "last_name", "email")
REMEMBERED_SELECTIONS = 4
SHARES = {"cost_centers": "percentage", "absence_entitlement": "entitlement"}

Cached = dict[int, tuple[Employee, bytes]]


class Renderer:
    """Answers are remembered per employee and selection of attributes, until the employee or a unit's name changes."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._remembered: dict[tuple[object, ...], Cached] = {}
        self._units_version = company.units.version

    def employees(
        self, people: Iterable[Employee], keys: frozenset[str], language: Language, supervisor: SupervisorForm
    ) -> list[bytes]:
        """One JSON object each, ``id`` always included."""
        cached = self._cache(keys, language, supervisor)
        ordered = in_order(keys | {"id"})
        return [self._employee(person, ordered, language, supervisor, cached) for person in people]

    def _cache(self, *selection: object) -> Cached:
        if self._units_version != self._company.units.version or len(self._remembered) > REMEMBERED_SELECTIONS:
            self._remembered.clear()
            self._units_version = self._company.units.version
        return self._remembered.setdefault(selection, {})

    def _employee(
        self,
        person: Employee,
        keys: tuple[str, ...],
        language: Language,
        supervisor: SupervisorForm,
        cached: Cached,
    ) -> bytes:
        found = cached.get(person.id)
        if found is not None and found[0] is person:
            return found[1]
        document = {"type": "Employee", "attributes": attributes_of(self._company, person, keys, language, supervisor)}
        rendered = encoded(document)
        # the short form embeds the supervisor's own name, which changes without this person changing
        if supervisor == "id":
            cached[person.id] = (person, rendered)
        return rendered


def encoded(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def attributes_of(
    company: Company,
    person: Employee,
    keys: Iterable[str],
    language: Language = "en",
    supervisor: SupervisorForm = "id",
) -> dict[str, Any]:
    """The ``attributes`` object; what the person has no value for is absent."""
    values = {
        **person.values,
        "id": person.id,
        "created_at": timestamp(person.created_at),
        "last_modified_at": timestamp(person.modified_at),
    }
    return {
        key: _attribute(ATTRIBUTES[key], _expanded(company, key, values[key], supervisor), language)
        for key in keys
        if key in values
    }


def _attribute(attribute: Attribute, value: Any, language: Language) -> dict[str, Any]:
    return {
        "label": attribute.named(language),
        "value": value,
        "type": attribute.type,
        "universal_id": attribute.universal_id,
        **attribute.extra,
    }


def _expanded(company: Company, key: str, value: Any, supervisor: SupervisorForm) -> Any:
    """References with the names of what they refer to."""
    if key == "supervisor" and isinstance(value, int):
        return _supervisor(company, value, supervisor)
    if key in VENDOR_TYPES and isinstance(value, int):
        return _unit(company, key, value, {})
    if key in SHARES and isinstance(value, list):
        return [_unit(company, key, unit, {SHARES[key]: amount}) for unit, amount in value]
    return value


def _supervisor(company: Company, supervisor_id: int, form: SupervisorForm) -> dict[str, Any]:
    """The vendor's example has only the id; its schema ShortEmployee has names and e-mail too."""
    keys = SHORT_EMPLOYEE if form == "short" else ("id",)
    return {"type": "Employee", "attributes": attributes_of(company, company.get(supervisor_id), keys)}


def _unit(company: Company, kind: str, unit_id: int, share: dict[str, Any]) -> dict[str, Any]:
    unit = company.units.get(kind, unit_id)
    return {"type": VENDOR_TYPES[kind], "attributes": {"id": unit.id, "name": unit.name, **unit.details, **share}}
