"""The work on one connection while its lease is held: its tasks, its poll, and what follows the poll."""

import random
from datetime import date, datetime, timedelta

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Verify
from services.poller.account_reader import VerificationInterruptedError
from services.poller.departures import Departures
from services.poller.lease import LeaseGuard
from services.poller.outbox import Outbox
from services.poller.ports import Publisher, Repositories, Source
from services.poller.resend import Resender
from services.poller.run import Runner
from services.poller.scan_limits import ScanLimits
from services.poller.settings import PollerSettings
from services.poller.tasks import TaskRunner
from services.poller.verification_ports import AccountSource
from services.poller.verify import Verifier
from services.provisioning.goal import REFUSAL_LIFETIME
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics


class ConnectionWork:
    """Carries out what is due for one connection."""

    def __init__(
        self,
        *,
        settings: PollerSettings,
        repositories: Repositories,
        source: Source,
        accounts: AccountSource,
        publisher: Publisher,
        limits: ScanLimits,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """``source`` opens a connection's Personio, ``accounts`` its Declaree. ``limits`` are shared by all connections."""
        self._settings = settings
        self._repositories = repositories
        self._source = source
        self._accounts = accounts
        self._publisher = publisher
        self._limits = limits
        self._clock = clock
        self._metrics = metrics

    async def carry_out(self, connection: ConnectionId, guard: LeaseGuard, *, is_due: bool) -> None:
        """Carries out the open tasks and, if it is due, a poll. ``guard`` is that of the connection's lease.

        Raises ``LeaseLostError``, ``ProducerDeadError`` and ``VerificationInterruptedError``.
        """
        repositories, clock = self._repositories, self._clock
        outbox = Outbox(repositories.snapshots, self._publisher, guard.ensure_held)
        runner = Runner(repositories, self._source, outbox, self._limits, clock, self._metrics)
        resender = Resender(repositories, outbox, self._limits.places)
        await repositories.tasks.reopen_running(connection)
        patience = timedelta(seconds=self._settings.poll_verify_patience_seconds)
        verifier = Verifier(repositories, self._accounts, resender, clock, guard.ensure_held, patience)
        departures = Departures(repositories.snapshots, outbox, clock)
        tasks = TaskRunner(repositories.tasks, runner, resender, verifier, departures, clock)
        await tasks.run_open(connection, with_verifications=False)
        if is_due and await repositories.connections.is_active(connection):
            await self._poll(connection, runner, resender)
        # after the poll: before the first one no employee is known, and every account would be a finding
        try:
            await tasks.run_open(connection)
        except VerificationInterruptedError:
            await repositories.tasks.reopen_running(connection)
            raise

    async def postpone(self, connection: ConnectionId) -> None:
        """Delays the next poll by one interval."""
        await self._set_next_poll(connection, self._clock.now())

    async def _poll(self, connection: ConnectionId, runner: Runner, resender: Resender) -> None:
        schedule = self._repositories.schedule
        started_at = self._clock.now()
        await runner.poll(connection)
        await self._set_next_poll(connection, started_at)
        await resender.resend_retryable(connection)
        today = self._clock.now().date()
        if await schedule.get_rejected_resent_on(connection) != today:
            await resender.resend_rejected(connection)
            await resender.resend_incomplete(connection, self._clock.now() - REFUSAL_LIFETIME)
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

    async def _set_next_poll(self, connection: ConnectionId, started_at: datetime) -> None:
        """Stores the next poll, one interval after the start of this one; after its end, if it took longer than that."""
        # the interval varies a little, so that many connections do not poll in the same second
        wait = timedelta(seconds=self._settings.poll_interval_seconds * random.uniform(0.97, 1.03))  # noqa: S311 - not a secret
        now = self._clock.now()
        at = started_at + wait
        await self._repositories.schedule.set_next_poll(connection, at if at > now else now + wait)
