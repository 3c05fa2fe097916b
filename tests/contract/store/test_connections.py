"""Connections: one for each pair of systems, readable or not, and new credentials."""

import asyncio
from datetime import timedelta
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, LinkPolicy
from services.contracts.ids import ConnectionId
from services.store.database import Store
from services.store.errors import DuplicateConnectionError, EncryptionKeyError, UnknownConnectionError
from tests.contract.store.conftest import make_key
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.fake_store import FakeStore
from tests.support.servers import MongoServers

UNKNOWN = ConnectionId("cunknown")
SECRETS = ("personio-secret-value", "declaree-key-value")


async def add(store: Store, client_id: str = "papi-1") -> Connection:
    """Adds a connection of this Personio client with Declaree."""
    personio = PERSONIO.model_copy(update={"client_id": client_id})
    return await store.connections.add(f"name of {client_id}", personio, DECLAREE, now=NOW)


async def add_started(store: Store, client_id: str) -> Connection:
    """Adds a connection of this Personio client with Declaree, and starts it."""
    connection = await add(store, client_id)
    await store.connections.start(connection.id, now=NOW)
    return await store.connections.get(connection.id)


# ------------------------------------------------------------ adding and reading


async def test_connection_is_read_as_added(store: Store) -> None:
    """The store changes no value of a connection, and pauses it."""
    access = DeclareeAccess(
        url="https://app.declaree.de/SCIM/v2", key=SecretStr('k "{$}'), key_header="X-Key", key_scheme="", updates="put"
    )

    connection = await store.connections.add("Müller & Söhne", PERSONIO, access, now=NOW + timedelta(milliseconds=7))

    assert await store.connections.get(connection.id) == connection
    assert connection.declaree.key.get_secret_value() == 'k "{$}'
    assert connection.state is ConnectionState.PAUSED
    assert connection.started_at is None


@pytest.mark.parametrize(
    "url",
    [DECLAREE.url.upper() + "/", "https://app.declaree.com:443/SCIM/v2", "https://app.declaree.com./a/../SCIM/v2"],
)
async def test_two_systems_are_connected_only_once(store: Store, url: str) -> None:
    """Another spelling of the address names the same system, and the error names no secret."""
    first = await add(store)
    spelling = DECLAREE.model_copy(update={"url": url})

    with pytest.raises(DuplicateConnectionError, match=f"{first.id} already") as caught:
        await store.connections.add("again", PERSONIO, spelling, now=NOW)

    assert not any(secret in str(caught.value) for secret in SECRETS)


async def test_one_personio_account_can_have_two_administrations(store: Store) -> None:
    """Another Declaree administration is another connection."""
    first = await add(store)
    elsewhere = DECLAREE.model_copy(update={"url": "https://app.declaree.de/SCIM/v2"})

    second = await store.connections.add("elsewhere", PERSONIO, elsewhere, now=NOW)

    assert {summary.id for summary in await store.connections.list_all()} == {first.id, second.id}


async def test_one_of_many_concurrent_additions_succeeds(store: Store) -> None:
    """The unique index of the two systems decides."""
    results = await asyncio.gather(*(add(store) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, Connection) for result in results) == 1
    assert sum(isinstance(result, DuplicateConnectionError) for result in results) == 7


async def test_summary_tells_a_connection_without_its_secrets(store: Store) -> None:
    """The connections are listed in the order in which they were added."""
    connection = await add(store)
    later = PERSONIO.model_copy(update={"client_id": "papi-0"})
    added = await store.connections.add("later", later, DECLAREE, now=NOW + timedelta(seconds=1))
    await store.connections.start(added.id, now=NOW)

    first, second = await store.connections.list_all()

    assert first.id == connection.id
    assert first.name == "name of papi-1"
    assert first.state is ConnectionState.PAUSED
    assert not first.is_started
    assert first.personio_url == PERSONIO.url
    assert first.declaree_url == DECLAREE.url
    assert first.created_at == NOW
    assert second.name == "later"
    assert second.is_started


async def is_active(store: Store, connection: ConnectionId) -> bool:
    """Returns whether the connection is polled on schedule."""
    return (await store.polls.plan(connection)).is_active


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.connections.get(UNKNOWN),
        lambda store: store.connections.ensure_exists(UNKNOWN),
        lambda store: store.connections.set_state(UNKNOWN, ConnectionState.PAUSED),
        lambda store: store.connections.start(UNKNOWN, now=NOW),
        lambda store: store.connections.set_name(UNKNOWN, "Other"),
        lambda store: store.connections.set_link_policy(UNKNOWN, LinkPolicy.BY_EMAIL),
        lambda store: store.connections.set_time_zone(UNKNOWN, "Europe/Vienna"),
        lambda store: store.connections.set_credentials(UNKNOWN, now=NOW, declaree_key=SecretStr("x")),
        lambda store: store.connections.set_credentials(UNKNOWN, now=NOW, personio_client_id="papi-2"),
        lambda store: store.schedule.set_next_poll(UNKNOWN, NOW),
        lambda store: store.schedule.set_rejected_resent_on(UNKNOWN, NOW.date()),
        lambda store: store.schedule.set_verified_on(UNKNOWN, NOW.date()),
    ],
    ids=[
        "get",
        "ensure_exists",
        "set_state",
        "start",
        "set_name",
        "set_link_policy",
        "set_time_zone",
        "secret",
        "client_id",
        "set_next_poll",
        "set_rejected_resent_on",
        "set_verified_on",
    ],
)
async def test_unknown_connection_raises_an_error_with_its_id(store: Store, call: Any) -> None:
    """A misspelled id must not pass without notice."""
    with pytest.raises(UnknownConnectionError, match=UNKNOWN):
        await call(store)


