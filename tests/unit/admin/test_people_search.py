"""Employees are found by name, e-mail address or id."""

import pytest

from services.admin.people_search import FoundPerson, find_people
from services.contracts.ids import ConnectionId
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import DECLAREE, NOW, PERSONIO, make_snapshot


@pytest.fixture
async def connection(store: Store) -> ConnectionId:
    """A connection with two employees that are called Öz, and one without a name."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    people = {
        "7": {"first_name": "Ada", "last_name": "Öz", "email": "ada@nord.example", "status": "active"},
        "8": {"first_name": "Zoe", "last_name": "Öz-Adam", "email": "zoe@nord.example", "status": "leave"},
        "9": {"email": None, "status": None, "first_name": ("x",)},
    }
    snapshots = [make_snapshot(one, connection_id=added.id, attributes=values) for one, values in people.items()]
    await store.snapshots.save([(snapshot, None) for snapshot in snapshots])
    return added.id


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("öz", ["7", "8"]),
        ("ADA öz", ["7", "8"]),
        ("ada@", ["7"]),
        ("zoe  ada", ["8"]),
        ("9", ["9"]),
        ("eve", []),
        (" ", []),
    ],
)
async def test_every_word_has_to_occur(store: Store, connection: ConnectionId, text: str, found: list[str]) -> None:
    """In any of the names, the address and the id."""
    assert [person.employee async for person in find_people(store, connection, text)] == found


async def test_found_employee_has_name_address_and_status(store: Store, connection: ConnectionId) -> None:
    """That is enough to tell two people apart."""
    found = [person async for person in find_people(store, connection, "ada@")]

    assert found == [FoundPerson(found[0].employee, "Ada Öz", "ada@nord.example", "active")]


async def test_other_company_is_not_searched(store: Store, connection: ConnectionId) -> None:
    """Its people are not this administrator's."""
    other = PERSONIO.model_copy(update={"client_id": "papi-2"})
    second = await store.connections.add("Südlicht", other, DECLAREE, now=NOW)

    assert [person async for person in find_people(store, second.id, "öz")] == []


async def test_unknown_connection_is_an_error(store: Store) -> None:
    """An empty result would say that the name does not exist."""
    with pytest.raises(UnknownConnectionError):
        _ = [person async for person in find_people(store, ConnectionId("c0"), "öz")]
