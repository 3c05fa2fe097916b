"""Brings those back who wait: once their server answers a probe, the connection's unsettled people are re-sent."""

import asyncio
import logging
from collections.abc import Callable

from services.contracts.ids import ConnectionId
from services.contracts.requests import Resend
from services.errors import ConnectorError
from services.runtime.clock import Clock
from services.runtime.process import Background
from services.writer.ports import Connections, Ledger, Requests
from services.writer.servers import Server, Servers

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
        fatal: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._connections = connections
        self._requests = requests
        self._servers = servers
        self._clock = clock
        self._every = every_seconds
        self._next: dict[ConnectionId, tuple[float, float]] = {}
        self._background = Background("the look after waiting people", self._loop, fatal)

    async def start(self) -> None:
        await self._background.start()

    async def stop(self) -> None:
        await self._background.stop()

    async def _loop(self) -> None:
        while True:
            try:
                await self.look()
            except ConnectorError as error:
                logger.warning("the waiting people cannot be looked at now: %s", error)
            await self._clock.sleep(self._every)

    async def look(self) -> None:
        waiting = await self._ledger.waiting_connections()
        for gone in self._next.keys() - waiting.keys():
            del self._next[gone]
        connections = await self._connections.many(waiting)
        servers = await self._servers.of(connections.values())
        # all at once: one server that hangs must not keep another's people waiting
        opened = dict(zip(servers, await asyncio.gather(*map(Server.open_if_due, servers.values())), strict=True))
        for connection, is_open in opened.items():
            due, pause = self._next.get(connection, (0.0, self._every))
            if self._clock.monotonic() < due or not is_open:
                continue
            self._next[connection] = (self._clock.monotonic() + pause, min(pause * 2, LONGEST_PAUSE))
            task = Resend(scope="unsettled", why="the connection's server works again")
            await self._requests.file(connection, task, now=self._clock.now(), once=f"unsettled/{connection}")
            logger.info("waiting people are re-sent", extra={"connection": connection, "people": waiting[connection]})
