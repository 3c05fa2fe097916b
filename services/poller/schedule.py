"""When each connection is polled, and by whom: leases let any number of replicas share them."""

import asyncio
import logging
import math
import os
import random
import secrets
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path

from services.contracts.ids import ConnectionId
from services.errors import ConnectorError
from services.poller.outbox import LeaseLostError, Outbox
from services.poller.ports import Publisher, Source
from services.poller.settings import PollerSettings
from services.poller.work import Work
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.process import Background
from services.runtime.producer import ProducerDeadError
from services.store.database import Store
from services.store.leases import Holder, Lease

logger = logging.getLogger(__name__)


BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
FIRST_REST, LONGEST_REST = 2.0, 60.0
"""Seconds for which a connection that cannot be worked on is left alone, so that others get their turn."""


def this_process() -> Holder:
    return Holder(f"{socket.gethostname()}/{_process_numbers()}", os.getpid(), secrets.token_hex(8))


def _process_numbers() -> str:
    """Within what process ids are unique: machines may share a name, and containers of one have a process 1 each."""
    try:
        return f"{BOOT_ID.read_text(encoding='ascii').strip()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def is_dead(mine: Holder) -> Callable[[Holder], bool]:
    """Whether a holder is known to be gone: a process of this host whose id is free, or has become ours."""

    def dead(other: Holder) -> bool:
        if other.host != mine.host:
            return False
        return other.pid == mine.pid or not _exists(other.pid)

    return dead


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Hold:
    """What this process knows of its lease: lost once that was found out, or once it has not been renewed in time.

    By the clock, too: a process that was stopped for long finds out only later, and must do nothing until then.
    """

    def __init__(self, clock: Clock, ends: float) -> None:
        self._clock = clock
        self.ends = ends

    def check(self) -> None:
        if self._clock.monotonic() >= self.ends:
            raise LeaseLostError("the lease on this connection was lost: another replica goes on")


def in_turn(one: Sequence[ConnectionId], other: Sequence[ConnectionId]) -> list[ConnectionId]:
    """Both in their order, from either side by turns, so that neither keeps the other waiting for ever; each once."""
    pairs = zip_longest(one, other)
    return list(dict.fromkeys(connection for pair in pairs for connection in pair if connection is not None))


