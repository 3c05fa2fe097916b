"""Decides which connections are due, and works on each while its lease is held. Replicas share the connections."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.contracts.ids import ConnectionId
from services.contracts.leases import ProcessIdentity
from services.errors import ConnectorError
from services.poller.lease import LeaseKeeper
from services.poller.pauses import Pauses
from services.poller.ports import Publisher, Source
from services.poller.repositories import PollerStore
from services.poller.scan_limits import ScanLimits
from services.poller.settings import PollerSettings
from services.poller.verification_ports import AccountSource
from services.poller.work import ConnectionWork
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """A connection that is worked on."""

    task: asyncio.Task[None]
    is_due: bool
    """Whether it is polled. Tasks are carried out in either case."""


class Schedule:
    """A part of the process: polls due connections and carries out their tasks."""

    def __init__(
        self,
        *,
        settings: PollerSettings,
        repositories: PollerStore,
        source: Source,
        accounts: AccountSource,
        publisher: Publisher,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        owner: ProcessIdentity,
    ) -> None:
        """``fatal`` ends the process when its producer is dead. ``owner`` is this process, as the owner of leases."""
        self._settings = settings
        self._repositories = repositories
        self._clock = clock
        self._fatal = fatal
        self._limits = ScanLimits(
            clock,
            seconds=settings.poll_scan_seconds,
            pages=settings.poll_scan_pages,
            places=settings.poll_concurrency,
        )
        self._build_work = partial(
            ConnectionWork,
            settings=settings,
            source=source,
            accounts=accounts,
            publisher=publisher,
            limits=self._limits,
            clock=clock,
            metrics=metrics,
        )
        self._leases = LeaseKeeper(repositories.leases, owner, clock, settings.poll_lease_seconds)
        self._running: dict[ConnectionId, _Running] = {}
        self._pauses = Pauses(clock)
        self._background = Background("the schedule", self._loop, fatal)
        self._alive_at = clock.monotonic()

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop and cancels the work in progress. A run that is cancelled is stored as unfinished."""
        await self._background.stop()
        tasks = tuple(running.task for running in self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def check_readiness(self) -> str | None:
        """Returns why the schedule makes no progress; None if it does."""
        silent = self._clock.monotonic() - self._alive_at
        if silent > self._settings.stalled_after_seconds:
            return f"the schedule has not moved for {silent:.0f} s"
        return None

    async def _loop(self) -> None:
        while True:
            self._limits.stop_overdue()
            try:
                await self._start_due()
            except ConnectorError as error:
                logger.warning("schedule cannot be read now: %s", error)
            self._alive_at = self._clock.monotonic()
            await self._clock.sleep(self._settings.poll_tasks_every_seconds)

    async def _start_due(self) -> None:
        """Starts work on the connections that have waited longest: for a poll, and for their tasks.

        Polls and tasks do not compete: a resend needs no Personio, and must not wait for companies with a slow Personio.
        """
        self._running = {key: running for key, running in self._running.items() if not running.task.done()}
        busy = self._running.keys() | self._pauses.find_present()
        polls = sum(running.is_due for running in self._running.values())
        due: tuple[ConnectionId, ...] = ()
        if (room := self._settings.poll_open_connections - polls) > 0:
            due = await self._repositories.schedule.find_due(self._clock.now(), limit=room, without=busy)
        with_tasks: tuple[ConnectionId, ...] = ()
        if (room := self._settings.poll_open_connections - (len(self._running) - polls)) > 0:
            busy |= set(due)
            with_tasks = await self._repositories.tasks.find_connections_with_unfinished(limit=room, without=busy)
        elsewhere = await self._leases.find_owned_elsewhere((*due, *with_tasks))
        for connection in (*due, *with_tasks):
            if connection in elsewhere:
                self._pauses.begin_elsewhere(connection)
            else:
                self._start(connection, is_due=connection in due)

    def _start(self, connection: ConnectionId, *, is_due: bool) -> None:
        task = asyncio.create_task(self._work_on(connection, is_due=is_due), name=f"poll {connection}")
        self._running[connection] = _Running(task, is_due)

    async def _work_on(self, connection: ConnectionId, *, is_due: bool) -> None:
        """Works on a connection while its lease is held. No failure reaches another connection."""
        try:
            async with self._leases.hold(connection) as guard:
                if guard is None:
                    self._pauses.begin_elsewhere(connection)
                    return
                work = self._build_work(repositories=self._repositories.fence(guard))
                await work.carry_out(connection, guard, is_due=is_due)
            self._pauses.end(connection)
        except ProducerDeadError as error:
            self._fatal(str(error))
        except ConnectorError as error:
            logger.warning("work on a connection stopped: %s", describe(error), extra={"connection": connection})
            self._pauses.begin_after_failure(connection)
        except Exception:
            logger.exception("unexpected error: the connection is polled later", extra={"connection": connection})
            self._pauses.begin_after_failure(connection)
            await self._postpone(connection)

    async def _postpone(self, connection: ConnectionId) -> None:
        """Delays the next poll by one interval after an unexpected error, to avoid a tight retry loop."""
        try:
            await self._build_work(repositories=self._repositories).postpone(connection)
        except ConnectorError as error:
            logger.warning("next poll cannot be set: %s", describe(error), extra={"connection": connection})
