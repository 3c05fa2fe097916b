"""Keeps the number of problems and hints of each connection up to date, as ``status`` judges them."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from services.admin.findings import Level
from services.contracts.ids import ConnectionId
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
"""Seconds between two refreshes. One of 3,000 connections takes about two seconds, most of them MongoDB's."""
TOLD = (Level.PROBLEM, Level.HINT)
"""The levels with a series."""


class ConnectionGauges:
    """A part of the process: has the connections judged again and again. After a failure, no connection has a series."""

    def __init__(
        self,
        count_findings: Callable[[], Awaitable[Mapping[ConnectionId, Mapping[Level, int]]]],
        metrics: Metrics,
        clock: Clock,
        fatal: Callable[[str], None],
    ) -> None:
        """``count_findings`` returns the number of findings of each connection, by level."""
        self._count_findings = count_findings
        self._metrics = metrics
        self._clock = clock
        self._background = Background("the refresh of the connections' metrics", self._loop, fatal)

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop."""
        await self._background.stop()

    async def _loop(self) -> None:
        while True:
            try:
                found = await self._count_findings()
            except ConnectorError as error:
                logger.warning("the connections cannot be judged now: %s", describe(error))
                found = {}
            self._set(found)
            await self._clock.sleep(REFRESH_SECONDS)

    def _set(self, found: Mapping[ConnectionId, Mapping[Level, int]]) -> None:
        self._metrics.findings.clear()  # a removed connection has no series any longer
        for connection, levels in found.items():
            for level in TOLD:
                self._metrics.findings.labels(connection, level.value).set(levels.get(level, 0))
