"""One employee, and the employees that need attention."""

from typing import Any

import pytest

from services.admin.people import (
    ABSENT,
    OVERSIZED,
    NeedsAttention,
    PersonView,
    describe_absence,
    find_people_needing_attention,
    get_person,
)
from services.contracts.connections import Connection
from services.contracts.damage import Damage, DocumentKind
from services.contracts.events import ChangeKind, Version
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import CONNECTION, NOW, make_entry, make_outcome, make_snapshot


async def find_people(store: Store, connection: ConnectionId) -> list[NeedsAttention]:
    """Returns all employees that need attention."""
    return [person async for person in find_people_needing_attention(store, connection)]


@pytest.mark.parametrize("cause", WaitingCause)
async def test_waiting_employee_has_the_text_of_its_cause(
    store: Store, connection: Connection, cause: WaitingCause
) -> None:
    """The administrator reads what happened and what to do, never the name of the cause."""
    waiting = Waiting(cause=cause, since=NOW, version=Version(1_000, 3))
    is_held = cause is WaitingCause.DISABLING_HELD
    entry = make_entry("1", connection_id=connection.id, waiting=waiting, is_disabling_held=is_held)
    await store.ledger.write([entry])

    assert await find_people(store, connection.id) == [NeedsAttention(EmployeeId("1"), "waiting", cause.text, NOW)]


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        ({}, "no reason is recorded"),
        ({"reason": "taken"}, "taken"),
        ({"reason": "taken", "field": "userName"}, "userName: taken"),
    ],
    ids=["none", "reason", "reason and field"],
)
async def test_rejected_employee_has_field_and_reason(
    store: Store, connection: Connection, decision: dict[str, str], reason: str
) -> None:
    """The field leads to the rule of the mapping."""
    decided = make_outcome("1", how=Outcome.REJECTED).model_copy(update={"connection_id": connection.id, **decision})
    await store.ledger.write([make_entry("1", connection_id=connection.id, decided=decided)])

    (person,) = await find_people(store, connection.id)

    assert person == NeedsAttention(EmployeeId("1"), "rejected", reason, decided.settled_at)


async def test_oversized_employee_has_the_next_step(store: Store, connection: Connection) -> None:
    """No time is stored for an oversized event."""
    await store.snapshots.save([(make_snapshot("3", connection_id=connection.id), None)])
    await store.snapshots.mark_oversized(connection.id, [(EmployeeId("3"), 1_000)])

    assert await find_people(store, connection.id) == [NeedsAttention(EmployeeId("3"), "oversized", OVERSIZED)]


async def test_oversized_value_is_named(store: Store, connection: Connection) -> None:
    """The administrator learns which attribute to shorten, and that all others are written."""
    await store.snapshots.save([(make_snapshot("3", connection_id=connection.id, oversized=("a", "b")), None)])

    (person,) = await find_people(store, connection.id)

    assert person.reason == "the value of a, b is too large, and its field stays as it is: shorten it in Personio"


@pytest.mark.parametrize(("is_enabled", "count"), [(True, 1), (False, 0), (None, 0)])
async def test_absent_employee_needs_an_enabled_account(
    store: Store, connection: Connection, is_enabled: bool | None, count: int
) -> None:
    """Without an enabled account, an administrator has nothing to decide."""
    account = make_entry("5", connection_id=connection.id, account_id="a-5", enabled=is_enabled)
    await store.ledger.write([account])
    await store.snapshots.save([(make_snapshot("5", connection_id=connection.id), None)])
    await store.snapshots.mark_absent(connection.id, [EmployeeId("5")], NOW)

    assert await find_people(store, connection.id) == [NeedsAttention(EmployeeId("5"), "absent", ABSENT, NOW)] * count


async def test_employee_with_two_states_is_listed_once(store: Store, connection: Connection) -> None:
    """A waiting employee that was rejected before, and is absent, waits."""
    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
    decided = make_outcome("1", how=Outcome.REJECTED).model_copy(update={"connection_id": connection.id})
    stored = make_entry(
        "1", connection_id=connection.id, account_id="a-1", enabled=True, waiting=waiting, decided=decided
    )
    await store.ledger.write([stored])
    await store.snapshots.save([(make_snapshot("1", connection_id=connection.id), None)])
    await store.snapshots.mark_absent(connection.id, [EmployeeId("1")], NOW)

    assert [person.state for person in await find_people(store, connection.id)] == ["waiting"]


async def test_people_of_an_unknown_connection_are_an_error(store: Store) -> None:
    """A typing error in the id must not look like a connection without problems."""
    with pytest.raises(UnknownConnectionError):
        await find_people(store, CONNECTION)


async def test_person_has_snapshot_and_entry(store: Store, connection: Connection) -> None:
    """Both parts are those of the employee in this connection."""
    snapshot = make_snapshot("1", connection_id=connection.id)
    await store.snapshots.save([(snapshot, None), (make_snapshot("2", connection_id=connection.id), None)])
    await store.ledger.write([make_entry("1", connection_id=connection.id, account_id="a-1")])

    person = await get_person(store, connection.id, EmployeeId("1"))

    assert person.snapshot == snapshot
    assert person.entry is not None
    assert person.entry.account_id == "a-1"


@pytest.mark.parametrize(
    ("kind", "is_acknowledged", "enabled", "text"),
    [
        (ChangeKind.CHANGED, False, True, ABSENT),
        (ChangeKind.CHANGED, False, False, "no enabled account"),
        (ChangeKind.CHANGED, True, True, "leaves the account as it is"),
        (ChangeKind.REMOVED, False, True, "the account is disabled"),
    ],
    ids=["open", "without account", "acknowledged", "disabled"],
)
def test_absent_employee_is_described_by_its_decision(
    kind: ChangeKind, is_acknowledged: bool, enabled: bool, text: str
) -> None:
    """A command that was run is not asked for again."""
    snapshot = make_snapshot("5", kind=kind, absent_since=NOW, is_absence_acknowledged=is_acknowledged)
    entry = make_entry("5", account_id="a-5", enabled=enabled)

    assert text in (describe_absence(PersonView(snapshot, entry)) or "")


def test_listed_employee_has_no_absence() -> None:
    """The page of a present employee says nothing about it."""
    assert describe_absence(PersonView(make_snapshot("5"), None)) is None


async def test_unknown_person_is_empty(store: Store, connection: Connection) -> None:
    """An id that Personio never listed has neither snapshot nor entry."""
    person = await get_person(store, connection.id, EmployeeId("1"))

    assert person.snapshot is None
    assert person.entry is None


async def test_person_of_an_unknown_connection_is_an_error(store: Store) -> None:
    """A typing error in the id must not look like an unknown employee."""
    with pytest.raises(UnknownConnectionError):
        await get_person(store, CONNECTION, EmployeeId("1"))


async def test_employee_with_a_damaged_document_is_listed_first(store: Store, connection: Connection) -> None:
    """The reason names the document and what to do; a damaged mapping concerns no single employee."""
    fake: Any = store
    fake.damage.put(
        Damage(kind=kind, document="x", connection_id=connection.id, employee_id=person, problem="upgrade", since=NOW)
        for kind, person in [(DocumentKind.SNAPSHOT, "7"), (DocumentKind.MAPPING, None)]
    )

    assert await find_people(store, connection.id) == [NeedsAttention(EmployeeId("7"), "unreadable", "upgrade", NOW)]
    assert (await get_person(store, connection.id, EmployeeId("7"))).problems == ("upgrade",)
    assert (await get_person(store, connection.id, EmployeeId("8"))).problems == ()
