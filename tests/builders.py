"""Events, mappings and ledger entries with sensible content, to be varied by a test in the one thing it is about."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from services.contracts.connections import Connection, DeclareeAccess, PersonioAccess
from services.contracts.envelope import Cause
from services.contracts.events import (
    AccountRequested,
    Attribute,
    DesiredAccount,
    EmployeeChanged,
    Event,
    Intent,
    Kind,
    ManagerReference,
)
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import AttributeSource, PublishedMapping, Rule, default_mapping
from services.contracts.mappings import Mapping as MappingDocument
from services.contracts.model import Value
from services.runtime.consumer import Incoming
from tests.stored import CONNECTION, DECLAREE, NOW, PERSONIO

ADA: dict[str, Value] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@nordlicht.example",
    "status": "active",
    "supervisor.id": None,
}
NOBODY = ManagerReference(employee_id=None)


def attributes(values: Mapping[str, Value] = MappingProxyType({})) -> dict[str, Attribute]:
    """Ada's, with these values; ``supervisor__id`` stands for ``supervisor.id``."""
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return {key: Attribute(value=value) for key, value in (ADA | changes).items()}


def changed(
    values: Mapping[str, Value] = MappingProxyType({}),
    *,
    employee: str = "7",
    revision: int = 1_000,
    kind: Kind = Kind.CHANGED,
) -> EmployeeChanged:
    """An ``EmployeeChanged`` of Ada with these attribute values."""
    return EmployeeChanged(
        connection_id=CONNECTION,
        employee_id=EmployeeId(employee),
        revision=revision,
        detected_at=NOW,
        kind=kind,
        attributes=attributes(values),
    )


def rule(target: str, attribute: str, **more: Any) -> Rule:
    return Rule(target=target, source=AttributeSource(attribute=attribute), **more)


def published(*rules: Rule, version: int = 3, **more: Any) -> PublishedMapping:
    """A published mapping of these rules; the default one where there are none."""
    mapping = MappingDocument(rules=rules, **more) if rules or more else default_mapping()
    return PublishedMapping(connection_id=CONNECTION, version=version, mapping=mapping, published_at=NOW)


def desired(employee: str = "7", **changes: Any) -> DesiredAccount:
    content: dict[str, Any] = {
        "external_id": employee,
        "user_name": f"e{employee}@nordlicht.example",
        "fields": {"name.givenName": "Ada", "name.familyName": "Lovelace"},
        "manager": NOBODY,
    }
    return DesiredAccount.model_validate(content | changes)


def submits_to(manager: str) -> ManagerReference:
    return ManagerReference(employee_id=EmployeeId(manager))


def requested(
    employee: str = "7", revision: int = 1_000, version: int = 3, connection: ConnectionId = CONNECTION, **changes: Any
) -> AccountRequested:
    """A request to provision an account; ``changes`` are those of the desired account."""
    return AccountRequested(
        connection_id=connection,
        employee_id=EmployeeId(employee),
        revision=revision,
        mapping_version=version,
        detected_at=NOW,
        intent=Intent.PROVISION,
        desired=desired(employee, **changes),
    )


def asked(
    intent: Intent, employee: str = "7", revision: int = 1_000, version: int = 3, **more: Any
) -> AccountRequested:
    """A request of another kind."""
    return AccountRequested(
        connection_id=CONNECTION,
        employee_id=EmployeeId(employee),
        revision=revision,
        mapping_version=version,
        detected_at=NOW,
        intent=intent,
        **more,
    )


def incoming(event: Any, offset: int = 0, cause: Cause = Cause.DETECTED) -> Incoming[Any]:
    """The event as the consumer hands it over."""
    assert isinstance(event, Event)
    value = event.model_dump_json().encode()
    return Incoming(event, cause, event.topic, 0, offset, 0, bytes(event.person), value)


def connection(
    name: ConnectionId = CONNECTION, personio: PersonioAccess = PERSONIO, declaree: DeclareeAccess = DECLAREE
) -> Connection:
    return Connection(id=name, name="Nordlicht", personio=personio, declaree=declaree, created_at=NOW)
