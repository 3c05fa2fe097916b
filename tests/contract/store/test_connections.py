"""Connections on a real MongoDB: secrets encrypted at rest, keys exchanged, one that cannot be read stops no other."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.store.connections import Rotation
from services.store.database import Store
from services.store.errors import DuplicateConnectionError, EncryptionKeyError, UnknownConnectionError
from tests.stack import MongoServers
from tests.stored import DECLAREE, NOW, PERSONIO

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]

NOBODY = ConnectionId("cnobody")
SECRETS = ("personio-secret-value", "declaree-key-value")


def personio(client_id: str) -> PersonioAccess:
    return PERSONIO.model_copy(update={"client_id": client_id})


async def added(store: Store, client_id: str = "papi-1", **more: Any) -> Connection:
    return await store.connections.add(f"name of {client_id}", personio(client_id), DECLAREE, now=NOW, **more)


def new_key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


@asynccontextmanager
async def opened(mongo: MongoServers, database: str, keys: Sequence[SecretStr]) -> AsyncIterator[Store]:
    store = Store.connect(SecretStr(mongo.url), database, keys)
    try:
        yield store
    finally:
        store.close()


async def test_a_connection_is_read_as_it_was_added(store: Store) -> None:
    access = DeclareeAccess(
        url="https://app.declaree.de/SCIM/v2", key=SecretStr('k "{$}'), key_header="X-Key", key_scheme="", updates="put"
    )
    made = await store.connections.add("Müller & Söhne", PERSONIO, access, now=NOW + timedelta(milliseconds=7))
    assert await store.connections.get(made.id) == made
    assert made.declaree.key.get_secret_value() == 'k "{$}'
    assert made.state is ConnectionState.ACTIVE


async def test_no_secret_can_be_read_in_the_database(store: Store, raw: Raw) -> None:
    made = await added(store)
    await store.connections.set_credentials(made.id, declaree_key=SecretStr("another-key-value"))
    text = json.dumps(await raw["connections"].find().to_list(None), default=str)
    assert made.personio.client_id in text
    for secret in (*SECRETS, "another-key-value"):
        assert secret not in text
    assert all(secret not in repr(made) for secret in SECRETS)


async def test_the_same_secret_looks_different_each_time(store: Store, raw: Raw) -> None:
    await added(store, "papi-1")
    await added(store, "papi-2")
    sealed = [document["declaree"]["key"] async for document in raw["connections"].find()]
    assert len(set(sealed)) == 2


async def test_the_same_two_systems_are_connected_once(store: Store) -> None:
    made = await added(store)
    spelled = DECLAREE.model_copy(update={"url": DECLAREE.url.upper() + "/"})
    with pytest.raises(DuplicateConnectionError, match="already") as caught:
        await store.connections.add("again", PERSONIO, spelled, now=NOW)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    elsewhere = DECLAREE.model_copy(update={"url": "https://app.declaree.de/SCIM/v2"})
    other = await store.connections.add("elsewhere", PERSONIO, elsewhere, now=NOW)
    assert {entry.id for entry in await store.connections.listed()} == {made.id, other.id}


async def test_of_many_who_add_the_same_at_once_one_succeeds(store: Store) -> None:
    results = await asyncio.gather(*(added(store) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, Connection) for result in results) == 1
    assert sum(isinstance(result, DuplicateConnectionError) for result in results) == 7


async def test_an_unknown_connection_is_said_to_be_unknown(store: Store) -> None:
    for work in (
        store.connections.get(NOBODY),
        store.connections.set_state(NOBODY, ConnectionState.PAUSED),
        store.connections.set_credentials(NOBODY, declaree_key=SecretStr("x")),
        store.connections.set_next_poll(NOBODY, NOW),
    ):
        with pytest.raises(UnknownConnectionError, match=NOBODY):
            await work
    assert await store.connections.find(NOBODY) is None
    assert await store.connections.many([NOBODY]) == {}
    assert await store.connections.existing([NOBODY]) == frozenset()
    assert not await store.connections.is_active(NOBODY)


async def test_new_secrets_replace_the_given_ones_alone(store: Store) -> None:
    made = await added(store)
    await store.connections.set_credentials(made.id, personio_secret=SecretStr("new"))
    found = await store.connections.get(made.id)
    assert found.personio.client_secret.get_secret_value() == "new"
    assert found.declaree.key == DECLAREE.key
    await store.connections.set_credentials(made.id)
    assert await store.connections.get(made.id) == found


async def test_due_are_the_active_whose_time_has_come_the_longest_due_first(store: Store) -> None:
    never, later, sooner, future, paused = [await added(store, f"papi-{number}") for number in range(5)]
    await store.connections.set_next_poll(later.id, NOW)
    await store.connections.set_next_poll(sooner.id, NOW - timedelta(hours=1))
    await store.connections.set_next_poll(future.id, NOW + timedelta(milliseconds=1))
    await store.connections.set_state(paused.id, ConnectionState.PAUSED)
    assert await store.connections.due(NOW) == (never.id, sooner.id, later.id)
    await store.connections.set_state(paused.id, ConnectionState.ACTIVE)
    assert set(await store.connections.due(NOW)) == {never.id, sooner.id, later.id, paused.id}
    assert [await store.connections.is_active(each.id) for each in (paused, never)] == [True, True]


async def test_the_day_of_the_last_daily_re_send_is_remembered(store: Store) -> None:
    made = await added(store)
    assert await store.connections.rejected_resent_on(made.id) is None
    await store.connections.set_rejected_resent_on(made.id, NOW.date())
    assert await store.connections.rejected_resent_on(made.id) == NOW.date()
    assert await store.connections.rejected_resent_on(NOBODY) is None
    assert await store.connections.get(made.id) == made


async def test_secrets_move_to_the_new_key_and_the_old_one_can_go(
    store: Store, mongo: MongoServers, prepared_database: str, key: SecretStr
) -> None:
    made = [await added(store, f"papi-{number}") for number in range(3)]
    new = new_key()
    async with opened(mongo, prepared_database, [new, key]) as both:
        assert await both.connections.get(made[0].id) == made[0]
        assert await both.connections.rotate() == Rotation(3, ())
        assert await both.connections.rotate() == Rotation(3, ())
    async with opened(mongo, prepared_database, [new]) as rotated:
        assert await rotated.connections.many(each.id for each in made) == {each.id: each for each in made}
    with pytest.raises(EncryptionKeyError):
        await store.connections.get(made[0].id)


async def test_a_secret_that_is_entered_while_keys_are_exchanged_wins(
    store: Store, mongo: MongoServers, prepared_database: str, key: SecretStr
) -> None:
    made = [await added(store, f"papi-{number}") for number in range(20)]
    async with opened(mongo, prepared_database, [new_key(), key]) as both:
        await asyncio.gather(
            both.connections.rotate(),
            *(both.connections.set_credentials(each.id, declaree_key=SecretStr(f"new {each.id}")) for each in made),
        )
        found = await both.connections.many(each.id for each in made)
    assert {each.declaree.key.get_secret_value() for each in found.values()} == {f"new {each.id}" for each in made}


@pytest.fixture
async def one_lost(store: Store, mongo: MongoServers, prepared_database: str) -> tuple[Connection, ConnectionId]:
    """Two connections; the second's key of Declaree was encrypted with a key that nobody has any more."""
    readable = await added(store, "papi-1")
    async with opened(mongo, prepared_database, [new_key()]) as elsewhere:
        lost = await added(elsewhere, "papi-2")
    return readable, lost.id


