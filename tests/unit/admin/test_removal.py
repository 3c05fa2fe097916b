"""Removing a connection: paused first, erased from Kafka and MongoDB, and repeatable."""

from typing import cast

import pytest

from services.admin.leasing import ConnectionBusyError
from services.admin.removal import StoredConnection, find_stored_connection, remove
from services.admin.tombstones import UnconsumedError
from services.contracts.connections import Connection, ConnectionState
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import OTHER, make_entry, make_snapshot
from tests.support.erasing import ErasedRecords
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakeClock


async def store_people(store: Store, connection: Connection) -> None:
    """Stores a person with a snapshot and one with a ledger entry."""
    await store.snapshots.save([(make_snapshot("1", connection_id=connection.id), None)])
    await store.ledger.write([make_entry("2", connection_id=connection.id)])


async def remove_connection(store: Store, connection: Connection, records: ErasedRecords) -> StoredConnection:
    """Removes the connection."""
    clock = FakeClock()
    eraser = records.make_eraser(store, clock)
    return await remove(store, clock, eraser, connection.id, seconds=0, progress=lambda _: None)


@pytest.mark.promise("P11")
async def test_removed_connection_is_erased_with_its_people(store: Store, connection: Connection) -> None:
    """The topics get the tombstones of all people, one topic after the other."""
    await store_people(store, connection)
    records = ErasedRecords()

    stored = await remove_connection(store, connection, records)

    people = [f"{PersonKey(connection.id, EmployeeId(employee))} None" for employee in ("1", "2")]
    assert records.steps[:3] == [*(f"EMPLOYEES_CHANGED {p}" for p in people), "mapper consumes EMPLOYEES_CHANGED"]
    assert records.steps[3:6] == [*(f"ACCOUNTS_REQUESTED {p}" for p in people), "writer consumes ACCOUNTS_REQUESTED"]
    assert {step for step in records.steps[6:] if "OUTCOMES" in step} == {f"ACCOUNT_OUTCOMES {p}" for p in people}
    assert stored.counts["snapshots"] == 1
    assert stored.counts["ledger"] == 1
    assert set((await store.erasure.count_connection(connection.id)).values()) == {0}
    with pytest.raises(UnknownConnectionError):
        await find_stored_connection(store, connection.id)


async def test_connection_without_people_needs_no_services(store: Store, connection: Connection) -> None:
    """A connection that was added by mistake has nothing in Kafka."""
    records = ErasedRecords(stuck="mapper")

    await remove_connection(store, connection, records)

    assert records.steps == []
    assert await store.connections.list_all() == ()


async def test_failed_removal_leaves_the_connection_paused(store: Store, connection: Connection) -> None:
    """It can be repeated, and no poll brings people back until then."""
    await store_people(store, connection)

    with pytest.raises(UnconsumedError):
        await remove_connection(store, connection, ErasedRecords(stuck="writer"))
    paused = await store.connections.get(connection.id)
    await remove_connection(store, connection, ErasedRecords())

    assert paused.state is ConnectionState.PAUSED
    assert await store.connections.list_all() == ()


async def test_removal_respects_the_lease_of_a_poller(store: Store, connection: Connection) -> None:
    """A poller that works on the connection may be publishing people."""
    await store.leases.acquire(f"connection/{connection.id}", ProcessIdentity("another host", 1, "t"), seconds=30)

    with pytest.raises(ConnectionBusyError):
        await remove_connection(store, connection, ErasedRecords())

    assert await store.connections.filter_existing([connection.id])


async def test_connection_with_unreadable_secrets_is_removed(connection: Connection, store: Store) -> None:
    """Nothing of the removal needs the secrets."""
    cast("FakeStore", store).connections.unreadable.add(connection.id)

    await remove_connection(store, connection, ErasedRecords())

    assert await store.connections.list_all() == ()


async def test_removal_of_an_unknown_connection_is_an_error(store: Store) -> None:
    """The message names the id."""
    with pytest.raises(UnknownConnectionError, match=OTHER):
        await find_stored_connection(store, OTHER)