async def test_unknown_connection_is_left_out_of_queries(store: Store) -> None:
    """The services skip a connection that was removed."""
    assert await store.connections.find(UNKNOWN) is None
    assert await store.connections.get_readable([UNKNOWN]) == {}
    assert await store.connections.filter_existing([UNKNOWN]) == frozenset()
    assert not await is_active(store, UNKNOWN)


async def test_paused_connection_is_not_active_until_resumed(store: Store) -> None:
    """The state changes nothing else of the connection."""
    connection = await add(store)
    paused_at_first = await is_active(store, connection.id)
    await store.connections.start(connection.id, now=NOW)
    started = await store.connections.get(connection.id)

    await store.connections.set_state(connection.id, ConnectionState.PAUSED)
    active_while_paused = await is_active(store, connection.id)
    await store.connections.set_state(connection.id, ConnectionState.ACTIVE)

    assert paused_at_first is False
    assert active_while_paused is False
    assert await is_active(store, connection.id) is True
    assert await store.connections.get(connection.id) == started
    assert started == connection.model_copy(update={"state": ConnectionState.ACTIVE, "started_at": NOW})


async def test_connection_is_renamed(store: Store) -> None:
    """Id, secrets and everything else stay."""
    connection = await add(store)

    await store.connections.set_name(connection.id, "Nordlicht SE")

    assert await store.connections.get(connection.id) == connection.model_copy(update={"name": "Nordlicht SE"})
    assert [summary.name for summary in await store.connections.list_all()] == ["Nordlicht SE"]


async def test_link_policy_is_ask_until_another_one_is_stored(store: Store) -> None:
    """The policy changes nothing else of the connection."""
    connection = await add(store)

    await store.connections.set_link_policy(connection.id, LinkPolicy.BY_EMAIL)

    assert connection.link_policy is LinkPolicy.ASK
    changed = connection.model_copy(update={"link_policy": LinkPolicy.BY_EMAIL})
    assert await store.connections.get(connection.id) == changed
    assert await store.connections.get_readable([connection.id]) == {connection.id: changed}


@pytest.mark.mongo
async def test_connection_without_a_policy_asks(mongodb_store: Store, raw: AsyncIOMotorDatabase[Any]) -> None:
    """Documents that were written before have no policy."""
    connection = await add(mongodb_store)

    await raw["connections"].update_one({"_id": connection.id}, {"$unset": {"link_policy": True}})

    assert await mongodb_store.connections.get(connection.id) == connection


async def test_connections_to_one_server_are_found(store: Store) -> None:
    """Another spelling of the address is the same server; another path or port is another one."""
    urls = {
        "papi-1": "https://app.declaree.com/SCIM/v2",
        "papi-2": "https://APP.declaree.com:443/SCIM/v2/",
        "papi-3": "https://app.declaree.com/scim/v1",
        "papi-4": "https://app.declaree.com:8443/SCIM/v2",
        "papi-5": "https://app.declaree.de/SCIM/v2",
    }
    ids = [
        (
            await store.connections.add(
                name,
                PERSONIO.model_copy(update={"client_id": name}),
                DECLAREE.model_copy(update={"url": url}),
                now=NOW,
            )
        ).id
        for name, url in urls.items()
    ]

    assert await store.connections.find_by_server("https://app.declaree.com/SCIM/v2") == tuple(sorted(ids[:2]))
    assert await store.connections.find_by_server("https://app.declaree.com./SCIM/v2/") == tuple(sorted(ids[:2]))
    assert await store.connections.find_by_server("https://elsewhere.example/SCIM/v2") == ()


# ------------------------------------------------------------ credentials


async def test_new_secret_replaces_only_the_named_one(store: Store) -> None:
    """The other secret keeps its value."""
    connection = await add(store)

    await store.connections.set_credentials(connection.id, now=NOW, personio_secret=SecretStr("new"))

    stored = await store.connections.get(connection.id)
    assert stored.personio.client_secret.get_secret_value() == "new"
    assert stored.declaree.key == DECLAREE.key


@pytest.mark.parametrize("name", ["personio_secret", "declaree_key"])
async def test_age_of_a_secret_begins_when_it_is_stored(store: Store, name: str) -> None:
    """A new secret leaves the age of the other one."""
    connection = await add(store)
    later = NOW + timedelta(days=400)
    secret: dict[str, Any] = {name: SecretStr("new")}

    await store.connections.set_credentials(connection.id, now=later, **secret)

    stored = await store.connections.get(connection.id)
    (summary,) = await store.connections.list_all()
    times = {"personio_secret": stored.personio_secret_at, "declaree_key": stored.declaree_key_at}
    assert times == {"personio_secret": NOW, "declaree_key": NOW} | {name: later}
    assert summary.personio_secret_at == stored.personio_secret_at
    assert summary.declaree_key_at == stored.declaree_key_at


