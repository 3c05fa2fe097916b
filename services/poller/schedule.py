"""When each connection is polled, and by whom: leases let any number of replicas share them."""

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Callable
from datetime import timedelta

from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.errors import ConnectorError, TransientError
from services.poller.outbox import Outbox
from services.poller.ports import Publisher, Source
from services.poller.settings import PollerSettings
from services.poller.work import Work
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.producer import ProducerDeadError
from services.store.database import Store
from services.store.leases import Holder, Lease

logger = logging.getLogger(__name__)


class LeaseLostError(TransientError):
    """Another replica polls this connection now: nothing more is sent here."""


def this_process() -> Holder:
    return Holder(socket.gethostname(), os.getpid(), secrets.token_hex(8))


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
        self._task: asyncio.Task[None] | None = None
        self._alive_at = clock.monotonic()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._loop(), name="schedule")

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._running.values()) if task is not None]
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
        wanted = [*due, *(await self._store.requests.connections_with_unfinished()).difference(due)]
        self._running = {connection: task for connection, task in self._running.items() if not task.done()}
        for connection in wanted:
            if connection not in self._running and len(self._running) < self._settings.poll_concurrency:
                task = asyncio.create_task(self._hold(connection, due=connection in due), name=f"poll {connection}")
                self._running[connection] = task

    async def _hold(self, connection: ConnectionId, *, due: bool) -> None:
        """Works on a connection while its lease is held; without the lease somebody else does."""
        try:
            lease = await self._store.leases.acquire(
                f"connection/{connection}",
                self._holder,
                now=self._clock.now(),
                seconds=self._settings.poll_lease_seconds,
                is_dead=is_dead(self._holder),
            )
            if lease is not None:
                await self._work(connection, lease, due=due)
        except ProducerDeadError as error:
            self._fatal(str(error))
        except ConnectorError as error:
            logger.warning("work on a connection stopped: %s", describe(error), extra={"connection": connection})
        except Exception:
            logger.exception(
                "an unexpected error; the connection is polled again later", extra={"connection": connection}
            )
            await self._postpone(connection)

    async def _postpone(self, connection: ConnectionId) -> None:
        """What fails for a reason that we do not know is not tried again on the next second."""
        try:
            await self._set_next_poll(connection)
        except ConnectorError as error:
            logger.warning("the next poll cannot be set: %s", describe(error), extra={"connection": connection})

    async def _work(self, connection: ConnectionId, lease: Lease, *, due: bool) -> None:
        renewing = asyncio.create_task(self._renew(lease), name=f"lease {connection}")

        def held() -> None:
            if renewing.done():
                raise LeaseLostError("the lease on this connection was lost: another replica goes on")

        outbox = Outbox(self._store.snapshots, self._publisher, held)
        work = Work(self._store, self._source, self._clock, self._metrics, outbox)
        try:
            await self._store.requests.reopen_running(connection)
            await work.requests(connection)
            if due and await self._is_active(connection):
                await self._poll(work, connection)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            await self._store.leases.release(lease)

    async def _is_active(self, connection: ConnectionId) -> bool:
        found = await self._store.connections.find(connection)
        return found is not None and found.state is ConnectionState.ACTIVE

    async def _poll(self, work: Work, connection: ConnectionId) -> None:
        last = await self._store.runs.last_finished(connection)
        await work.poll(connection)
        await work.resend_unsettled(connection)
        if last is None or last.started_at.date() != self._clock.now().date():
            await work.resend_rejected(connection)
        await self._set_next_poll(connection)

    async def _set_next_poll(self, connection: ConnectionId) -> None:
        # staggered by chance, so that many connections do not all ask on the same second
        wait = self._settings.poll_interval_seconds * random.uniform(0.97, 1.03)  # noqa: S311 - not a secret
        await self._store.connections.set_next_poll(connection, self._clock.now() + timedelta(seconds=wait))

    async def _renew(self, lease: Lease) -> None:
        """Ends when the lease is lost, or can no longer be known to be held."""
        lasts = self._settings.poll_lease_seconds
        ends = self._clock.monotonic() + lasts
        while True:
            await self._clock.sleep(lasts / 3)
            asked = self._clock.monotonic()
            try:
                if not await self._store.leases.renew(lease, now=self._clock.now(), seconds=lasts):
                    return
            except TransientError:
                if self._clock.monotonic() >= ends:
                    return
            else:
                ends = asked + lasts
