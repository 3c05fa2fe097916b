"""Secrets at rest on MongoDB: encrypted, bound to their place, and moved to a new key."""

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
from services.store.errors import EncryptionKeyError, StoreFailedError
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

    await mongodb_store.connections.set_credentials(connection.id, now=NOW, declaree_key=SecretStr("another-key-value"))

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


DAMAGES: dict[str, dict[str, Any]] = {
    "unknown format": {"$set": {"declaree.key": "not a token"}},
    "another character": {"$set": {"declaree.key": "gAAAü"}},
    "another type": {"$set": {"declaree.key": {"$ne": None}}},
    "missing": {"$unset": {"declaree.key": 1}},
    "changed address": {"$set": {"declaree.url": "https://attacker.example/SCIM/v2"}},
    "unencrypted address": {"$set": {"personio.url": "http://api.personio.de"}},
}
"""Changes that a writer of the database without the encryption key can make."""


@pytest.mark.promise("P7")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damaged_secret_makes_its_connection_unreadable(
    mongodb_store: Store, raw: Raw, damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The other connections stay readable. The log and the list say what to do."""
    damaged, other = await add(mongodb_store, "papi-1"), await add(mongodb_store, "papi-2")
    await raw["connections"].update_one({"_id": damaged.id}, damage)

    readable = [await mongodb_store.connections.get_readable([damaged.id, other.id]) for _ in range(2)]
    listed = {summary.id: summary.problem for summary in await mongodb_store.connections.list_all()}

    assert readable == [{other.id: other}] * 2
    assert {record.getMessage() for record in caplog.records} == {f"a document cannot be read: {listed[damaged.id]}"}
    assert f"`connections secrets {damaged.id} --" in str(listed[damaged.id])
    assert listed[other.id] is None
    with pytest.raises(EncryptionKeyError):
        await mongodb_store.connections.get(damaged.id)


async def test_connection_without_an_address_is_unreadable(mongodb_store: Store, raw: Raw) -> None:
    """Secrets cannot be stored for it either, because they are sealed for an address."""
    damaged, other = await add(mongodb_store, "papi-1"), await add(mongodb_store, "papi-2")

    await raw["connections"].update_one({"_id": damaged.id}, {"$set": {"declaree": "gone"}})

    assert set(await mongodb_store.connections.get_readable([damaged.id, other.id])) == {other.id}
    assert await mongodb_store.connections.rotate_keys() == Rotation(1, (damaged.id,))
    with pytest.raises(StoreFailedError, match=r"has no valid declaree\.url"):
        await mongodb_store.connections.set_credentials(damaged.id, now=NOW, declaree_key=SecretStr("new"))


async def test_problem_is_logged_again_after_a_repair(
    mongodb_store: Store, raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    """The same damage on another day is new to the operator."""
    connection = await add(mongodb_store)

    for _ in range(2):
        await raw["connections"].update_one({"_id": connection.id}, {"$set": {"declaree.key": "not a token"}})
        await mongodb_store.connections.get_readable([connection.id])
        await mongodb_store.connections.set_credentials(connection.id, now=NOW, declaree_key=DECLAREE.key)
        await mongodb_store.connections.get_readable([connection.id])

    assert len(caplog.records) == 2


@pytest.mark.promise("P7")
async def test_token_opens_in_no_other_connection_or_field(mongodb_store: Store, raw: Raw) -> None:
    """A writer of the database without the key copies a token from one place to another."""
    victim, attacker = await add(mongodb_store, "papi-1"), await add(mongodb_store, "papi-2")
    document = await raw["connections"].find_one({"_id": victim.id})
    assert document is not None

    for connection, field in ((attacker.id, "declaree.key"), (victim.id, "personio.client_secret")):
        await raw["connections"].update_one({"_id": connection}, {"$set": {field: document["declaree"]["key"]}})

        with pytest.raises(EncryptionKeyError, match="another connection, field or address"):
            await mongodb_store.connections.get(connection)


async def test_new_secret_is_sealed_for_the_stored_address(mongodb_store: Store, raw: Raw) -> None:
    """After a wanted change of the address, the administrator stores the secret again."""
    connection = await add(mongodb_store)
    await raw["connections"].update_one({"_id": connection.id}, {"$set": {"declaree.url": "https://scim.example"}})

    await mongodb_store.connections.set_credentials(connection.id, now=NOW, declaree_key=SecretStr("new"))

    stored = await mongodb_store.connections.get(connection.id)
    assert stored.declaree.url == "https://scim.example"
    assert stored.declaree.key.get_secret_value() == "new"


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
            *(both.connections.set_credentials(name, now=NOW, declaree_key=SecretStr(f"new {name}")) for name in ids),
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
