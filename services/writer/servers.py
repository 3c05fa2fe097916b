"""The companies' SCIM servers: one client each, closed for a while when the server or the key is the trouble.

A closed server makes its people wait at once, so that one company's outage costs the others nothing. It opens when a
probe succeeds, and when its connection's access has been changed.
"""

import logging
from collections.abc import Callable, Iterable

from services.contracts.connections import Connection, DeclareeAccess
from services.contracts.ids import ConnectionId
from services.errors import TransientError
from services.provisioning.calls import Answer, Call
from services.runtime.clock import Clock
from services.writer.ports import AccountServer, Verb

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a closed server is probed again: the first time, and at most."""


class ServerClosedError(TransientError):
    """The connection's server does not work at the moment; nothing was sent."""


class Server:
    """One connection's server. ``verb`` remembers how it is updated."""

    def __init__(self, connection: Connection, client: AccountServer, clock: Clock) -> None:
        self.connection_id = connection.id
        self.access = connection.declaree
        self.verb: Verb = connection.declaree.updates
        self._client = client
        self._clock = clock
        self._closed: str | None = None
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0

    async def perform(self, call: Call, before: Callable[[], None]) -> Answer:
        """Raises ``ServerClosedError`` without asking while the server is closed, else as the client does."""
        if self._closed is not None:
            raise ServerClosedError(self._closed)
        return await self._client.perform(call, before=before)

    async def judge(self, error: TransientError) -> None:
        """Somebody's change failed: is it the server, then it is closed, or this person alone?"""
        if self._closed is None:
            await self._probe(type(error).__name__)

    async def open_if_due(self) -> bool:
        """Whether requests may be sent; a closed server is probed when its pause is over."""
        if self._closed is not None and self._clock.monotonic() >= self._probe_at:
            await self._probe(self._closed)
        return self._closed is None

    async def _probe(self, cause: str) -> None:
        try:
            await self._client.probe()
        except TransientError as error:
            if self._closed is None:
                logger.warning(
                    "declaree does not work for this connection; its changes wait until it does: %s",
                    error,
                    extra={"connection": self.connection_id},
                )
            self._closed = type(error).__name__
            self._probe_at = self._clock.monotonic() + (error.retry_after or self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        else:
            if self._closed is not None:
                logger.info(
                    "declaree works again for this connection", extra={"connection": self.connection_id, "was": cause}
                )
            self._closed, self._pause = None, FIRST_PAUSE

    async def close(self) -> None:
        await self._client.close()


class Servers:
    """The servers of the connections in work. A changed access replaces the server, and so opens it."""

    def __init__(self, connect: Callable[[DeclareeAccess], AccountServer], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._servers: dict[ConnectionId, Server] = {}

    async def of(self, connections: Iterable[Connection]) -> dict[ConnectionId, Server]:
        for connection in connections:
            known = self._servers.get(connection.id)
            if known is not None and known.access == connection.declaree:
                continue
            if known is not None:
                await known.close()
            self._servers[connection.id] = Server(connection, self._connect(connection.declaree), self._clock)
        found = {connection.id: self._servers[connection.id] for connection in connections}
        for server in found.values():
            await server.open_if_due()
        return found

    async def start(self) -> None:
        """Nothing to do: clients are made when their connection is met."""

    async def stop(self) -> None:
        for server in self._servers.values():
            await server.close()
        self._servers.clear()
