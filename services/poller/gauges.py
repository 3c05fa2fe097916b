"""Keeps the metrics of stored work up to date, so that they are right without a request to the process."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from services.contracts.outcomes import WaitingCause
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.settings import OVERDUE_SHARE

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 15.0
"""Seconds between two refreshes. Indexes answer the queries."""


class Counters(Protocol):
    """The numbers of all connections together."""

    async def count_all_behind(self) -> int:
        """Returns the sum of the balances."""
        ...

    async def count_waiting_by_cause(self) -> Mapping[WaitingCause, int]:
        """Returns the number of waiting employees for each cause that has any."""
        ...


class PollSchedule(Protocol):
    """When each connection is polled next."""

    async def count_due(self, before: datetime) -> int:
        """Returns the number of active connections with a poll that was due before this time."""
        ...


class Gauges:
    """A part of the process: reads the numbers of all connections again and again. A failure makes them unknown."""

    def __init__(
        self,
        counters: Counters,
        schedule: PollSchedule,
        metrics: Metrics,
        clock: Clock,
        interval_seconds: float,
        fatal: Callable[[str], None],
    ) -> None:
        """``interval_seconds`` is the time between two polls of a connection."""
        self._counters = counters
        self._schedule = schedule
        self._metrics = metrics
        self._clock = clock
        self._tolerance = timedelta(seconds=interval_seconds * OVERDUE_SHARE)
        self._background = Background("the refresh of the metrics", self._loop, fatal)

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop."""
        await self._background.stop()

    async def _loop(self) -> None:
        while True:
            try:
                await self.refresh()
            except ConnectorError as error:
                logger.warning("numbers of the metrics cannot be read now: %s", describe(error))
                self._set(math.nan, dict.fromkeys(WaitingCause, math.nan), math.nan)
            await self._clock.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Reads the numbers and sets the metrics."""
        balance, waiting, overdue = await asyncio.gather(
            self._counters.count_all_behind(),
            self._counters.count_waiting_by_cause(),
            self._schedule.count_due(self._clock.now() - self._tolerance),
        )
        self._set(balance, dict.fromkeys(WaitingCause, 0) | dict(waiting), overdue)

    def _set(self, balance: float, waiting: Mapping[WaitingCause, float], overdue: float) -> None:
        self._metrics.balance.set(balance)
        self._metrics.overdue_polls.set(overdue)
        for cause, people in waiting.items():
            self._metrics.waiting_people.labels(cause.value).set(people)