class Schedule:
    """A part of the process. ``fatal`` ends it when its producer is dead."""

    def __init__(
        self,
        *,
        settings: PollerSettings,
        store: Store,
        source: Source,
        publisher: Publisher,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        holder: Holder,
    ) -> None:
        self._settings = settings
        self._store = store
        self._source = source
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._fatal = fatal
        self._holder = holder
        self._running: dict[ConnectionId, asyncio.Task[None]] = {}
        self._resting: dict[ConnectionId, tuple[float, float]] = {}
        self._background = Background("the schedule", self._loop, fatal)
        self._alive_at = clock.monotonic()

    async def start(self) -> None:
        await self._background.start()

    async def stop(self) -> None:
        await self._background.stop()
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def ready(self) -> str | None:
        silent = self._clock.monotonic() - self._alive_at
        return (
            f"the schedule has not moved for {silent:.0f} s" if silent > self._settings.stalled_after_seconds else None
        )

    async def _loop(self) -> None:
        while True:
            try:
                await self._look()
            except ConnectorError as error:
                logger.warning("the schedule cannot be read now: %s", error)
            self._alive_at = self._clock.monotonic()
            await self._clock.sleep(self._settings.poll_requests_every_seconds)

    async def _look(self) -> None:
        due = await self._store.connections.due(self._clock.now())
        wanted = in_turn(due, sorted(await self._store.requests.connections_with_unfinished()))
        self._running = {connection: task for connection, task in self._running.items() if not task.done()}
        free = self._settings.poll_concurrency - len(self._running)
        for connection in [each for each in wanted if each not in self._running and not self._rests(each)][:free]:
            task = asyncio.create_task(self._hold(connection, due=connection in due), name=f"poll {connection}")
            self._running[connection] = task

    def _rests(self, connection: ConnectionId) -> bool:
        until, _ = self._resting.get(connection, (0.0, 0.0))
        return self._clock.monotonic() < until

    def _rest(self, connection: ConnectionId) -> None:
        """After a failure, and longer after each further one."""
        _, rest = self._resting.get(connection, (0.0, FIRST_REST))
        self._resting[connection] = (self._clock.monotonic() + rest, min(rest * 2, LONGEST_REST))

    async def _hold(self, connection: ConnectionId, *, due: bool) -> None:
        """Works on a connection while its lease is held; without the lease somebody else does."""
        lasts, asked = self._settings.poll_lease_seconds, self._clock.monotonic()
        try:
            lease = await self._store.leases.acquire(
                f"connection/{connection}",
                self._holder,
                now=self._clock.now(),
                seconds=lasts,
                is_dead=is_dead(self._holder),
            )
            if lease is None:
                # another replica has it
                self._resting[connection] = (self._clock.monotonic() + FIRST_REST, FIRST_REST)
                return
            await self._work(connection, lease, Hold(self._clock, asked + lasts), due=due)
            self._resting.pop(connection, None)
        except ProducerDeadError as error:
            self._fatal(str(error))
        except ConnectorError as error:
            logger.warning("work on a connection stopped: %s", describe(error), extra={"connection": connection})
            self._rest(connection)
        except Exception:
            logger.exception(
                "an unexpected error; the connection is polled again later", extra={"connection": connection}
            )
            self._rest(connection)
            await self._postpone(connection)

    async def _postpone(self, connection: ConnectionId) -> None:
        """What fails for a reason that we do not know is not tried again on the next second."""
        try:
            await self._set_next_poll(connection)
        except ConnectorError as error:
            logger.warning("the next poll cannot be set: %s", describe(error), extra={"connection": connection})

    async def _work(self, connection: ConnectionId, lease: Lease, hold: Hold, *, due: bool) -> None:
        renewing = asyncio.create_task(self._renew(lease, hold), name=f"lease {connection}")
        outbox = Outbox(self._store.snapshots, self._publisher, hold.check)
        work = Work(self._store, self._source, self._clock, self._metrics, outbox)
        try:
            await self._store.requests.reopen_running(connection)
            await work.requests(connection)
            if due and await self._store.connections.is_active(connection):
                await self._poll(work, connection)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            await self._store.leases.release(lease)

    async def _poll(self, work: Work, connection: ConnectionId) -> None:
        await work.poll(connection)
        await self._set_next_poll(connection)
        await work.resend_unsettled(connection)
        today = self._clock.now().date()
        if await self._store.connections.rejected_resent_on(connection) != today:
            await work.resend_rejected(connection)
            await self._store.connections.set_rejected_resent_on(connection, today)

    async def _set_next_poll(self, connection: ConnectionId) -> None:
        # staggered by chance, so that many connections do not all ask on the same second
        wait = self._settings.poll_interval_seconds * random.uniform(0.97, 1.03)  # noqa: S311 - not a secret
        await self._store.connections.set_next_poll(connection, self._clock.now() + timedelta(seconds=wait))

    async def _renew(self, lease: Lease, hold: Hold) -> None:
        """Ends when the lease is lost. While MongoDB is away it may still be held, as long as it lasts."""
        lasts = self._settings.poll_lease_seconds
        while True:
            await self._clock.sleep(lasts / 3)
            asked = self._clock.monotonic()
            try:
                if not await self._store.leases.renew(lease, now=self._clock.now(), seconds=lasts):
                    hold.ends = -math.inf
                    return
            except ConnectorError as error:
                logger.warning("a lease cannot be renewed now: %s", error, extra={"lease": lease.name})
            else:
                hold.ends = asked + lasts
