"""Marks of forgotten employees and connections, without their ids."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_person

DAY = timedelta(days=1)


async def test_forgotten_employee_is_found(store: Store) -> None:
    """Other employees of the connection are not affected."""
    await store.forgotten.mark([make_person("1")], now=NOW, until=NOW + DAY)

    found = await store.forgotten.find([make_person("1"), make_person("2")])

    assert found == {make_person("1"): NOW}


async def test_forgotten_connection_covers_its_employees(store: Store) -> None:
    """An employee of another connection with the same id is not affected."""
    await store.forgotten.mark([CONNECTION], now=NOW, until=NOW + DAY)

    found = await store.forgotten.find([make_person("1"), PersonKey(OTHER, EmployeeId("1"))])

    assert list(found) == [make_person("1")]


async def test_later_mark_replaces_an_earlier_one(store: Store) -> None:
    """An employee may return and be forgotten again."""
    await store.forgotten.mark([make_person("1")], now=NOW + DAY, until=NOW + 2 * DAY)
    await store.forgotten.mark([make_person("1"), CONNECTION], now=NOW, until=NOW + DAY)

    found = await store.forgotten.find([make_person("1")])

    assert found[make_person("1")] == NOW + DAY


async def test_nothing_is_found_without_marks(store: Store) -> None:
    """The usual case, also for no employees at all."""
    assert await store.forgotten.find([make_person("1")]) == {}
    assert await store.forgotten.find([]) == {}


@pytest.mark.mongo
async def test_mark_contains_no_id(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """A mark that names the employee would be what `people forget` has to remove."""
    person = PersonKey(ConnectionId("c-secret"), EmployeeId("4711"))

    await mongodb_store.forgotten.mark([person, person.connection_id], now=NOW, until=NOW + DAY)
    documents = await raw["forgotten"].find().to_list(None)

    assert len(documents) == 2
    assert not any("4711" in str(document) or "secret" in str(document) for document in documents)
    assert {document["expires"] for document in documents} == {NOW + DAY}
