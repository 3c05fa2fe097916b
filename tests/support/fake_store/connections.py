"""Connections and their poll times in memory."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime

from pydantic import SecretStr

from services.contracts.connections import (
    Connection,
    ConnectionState,
    DeclareeAccess,
    Guard,
    LinkPolicy,
    PersonioAccess,
    normalise_server,
)
from services.contracts.ids import ConnectionId
from services.contracts.polls import PollProgress
from services.store.connection_summaries import ConnectionSummary
from services.store.connections import build_identity, make_connection_id
from services.store.errors import DuplicateConnectionError, EncryptionKeyError, UnknownConnectionError
from tests.support.fake_store.pages import give_turn


class FakeConnections:
    """``services.store.connections.Connections`` in memory, without encryption and rotation of keys.

    The connections in ``unreadable`` exist, but their secrets cannot be decrypted.
    """

    def __init__(self, new_id: Callable[[], ConnectionId] = make_connection_id) -> None:
        self.content: dict[ConnectionId, Connection] = {}
        self.unreadable: set[ConnectionId] = set()
        self._new_id = new_id

    async def add(
        self,
        name: str,
        personio: PersonioAccess,
        declaree: DeclareeAccess,
        *,
        now: datetime,
        link_policy: LinkPolicy = LinkPolicy.ASK,
        session: object | None = None,
    ) -> Connection:
        """Stores a new, paused connection. The session has no effect: transactions are missing here."""
        await give_turn()
        connection = Connection(
            id=self._new_id(),
            name=name,
            state=ConnectionState.PAUSED,
            personio=personio,
            declaree=declaree,
            link_policy=link_policy,
            created_at=now,
            personio_secret_at=now,
            declaree_key_at=now,
        )
        self._ensure_unique(connection)
        self.content[connection.id] = connection
        return connection

    async def get(self, connection: ConnectionId) -> Connection:
        """Returns the connection. Raises ``UnknownConnectionError`` or ``EncryptionKeyError``."""
        model = await self.find(connection)
        if model is None:
            raise UnknownConnectionError(connection)
        return model

    async def find(self, connection: ConnectionId) -> Connection | None:
        """Returns the connection; None if it does not exist. Raises ``EncryptionKeyError``."""
        await give_turn()
        self.ensure_readable(connection)
        return self.content.get(connection)

    def ensure_readable(self, connection: ConnectionId) -> None:
        """Raises ``EncryptionKeyError`` if the connection is one of ``unreadable``. For the other fakes."""
        if connection in self.unreadable & self.content.keys():
            raise EncryptionKeyError(_describe(connection))

    async def get_readable(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Returns the connections that exist and can be decrypted."""
        await give_turn()
        readable = self.content.keys() - self.unreadable
        return {connection: self.content[connection] for connection in sorted(readable & set(connections))}

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist, readable or not."""
        await give_turn()
        return frozenset(self.content.keys() & set(connections))

    async def find_states(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, ConnectionState]:
        """Returns the states of the connections that exist, readable or not."""
        return {name: self.content[name].state for name in await self.filter_existing(connections)}

    async def ensure_exists(self, connection: ConnectionId) -> None:
        """Raises ``UnknownConnectionError`` if the connection does not exist."""
        await give_turn()
        self._look_up(connection)

    async def list_all(self) -> tuple[ConnectionSummary, ...]:
        """Returns all connections, readable or not, in the order in which they were added."""
        await give_turn()
        connections = sorted(self.content.values(), key=lambda connection: (connection.created_at, connection.id))
        return tuple(
            ConnectionSummary(
                id=connection.id,
                name=connection.name,
                state=connection.state,
                personio_url=connection.personio.url,
                declaree_url=connection.declaree.url,
                created_at=connection.created_at,
                is_started=connection.started_at is not None,
                personio_secret_at=connection.personio_secret_at,
                declaree_key_at=connection.declaree_key_at,
                problem=_describe(connection.id) if connection.id in self.unreadable else None,
            )
            for connection in connections
        )

    async def start(self, connection: ConnectionId, *, now: datetime) -> None:
        """Activates a connection for the first time. Raises ``UnknownConnectionError``."""
        await give_turn()
        started = {"state": ConnectionState.ACTIVE, "started_at": now}
        self.content[connection] = self._look_up(connection).model_copy(update=started)

    async def find_by_server(self, server: str) -> tuple[ConnectionId, ...]:
        """Returns the connections to this SCIM server, readable or not, in any spelling of its address."""
        await give_turn()
        wanted = normalise_server(server)
        connections = self.content.values()
        return tuple(sorted(stored.id for stored in connections if normalise_server(stored.declaree.url) == wanted))

    async def set_state(self, connection: ConnectionId, state: ConnectionState) -> None:
        """Activates or pauses a connection. Raises ``UnknownConnectionError``."""
        await give_turn()
        self.content[connection] = self._look_up(connection).model_copy(update={"state": state})

    async def set_name(self, connection: ConnectionId, name: str) -> None:
        """Stores another label. Raises ``UnknownConnectionError``."""
        await give_turn()
        self.content[connection] = self._look_up(connection).model_copy(update={"name": name})

    async def set_link_policy(self, connection: ConnectionId, policy: LinkPolicy) -> None:
        """Stores what happens with accounts that existed before. Raises ``UnknownConnectionError``."""
        await give_turn()
        self.content[connection] = self._look_up(connection).model_copy(update={"link_policy": policy})

    async def set_time_zone(self, connection: ConnectionId, zone: str) -> None:
        """Stores the company's time zone. Raises ``UnknownConnectionError``."""
        await give_turn()
        self.content[connection] = self._look_up(connection).model_copy(update={"time_zone": zone})

    async def set_guard(self, connection: ConnectionId, guard: Guard) -> None:
        """Stores the thresholds above which changes are held. Raises ``UnknownConnectionError``."""
        await give_turn()
        self.content[connection] = self._look_up(connection).model_copy(update={"guard": guard})

    async def set_credentials(
        self,
        connection: ConnectionId,
        *,
        now: datetime,
        personio_client_id: str | None = None,
        personio_secret: SecretStr | None = None,
        declaree_key: SecretStr | None = None,
    ) -> None:
        """Replaces credentials; None leaves a credential as it is. Both secrets make a connection readable again.

        Raises ``UnknownConnectionError`` or ``DuplicateConnectionError``.
        """
        await give_turn()
        if personio_client_id is None and personio_secret is None and declaree_key is None:
            return
        stored = self._look_up(connection)
        personio = {"client_id": personio_client_id, "client_secret": personio_secret}
        declaree = {"key": declaree_key}
        changed = stored.model_copy(
            update={
                "personio": stored.personio.model_copy(update=_drop_none(personio)),
                "declaree": stored.declaree.model_copy(update=_drop_none(declaree)),
                "personio_secret_at": stored.personio_secret_at if personio_secret is None else now,
                "declaree_key_at": stored.declaree_key_at if declaree_key is None else now,
            }
        )
        self._ensure_unique(changed)
        self.content[connection] = changed
        if personio_secret is not None and declaree_key is not None:
            self.unreadable.discard(connection)

    def _look_up(self, connection: ConnectionId) -> Connection:
        if connection not in self.content:
            raise UnknownConnectionError(connection)
        return self.content[connection]

    def _ensure_unique(self, connection: Connection) -> None:
        for other in self.content.values():
            if other.id != connection.id and _identify(other) == _identify(connection):
                raise DuplicateConnectionError(other.id, connection.personio.client_id, connection.declaree.url)


