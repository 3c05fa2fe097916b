"""Resends waiting employees as fast as their servers take them, and employees with a look that is due."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Resend
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.stopping import run_until
from services.writer.backlog import ON_THE_WAY_SECONDS, Backlog
from services.writer.endpoint import Endpoint
from services.writer.endpoints import Endpoints
from services.writer.freshness import Freshness
from services.writer.ports import Connections, FollowUps, Tasks

logger = logging.getLogger(__name__)

ON_TRIAL = 3
"""Number of employees that are resent at once to a server that has not answered a write since its outage."""


class Room(Protocol):
    """The room for further changes in this writer."""

    @property
    def backlog(self) -> Backlog:
        """The employees that wait for room."""
        ...

    def find_room_for_waiting(self, connection: ConnectionId) -> int:
        """Returns how many waiting employees of a connection may be resent now."""
        ...


class Wakeup:
    """A background loop of every writer. Each waiting employee is taken by one of them."""

    def __init__(
        self,
        *,
        room: Room,
        followups: FollowUps,
        connections: Connections,
        tasks: Tasks,
        endpoints: Endpoints,
        freshness: Freshness,
        clock: Clock,
        interval: float,
        fatal: Callable[[str], None],
    ) -> None:
        """``interval`` is the number of seconds between two checks. ``fatal`` ends the process if the loop fails."""
        self._room = room
        self._followups = followups
        self._connections = connections
        self._tasks = tasks
        self._endpoints = endpoints
        self._freshness = freshness
        self._clock = clock
        self._interval = interval
        self._background = Background("the check of waiting employees", self._loop, fatal)

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop."""
        await self._background.stop()

    async def _loop(self) -> None:
        due = 0.0
        while True:
            try:
                is_due = self._clock.monotonic() >= due
                if is_due:
                    due = self._clock.monotonic() + self._interval
                    # first: neither a probe of another company's server nor an error of a later query delays a pause
                    await self.refresh_connections()
                await self.resend_to(self._room.backlog.take_with_room())
                if is_due:
                    await self.check_waiting()
                    await self.check_looks()
            except ConnectorError as error:
                logger.warning("the waiting employees cannot be checked now: %s", error)
            await run_until(
                self._room.backlog.room_appeared, self._clock.sleep(max(due - self._clock.monotonic(), 0.01))
            )

    async def check_waiting(self) -> None:
        """Resends employees that wait, of all connections."""
        await self.resend_to(await self._followups.find_connections_with_retryable())

    async def resend_to(self, wanted: Collection[ConnectionId]) -> None:
        """Resends waiting employees of these connections: as many as there is room for, to servers that can be used."""
        if not wanted:
            return
        connections = await self._connections.get_readable(wanted)
        endpoints = await self._endpoints.get_all(connections.values())
        # concurrently: a hanging server must not delay the employees of another connection
        usable = await asyncio.gather(*map(_close_if_due, endpoints.values()))
        for (connection, endpoint), is_usable in zip(endpoints.items(), usable, strict=True):
            if is_usable:
                await self._resend(connection, endpoint)

    async def _resend(self, connection: ConnectionId, endpoint: Endpoint) -> None:
        room = self._room.find_room_for_waiting(connection)
        if endpoint.breaker.is_on_trial:
            room = min(room, ON_TRIAL)
        if not room:
            return
        now, patience = self._clock.now(), timedelta(seconds=ON_THE_WAY_SECONDS)
        people = await self._followups.take_due(connection, now, room, patience)
        self._room.backlog.note_resent(connection, people, are_all=len(people) < room)
        if people:
            action = Resend(scope="people", people=people, reason="waiting changes are tried again")
            await self._tasks.file(connection, action, now=now)
            logger.info("resend of waiting employees filed", extra={"connection": connection, "people": len(people)})

    async def check_looks(self) -> None:
        """Files a resend for the employees with an account that must be looked up again: a write stayed without an answer."""
        due = await self._followups.take_due_looks(self._clock.now())
        for connection, people in due.items():
            action = Resend(scope="people", people=people, reason="a request to Declaree stayed without an answer")
            await self._tasks.file(connection, action, now=self._clock.now())

    async def refresh_connections(self) -> None:
        """Notes which connections are paused. Forgets the endpoints and metrics of removed ones: their keys must not stay in memory."""
        self._freshness.forget_idle()
        used = self._endpoints.connections | self._freshness.connections
        if used:
            states = await self._connections.find_states(used)
            self._endpoints.note_states(states)
            removed = used - states.keys()
            await self._endpoints.retire_all(removed)
            self._freshness.forget(removed)


async def _close_if_due(endpoint: Endpoint) -> bool:
    return await endpoint.close_if_due()