async def test_a_connection_that_cannot_be_read_stops_no_other(
    store: Store, one_lost: tuple[Connection, ConnectionId]
) -> None:
    """Who may go on is in ``many``, who exists all the same is in ``existing``."""
    readable, lost = one_lost
    assert await store.connections.many([readable.id, lost, NOBODY]) == {readable.id: readable}
    assert await store.connections.existing([readable.id, lost, NOBODY]) == {readable.id, lost}
    await store.connections.must_exist(lost)
    with pytest.raises(UnknownConnectionError, match=NOBODY):
        await store.connections.must_exist(NOBODY)
    assert [entry.id for entry in await store.connections.listed()] == sorted([readable.id, lost])
    assert set(await store.connections.due(NOW)) == {readable.id, lost}
    assert await store.connections.is_active(lost)


async def test_a_connection_that_cannot_be_read_names_the_secret_and_what_to_do(
    store: Store, one_lost: tuple[Connection, ConnectionId]
) -> None:
    _, lost = one_lost
    with pytest.raises(EncryptionKeyError, match=f"{lost}/personio.client_secret .* ENCRYPTION_KEYS"):
        await store.connections.get(lost)
    with pytest.raises(EncryptionKeyError, match=f"{lost}/personio.client_secret"):
        await store.connections.all()


async def test_a_connection_that_cannot_be_read_can_be_paused_and_given_new_secrets(
    store: Store, one_lost: tuple[Connection, ConnectionId]
) -> None:
    _, lost = one_lost
    await store.connections.set_state(lost, ConnectionState.PAUSED)
    await store.connections.set_credentials(lost, personio_secret=SecretStr("a"), declaree_key=SecretStr("b"))
    found = await store.connections.get(lost)
    assert (found.state, found.declaree.key.get_secret_value()) == (ConnectionState.PAUSED, "b")


async def test_an_exchange_of_keys_names_what_it_cannot_read_and_does_the_others(
    mongo: MongoServers, prepared_database: str, key: SecretStr, one_lost: tuple[Connection, ConnectionId]
) -> None:
    readable, lost = one_lost
    new = new_key()
    async with opened(mongo, prepared_database, [new, key]) as both:
        assert await both.connections.rotate() == Rotation(1, (lost,))
    async with opened(mongo, prepared_database, [new]) as rotated:
        assert await rotated.connections.get(readable.id) == readable


@pytest.mark.parametrize("damage", [{"$set": {"declaree.key": "no token"}}, {"$unset": {"declaree.key": 1}}])
async def test_a_damaged_secret_is_one_that_cannot_be_read(store: Store, raw: Raw, damage: dict[str, Any]) -> None:
    made, other = await added(store, "papi-1"), await added(store, "papi-2")
    await raw["connections"].update_one({"_id": made.id}, damage)
    assert set(await store.connections.many([made.id, other.id])) == {other.id}
    with pytest.raises(EncryptionKeyError):
        await store.connections.get(made.id)


async def test_one_company_s_secret_does_not_serve_another(store: Store, raw: Raw) -> None:
    """Somebody who can write to the database, and has no key, copies what is sealed from one to the other."""
    rich, poor = await added(store, "papi-1"), await added(store, "papi-2")
    found = await raw["connections"].find_one({"_id": rich.id})
    assert found is not None
    await raw["connections"].update_one({"_id": poor.id}, {"$set": {"declaree.key": found["declaree"]["key"]}})
    with pytest.raises(EncryptionKeyError, match="another place"):
        await store.connections.get(poor.id)


@pytest.mark.parametrize("keys", [[], [SecretStr("")], [SecretStr("short")], [new_key(), SecretStr("x" * 43)]])
def test_keys_that_are_none_are_refused_with_how_to_make_one(keys: list[SecretStr]) -> None:
    with pytest.raises(EncryptionKeyError, match=r"Fernet\.generate_key"):
        Store.connect(SecretStr("mongodb://127.0.0.1:1"), "unused", keys)
