"""Adds, pauses and resumes connections. ``services.admin.start`` starts a new one."""

from typing import ClassVar
from urllib.parse import urlsplit

from services.admin.prefixes import ensure_distinct
from services.clients.http.private_networks import MESSAGE, is_private
from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, LinkPolicy, PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.mappings import default_mapping
from services.errors import ConfigurationError, PermanentError
from services.runtime.clock import Clock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store
from services.store.errors import UnknownConnectionError


class AlreadyStartedError(PermanentError):
    """The connection has had its first import, or has it now."""

    code: ClassVar[str] = "already-started"


class NotStartedError(PermanentError):
    """The connection was never started."""

    code: ClassVar[str] = "not-started"


class UnusableAddressError(ConfigurationError):
    """The address of Personio or Declaree is in a private network."""

    code: ClassVar[str] = "unusable-address"


async def add(
    store: Store,
    clock: Clock,
    name: str,
    personio: PersonioAccess,
    declaree: DeclareeAccess,
    *,
    external_id_prefix: str = "",
    link_policy: LinkPolicy = LinkPolicy.ASK,
    allow_private: bool,
) -> Connection:
    """Adds a connection and publishes the default mapping for it. The connection is paused until it is started.

    ``allow_private`` allows addresses of private networks. Without it, the name of a host is accepted here, and refused as
    soon as it leads there.

    Raises ``UnusableAddressError`` for a private address, ``DuplicateConnectionError`` if the same two accounts are already
    connected, ``PrefixConflictError`` if another connection to the same Declaree could have equal external ids, and
    ``InvalidPrefixError``.
    """
    for access in (personio, declaree):
        if not allow_private and is_private(urlsplit(access.url).hostname or ""):
            raise UnusableAddressError(f"{access.url} cannot be used: {MESSAGE}")
    now = clock.now()
    mapping = default_mapping().model_copy(update={"external_id_prefix": external_id_prefix})
    # one transaction: without a mapping every employee of the new connection would be rejected
    async with store.transaction() as session:
        connection = await store.connections.add(
            name, personio, declaree, now=now, link_policy=link_policy, session=session
        )
        # after the insert, which names the same two accounts as such
        await ensure_distinct(store, declaree.url, external_id_prefix, connection.id)
        await store.mappings.publish(connection.id, mapping, now=now, expected_version=None, session=session)
    return connection


async def pause(store: Store, connection: ConnectionId) -> None:
    """Stops scheduled polls and all writes. Changes that are already published wait.

    Requests that are in progress end. Every writer notes the pause within the interval of its checks. Raises
    ``UnknownConnectionError``.
    """
    await store.connections.set_state(connection, ConnectionState.PAUSED)


async def resume(store: Store, connection: ConnectionId) -> None:
    """Starts scheduled polls and writes again; the changes that wait are written.

    Raises ``UnknownConnectionError`` and ``NotStartedError``.
    """
    await ensure_started(store, connection)
    await store.connections.set_state(connection, ConnectionState.ACTIVE)


async def rename(store: Store, connection: ConnectionId, name: str) -> None:
    """Gives a connection another label. Its id stays. Raises ``UnknownConnectionError``."""
    await store.connections.set_name(connection, name)


async def set_link_policy(store: Store, connection: ConnectionId, policy: LinkPolicy) -> None:
    """Stores what happens with accounts that exist already and fit an employee. Raises ``UnknownConnectionError``."""
    await store.connections.set_link_policy(connection, policy)


async def set_time_zone(store: Store, connection: ConnectionId, zone: str) -> None:
    """Stores the company's time zone. Raises ``UnknownConnectionError``."""
    await store.connections.set_time_zone(connection, zone)


async def ensure_started(store: Store, connection: ConnectionId) -> None:
    """Raises ``NotStartedError`` before the first start of a connection, and ``UnknownConnectionError``."""
    if not (await get_summary(store, connection)).is_started:
        raise NotStartedError(
            f"connection {connection} was never started: see what its first import would do with `connections start`"
        )


async def ensure_new(store: Store, connection: ConnectionId) -> None:
    """Raises ``AlreadyStartedError`` after the first start of a connection, and ``UnknownConnectionError``."""
    if (await get_summary(store, connection)).is_started:
        raise AlreadyStartedError(
            f"connection {connection} was started before: `connections resume` continues its polls if it is paused"
        )


async def get_summary(store: Store, connection: ConnectionId) -> ConnectionSummary:
    """Returns what is readable of a connection without its secrets. Raises ``UnknownConnectionError``."""
    summaries = {summary.id: summary for summary in await store.connections.list_all()}
    if connection not in summaries:
        raise UnknownConnectionError(connection)
    return summaries[connection]
