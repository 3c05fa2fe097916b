"""Secrets at rest on MongoDB: encrypted, bound to their connection, and moved to a new key."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.contracts.connections import Connection
from services.contracts.ids import ConnectionId
from services.store.connections import Rotation
from services.store.database import Store
from services.store.errors import EncryptionKeyError
from tests.contract.store.conftest import make_key
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.servers import MongoServers

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]

SECRETS = ("personio-secret-value", "declaree-key-value")


async def add(store: Store, client_id: str = "papi-1") -> Connection:
    """Adds a connection of this Personio client with Declaree."""
    personio = PERSONIO.model_copy(update={"client_id": client_id})
    return await store.connections.add(f"name of {client_id}", personio, DECLAREE, now=NOW)


@asynccontextmanager
async def open_with(mongo: MongoServers, database: str, keys: Sequence[SecretStr]) -> AsyncIterator[Store]:
    """Yields a store on the same database with other keys."""
    store = Store.connect(SecretStr(mongo.url), database, keys)
    try:
        yield store
    finally:
        store.close()


# ------------------------------------------------------------ encryption


@pytest.mark.promise("P7")
async def test_secrets_are_not_readable_in_the_database(mongodb_store: Store, raw: Raw) -> None:
    """Neither the secrets of a new connection nor a later one; the printed connection hides them as well."""
    connection = await add(mongodb_store)

    await mongodb_store.connections.set_credentials(connection.id, declaree_key=SecretStr("another-key-value"))

    text = json.dumps(await raw["connections"].find().to_list(None), default=str)
    assert connection.personio.client_id in text
    for secret in (*SECRETS, "another-key-value"):
        assert secret not in text
    assert all(secret not in repr(connection) for secret in SECRETS)


@pytest.mark.promise("P7")
async def test_equal_secrets_have_different_tokens(mongodb_store: Store, raw: Raw) -> None:
    """A reader of the database cannot see that two companies have the same secret."""
    await add(mongodb_store, "papi-1")
    await add(mongodb_store, "papi-2")

    tokens = [document["declaree"]["key"] async for document in raw["connections"].find()]

    assert len(set(tokens)) == 2


@pytest.mark.parametrize("damage", [{"$set": {"declaree.key": "not a token"}}, {"$unset": {"declaree.key": 1}}])
async def test_damaged_secret_makes_its_connection_unreadable(
    mongodb_store: Store, raw: Raw, damage: dict[str, Any]
) -> None:
    """The other connections stay readable."""
    damaged, other = await add(mongodb_store, "papi-1"), await add(mongodb_store, "papi-2")

    await raw["connections"].update_one({"_id": damaged.id}, damage)

    assert set(await mongodb_store.connections.get_readable([damaged.id, other.id])) == {other.id}
    with pytest.raises(EncryptionKeyError):
        await mongodb_store.connections.get(damaged.id)


@pytest.mark.promise("P7")
async def test_secret_of_one_company_does_not_open_for_another(mongodb_store: Store, raw: Raw) -> None:
    """A writer of the database without the key copies a token from one connection to another."""
    victim, attacker = await add(mongodb_store, "papi-1"), await add(mongodb_store, "papi-2")
    document = await raw["connections"].find_one({"_id": victim.id})
    assert document is not None

    await raw["connections"].update_one({"_id": attacker.id}, {"$set": {"declaree.key": document["declaree"]["key"]}})

    with pytest.raises(EncryptionKeyError, match="another location"):
        await mongodb_store.connections.get(attacker.id)


@pytest.mark.parametrize("keys", [[], [SecretStr("")], [SecretStr("short")], [make_key(), SecretStr("x" * 43)]])
def test_invalid_keys_are_rejected_with_how_to_make_one(keys: list[SecretStr]) -> None:
    """The command in the message prints a valid key."""
    with pytest.raises(EncryptionKeyError, match=r"Fernet\.generate_key"):
        Store.connect(SecretStr("mongodb://127.0.0.1:1"), "unused", keys)


# ------------------------------------------------------------ rotation of keys


async def test_secrets_move_to_the_new_key(
    mongodb_store: Store, mongo: MongoServers, prepared_database: str, key: SecretStr
) -> None:
    """Afterwards the old key can be removed, and a store with the old key alone reads nothing."""
    connections = [await add(mongodb_store, f"papi-{number}") for number in range(3)]
    new = make_key()

    async with open_with(mongo, prepared_database, [new, key]) as both:
        before = await both.connections.get(connections[0].id)
        first, second = await both.connections.rotate_keys(), await both.connections.rotate_keys()
    async with open_with(mongo, prepared_database, [new]) as renewed:
        readable = await renewed.connections.get_readable(connection.id for connection in connections)

    assert before == connections[0]
    assert first == Rotation(3, ())
    assert second == Rotation(3, ())
    assert readable == {connection.id: connection for connection in connections}
    with pytest.raises(EncryptionKeyError):
        await mongodb_store.connections.get(connections[0].id)


async def test_secret_entered_during_a_rotation_wins(
    mongodb_store: Store, mongo: MongoServers, prepared_database: str, key: SecretStr
) -> None:
    """The rotation writes a secret only over the token that it has read."""
    ids = [(await add(mongodb_store, f"papi-{number}")).id for number in range(20)]

    async with open_with(mongo, prepared_database, [make_key(), key]) as both:
        await asyncio.gather(
            both.connections.rotate_keys(),
            *(both.connections.set_credentials(name, declaree_key=SecretStr(f"new {name}")) for name in ids),
        )
        stored = await both.connections.get_readable(ids)

    secrets = {connection.declaree.key.get_secret_value() for connection in stored.values()}
    assert secrets == {f"new {name}" for name in ids}


@pytest.fixture
async def unreadable(mongodb_store: Store, mongo: MongoServers, prepared_database: str) -> ConnectionId:
    """A connection with secrets under a key that no longer exists, beside a readable connection."""
    async with open_with(mongo, prepared_database, [make_key()]) as elsewhere:
        return (await add(elsewhere, "papi-2")).id


async def test_rotation_names_unreadable_connections_and_does_others(
    mongodb_store: Store, mongo: MongoServers, prepared_database: str, key: SecretStr, unreadable: ConnectionId
) -> None:
    """One lost key does not stop the rotation."""
    readable = await add(mongodb_store, "papi-1")
    new = make_key()

    async with open_with(mongo, prepared_database, [new, key]) as both:
        rotation = await both.connections.rotate_keys()
    async with open_with(mongo, prepared_database, [new]) as renewed:
        stored = await renewed.connections.get(readable.id)

    assert rotation == Rotation(1, (unreadable,))
    assert stored == readable


async def test_error_of_an_unreadable_secret_says_what_to_do(mongodb_store: Store, unreadable: ConnectionId) -> None:
    """The administrator adds the missing key or enters the secret again."""
    with pytest.raises(EncryptionKeyError, match=f"{unreadable}/personio.client_secret .* ENCRYPTION_KEYS"):
        await mongodb_store.connections.get(unreadable)
