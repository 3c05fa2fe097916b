"""The plan of a poll: one query tells what the connection needs."""

from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.catalogues import SourceCatalogue
from services.contracts.connections import ConnectionState
from services.contracts.events import Version
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.ledger import ManagerLink, Waiting
from services.contracts.mappings import default_mapping
from services.contracts.outcomes import WaitingCause
from services.contracts.runs import RunState
from services.contracts.tasks import Poll
from services.store.database import Store
from services.store.errors import StoreFailedError, UnknownConnectionError
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    OTHER,
    PERSONIO,
    make_entry,
    make_outcome,
    make_person,
    make_snapshot,
)

Raw = AsyncIOMotorDatabase[dict[str, Any]]
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
SETTLED: dict[str, Any] = {"account_id": "a-1", "enabled": True, "decided": make_outcome("1")}
"""The fields of a settled entry."""


async def read_needs(store: Store) -> frozenset[str]:
    """Returns what the connection needs, without the need that only MongoDB tells exactly."""
    return (await store.polls.plan(CONNECTION)).needs - {"changed_account"}


async def test_settled_connection_needs_nothing(store: Store) -> None:
    """What another connection needs does not matter."""
    await store.snapshots.save([(make_snapshot("1", emitted_revision=1_000), None)])
    await store.ledger.write([make_entry("1", **SETTLED)])
    await store.snapshots.save([(make_snapshot("2", connection_id=OTHER), None)])
    await store.ledger.write([make_entry("2", connection_id=OTHER, waiting=WAITING, blocked_by="a")])
    await store.tasks.file(OTHER, Poll(), now=NOW)
    await store.runs.begin(OTHER, now=NOW)

    plan = await store.polls.plan(CONNECTION)

    assert plan.needs == frozenset()


@pytest.mark.parametrize(
    ("change", "need"),
    [
        ({"blocked_by": "a-2"}, "conflict"),
        ({"manager": ManagerLink(employee_id=EmployeeId("9"))}, "open_reference"),
    ],
)
async def test_entry_in_a_state_is_a_need(store: Store, change: dict[str, Any], need: str) -> None:
    """The poll then asks for the employees."""
    await store.snapshots.save([(make_snapshot("1", emitted_revision=1_000), None)])

    await store.ledger.write([make_entry("1", **SETTLED | change)])

    assert await read_needs(store) == {need}


async def test_unpublished_change_is_pending_and_unsettled(store: Store) -> None:
    """An acknowledged event is no longer pending, and still unsettled."""
    await store.snapshots.save([(make_snapshot("1"), None)])
    before = await read_needs(store)

    await store.snapshots.mark_emitted(CONNECTION, [(EmployeeId("1"), 1_000)])

    assert before == {"pending_event", "unsettled"}
    assert await read_needs(store) == {"unsettled"}


async def test_tasks_and_runs_that_have_not_ended_are_needs(store: Store) -> None:
    """A former owner of the lease may have left them."""
    open_, running = [await store.tasks.file(CONNECTION, Poll(), now=NOW) for _ in range(2)]
    await store.tasks.start(running.id)
    run = await store.runs.begin(CONNECTION, now=NOW)
    before = await store.polls.plan(CONNECTION)

    await store.tasks.fail(open_.id, "x", now=NOW)
    await store.tasks.fail(running.id, "x", now=NOW)
    await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED}))
    after = await store.polls.plan(CONNECTION)

    assert before.needs == {"open_task", "running_task", "unfinished_run"}
    assert not before.has_succeeded
    assert after.needs == frozenset()
    assert after.has_succeeded


async def test_plan_opens_the_connection(store: Store) -> None:
    """The secrets need no further query."""
    connection = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    paused = await store.polls.plan(connection.id)
    await store.connections.set_state(connection.id, ConnectionState.ACTIVE)

    plan = await store.polls.plan(connection.id)

    assert plan.open_connection().personio == PERSONIO
    assert plan.is_active
    assert not paused.is_active


async def test_plan_has_the_newest_mapping_and_the_catalogue(store: Store) -> None:
    """The scan derives the wanted attributes from the mapping, and compares them with what snapshots may contain."""
    empty = await store.polls.plan(CONNECTION)
    catalogue = SourceCatalogue(connection_id=CONNECTION, attributes=(), stored=("email",))
    for connection, version in ((CONNECTION, 0), (CONNECTION, 1), (OTHER, 0)):
        await store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=version)
    await store.catalogues.save(catalogue)
    await store.catalogues.save(catalogue.model_copy(update={"connection_id": OTHER, "stored": ()}))

    plan = await store.polls.plan(CONNECTION)

    assert empty.open_mapping() is None
    assert empty.catalogue is None
    assert plan.open_mapping() == await store.mappings.get_published(CONNECTION)
    assert plan.catalogue == catalogue


@pytest.mark.mongo
async def test_damaged_documents_fail_where_they_are_used(mongodb_store: Store, raw: Raw) -> None:
    """The plan itself can be read. The errors name the document and say what to do; a damaged catalogue counts as missing."""
    connection = (await mongodb_store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)).id
    await mongodb_store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
    await raw["mappings"].update_one({}, {"$set": {"mapping.format_version": 99}})
    await raw["source_catalogues"].insert_one({"_id": connection, "attributes": "damaged"})
    await raw["connections"].update_one({"_id": connection}, {"$set": {"link_policy": "x", "verified_on": "no day"}})

    plan = await mongodb_store.polls.plan(connection)

    assert plan.catalogue is None
    assert plan.verified_on is None
    with pytest.raises(StoreFailedError, match="`mapping import`"):
        plan.open_mapping()
    with pytest.raises(StoreFailedError, match="`connections check`"):
        plan.open_connection()


async def test_plan_of_an_unknown_connection_opens_nothing(store: Store) -> None:
    """The connection may have been removed."""
    plan = await store.polls.plan(ConnectionId("cunknown"))

    assert not plan.is_active
    with pytest.raises(UnknownConnectionError):
        plan.open_connection()


@pytest.mark.mongo
async def test_changed_account_of_a_manager_is_a_need_once(mongodb_store: Store) -> None:
    """The references of the reports are opened, and the mark is removed."""
    await mongodb_store.ledger.write(
        [
            make_entry("9", account_id="old"),
            make_entry("1", manager=ManagerLink(employee_id=EmployeeId("9"), account_id="old")),
        ]
    )
    before = await mongodb_store.polls.plan(CONNECTION)
    await mongodb_store.ledger.write([make_entry("9", 2, account_id="new")])
    changed = await mongodb_store.polls.plan(CONNECTION)

    reports = await mongodb_store.followups.find_resolvable_reports(CONNECTION)

    assert before.needs == frozenset()
    assert changed.needs == {"changed_account"}
    assert reports == ("1",)
    assert (await mongodb_store.polls.plan(CONNECTION)).needs == {"open_reference"}
    entry = await mongodb_store.ledger.get(make_person("1"))
    assert entry is not None
    assert entry.has_open_reference
