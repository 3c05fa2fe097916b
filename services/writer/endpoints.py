"""The SCIM endpoints of all connections in use."""

import logging
from collections.abc import Callable, Iterable, Mapping

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.provisioning.calls import (
    Answer,
    Call,
)
from services.provisioning.server import ServerDescription
from services.runtime.clock import Clock
from services.writer.breaker import RequestsBlockedError
from services.writer.endpoint import Endpoint
from services.writer.ports import ScimServer

logger = logging.getLogger(__name__)


class UnusableServer:
    """Stands for a server that cannot get requests: its address, its key or its stored secret is unusable."""

    def __init__(self, cause: WaitingCause) -> None:
        """``cause`` is the reason for which the changes of the connection wait."""
        self._cause = cause

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:  # noqa: ARG002 - the port's signature
        """Raises ``RequestsBlockedError``."""
        raise RequestsBlockedError(self._cause)

    async def discover(self) -> ServerDescription:
        """Raises ``RequestsBlockedError``."""
        raise RequestsBlockedError(self._cause)

    async def probe(self) -> None:
        """Raises ``RequestsBlockedError``."""
        raise RequestsBlockedError(self._cause)

    async def close(self) -> None:
        """Does nothing, because this server has no client."""


class Endpoints:
    """The endpoints of the connections in use. A changed access replaces the endpoint, and so closes its breaker."""

    def __init__(self, connect: Callable[[DeclareeAccess], ScimServer], clock: Clock) -> None:
        """``connect`` makes the client of a server."""
        self._connect = connect
        self._clock = clock
        self._endpoints: dict[ConnectionId, Endpoint] = {}

    async def get_all(self, connections: Iterable[Connection]) -> dict[ConnectionId, Endpoint]:
        """Returns the endpoint of each connection. Makes a new one if the connection is new or its access has changed."""
        endpoints: dict[ConnectionId, Endpoint] = {}
        for endpoint in self._endpoints.values():
            endpoint.forget_outdated()
        for connection in connections:
            current = self._endpoints.get(connection.id)
            if current is not None and current.access == connection.declaree:
                current.policy, current.guard = connection.link_policy, connection.guard
            else:
                # the new endpoint first: requests in flight finish with the old client while new ones use the new client
                server = self._make_server(connection)
                self._endpoints[connection.id] = Endpoint(
                    connection.id, connection.declaree, server, self._clock, connection.link_policy, connection.guard
                )
                if current is not None:
                    await current.retire()
            endpoints[connection.id] = self._endpoints[connection.id]
            endpoints[connection.id].is_paused = connection.state is ConnectionState.PAUSED
        return endpoints

    def note_states(self, states: Mapping[ConnectionId, ConnectionState]) -> None:
        """Notes which connections are paused, so that a batch in progress sends nothing more for them."""
        for connection, state in states.items():
            if connection in self._endpoints:
                self._endpoints[connection].is_paused = state is ConnectionState.PAUSED

    @property
    def connections(self) -> frozenset[ConnectionId]:
        """The connections with an endpoint."""
        return frozenset(self._endpoints)

    async def retire_all(self, connections: Iterable[ConnectionId]) -> None:
        """Retires the endpoints of these connections, with their keys and what is known about their servers."""
        for connection in connections:
            endpoint = self._endpoints.pop(connection, None)
            if endpoint is not None:
                await endpoint.retire()

    def make_unreadable(self, connection: ConnectionId) -> Endpoint:
        """Returns the endpoint of a connection with secrets that cannot be decrypted: its changes wait."""
        return Endpoint(connection, None, UnusableServer(WaitingCause.UNREADABLE_SECRET), self._clock)

    async def start(self) -> None:
        """Does nothing: clients are made when their connection is first used."""

    async def stop(self) -> None:
        """Retires every endpoint."""
        await self.retire_all(self.connections)

    def _make_server(self, connection: Connection) -> ScimServer:
        try:
            return self._connect(connection.declaree)
        except Exception:  # a defective setting of one connection must not stop the others
            logger.exception(
                "Declaree's address or key is unusable: run `connections check`", extra={"connection": connection.id}
            )
            return UnusableServer(WaitingCause.UNUSABLE_ACCESS)
