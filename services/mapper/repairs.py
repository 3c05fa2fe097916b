"""Resends the rejected employees of a connection as soon as its mapping can be read again."""

import logging
from collections.abc import Callable

from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.contracts.tasks import Resend
from services.errors import ConnectorError
from services.mapper.ports import DamageNotes, Mappings, Tasks
from services.runtime.background import Background
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""Seconds between two looks at the mappings that could not be read. Without such a mapping, nothing is sent."""


class Repairs:
    """A part of the mapper's process. It remembers which mappings could not be read."""

    def __init__(
        self, mappings: Mappings, damage: DamageNotes, tasks: Tasks, clock: Clock, fatal: Callable[[str], None]
    ) -> None:
        """Reads ``mappings`` and the notes in ``damage``, and files in ``tasks``. ``fatal`` ends the process if the loop fails."""
        self._mappings = mappings
        self._damage = damage
        self._tasks = tasks
        self._clock = clock
        self._unreadable: set[ConnectionId] = set()
        self._has_read_notes = False
        self._background = Background("the check of repaired mappings", self._loop, fatal)

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop."""
        await self._background.stop()

    def add(self, connection: ConnectionId) -> None:
        """Remembers a connection with a mapping that cannot be read."""
        self._unreadable.add(connection)

    async def _loop(self) -> None:
        while True:
            try:
                await self.check()
            except ConnectorError as error:
                logger.warning("repaired mappings cannot be looked for now: %s", error)
            await self._clock.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Files a resend for each connection with a mapping that can be read again. The first check also reads the notes."""
        if not self._has_read_notes:
            notes = await self._damage.list_all()
            self._unreadable |= {note.connection_id for note in notes if note.kind is DocumentKind.MAPPING}
            self._has_read_notes = True
        if not self._unreadable:
            return
        newest = await self._mappings.get_all_published(self._unreadable)
        for connection in sorted(self._unreadable):
            if isinstance(newest.get(connection), PublishedMapping):
                action = Resend(scope="rejected", reason="the mapping can be read again")
                await self._tasks.file(connection, action, now=self._clock.now(), once=f"rejected/{connection}")
                logger.info("the mapping can be read again", extra={"connection": connection})
                self._unreadable.discard(connection)
