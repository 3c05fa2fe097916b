"""Brings those back who wait: once their server answers a probe, the connection's unsettled people are re-sent."""

import asyncio
import logging

from services.contracts.ids import ConnectionId
from services.contracts.requests import Resend
from services.errors import TransientError
from services.runtime.clock import Clock
from services.writer.ports import Connections, Ledger, Requests
from services.writer.servers import Servers

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Seconds between two re-sends of a connection whose people go on waiting although its server works."""


class WaitingPeople:
    """A background task of every writer; a re-send that is already asked for is not asked for twice."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        connections: Connections,
        requests: Requests,
        servers: Servers,
        clock: Clock,
        every_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._connections = connections
        self._requests = requests
        self._servers = servers
        self._clock = clock
        self._every = every_seconds
        self._next: dict[ConnectionId, tuple[float, float]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._loop(), name="waiting people")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _loop(self) -> None:
        while True:
            try:
                await self.look()
            except TransientError as error:
                logger.warning("the waiting people cannot be looked at now: %s", error)
            await self._clock.sleep(self._every)

    async def look(self) -> None:
        waiting = await self._ledger.waiting_connections()
        for gone in self._next.keys() - waiting.keys():
            del self._next[gone]
        connections = await self._connections.many(waiting)
        servers = await self._servers.of(connections.values())
        for connection, server in servers.items():
            due, pause = self._next.get(connection, (0.0, self._every))
            if self._clock.monotonic() < due or not await server.open_if_due():
                continue
            self._next[connection] = (self._clock.monotonic() + pause, min(pause * 2, LONGEST_PAUSE))
            task = Resend(scope="unsettled", why="the connection's server works again")
            await self._requests.file(connection, task, now=self._clock.now(), once=f"unsettled/{connection}")
            logger.info("waiting people are re-sent", extra={"connection": connection, "people": waiting[connection]})
