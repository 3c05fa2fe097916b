"""Erasing an employee or a connection from every collection, and nothing of the others."""

import json
from typing import Any

import pytest
from bson import json_util
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.catalogues import SourceCatalogue
from services.contracts.claims import Decision
from services.contracts.drift import Drift, DriftKind
from services.contracts.fields import FieldCatalogue
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.contracts.ledger import ManagerLink
from services.contracts.mappings import default_mapping
from services.contracts.tasks import Resend
from services.contracts.verifications import ListedAccount, VerificationStep
from services.store.contents import CONTENTS
from services.store.database import Store
from tests.contract.store.population import SERVER, make_question
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    OTHER,
    PERSONIO,
    make_entry,
    make_observation,
    make_person,
    make_pinned,
    make_snapshot,
)

LEAVER, COLLEAGUE = EmployeeId("4711"), EmployeeId("4712")
COUNTS = {
    "observations": 1,
    "snapshots": 1,
    "ledger": 1,
    "claims": 2,
    "links": 1,
    "mapping_examples": 1,
    "tasks": 1,
    "verifications": 1,
    "damage": 0,
}
"""Number of documents about the colleague, by collection."""


async def store_people(store: Store, connection: ConnectionId) -> None:
    """Stores two employees of a connection in every collection. The colleague reports to the leaver."""
    both = (LEAVER, COLLEAGUE)
    identity: dict[str, Any] = {"connection_id": connection}
    await store.snapshots.save([(make_snapshot(employee, **identity), None) for employee in both])
    boss = ManagerLink(employee_id=LEAVER)
    await store.ledger.write([make_entry(LEAVER, **identity), make_entry(COLLEAGUE, manager=boss, **identity)])
    people = [PersonKey(connection, employee) for employee in both]
    await store.claims.claim_accounts(SERVER, {AccountId(f"a-{person}"): person for person in people})
    await store.claims.claim_external_ids(SERVER, {str(person): person for person in people})
    await store.links.ask(
        [
            make_question(LEAVER, decision=Decision.LEAVE, **identity),
            make_question(COLLEAGUE, former_owner=LEAVER, account_id="left-behind", **identity),
            make_question(COLLEAGUE, **identity),
        ]
    )
    await store.tasks.file(connection, Resend(scope="people", people=both, reason="test"), now=NOW)
    drifts = [Drift(connection_id=connection, kind=DriftKind.MISSING, employee_id=employee) for employee in both]
    listed = [ListedAccount(id=AccountId(f"a-{employee}"), employee_id=employee) for employee in both]
    content: dict[str, Any] = {"drifts": drifts, "listed": listed, "to_repair": both}
    await store.verifications.save_step(
        connection, "r1", VerificationStep(number=0, kind="page", taken_at=NOW, **content)
    )
    run = await store.runs.begin(connection, now=NOW)
    await store.observations.save([make_observation(employee, run.id, **identity) for employee in both], now=NOW)
    await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=()))
    await store.field_catalogues.save(FieldCatalogue(connection_id=connection))
    await store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
    await store.drafts.save(connection, default_mapping(), based_on=1, expected_revision=0, by="ada", now=NOW)
    await store.examples.save(make_pinned(LEAVER, "leaver", connection_id=connection))
    await store.examples.save(make_pinned(COLLEAGUE, "colleague", is_made_up=True, connection_id=connection))
    await store.leases.acquire(f"connection/{connection}", ProcessIdentity("h", 1, "t"), seconds=30)


async def list_steps(store: Store, connection: ConnectionId) -> list[VerificationStep]:
    """Returns the steps of the verification."""
    return [step async for step in store.verifications.iterate_steps(connection, "r1")]


async def test_counts_of_an_employee_name_each_collection(store: Store) -> None:
    """The dry run of `people forget` shows them. Nothing changes."""
    await store_people(store, CONNECTION)
    person = make_person(LEAVER)

    counts = await store.erasure.count_person(person)

    assert counts == COUNTS | {"links": 2}
    assert await store.erasure.count_person(person) == counts
    assert await store.erasure.count_reports(person) == 1


async def test_erased_employee_is_in_no_collection(store: Store) -> None:
    """The counts are those of the dry run, and afterwards there is nothing left to count."""
    await store_people(store, CONNECTION)
    person = make_person(LEAVER)
    before = await store.erasure.count_person(person)

    erased = await store.erasure.erase_person(person)

    assert erased == before
    assert set((await store.erasure.count_person(person)).values()) == {0}
    assert set((await store.erasure.erase_person(person)).values()) == {0}


