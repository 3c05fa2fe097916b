"""Snapshots, ledger entries and connections with sensible content, to be varied by the tests of the store."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pydantic import SecretStr

from services.contracts.accounts import Account
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.events import AccountSynced, Attribute, Kind, Outcome, text_of
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.snapshots import Snapshot, to_json

CONNECTION = ConnectionId("cabcdefghijkl")
OTHER = ConnectionId("czyxwvutsrqpo")
NOW = datetime(2026, 3, 9, 8, 30, 0, 123000, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=1))

PERSONIO = PersonioAccess(client_id="papi-1", client_secret=SecretStr("personio-secret-value"))
DECLAREE = DeclareeAccess(key=SecretStr("declaree-key-value"))


def person(employee: str, connection: ConnectionId = CONNECTION) -> PersonKey:
    return PersonKey(connection, EmployeeId(employee))


def snapshot(employee: str = "1", revision: int = 1_000, **changes: Any) -> Snapshot:
    attributes = changes.pop(
        "attributes",
        {
            "first_name": Attribute(value="Zoë", label="First name"),
            "status": Attribute(value="active", label="Status"),
        },
    )
    content: dict[str, Any] = {
        "connection_id": CONNECTION,
        "employee_id": EmployeeId(employee),
        "revision": revision,
        "kind": Kind.CREATED,
        "changed": ("first_name",),
        "content_hash": f"hash-{employee}-{revision}",
        "attributes_json": to_json(attributes),
        "status": text_of(attributes, "status"),
        "detected_at": NOW,
    }
    return Snapshot.model_validate(content | changes)


def entry(employee: str = "1", seq: int = 1, **changes: Any) -> Account:
    content: dict[str, Any] = {"connection_id": CONNECTION, "employee_id": EmployeeId(employee), "seq": seq}
    return Account.model_validate(content | changes)


def outcome(employee: str = "1", revision: int = 1_000, how: Outcome = Outcome.CREATED) -> AccountSynced:
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
