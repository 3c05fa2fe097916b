"""The SCIM endpoints of the connections: one client and one circuit breaker each."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from services.contracts.connections import Connection, DeclareeAccess
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.provisioning.calls import Answer, Call
from services.runtime.clock import Clock
from services.writer.breaker import BreakerOpenError, CircuitBreaker
from services.writer.ports import ScimServer, UpdateVerb

logger = logging.getLogger(__name__)

SILENT_SECONDS = 5.0
"""Seconds without any answer, although requests were sent, after which a server counts as hanging."""


class UnusableServer:
    """Stands for a server that cannot get requests: its address, its key or its stored secret is unusable."""

    def __init__(self, cause: WaitingCause) -> None:
        """``cause`` is the reason for which the changes of the connection wait."""
        self._cause = cause

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:  # noqa: ARG002 - the port's signature
        """Raises ``BreakerOpenError``."""
        raise BreakerOpenError(self._cause)

    async def probe(self) -> None:
        """Raises ``BreakerOpenError``."""
        raise BreakerOpenError(self._cause)

    async def close(self) -> None:
        """Does nothing, because this server has no client."""


class Endpoint:
    """One connection's SCIM endpoint.

    ``verb`` is how the server is known to accept updates. ``has_written`` tells whether the key has ever written.
    """

    def __init__(
        self, connection: ConnectionId, access: DeclareeAccess | None, server: ScimServer, clock: Clock
    ) -> None:
        """``access`` is what ``server`` was made from; None if the stored access is unreadable."""
        self.access = access
        self.verb: UpdateVerb = access.updates if access else "patch"
        self.has_written = False
        self.breaker = CircuitBreaker(connection, server.probe, clock)
        self._server = server
        self._clock = clock
        self._answered_at = clock.monotonic()
        self._hangs = False
        self._in_flight = 0
        self._is_retired = False

    async def perform(self, call: Call, before: Callable[[], None]) -> Answer:
        """Sends one request; raises ``BreakerOpenError`` without sending it while the breaker is open."""
        self.breaker.ensure_closed()
        if self._in_flight == 0:
            self._answered_at = self._clock.monotonic()
        self._in_flight += 1
        try:
            answer = await self._server.perform(call, before=before)
        except asyncio.CancelledError:
            self._hangs = self._is_silent()
            raise
        else:
            self._answered_at = self._clock.monotonic()
            return answer
        finally:
            self._in_flight -= 1
            await self._close_if_retired()

    def record_success(self, *, has_written: bool) -> None:
        """Notes that a change was settled with the server's answers."""
        self.breaker.record_success()
        self.has_written = self.has_written or has_written

    def record_batch_timeout(self) -> None:
        """Opens the breaker if the batch ended because the server hangs. A server that answers slowly stays usable."""
        if not self.breaker.is_open and (self._hangs or (self._in_flight and self._is_silent())):
            self.breaker.open(WaitingCause.SERVER_HANGS)
        self._hangs = False

    async def retire(self) -> None:
        """Closes the client after its last request has ended."""
        self._is_retired = True
        await self._close_if_retired()

    def _is_silent(self) -> bool:
        return self._clock.monotonic() - self._answered_at >= SILENT_SECONDS

    async def _close_if_retired(self) -> None:
        if self._is_retired and self._in_flight == 0:
            await self._server.close()


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
        for connection in connections:
            current = self._endpoints.get(connection.id)
            if current is None or current.access != connection.declaree:
                # the new endpoint first: requests in flight finish with the old client while new ones use the new client
                server = self._make_server(connection)
                self._endpoints[connection.id] = Endpoint(connection.id, connection.declaree, server, self._clock)
                if current is not None:
                    await current.retire()
            endpoints[connection.id] = self._endpoints[connection.id]
        return endpoints

    def make_unreadable(self, connection: ConnectionId) -> Endpoint:
        """Returns the endpoint of a connection with secrets that cannot be decrypted: its changes wait."""
        return Endpoint(connection, None, UnusableServer(WaitingCause.UNREADABLE_SECRET), self._clock)

    async def start(self) -> None:
        """Does nothing: clients are made when their connection is first used."""

    async def stop(self) -> None:
        """Retires every endpoint."""
        for endpoint in self._endpoints.values():
            await endpoint.retire()
        self._endpoints.clear()

    def _make_server(self, connection: Connection) -> ScimServer:
        try:
            return self._connect(connection.declaree)
        except Exception:  # a defective setting of one connection must not stop the others
            logger.exception("Declaree's address or key is unusable", extra={"connection": connection.id})
            return UnusableServer(WaitingCause.UNUSABLE_ACCESS)
