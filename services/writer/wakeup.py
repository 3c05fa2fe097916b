"""Resends waiting employees after the circuit breaker of their connection has closed, and those with a due look."""

import asyncio
import logging
from collections.abc import Callable

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Resend
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.writer.endpoints import Endpoint, Endpoints
from services.writer.ports import Connections, FollowUps, Tasks, WaitingCounts

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 300.0
"""Longest pause in seconds between two resends of a connection. Employees may keep waiting although the server works."""


class Wakeup:
    """A background loop of every writer. A resend that another writer has already filed is not filed again."""

    def __init__(
        self,
        *,
        counts: WaitingCounts,
        followups: FollowUps,
        connections: Connections,
        tasks: Tasks,
        endpoints: Endpoints,
        clock: Clock,
        interval: float,
        fatal: Callable[[str], None],
    ) -> None:
        """``interval`` is the number of seconds between two checks. ``fatal`` ends the process if the loop fails."""
        self._counts = counts
        self._followups = followups
        self._connections = connections
        self._tasks = tasks
        self._endpoints = endpoints
        self._clock = clock
        self._interval = interval
        self._schedule: dict[ConnectionId, tuple[float, float]] = {}
        self._background = Background("the check of waiting employees", self._loop, fatal)

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop."""
        await self._background.stop()

    async def _loop(self) -> None:
        while True:
            try:
                await self.check_waiting()
                await self.check_looks()
            except ConnectorError as error:
                logger.warning("the waiting employees cannot be checked now: %s", error)
            await self._clock.sleep(self._interval)

    async def check_waiting(self) -> None:
        """Probes the servers of waiting employees, and files a resend for each connection with a closed breaker."""
        waiting = await self._counts.count_waiting()
        for connection in self._schedule.keys() - waiting.keys():
            del self._schedule[connection]
        connections = await self._connections.get_readable(waiting)
        endpoints = await self._endpoints.get_all(connections.values())
        # concurrently: a hanging server must not delay the employees of another connection
        usable = await asyncio.gather(*map(_close_if_due, endpoints.values()))
        for connection, is_usable in zip(endpoints, usable, strict=True):
            due, pause = self._schedule.get(connection, (0.0, self._interval))
            if self._clock.monotonic() < due or not is_usable:
                continue
            self._schedule[connection] = (self._clock.monotonic() + pause, min(pause * 2, LONGEST_PAUSE_SECONDS))
            action = Resend(scope="retryable", reason="the connection's server works again")
            await self._tasks.file(connection, action, now=self._clock.now(), once=f"retryable/{connection}")
            logger.info(
                "resend of waiting employees filed", extra={"connection": connection, "people": waiting[connection]}
            )

    async def check_looks(self) -> None:
        """Files a resend for the employees with an account that must be looked up again: a write stayed without an answer."""
        due = await self._followups.take_due_looks(self._clock.now())
        for connection, people in due.items():
            action = Resend(scope="people", people=people, reason="a request to Declaree stayed without an answer")
            await self._tasks.file(connection, action, now=self._clock.now())


async def _close_if_due(endpoint: Endpoint) -> bool:
    return await endpoint.breaker.close_if_due()
