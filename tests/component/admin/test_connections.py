"""Connections and their credentials on a real MongoDB, with transactions and encryption."""

import pytest
from pydantic import SecretStr

from services.admin import connections
from services.admin.credentials import Credentials, UnusableSecretError, set_credentials
from services.admin.prefixes import InvalidPrefixError, PrefixConflictError
from services.contracts.connections import Connection, ConnectionState, LinkPolicy
from services.store.database import Store
from services.store.errors import DuplicateConnectionError, StoreUnavailableError, UnknownConnectionError
from tests.support.builders import CONNECTION, DECLAREE, PERSONIO
from tests.support.fakes import FakeClock

pytestmark = pytest.mark.mongo

NEW_PERSONIO = PERSONIO.model_copy(update={"client_id": "papi-new", "client_secret": SecretStr("its-secret")})
NEW_CREDENTIALS = Credentials("papi-new", SecretStr("its-secret"))


@pytest.fixture
async def connection(store: Store) -> Connection:
    """A stored connection."""
    return await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, allow_private=False)


# ------------------------------------------------------------ adding


async def test_added_connection_is_paused_and_has_a_mapping(store: Store) -> None:
    """The default mapping is published before the first poll, which would otherwise reject every employee."""
    added = await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, allow_private=False)
    published = await store.mappings.get_published(added.id)

    assert added.state is ConnectionState.PAUSED
    assert await store.connections.get(added.id) == added
    assert published is not None
    assert published.version == 1


async def test_connection_without_its_mapping_is_not_added(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connection and mapping are one transaction."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(store.mappings, "publish", fail)

    with pytest.raises(StoreUnavailableError):
        await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, allow_private=False)

    assert await store.connections.list_all() == ()


@pytest.mark.parametrize("block", ["personio", "declaree"])
@pytest.mark.parametrize("host", ["10.0.0.1", "[fd00::1]:8443", "localhost"])
async def test_private_address_is_added_only_if_allowed(store: Store, block: str, host: str) -> None:
    """Nothing is stored. A setting of the operator allows such addresses."""
    url = f"https://{host}/v1"
    personio = PERSONIO.model_copy(update={"url": url} if block == "personio" else {})
    declaree = DECLAREE.model_copy(update={"url": url} if block == "declaree" else {})

    with pytest.raises(connections.UnusableAddressError, match=r"private network: .* ALLOW_PRIVATE_ADDRESSES=true"):
        await connections.add(store, FakeClock(), "Nordlicht", personio, declaree, allow_private=False)

    assert await store.connections.list_all() == ()
    added = await connections.add(store, FakeClock(), "Nordlicht", personio, declaree, allow_private=True)
    assert await store.connections.get(added.id) == added


async def test_same_two_accounts_are_connected_once(store: Store, connection: Connection) -> None:
    """Two connections of the same accounts would overwrite each other."""
    with pytest.raises(DuplicateConnectionError):
        await connections.add(
            store, FakeClock(), "Again", PERSONIO, DECLAREE, external_id_prefix="again-", allow_private=False
        )


async def test_link_policy_is_switched(store: Store, connection: Connection) -> None:
    """The new policy is stored, and an unknown connection is an error."""
    await connections.set_link_policy(store, connection.id, LinkPolicy.BY_EMAIL)

    assert (await store.connections.get(connection.id)).link_policy is LinkPolicy.BY_EMAIL

    with pytest.raises(UnknownConnectionError):
        await connections.set_link_policy(store, CONNECTION, LinkPolicy.ASK)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("prefix", [" north-", "north -", "north-\n", "north\u200b-"], ids=repr)
async def test_prefix_has_no_invisible_characters(store: Store, prefix: str) -> None:
    """A server may remove them, and the accounts would no longer be recognised."""
    with pytest.raises(InvalidPrefixError, match="spaces"):
        await connections.add(
            store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, external_id_prefix=prefix, allow_private=False
        )

    assert await store.connections.list_all() == ()


