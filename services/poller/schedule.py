"""Decides which connections are due, and works on each while its lease is held. Replicas share the connections."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest

from services.contracts.ids import ConnectionId
from services.contracts.leases import ProcessIdentity
from services.contracts.tasks import Verify
from services.errors import ConnectorError
from services.poller.account_reader import VerificationInterruptedError
from services.poller.departures import Departures
from services.poller.expiry import Expirer
from services.poller.lease import LeaseGuard, LeaseKeeper
from services.poller.outbox import Outbox
from services.poller.ports import Publisher, Repositories, Source
from services.poller.resend import Resender
from services.poller.run import Runner
from services.poller.settings import PollerSettings
from services.poller.tasks import TaskRunner
from services.poller.verification_ports import AccountSource
from services.poller.verify import Verifier
from services.provisioning.goal import REFUSAL_LIFETIME
from services.runtime.background import Background
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
"""Seconds without work on a connection after a failure: at first, and at most. Other connections are polled in the pause."""


def interleave(first: Sequence[ConnectionId], second: Sequence[ConnectionId]) -> list[ConnectionId]:
    """Interleaves two lists without duplicates. Each keeps its order, and neither can starve the other."""
    pairs = zip_longest(first, second)
    return list(dict.fromkeys(connection for pair in pairs for connection in pair if connection is not None))


@dataclass
class _Pause:
    """The pause of one connection."""

    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
    until: float = 0.0


class Schedule:
    """A part of the process: polls due connections and carries out their tasks."""

    def __init__(
        self,
        *,
        settings: PollerSettings,
        repositories: Repositories,
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
        self._source = source
        self._accounts = accounts
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._fatal = fatal
        self._leases = LeaseKeeper(repositories.leases, owner, clock, settings.poll_lease_seconds)
        self._running: dict[ConnectionId, asyncio.Task[None]] = {}
        self._pauses: dict[ConnectionId, _Pause] = {}
        self._background = Background("the schedule", self._loop, fatal)
        self._alive_at = clock.monotonic()

    async def start(self) -> None:
        """Starts the loop."""
        await self._background.start()

    async def stop(self) -> None:
        """Stops the loop and cancels the work in progress."""
        await self._background.stop()
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def ready(self) -> str | None:
        """Returns why the schedule makes no progress; None if it does."""
        silent = self._clock.monotonic() - self._alive_at
        if silent > self._settings.stalled_after_seconds:
            return f"the schedule has not moved for {silent:.0f} s"
        return None

    async def _loop(self) -> None:
        while True:
            try:
                await self._start_due()
            except ConnectorError as error:
                logger.warning("schedule cannot be read now: %s", error)
            self._alive_at = self._clock.monotonic()
            await self._clock.sleep(self._settings.poll_tasks_every_seconds)

    async def _start_due(self) -> None:
        """Starts work on due connections and on connections with tasks, on at most POLL_CONCURRENCY at the same time."""
        due = await self._repositories.schedule.find_due(self._clock.now())
        with_tasks = sorted(await self._repositories.tasks.find_connections_with_unfinished())
        self._running = {connection: task for connection, task in self._running.items() if not task.done()}
        room = self._settings.poll_concurrency - len(self._running)
        waiting = [
            connection
            for connection in interleave(due, with_tasks)
            if connection not in self._running and not self._is_paused(connection)
        ]
        for connection in waiting[:room]:
            task = asyncio.create_task(self._work_on(connection, is_due=connection in due), name=f"poll {connection}")
            self._running[connection] = task

    def _is_paused(self, connection: ConnectionId) -> bool:
        pause = self._pauses.get(connection)
        return pause is not None and self._clock.monotonic() < pause.until

    def _pause(self, connection: ConnectionId) -> None:
        """Stops work on the connection for a time after a failure. The time grows with each further failure."""
        pause = self._pauses.setdefault(connection, _Pause())
        pause.until = self._clock.monotonic() + pause.backoff.next_pause()

    async def _work_on(self, connection: ConnectionId, *, is_due: bool) -> None:
        """Works on a connection while its lease is held. No failure reaches another connection."""
        try:
            async with self._leases.hold(connection) as guard:
                if guard is None:  # another replica owns the lease
                    self._pauses[connection] = _Pause(until=self._clock.monotonic() + FIRST_PAUSE_SECONDS)
                    return
                await self._work(connection, guard, is_due=is_due)
            self._pauses.pop(connection, None)
        except ProducerDeadError as error:
            self._fatal(str(error))
        except ConnectorError as error:
            logger.warning("work on a connection stopped: %s", describe(error), extra={"connection": connection})
            self._pause(connection)
        except Exception:
            logger.exception("unexpected error: the connection is polled later", extra={"connection": connection})
            self._pause(connection)
            await self._postpone(connection)

    async def _postpone(self, connection: ConnectionId) -> None:
        """Delays the next poll by one interval after an unexpected error, to avoid a tight retry loop."""
        try:
            await self._set_next_poll(connection)
        except ConnectorError as error:
            logger.warning("next poll cannot be set: %s", describe(error), extra={"connection": connection})

    async def _work(self, connection: ConnectionId, guard: LeaseGuard, *, is_due: bool) -> None:
        repositories = self._repositories
        outbox = Outbox(repositories.snapshots, self._publisher, guard.ensure_held)
        runner = Runner(repositories, self._source, outbox, self._clock, self._metrics)
        resender = Resender(repositories, outbox)
        await repositories.tasks.reopen_running(connection)
        patience = timedelta(seconds=self._settings.poll_verify_patience_seconds)
        verifier = Verifier(repositories, self._accounts, resender, self._clock, guard.ensure_held, patience)
        departures = Departures(repositories.snapshots, outbox, self._clock)
        tasks = TaskRunner(repositories.tasks, runner, resender, verifier, departures, self._clock)
        await tasks.run_open(connection, with_verifications=False)
        if is_due and await repositories.connections.is_active(connection):
            expirer = Expirer(repositories.expiry, self._clock, guard.ensure_held, self._settings.poll_leaver_days)
            await self._poll(connection, runner, resender, expirer)
        # after the poll: before the first one no employee is known, and every account would be a finding
        try:
            await tasks.run_open(connection)
        except VerificationInterruptedError:
            await repositories.tasks.reopen_running(connection)
            raise

    async def _poll(self, connection: ConnectionId, runner: Runner, resender: Resender, expirer: Expirer) -> None:
        schedule = self._repositories.schedule
        await runner.poll(connection)
        await self._set_next_poll(connection)
        await resender.resend_retryable(connection)
        today = self._clock.now().date()
        if await schedule.get_rejected_resent_on(connection) != today:
            await resender.resend_rejected(connection)
            await resender.resend_incomplete(connection, self._clock.now() - REFUSAL_LIFETIME)
            await expirer.expire(connection)
            await schedule.set_rejected_resent_on(connection, today)
        if self._settings.poll_verify:
            await self._file_verification(connection, today)

    async def _file_verification(self, connection: ConnectionId, today: date) -> None:
        """Files a verification once a day, from the day after the first import on, unless an earlier one is unfinished."""
        schedule, tasks = self._repositories.schedule, self._repositories.tasks
        last = await schedule.get_verified_on(connection)
        if last == today:
            return
        is_open = any(isinstance(task.action, Verify) for task in await tasks.list_open(connection))
        if last is not None and not is_open:
            action = Verify(repair=self._settings.poll_verify_repair)
            await tasks.file(connection, action, now=self._clock.now())
        await schedule.set_verified_on(connection, today)

    async def _set_next_poll(self, connection: ConnectionId) -> None:
        # the interval varies a little, so that many connections do not poll in the same second
        wait = self._settings.poll_interval_seconds * random.uniform(0.97, 1.03)  # noqa: S311 - not a secret
        await self._repositories.schedule.set_next_poll(connection, self._clock.now() + timedelta(seconds=wait))
