"""Builders of events, mappings and stored documents. A test sets only the values that it is about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import SecretStr

from services.contracts.cloudevents import Record, SendReason
from services.contracts.connections import Connection, DeclareeAccess, LinkPolicy, PersonioAccess
from services.contracts.employees import get_string
from services.contracts.events import (
    AccountRequested,
    AccountSynced,
    ChangeKind,
    DesiredAccount,
    EmployeeChanged,
    Event,
    ManagerReference,
)
from services.contracts.examples import ExpectedAccount, MappingExample, PinnedExample
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import AttributeSource, MappingDocument, PublishedMapping, Rule, default_mapping
from services.contracts.observations import Group, GroupKind, Observation
from services.contracts.outcomes import Intent, Outcome
from services.contracts.snapshots import Snapshot, attributes_to_json
from services.contracts.values import Value
from services.runtime.kafka.decoding import Incoming

CONNECTION = ConnectionId("cabcdefghijkl")
"""The connection of most test data."""

OTHER = ConnectionId("czyxwvutsrqpo")
"""Another connection."""

NOW = datetime(2026, 3, 9, 8, 30, 0, 123000, tzinfo=UTC)
"""The time of the test data: in UTC and with whole milliseconds, as MongoDB stores it."""

BERLIN = timezone(timedelta(hours=1))
"""A time zone that is not UTC."""

PERSONIO = PersonioAccess(client_id="papi-1", client_secret=SecretStr("personio-secret-value"))
DECLAREE = DeclareeAccess(key=SecretStr("declaree-key-value"))


def make_person(employee: str, connection: ConnectionId = CONNECTION) -> PersonKey:
    """Returns the key of an employee in a connection."""
    return PersonKey(connection, EmployeeId(employee))


def make_snapshot(employee: str = "1", revision: int = 1_000, **changes: Any) -> Snapshot:
    """Returns a snapshot with these fields; ``attributes`` replaces its attributes."""
    attributes = changes.pop(
        "attributes",
        {
            "first_name": "Zoë",
            "status": "active",
        },
    )
    content: dict[str, Any] = {
        "connection_id": CONNECTION,
        "employee_id": EmployeeId(employee),
        "revision": revision,
        "kind": ChangeKind.CREATED,
        "changed": ("first_name",),
        "content_hash": f"hash-{employee}-{revision}",
        "attributes_json": attributes_to_json(attributes),
        "status": get_string(attributes, "status"),
        "detected_at": NOW,
    }
    return Snapshot.model_validate(content | changes)


def make_observation(employee: str = "1", run: str = "n1", **changes: Any) -> Observation:
    """Returns the observation of a new employee, with these fields."""
    connection = changes.get("connection_id", CONNECTION)
    content: dict[str, Any] = {
        "run_id": run,
        "connection_id": connection,
        "employee_id": EmployeeId(employee),
        "snapshot": make_snapshot(employee, connection_id=connection),
        "groups": (Group(kind=GroupKind.NEW),),
    }
    return Observation.model_validate(content | changes)


def make_pinned(employee: str = "1", name: str = "Ada", **changes: Any) -> PinnedExample:
    """Returns a pinned example with real data, with these fields. ``manager`` is the employee id of the manager."""
    manager = changes.pop("manager", None)
    attributes = {**ADA, "supervisor.id": manager}
    expected = ExpectedAccount(fields={"name.givenName": "Ada"}, manager=manager)
    content: dict[str, Any] = {
        "connection_id": CONNECTION,
        "employee_id": EmployeeId(employee),
        "is_made_up": False,
        "pinned_at": NOW,
        "pinned_by": "ada",
        "example": MappingExample(name=name, attributes=attributes, expected=expected),
    }
    return PinnedExample.model_validate(content | changes)


def make_entry(employee: str = "1", seq: int = 1, **changes: Any) -> LedgerEntry:
    """Returns a ledger entry with these fields."""
    content: dict[str, Any] = {"connection_id": CONNECTION, "employee_id": EmployeeId(employee), "seq": seq}
    return LedgerEntry.model_validate(content | changes)


def make_outcome(employee: str = "1", revision: int = 1_000, how: Outcome = Outcome.CREATED) -> AccountSynced:
    """Returns the event of a settled change."""
    return AccountSynced(
        connection_id=CONNECTION,
        employee_id=EmployeeId(employee),
        revision=revision,
        detected_at=NOW,
        source_modified_at=NOW.astimezone(BERLIN),
        mapping_version=3,
        outcome=how,
        account_id=AccountId(f"a-{employee}"),
        written=("name.givenName",),
        settled_at=NOW.replace(microsecond=123456),
    )


ADA: dict[str, Value] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@nordlicht.example",
    "status": "active",
    "supervisor.id": None,
}
"""Attribute values of an active employee without a supervisor, by key."""

NO_MANAGER = ManagerReference(employee_id=None)
"""The reference of an employee without a manager."""


def make_attributes(values: Mapping[str, Value] = MappingProxyType({})) -> dict[str, Value]:
    """Returns Ada's attributes with these values; ``supervisor__id`` means ``supervisor.id``."""
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return ADA | changes


