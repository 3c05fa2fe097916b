"""Each field of each document of a company is damaged in turn: what concerns another company, or all of them, stays the same."""

import copy
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import Binary, Decimal128, MaxKey, ObjectId
from bson.datetime_ms import DatetimeMS
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from services.admin.status import get_status
from services.contracts.ids import AccountId, ConnectionId
from services.store.contents import CONTENTS
from services.store.database import Store
from tests.contract.store.population import SERVER, fill
from tests.support.builders import NOW, make_person

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P10"), pytest.mark.timeout(120)]

Raw = AsyncIOMotorDatabase[dict[str, Any]]
UNUSED = frozenset({"damage", "dead_letters", "field_catalogues", "mapping_drafts", "source_catalogues"})
"""Collections that queries read by the id of one document alone, or not at all."""
DEPTH = 2
"""Number of levels of fields: what lies deeper is read by the model of its document alone."""
PEOPLE = 5
"""Number of employees of each company: one in each state."""
LATE = NOW + timedelta(days=30)
DAMAGED, SOUND = ConnectionId("cdamaged"), ConnectionId("csound")
ARRAY: Any = "an array with the right value"
VALUES: tuple[Any, ...] = (
    *(None, "", "x", "2020-01-01T00:00:00", -1, 1.5, math.nan, math.inf, 10**18, True, Decimal128("NaN"), MaxKey()),
    *(
        [],
        [None],
        {},
        {"a": 1},
        [{"a": []}],
        Binary(b"\xff"),
        ObjectId(),
        DatetimeMS(2**62),
        DatetimeMS(-(2**62)),
        ARRAY,
    ),
)
"""Values that are wrong nearly everywhere. Each is that of one company of its own."""
HARMLESS = frozenset({28, 11000})
"""Codes of MongoDB's errors for a field below one that is not a document, and for a unique value."""