async def test_erased_employee_leaves_the_others_alone(store: Store) -> None:
    """Neither a colleague nor an employee of another connection with the same id is affected."""
    await store_people(store, CONNECTION)
    await store_people(store, OTHER)
    colleague, namesake = make_person(COLLEAGUE), PersonKey(OTHER, LEAVER)
    before = await store.erasure.count_person(namesake)

    await store.erasure.erase_person(make_person(LEAVER))
    counts = await store.erasure.count_person(colleague)

    assert await store.erasure.count_person(namesake) == before
    assert counts == COUNTS


async def test_erased_employee_is_removed_from_shared_documents(store: Store) -> None:
    """A task and a step of a verification stay for the colleague. The account stays listed, without an employee."""
    await store_people(store, CONNECTION)

    await store.erasure.erase_person(make_person(LEAVER))
    (task,) = await store.tasks.list_open(CONNECTION)
    (step,) = await list_steps(store, CONNECTION)

    assert task.action == Resend(scope="people", people=(COLLEAGUE,), reason="test")
    assert [drift.employee_id for drift in step.drifts] == [COLLEAGUE]
    assert [(account.id, account.employee_id) for account in step.listed] == [
        (f"a-{LEAVER}", None),
        (f"a-{COLLEAGUE}", COLLEAGUE),
    ]
    assert step.to_repair == (COLLEAGUE,)


async def test_people_of_a_connection_come_from_both_collections(store: Store) -> None:
    """A snapshot expires before its ledger entry, and a new employee has no entry yet."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await store.ledger.write([make_entry("2"), make_entry("3")])
    await store.ledger.write([make_entry("4", connection_id=OTHER)])

    pages = [page async for page in store.erasure.page_people(CONNECTION)]

    assert {person for page in pages for person in page} == {make_person("1"), make_person("2"), make_person("3")}


async def test_erased_connection_is_in_no_collection(store: Store) -> None:
    """The counts are those of the dry run. Another connection is not affected."""
    connection = (await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)).id
    await store_people(store, connection)
    await store_people(store, OTHER)
    before, others = await store.erasure.count_connection(connection), await store.erasure.count_connection(OTHER)
    seen: list[int] = []

    erased = await store.erasure.erase_connection(connection, lambda counts: seen.append(sum(counts.values())))

    assert erased == before
    assert sum(erased.values()) == 24
    assert seen[-1] == 24
    assert set((await store.erasure.count_connection(connection)).values()) == {0}
    assert await store.erasure.count_connection(OTHER) == others


async def note_damage(store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Damages the snapshots of both employees, so that a note about each is stored."""
    await raw["snapshots"].update_many({"connection_id": CONNECTION}, {"$set": {"revision": "many"}})
    await store.snapshots.read(CONNECTION, [LEAVER, COLLEAGUE])
    assert len(await store.damage.list_all()) == 2


@pytest.mark.mongo
async def test_erased_ids_are_in_no_document(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """The whole database is searched, so that no field of any collection is forgotten."""
    await store_people(mongodb_store, CONNECTION)
    await note_damage(mongodb_store, raw)
    await mongodb_store.forgotten.mark([CONNECTION, make_person(LEAVER)], now=NOW, until=NOW)

    await mongodb_store.erasure.erase_person(make_person(LEAVER))
    after_person = await dump(raw)
    await mongodb_store.erasure.erase_connection(CONNECTION)
    after_connection = await dump(raw)

    # the account in Declaree has this id; the colleague's entry names the manager until Personio names another one
    assert after_person.count(LEAVER) == len(("account listed by the verification", "manager of the colleague"))
    assert COLLEAGUE in after_person
    assert CONNECTION not in after_connection


@pytest.mark.mongo
async def test_damaged_documents_are_erased(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """A document without its fields is found by its key, and a connection without readable secrets by its id."""
    connection = (await mongodb_store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)).id
    await store_people(mongodb_store, connection)
    await raw["connections"].update_one({"_id": connection}, {"$set": {"personio": 7, "state": None}})
    for name in ("snapshots", "ledger", "links", "verifications", "mappings", "mapping_examples"):
        await raw[name].update_many({}, [{"$replaceWith": {"_id": "$_id"}}])

    await mongodb_store.erasure.erase_connection(connection)

    assert connection not in await dump(raw)


@pytest.mark.mongo
async def test_every_collection_is_a_place(mongodb_store: Store) -> None:
    """A new collection of the store has to state what it holds about employees and connections."""
    names = {
        repository._collection.name
        for repository in vars(mongodb_store).values()
        if hasattr(repository, "_collection") and hasattr(repository._collection, "motor")
    }

    assert names == {content.collection for content in CONTENTS}


async def dump(raw: AsyncIOMotorDatabase[dict[str, Any]]) -> str:
    """Returns all documents of the database as text."""
    names = await raw.list_collection_names()
    documents = {name: await raw[name].find().to_list(None) for name in names}
    return json.dumps(documents, default=json_util.default)
