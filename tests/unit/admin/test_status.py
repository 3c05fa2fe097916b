"""The status of every connection."""

from datetime import timedelta
from typing import Any

from services.admin.status import Status, get_status
from services.contracts.claims import LinkDecision
from services.contracts.connections import ConnectionState
from services.contracts.damage import Damage, DocumentKind
from services.contracts.events import Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.mappings import default_mapping
from services.contracts.outcomes import WaitingCause
from services.contracts.runs import RunState
from services.store.database import Store
from services.store.undone import UndoneGroup
from tests.support.builders import DECLAREE, NOW, PERSONIO, make_entry, make_outcome, make_snapshot

MINUTE = timedelta(minutes=1)


def make_question(connection: ConnectionId, employee: str) -> LinkDecision:
    """Returns an open decision about an account for this employee."""
    return LinkDecision(
        connection_id=connection,
        employee_id=EmployeeId(employee),
        account_id=AccountId(f"a-{employee}"),
        account_hash="shown",
        asked_at=NOW,
    )


async def test_status_without_connections_is_empty(store: Store) -> None:
    """A new installation has nothing to report."""
    assert await get_status(store, now=NOW) == ()


async def test_status_counts_the_people_of_one_connection(store: Store) -> None:
    """Employee 1 has an account, 2 waits, and 3 needs a decision; another connection counts nothing of them."""
    first = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    other = PERSONIO.model_copy(update={"client_id": "papi-2"})
    second = await store.connections.add("Südlicht", other, DECLAREE, now=NOW.replace(hour=10))
    await store.mappings.publish(first.id, default_mapping(), now=NOW, expected_version=None)
    await store.snapshots.save([(make_snapshot(employee, connection_id=first.id), None) for employee in "123"])
    decided = make_outcome("1").model_copy(update={"connection_id": first.id})
    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
    await store.ledger.write(
        [
            make_entry("1", connection_id=first.id, account_id="a-1", enabled=True, decided=decided),
            make_entry("2", connection_id=first.id, waiting=waiting),
            make_entry("3", connection_id=first.id, blocked_by="a-3"),
        ]
    )
    await store.links.ask([make_question(first.id, employee) for employee in "13"])
    run = await store.runs.begin(first.id, now=NOW)
    finished = run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": NOW})
    await store.runs.save(finished)

    await store.verifications.finish(first.id, "r1", {"listed": 3, "different": 3, "repaired": 1}, now=NOW)

    status, empty = await get_status(store, now=NOW)

    assert status == Status(
        connection=first.id,
        name="Nordlicht",
        state=ConnectionState.PAUSED,
        employees=3,
        active=3,
        accounts=1,
        balance=2,
        waiting=1,
        held_disablings=0,
        absent=0,
        decisions=1,
        findings=2,
        outcomes={"created": 1},
        mapping_version=1,
        last_run=finished,
        undone=(UndoneGroup("waiting", 1, NOW, WaitingCause.SERVER_UNAVAILABLE),),
    )
    assert empty.connection == second.id
    assert empty.employees == 0
    assert empty.mapping_version == 0
    assert empty.last_run is None


async def test_status_counts_reports_of_a_pending_manager(store: Store) -> None:
    """A report that waits for the account of its manager waits, although a resend of it changes nothing."""
    connection = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    waiting = Waiting(cause=WaitingCause.MANAGER_PENDING, since=NOW, version=Version(1_000, 3))
    await store.ledger.write([make_entry("2", connection_id=connection.id, waiting=waiting)])

    (status,) = await get_status(store, now=NOW)

    assert status.waiting == 1


async def test_status_reports_what_cannot_be_read(store: Store) -> None:
    """Employees are counted once each. What concerns the whole company is told with what to do."""
    first = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    other = PERSONIO.model_copy(update={"client_id": "papi-2"})
    second = await store.connections.add("Südlicht", other, DECLAREE, now=NOW.replace(hour=10))
    damaged = [
        (DocumentKind.MAPPING, first.id, None, "the mapping: upgrade"),
        (DocumentKind.SNAPSHOT, first.id, "7", "the snapshot: upgrade"),
        (DocumentKind.LINK, first.id, "7", "the decision: upgrade"),
    ]
    fake: Any = store
    fake.damage.put(
        Damage(kind=kind, document="x", connection_id=owner, employee_id=person, problem=problem, since=NOW)
        for kind, owner, person, problem in damaged
    )

    statuses = {status.connection: status for status in await get_status(store, now=NOW)}

    assert statuses[first.id].problems == ("the mapping: upgrade",)
    assert statuses[first.id].unreadable == 1
    assert statuses[second.id].problems == ()
    assert statuses[second.id].unreadable == 0


async def test_status_names_overdue_polls(store: Store) -> None:
    """An operator sees which connection is not polled in time, and since when; a paused one is not polled."""
    late, due, paused = [
        await store.connections.add(name, PERSONIO.model_copy(update={"client_id": name}), DECLAREE, now=NOW)
        for name in ("late", "due", "paused")
    ]
    for connection, minutes in ((late, 2), (due, 1), (paused, 9)):
        await store.connections.set_state(connection.id, ConnectionState.ACTIVE)
        await store.schedule.set_next_poll(connection.id, NOW - timedelta(minutes=minutes))
    await store.connections.set_state(paused.id, ConnectionState.PAUSED)

    statuses = {status.connection: status for status in await get_status(store, now=NOW, overdue_before=NOW - MINUTE)}

    assert statuses[late.id].overdue_since == NOW - 2 * MINUTE
    assert statuses[due.id].overdue_since is None
    assert statuses[paused.id].overdue_since is None