def _describe(connection: ConnectionId) -> str:
    return f"the secret {connection}/personio.client_secret does not open: store it again with `connections secrets`"


def _identify(connection: Connection) -> str:
    return build_identity(connection.personio.client_id, connection.personio.url, connection.declaree.url)


def _drop_none(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


class FakePollSchedule:
    """``services.store.schedule.PollSchedule`` over fake connections."""

    def __init__(self, connections: FakeConnections) -> None:
        self.next_polls: dict[ConnectionId, datetime] = {}
        self.rejected_resent_on: dict[ConnectionId, date] = {}
        self.verified_on: dict[ConnectionId, date] = {}
        self.progress: dict[ConnectionId, PollProgress] = {}
        self._connections = connections

    async def find_due(
        self, now: datetime, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns active connections with a due poll, the longest due first."""
        await give_turn()
        never = datetime.min.replace(tzinfo=UTC)
        times = {
            connection.id: self.next_polls.get(connection.id, never)
            for connection in self._connections.content.values()
            if connection.state is ConnectionState.ACTIVE
        }
        others = set(without)
        due = [connection for connection, time in times.items() if time <= now and connection not in others]
        return tuple(sorted(due, key=lambda connection: (times[connection], connection)))[:limit]

    async def count_due(self, before: datetime) -> int:
        """Returns the number of active connections with a poll that was due before this time."""
        await give_turn()
        return len(await self.find_overdue(before))

    async def find_overdue(self, before: datetime) -> dict[ConnectionId, datetime]:
        """Returns when the poll of each connection was due that ``count_due`` counts."""
        await give_turn()
        active = {key for key, stored in self._connections.content.items() if stored.state is ConnectionState.ACTIVE}
        return {key: time for key, time in self.next_polls.items() if key in active and time < before}

    async def find_released(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, datetime]:
        """Returns up to when the changes of each of these connections are released."""
        await give_turn()
        return {one: self.progress[one].released_until for one in connections if one in self.progress}

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        """Stores the time of the next poll. Raises ``UnknownConnectionError``."""
        await self._connections.ensure_exists(connection)
        self.next_polls[connection] = at

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last resend of rejected employees. Raises ``UnknownConnectionError``."""
        await self._connections.ensure_exists(connection)
        self.rejected_resent_on[connection] = day

    async def set_progress(self, connection: ConnectionId, progress: PollProgress) -> None:
        """Notes up to when the changes are released. Does nothing for a connection that was removed."""
        await give_turn()
        if connection in self._connections.content:
            self.progress[connection] = progress

    async def set_verified_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last scheduled verification. Raises ``UnknownConnectionError``."""
        await self._connections.ensure_exists(connection)
        self.verified_on[connection] = day
