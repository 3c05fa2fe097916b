"""When each connection is polled next, and the days of the last resend and the last verification."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.connections import Connection, ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import EmploymentDates
from services.contracts.polls import PollProgress, ScanBasis
from services.store.database import Store
from tests.support.builders import DECLAREE, NOW, PERSONIO


async def add(store: Store, client_id: str = "papi-1") -> Connection:
    """Adds a connection of this Personio client with Declaree, and starts it."""
    personio = PERSONIO.model_copy(update={"client_id": client_id})
    connection = await store.connections.add(f"name of {client_id}", personio, DECLAREE, now=NOW)
    await store.connections.start(connection.id, now=NOW)
    return await store.connections.get(connection.id)


async def test_due_connections_come_in_the_order_of_their_times(store: Store) -> None:
    """A connection without a time comes first; a future time and a paused connection are not due."""
    never, later, sooner, future, paused = [await add(store, f"papi-{number}") for number in range(5)]
    await store.schedule.set_next_poll(later.id, NOW)
    await store.schedule.set_next_poll(sooner.id, NOW - timedelta(hours=1))
    await store.schedule.set_next_poll(future.id, NOW + timedelta(milliseconds=1))
    await store.connections.set_state(paused.id, ConnectionState.PAUSED)

    assert await store.schedule.find_due(NOW, limit=99) == (never.id, sooner.id, later.id)


async def test_bounded_number_of_due_connections_is_read(store: Store) -> None:
    """The poller asks for as many as it has room for, without those that it polls already."""
    connections = [(await add(store, f"papi-{number}")).id for number in range(4)]
    for number, connection in enumerate(connections):
        await store.schedule.set_next_poll(connection, NOW - timedelta(hours=9 - number))

    first = await store.schedule.find_due(NOW, limit=2)

    assert first == tuple(connections[:2])
    assert await store.schedule.find_due(NOW, limit=1, without=first) == (connections[2],)


async def test_polls_that_were_due_before_a_time_are_found(store: Store) -> None:
    """Paused connections, later times, and connections that were never polled are left out."""
    _, overdue, due, paused = [await add(store, f"papi-{number}") for number in range(4)]
    await store.schedule.set_next_poll(overdue.id, NOW - timedelta(seconds=1))
    await store.schedule.set_next_poll(due.id, NOW)
    await store.schedule.set_next_poll(paused.id, NOW - timedelta(seconds=1))
    await store.connections.set_state(paused.id, ConnectionState.PAUSED)

    assert await store.schedule.count_due(NOW) == 1
    assert await store.schedule.find_overdue(NOW) == {overdue.id: NOW - timedelta(seconds=1)}


async def test_resumed_connection_is_due_again(store: Store) -> None:
    """A connection that was never polled is due as soon as it is active."""
    never, paused = await add(store, "papi-1"), await add(store, "papi-2")
    await store.connections.set_state(paused.id, ConnectionState.PAUSED)

    await store.connections.set_state(paused.id, ConnectionState.ACTIVE)

    assert set(await store.schedule.find_due(NOW, limit=99)) == {never.id, paused.id}


async def test_day_of_the_last_resend_is_stored(store: Store) -> None:
    """The day is missing at first, and it changes nothing of the connection."""
    connection = await add(store)
    before = (await store.polls.plan(connection.id)).rejected_resent_on

    await store.schedule.set_rejected_resent_on(connection.id, NOW.date())

    assert before is None
    assert (await store.polls.plan(connection.id)).rejected_resent_on == NOW.date()
    assert await store.connections.get(connection.id) == connection


async def test_unknown_connection_has_no_day_of_a_resend(store: Store) -> None:
    """A query for a removed connection is not an error."""
    assert (await store.polls.plan(ConnectionId("cunknown"))).rejected_resent_on is None


async def test_day_of_the_last_verification_is_stored(store: Store) -> None:
    """The day is another one than that of the last resend, and a query for a removed connection is not an error."""
    connection = await add(store)
    before = (await store.polls.plan(connection.id)).verified_on

    await store.schedule.set_verified_on(connection.id, NOW.date())

    assert before is None
    assert (await store.polls.plan(connection.id)).verified_on == NOW.date()
    assert (await store.polls.plan(connection.id)).rejected_resent_on is None
    assert (await store.polls.plan(ConnectionId("cunknown"))).verified_on is None


async def test_progress_of_the_polls_is_stored(store: Store) -> None:
    """The plan of a poll has it, and whether there was a complete scan. A removed connection has none."""
    connection = await add(store)
    before = await store.polls.plan(connection.id)
    basis = ScanBasis(attributes=("email", "status"), employment=EmploymentDates(days_before_start=3), source="x")
    progress = PollProgress(released_until=NOW, full_scan_at=NOW - timedelta(hours=3), basis=basis)

    await store.schedule.set_progress(connection.id, progress)
    await store.schedule.set_progress(ConnectionId("cunknown"), progress)

    assert before.progress is None
    assert not before.is_imported
    after = await store.polls.plan(connection.id)
    assert after.progress == progress
    assert after.is_imported
    assert (await store.polls.plan(ConnectionId("cunknown"))).progress is None
    assert await store.schedule.find_released([connection.id, ConnectionId("cunknown")]) == {connection.id: NOW}


@pytest.mark.mongo
@pytest.mark.promise("P10")
@pytest.mark.parametrize("field", ["released_until", "full_scan_at"])
@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "soon", None, {"$x": 1}])
async def test_progress_with_a_damaged_time_is_unknown(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]], field: str, value: object
) -> None:
    """The next poll is a full scan then, which replaces it. The overlap could not be subtracted from the first time."""
    connection = await add(mongodb_store)
    basis = ScanBasis(attributes=("email", "status"), employment=EmploymentDates(), source="x")
    progress = PollProgress(released_until=NOW, full_scan_at=NOW, basis=basis)
    await mongodb_store.schedule.set_progress(connection.id, progress)

    await raw["connections"].update_one({"_id": connection.id}, {"$set": {f"progress.{field}": value}})

    plan = await mongodb_store.polls.plan(connection.id)
    assert plan.progress is None
    assert plan.is_imported