async def test_connections_to_one_declaree_need_different_prefixes(store: Store, connection: Connection) -> None:
    """Equal external ids would let one connection write to the accounts of the other."""
    spelling = DECLAREE.model_copy(update={"url": "https://APP.declaree.com:443/SCIM/v2/"})

    with pytest.raises(PrefixConflictError, match=connection.id):
        await connections.add(store, FakeClock(), "Südlicht", NEW_PERSONIO, spelling, allow_private=False)

    other = await connections.add(
        store,
        FakeClock(),
        "Südlicht",
        NEW_PERSONIO,
        DECLAREE,
        external_id_prefix="south-",
        link_policy=LinkPolicy.BY_EMAIL,
        allow_private=False,
    )
    published = await store.mappings.get_published(other.id)

    assert other.link_policy is LinkPolicy.BY_EMAIL
    assert published is not None
    assert published.mapping.external_id_prefix == "south-"


# ------------------------------------------------------------ credentials


async def test_new_secret_is_trimmed_and_leaves_the_other(store: Store, connection: Connection) -> None:
    """Copied secrets often have a line break or a byte order mark around them."""
    await set_credentials(store, FakeClock(), connection.id, Credentials(declaree_key=SecretStr("\ufeffnew-key\r\n")))
    stored = await store.connections.get(connection.id)

    assert stored.declaree.key.get_secret_value() == "new-key"
    assert stored.personio == PERSONIO


async def test_new_personio_credential_replaces_the_old(store: Store, connection: Connection) -> None:
    """The client_id and the secret change together, and the Declaree key stays."""
    await set_credentials(store, FakeClock(), connection.id, NEW_CREDENTIALS)
    stored = await store.connections.get(connection.id)

    assert stored.personio == NEW_PERSONIO
    assert stored.declaree == DECLAREE


async def test_new_personio_credential_is_unique(store: Store, connection: Connection) -> None:
    """Another connection cannot have the new client_id, neither from the start nor later; the old one is free."""
    await set_credentials(store, FakeClock(), connection.id, NEW_CREDENTIALS)
    with pytest.raises(DuplicateConnectionError):
        await connections.add(
            store, FakeClock(), "Again", NEW_PERSONIO, DECLAREE, external_id_prefix="again-", allow_private=False
        )
    other = await connections.add(
        store, FakeClock(), "With the old client_id", PERSONIO, DECLAREE, external_id_prefix="old-", allow_private=False
    )

    with pytest.raises(DuplicateConnectionError):
        await set_credentials(store, FakeClock(), other.id, NEW_CREDENTIALS)

    assert (await store.connections.get(other.id)).personio == PERSONIO


@pytest.mark.parametrize(
    ("credentials", "name"),
    [
        (Credentials(None, SecretStr("fine"), SecretStr("kéy")), "Declaree key"),
        (Credentials(None, SecretStr(" ")), "Personio client_secret"),
    ],
    ids=["outside ASCII", "empty"],
)
async def test_unusable_secret_is_named_and_changes_nothing(
    store: Store, connection: Connection, credentials: Credentials, name: str
) -> None:
    """The message names the secret without its value, and a valid secret beside it is not stored either."""
    with pytest.raises(UnusableSecretError, match=f"the {name} cannot be stored: ") as error:
        await set_credentials(store, FakeClock(), connection.id, credentials)

    assert "kéy" not in str(error.value)
    assert await store.connections.get(connection.id) == connection


@pytest.mark.parametrize("client_id", [None, "papi-new"])
async def test_credentials_of_an_unknown_connection_are_an_error(store: Store, client_id: str | None) -> None:
    """A typing error in the id must not look like success."""
    with pytest.raises(UnknownConnectionError):
        await set_credentials(store, FakeClock(), CONNECTION, Credentials(client_id, SecretStr("fine")))
