"""What an administrator can do with connections, on a real MongoDB."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.admin import connections as admin
from services.admin.connections import Credentials
from services.contracts.connections import ConnectionState
from services.store.database import Store
from services.store.errors import DuplicateConnectionError, StoreUnavailableError, UnknownConnectionError
from tests.fakes import FakeClock, opened_store
from tests.stack import MongoServers
from tests.stored import CONNECTION, DECLAREE, PERSONIO

pytestmark = pytest.mark.mongo


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with opened_store(mongo, prepared_database) as store:
        yield store


@pytest.mark.parametrize("paused", [False, True])
async def test_a_new_connection_has_its_mapping_before_it_is_polled(store: Store, paused: bool) -> None:
    made = await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, paused=paused)
    assert made.state is (ConnectionState.PAUSED if paused else ConnectionState.ACTIVE)
    assert await store.connections.get(made.id) == made
    published = await store.mappings.published(made.id)
    assert published is not None
    assert published.version == 1


async def test_a_connection_whose_mapping_cannot_be_stored_is_not_there_either(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(store.mappings, "publish", fails)
    with pytest.raises(StoreUnavailableError):
        await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    assert await store.connections.listed() == ()


async def test_the_same_two_accounts_are_connected_once(store: Store) -> None:
    await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    with pytest.raises(DuplicateConnectionError):
        await admin.add(store, FakeClock(), "Again", PERSONIO, DECLAREE)


async def test_a_new_secret_is_stored_without_what_stands_around_it_and_leaves_the_other_alone(store: Store) -> None:
    made = await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    await admin.set_credentials(store, made.id, Credentials(declaree_key=SecretStr("\ufeffnew-key\r\n")))
    found = await store.connections.get(made.id)
    assert found.declaree.key.get_secret_value() == "new-key"
    assert found.personio == PERSONIO


async def test_a_new_credential_of_personio_replaces_the_old_one_in_place(store: Store) -> None:
    """And it is now this one that no second connection may have."""
    made = await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    await admin.set_credentials(store, made.id, Credentials("papi-new", SecretStr("its-secret")))
    found = await store.connections.get(made.id)
    renewed = PERSONIO.model_copy(update={"client_id": "papi-new", "client_secret": SecretStr("its-secret")})
    assert (found.personio, found.declaree) == (renewed, DECLAREE)
    with pytest.raises(DuplicateConnectionError):
        await admin.add(store, FakeClock(), "Again", renewed, DECLAREE)
    other = await admin.add(store, FakeClock(), "With the old one", PERSONIO, DECLAREE)
    with pytest.raises(DuplicateConnectionError):
        await admin.set_credentials(store, other.id, Credentials("papi-new", SecretStr("its-secret")))
    assert (await store.connections.get(other.id)).personio == PERSONIO


async def test_what_cannot_be_a_secret_is_refused_by_name_and_changes_nothing(store: Store) -> None:
    made = await admin.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    with pytest.raises(
        admin.UnusableSecretError, match="the Declaree key cannot be stored: it holds a letter"
    ) as error:
        await admin.set_credentials(store, made.id, Credentials(None, SecretStr("fine"), SecretStr("kéy")))
    assert "kéy" not in str(error.value)
    with pytest.raises(admin.UnusableSecretError, match="the Personio client_secret cannot be stored: it is empty"):
        await admin.set_credentials(store, made.id, Credentials(None, SecretStr(" ")))
    assert await store.connections.get(made.id) == made


async def test_of_an_unknown_connection_nothing_can_be_set(store: Store) -> None:
    with pytest.raises(UnknownConnectionError):
        await admin.set_credentials(store, CONNECTION, Credentials(None, SecretStr("fine")))
    with pytest.raises(UnknownConnectionError):
        await admin.set_credentials(store, CONNECTION, Credentials("papi-new", SecretStr("fine")))
