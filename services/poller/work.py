"""The work on one connection while its lease is held: its tasks, its poll, and what follows the poll."""

import random
from datetime import date, datetime, timedelta

from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.tasks import Verify
from services.poller.account_reader import VerificationInterruptedError
from services.poller.cursor import Cursor
from services.poller.decisions import Decider
from services.poller.departures import Departures
from services.poller.expiry import Expirer
from services.poller.lease import LeaseGuard
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan, Publisher, Source
from services.poller.repositories import Repositories
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
        for state in (RunState.SUCCEEDED, RunState.INCOMPLETE, RunState.FAILED, RunState.HELD):
            metrics.runs.labels(state.value)  # an alert sees the first failed run only if the number was 0 before

    async def carry_out(self, connection: ConnectionId, guard: LeaseGuard, *, is_due: bool) -> None:
        """Carries out the open tasks and, if it is due, a poll. ``guard`` is that of the connection's lease.

        Raises ``LeaseLostError``, ``ProducerDeadError`` and ``VerificationInterruptedError``.
        """
        repositories, clock = self._repositories, self._clock
        outbox = Outbox(repositories.snapshots, self._publisher, guard.ensure_held)
        runner = Runner(
            repositories,
            self._source,
            outbox,
            self._limits,
            Cursor(
                overlap=timedelta(seconds=self._settings.poll_overlap_seconds),
                full_scan_every=timedelta(seconds=self._settings.poll_full_scan_seconds),
                morning=timedelta(hours=self._settings.poll_full_scan_hour),
            ),
            clock,
            self._metrics,
            departure_seconds=self._settings.poll_departure_seconds,
        )
        resender = Resender(repositories, outbox, self._limits.places)
        plan = await repositories.polls.plan(connection)
        patience = timedelta(seconds=self._settings.poll_verify_patience_seconds)
        verifier = Verifier(repositories, self._accounts, resender, clock, guard.ensure_held, patience)
        departures = Departures(repositories.snapshots, outbox, clock)
        decider = Decider(repositories.polls, repositories.runs, repositories.observations, runner.build_releaser)
        tasks = TaskRunner(repositories.tasks, runner, resender, verifier, departures, decider, clock)
        has_tasks = plan.needs_any("open_task", "running_task")
        if has_tasks:
            await repositories.tasks.reopen_running(connection)
            await tasks.run_open(connection, with_verifications=False)
            plan = await repositories.polls.plan(connection)
        if is_due and plan.is_active:
            expirer = Expirer(repositories.expiry, clock, guard.ensure_held, self._settings.poll_leaver_days)
            has_tasks = await self._poll(plan, runner, resender, expirer) or has_tasks
        if not has_tasks:  # a task that was filed since then is found by the schedule
            return
        # after the poll: before the first one no employee is known, and every account would be a finding
        try:
            await tasks.run_open(connection)
        except VerificationInterruptedError:
            await repositories.tasks.reopen_running(connection)
            raise

    async def postpone(self, connection: ConnectionId) -> None:
        """Delays the next poll by one interval."""
        await self._set_next_poll(connection, self._clock.now())

    async def _poll(self, plan: PollPlan, runner: Runner, resender: Resender, expirer: Expirer) -> bool:
        """Polls, and follows up. Returns whether a task was filed."""
        connection, started_at = plan.connection_id, self._clock.now()
        await runner.poll(connection, plan=plan, is_full=False)
        await self._set_next_poll(connection, started_at)
        await resender.resend_unblocked(plan)
        today = self._clock.now().date()
        if plan.rejected_resent_on != today:
            await resender.resend_rejected(connection)
            await resender.resend_incomplete(connection, self._clock.now() - REFUSAL_LIFETIME)
            await self._repositories.marks.repair_all(connection)
            await expirer.expire(connection)
            await self._repositories.schedule.set_rejected_resent_on(connection, today)
        elif plan.needs_any("unsettled"):
            await self._repositories.marks.repair_unsettled(connection)
        if self._settings.poll_verify and plan.verified_on != today:
            return await self._file_verification(plan, today)
        return False

    async def _file_verification(self, plan: PollPlan, today: date) -> bool:
        """Files a verification once a day, from the day after the first import on, unless an earlier one is unfinished."""
        tasks, connection = self._repositories.tasks, plan.connection_id
        is_open = any(isinstance(task.action, Verify) for task in await tasks.list_open(connection))
        is_wanted = plan.verified_on is not None and not is_open
        if is_wanted:
            action = Verify(repair=self._settings.poll_verify_repair)
            await tasks.file(connection, action, now=self._clock.now())
        await self._repositories.schedule.set_verified_on(connection, today)
        return is_wanted

    async def _set_next_poll(self, connection: ConnectionId, started_at: datetime) -> None:
        """Stores the next poll, one interval after the start of this one; after its end, if it took longer than that."""
        # the interval varies a little, so that many connections do not poll in the same second
        wait = timedelta(seconds=self._settings.poll_interval_seconds * random.uniform(0.97, 1.03))  # noqa: S311 - not a secret
        now = self._clock.now()
        at = started_at + wait
        await self._repositories.schedule.set_next_poll(connection, at if at > now else now + wait)