def make_change(
    values: Mapping[str, Value] = MappingProxyType({}),
    *,
    employee: str = "7",
    revision: int = 1_000,
    kind: ChangeKind = ChangeKind.CHANGED,
) -> EmployeeChanged:
    """Returns the event of a change with Ada's attributes and these values."""
    return EmployeeChanged(
        connection_id=CONNECTION,
        employee_id=EmployeeId(employee),
        revision=revision,
        detected_at=NOW,
        kind=kind,
        attributes=make_attributes(values),
    )


def make_rule(target: str, attribute: str, **more: Any) -> Rule:
    """Returns a rule that writes an attribute to a target field."""
    return Rule(target=target, source=AttributeSource(attribute=attribute), **more)


def make_published_mapping(*rules: Rule, version: int = 3, **more: Any) -> PublishedMapping:
    """Returns a published mapping with these rules, or the default mapping without rules."""
    mapping = MappingDocument(rules=rules, **more) if rules or more else default_mapping()
    return PublishedMapping(connection_id=CONNECTION, version=version, mapping=mapping, published_at=NOW)


def make_desired_account(employee: str = "7", **changes: Any) -> DesiredAccount:
    """Returns a desired account with these fields."""
    content: dict[str, Any] = {
        "external_id": employee,
        "user_name": f"e{employee}@nordlicht.example",
        "fields": {"name.givenName": "Ada", "name.familyName": "Lovelace"},
        "manager": NO_MANAGER,
    }
    return DesiredAccount.model_validate(content | changes)


def reports_to(manager: str) -> ManagerReference:
    """Returns a reference to the manager with this employee id."""
    return ManagerReference(employee_id=EmployeeId(manager))


def make_request(
    employee: str = "7", revision: int = 1_000, version: int = 3, connection: ConnectionId = CONNECTION, **changes: Any
) -> AccountRequested:
    """Returns a request to provision an account; ``changes`` are fields of the desired account."""
    return AccountRequested(
        connection_id=connection,
        employee_id=EmployeeId(employee),
        revision=revision,
        mapping_version=version,
        detected_at=NOW,
        intent=Intent.PROVISION,
        desired=make_desired_account(employee, **changes),
    )


def make_request_with_intent(
    intent: Intent, employee: str = "7", revision: int = 1_000, version: int = 3, **more: Any
) -> AccountRequested:
    """Returns a request with this intent; ``more`` are its further fields."""
    return AccountRequested(
        connection_id=CONNECTION,
        employee_id=EmployeeId(employee),
        revision=revision,
        mapping_version=version,
        detected_at=NOW,
        intent=intent,
        **more,
    )


def make_incoming(event: Any, offset: int = 0, reason: SendReason = SendReason.DETECTED) -> Incoming[Any]:
    """Returns the event as the consumer passes it to a handler."""
    assert isinstance(event, Event)
    value = event.model_dump_json().encode()
    return Incoming(event, reason, event.topic, 0, offset, 0, bytes(event.person), value)


def make_connection(
    name: ConnectionId = CONNECTION,
    personio: PersonioAccess = PERSONIO,
    declaree: DeclareeAccess = DECLAREE,
    link_policy: LinkPolicy = LinkPolicy.ASK,
) -> Connection:
    """Returns an active connection; ``name`` is its id."""
    return Connection(
        id=name, name="Nordlicht", personio=personio, declaree=declaree, link_policy=link_policy, created_at=NOW
    )


def make_incoming_record(
    partition: int, offset: int, record: Record, *, topic: str = "topic", timestamp: int = 0
) -> ConsumerRecord:
    """Returns a record as a consumer fetches it from this partition and offset. ``timestamp`` is in milliseconds."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=0,
        key=record.key,
        value=record.value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=record.headers,
    )