def list_paths(document: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yields the path of each field, as MongoDB writes it, and its value. Of a list, only the first entry has paths."""
    for name, value in document.items() if isinstance(document, dict) else enumerate(document[:1]):
        path = (*before, str(name))
        if path == ("_id",):
            continue
        yield ".".join(path), value
        if isinstance(value, dict | list) and len(path) < DEPTH:
            yield from list_paths(value, path)


def find_wrong(document: dict[str, Any], path: str, value: Any) -> Any:
    """Returns what to store in a field in place of its right value."""
    return [dict(list_paths(document)).get(path)] if value is ARRAY else value


def rename(value: Any, number: int) -> Any:
    """Returns a part of a document for another company with a number."""
    match value:
        case str():
            return value.replace(DAMAGED, f"{DAMAGED}{number}")
        case dict():
            return {name: rename(part, number) for name, part in value.items()}
        case list():
            return [rename(part, number) for part in value]
    return value


async def copy_company(raw: Raw, collection: str) -> list[list[dict[str, Any]]]:
    """Stores the documents of the damaged company once more for each value. Returns those of each company."""
    found = [document async for document in raw[collection].find({}) if str(SOUND) not in str(document)]
    copies = []
    for number in range(len(VALUES)):
        renamed = [rename(document, number) for document in found]
        copies.append([{**new, "_id": f"{old['_id']}{number}"} if new["_id"] == old["_id"] else new
                       for new, old in zip(renamed, found, strict=True)])  # fmt: skip
    if found:
        await raw[collection].insert_many([document for documents in copies for document in documents])
    return copies


async def write_most(raw: Raw, collection: str, changes: list[UpdateOne]) -> None:
    """Makes the changes, except those that MongoDB itself refuses."""
    try:
        await raw[collection].bulk_write(changes, ordered=False)
    except BulkWriteError as error:
        if not {problem["code"] for problem in error.details["writeErrors"]} <= HARMLESS:
            raise


async def look(store: Store, stored: ConnectionId) -> dict[str, Any]:
    """Returns what queries over several companies find for the sound one."""
    every = [SOUND, stored, *(ConnectionId(f"{DAMAGED}{number}") for number in range(len(VALUES)))]
    people = [make_person(str(number), SOUND) for number in range(PEOPLE)]
    accounts = {AccountId(f"a-{person}"): person for person in people}
    all_people = [make_person(person.employee_id, one) for one in every for person in people]
    due = await store.schedule.find_due(LATE, limit=100, without=[stored])
    await store.schedule.find_due(LATE, limit=100, without=due)
    waiting = await store.tasks.find_connections_with_unfinished(limit=100)
    await store.tasks.find_connections_with_unfinished(limit=100, without=waiting)
    held = await store.leases.find_held([f"connection/{one}" for one in every])
    entries = await store.ledger.read(all_people)
    summaries = {summary.id: summary for summary in await store.connections.list_all()}
    await store.connections.get_readable(summaries)
    return {
        "status": {status.connection: status for status in await get_status(store, now=NOW)}[stored],
        "numbers": (await store.counters.read(every))[SOUND],
        "undone": (await store.counters.read_undone(every)).get(SOUND),
        "waiting": sum((await store.counters.count_waiting_by_cause()).values()) > 0,
        "behind": await store.counters.count_all_behind() > 0,
        "needs": (await store.polls.plan(SOUND)).needs,
        "due": stored in await store.schedule.find_due(LATE, limit=100),
        "tasks": SOUND in waiting,
        "held": f"connection/{SOUND}" in {lease.name for lease in held},
        "published": (await store.mappings.get_all_published(every))[SOUND],
        "newest": (await store.mappings.find_newest_versions(every))[SOUND],
        "existing": stored in await store.connections.filter_existing(every),
        "states": (await store.connections.find_states(every))[stored],
        "servers": stored in await store.connections.find_by_server(SERVER),
        "retryable": SOUND in await store.followups.find_connections_with_retryable(),
        "brake": await store.brakes.read(SOUND),
        "held disablings": await store.followups.has_held_disabling(SOUND),
        "first": SOUND in await store.runs.find_first(every),
        "run": (await store.runs.find_last_finished(every))[SOUND],
        "report": SOUND in await store.verifications.find_reports(every),
        "owners": await store.claims.find_owners(SERVER, accounts),
        "entries": {person: entries[person] for person in people},
        "links": len(await store.links.read(people)),
        "snapshots": await store.snapshots.read(SOUND, [person.employee_id for person in people]),
        "absent": await store.snapshots.find_absent(all_people) & set(people),
        "examples": await store.examples.list_all(SOUND),
        "examples of employees": [(await store.erasure.count_person(person))["mapping_examples"] for person in people],
        "forgotten": (await store.forgotten.find(all_people)).keys() & set(people),
    }


@pytest.mark.parametrize("collection", [place.collection for place in CONTENTS if place.collection not in UNUSED])
async def test_damage_reaches_no_other_company(mongodb_store: Store, raw: Raw, collection: str) -> None:
    """In each field, every wrong value is stored for another company. The sound one has all that it had."""
    await fill(mongodb_store, SOUND, PEOPLE)
    await fill(mongodb_store, DAMAGED, PEOPLE)
    await mongodb_store.forgotten.mark([make_person("1", DAMAGED)], now=NOW, until=LATE)
    stored = {summary.name: summary.id for summary in await mongodb_store.connections.list_all()}[str(SOUND)]
    copies = await copy_company(raw, collection)
    expected = await look(mongodb_store, stored)
    paths = sorted({path for document in copies[0] for path, _ in list_paths(document)})

    assert paths
    for path in paths:
        changes = [
            UpdateOne({"_id": document["_id"]}, {"$set": {path: find_wrong(document, path, value)}})
            for documents, value in zip(copies, VALUES, strict=True)
            for document in documents
        ]
        await write_most(raw, collection, changes)
        assert await look(mongodb_store, stored) == expected, path
        whole = [document for documents in copies for document in copy.deepcopy(documents)]
        await raw[collection].bulk_write([ReplaceOne({"_id": one["_id"]}, one) for one in whole], ordered=False)
