"""The companies' SCIM servers: one client each, closed for a while when the server or the key is the trouble.

A closed server makes its people wait at once, so that one company's outage costs the others nothing. It is probed in
the background, never in a batch that others are in, and opens when a probe succeeds or when its access has changed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from services.contracts.connections import Connection, DeclareeAccess
from services.contracts.ids import ConnectionId
from services.errors import TransientError
from services.provisioning.calls import Answer, Call
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.writer.ports import AccountServer, Verb

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a closed server is probed again: the first time, and at most."""
PROBE_SECONDS = 10.0
FAILURES_IN_A_ROW = 5
"""So many people's changes that fail, with none between that succeeds, close a server that still answers probes."""
SILENT_SECONDS = 5.0
"""A server that has answered nothing for so long, while it was asked, hangs."""


class ServerClosedError(TransientError):
    """The connection's server does not work at the moment; nothing was sent. ``cause`` is what closed it."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the connection's server is closed ({cause})")
        self.cause = cause


class Unusable:
    """Stands in for a server that cannot even be asked: its address or key is none, or its secret cannot be read."""

    def __init__(self, cause: str) -> None:
        self._cause = cause

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:  # noqa: ARG002 - as the port says
        raise ServerClosedError(self._cause)

    async def probe(self) -> None:
        raise ServerClosedError(self._cause)

    async def close(self) -> None:
        """Nothing is open."""


class Server:
    """One connection's server. ``verb`` remembers how it is updated; ``has_written`` that this key may write."""

    def __init__(
        self, connection_id: ConnectionId, access: DeclareeAccess | None, client: AccountServer, clock: Clock
    ) -> None:
        self.connection_id = connection_id
        self.access = access
        self.verb: Verb = access.updates if access else "patch"
        self.has_written = False
        self._client = client
        self._clock = clock
        self._closed: str | None = None
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self._failures = 0
        self._answered_at = clock.monotonic()
        self._hangs = False
        self._probing: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._retired = False

    async def perform(self, call: Call, before: Callable[[], None]) -> Answer:
        """Raises ``ServerClosedError`` without asking while the server is closed, else as the client does."""
        if self._closed is not None:
            raise ServerClosedError(self._closed)
        if self._in_flight == 0:
            self._answered_at = self._clock.monotonic()
        self._in_flight += 1
        try:
            answer = await self._client.perform(call, before=before)
        except asyncio.CancelledError:
            self._hangs = self._is_silent()
            raise
        else:
            self._answered_at = self._clock.monotonic()
            return answer
        finally:
            self._in_flight -= 1
            await self._close_if_retired()

    def went_well(self, *, wrote: bool) -> None:
        """Somebody's change was settled by what the server answered."""
        self._failures, self._pause = 0, FIRST_PAUSE
        self.has_written = self.has_written or wrote

    async def failed(self, cause: str, retry_after: float | None = None, details: str = "") -> None:
        """Somebody's change failed: is it the server, then it is closed, or this person alone?"""
        self._failures += 1
        if self._closed is not None:
            return
        if self._failures >= FAILURES_IN_A_ROW:
            self._close(cause, retry_after, details)
        else:
            await self._probe_once()

    def out_of_time(self) -> None:
        """A batch has ended before somebody's change was done. One that answers is only slow; one that hangs is closed."""
        if self._closed is None and (self._hangs or (self._in_flight and self._is_silent())):
            self._close("NoAnswer")
        self._hangs = False

    def _is_silent(self) -> bool:
        return self._clock.monotonic() - self._answered_at >= SILENT_SECONDS

    async def open_if_due(self) -> bool:
        """Whether requests may be sent; a closed server is probed when its pause is over."""
        if self._closed is not None and self._clock.monotonic() >= self._probe_at:
            await self._probe_once()
        return self._closed is None

    async def retire(self) -> None:
        """To be used no more: the client is closed once the last request has ended."""
        self._retired = True
        await self._close_if_retired()

    async def _close_if_retired(self) -> None:
        if self._retired and self._in_flight == 0:
            await self._client.close()

    async def _probe_once(self) -> None:
        """Who asks while a probe is under way shares its answer."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe(), name=f"probe {self.connection_id}")
        probing = self._probing
        try:
            await asyncio.shield(probing)
        finally:
            if probing.done():
                self._probing = None

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._client.probe()
        except TransientError as error:
            cause = error.cause if isinstance(error, ServerClosedError) else type(error).__name__
            self._close(cause, error.retry_after, describe(error))
        except TimeoutError:
            self._close("NoAnswer")
        else:
            self._open()

    def _open(self) -> None:
        if self._closed is None:
            return
        logger.info("declaree is tried again", extra={"connection": self.connection_id, "was": self._closed})
        # the next failure closes it at once: a server may answer probes and still refuse every change
        self._closed, self._failures = None, FAILURES_IN_A_ROW - 1

    def _close(self, cause: str, retry_after: float | None = None, details: str = "") -> None:
        if self._closed is None:
            logger.warning(
                "declaree does not work for this connection; its changes wait until it does: %s",
                details or cause,
                extra={"connection": self.connection_id},
            )
        self._closed = cause
        self._probe_at = self._clock.monotonic() + max(retry_after or 0.0, self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


class Servers:
    """The servers of the connections in work. A changed access replaces the server, and so opens it."""

    def __init__(self, connect: Callable[[DeclareeAccess], AccountServer], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._servers: dict[ConnectionId, Server] = {}

    async def of(self, connections: Iterable[Connection]) -> dict[ConnectionId, Server]:
        found: dict[ConnectionId, Server] = {}
        for connection in connections:
            known = self._servers.get(connection.id)
            if known is None or known.access != connection.declaree:
                # the new one first: whoever asks from now on gets it, whoever is at work goes on with the old one
                client = self._client(connection)
                self._servers[connection.id] = Server(connection.id, connection.declaree, client, self._clock)
                if known is not None:
                    await known.retire()
            found[connection.id] = self._servers[connection.id]
        return found

    def unreadable(self, connection: ConnectionId) -> Server:
        """For a connection whose secrets cannot be read: its people wait."""
        return Server(connection, None, Unusable("EncryptionKeyError"), self._clock)

    def _client(self, connection: Connection) -> AccountServer:
        try:
            return self._connect(connection.declaree)
        except Exception as error:  # whatever is wrong with one connection's settings must not stop the others
            logger.exception("declaree's address or key cannot be used", extra={"connection": connection.id})
            return Unusable(type(error).__name__)

    async def start(self) -> None:
        """Nothing to do: clients are made when their connection is met."""

    async def stop(self) -> None:
        for server in self._servers.values():
            await server.retire()
        self._servers.clear()