async def test_credentials_without_a_value_change_nothing(store: Store) -> None:
    """None leaves a credential as it is."""
    connection = await add(store)

    await store.connections.set_credentials(connection.id, now=NOW)

    assert await store.connections.get(connection.id) == connection


async def test_new_client_id_is_part_of_the_identity(store: Store) -> None:
    """The former client id can be connected again, the new one cannot."""
    connection = await add(store, "papi-1")

    await store.connections.set_credentials(
        connection.id, now=NOW, personio_client_id="papi-2", personio_secret=SecretStr("s")
    )

    stored = await store.connections.get(connection.id)
    assert stored.personio.client_id == "papi-2"
    assert stored.personio.client_secret.get_secret_value() == "s"
    await add(store, "papi-1")
    with pytest.raises(DuplicateConnectionError):
        await add(store, "papi-2")


async def test_client_id_of_another_connection_is_rejected(store: Store) -> None:
    """Neither the client id nor the secret is stored then."""
    connection, other = await add(store, "papi-1"), await add(store, "papi-2")

    with pytest.raises(DuplicateConnectionError, match="papi-2"):
        await store.connections.set_credentials(
            connection.id, now=NOW, personio_client_id=other.personio.client_id, personio_secret=SecretStr("s")
        )

    assert await store.connections.get(connection.id) == connection


# ------------------------------------------------------------ connections that cannot be decrypted


class Pair(NamedTuple):
    """Two connections, of which the second cannot be decrypted."""

    readable: Connection
    unreadable: ConnectionId


@pytest.fixture
async def pair(request: pytest.FixtureRequest, store: Store) -> Pair:
    """On MongoDB, the secrets of the second connection are encrypted with a key that the store does not have."""
    readable = await add_started(store, "papi-1")
    if isinstance(cast("object", store), FakeStore):
        connection = await add_started(store, "papi-2")
        cast("FakeStore", store).connections.unreadable.add(connection.id)
        return Pair(readable, connection.id)
    servers: MongoServers = request.getfixturevalue("mongo")
    elsewhere = Store.connect(SecretStr(servers.url), request.getfixturevalue("prepared_database"), [make_key()])
    try:
        return Pair(readable, (await add_started(elsewhere, "papi-2")).id)
    finally:
        elsewhere.close()


async def test_unreadable_connection_does_not_stop_the_others(store: Store, pair: Pair) -> None:
    """The unreadable connection exists, is listed, and its poll is due. Only its secrets are missing."""
    readable, unreadable = pair

    assert await store.connections.get_readable([readable.id, unreadable, UNKNOWN]) == {readable.id: readable}
    assert await store.connections.filter_existing([readable.id, unreadable, UNKNOWN]) == {readable.id, unreadable}
    states = await store.connections.find_states([readable.id, unreadable, UNKNOWN])
    assert states == dict.fromkeys([readable.id, unreadable], ConnectionState.ACTIVE)
    problems = {summary.id: summary.problem for summary in await store.connections.list_all()}
    assert problems[readable.id] is None
    assert f"{unreadable}/personio.client_secret" in str(problems[unreadable])
    assert set(await store.schedule.find_due(NOW, limit=99)) == {readable.id, unreadable}
    assert await store.connections.find_by_server(DECLAREE.url) == tuple(sorted([readable.id, unreadable]))
    assert await is_active(store, unreadable)
    await store.connections.ensure_exists(unreadable)


async def test_error_of_an_unreadable_connection_names_the_secret(store: Store, pair: Pair) -> None:
    """The administrator reads which secret to enter again."""
    with pytest.raises(EncryptionKeyError, match=f"{pair.unreadable}/personio.client_secret"):
        await store.connections.get(pair.unreadable)


async def test_unreadable_connection_can_be_paused_and_repaired(store: Store, pair: Pair) -> None:
    """New secrets make it readable, and it keeps its state."""
    await store.connections.set_state(pair.unreadable, ConnectionState.PAUSED)

    await store.connections.set_credentials(
        pair.unreadable, now=NOW, personio_secret=SecretStr("a"), declaree_key=SecretStr("b")
    )

    stored = await store.connections.get(pair.unreadable)
    assert stored.state is ConnectionState.PAUSED
    assert stored.declaree.key.get_secret_value() == "b"


async def test_time_zone_is_that_of_berlin_until_another_one_is_stored(store: Store) -> None:
    """The plan of a poll has it as well."""
    connection = await add(store)
    before = (await store.polls.plan(connection.id)).time_zone

    await store.connections.set_time_zone(connection.id, "America/New_York")

    assert before == ZoneInfo("Europe/Berlin")
    assert (await store.connections.get(connection.id)).time_zone == "America/New_York"
    assert (await store.polls.plan(connection.id)).time_zone == ZoneInfo("America/New_York")
