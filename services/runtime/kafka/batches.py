"""Works on one batch at a time: handle, publish, settle. A batch that fails is repeated."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.contracts.cloudevents import Record
from services.contracts.events import Event
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, Incoming
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.results import ResultPublisher
from services.runtime.log import describe
from services.runtime.stopping import run_until

E = TypeVar("E", bound=Event)


class BatchWorker(Generic[E]):
    """Hands the batches of one subscription to a handler, in the order in which they come.

    For work that takes no longer for one company than for another, and needs no server but Kafka and MongoDB.
    """

    def __init__(
        self,
        *,
        handler: Callable[[Batch[E]], Awaitable[Sequence[Record]]],
        results: ResultPublisher,
        failures: Failures,
        clock: Clock,
        fatal: Callable[[str], None],
        handler_batch_records: int,
    ) -> None:
        """``handler`` returns the records to publish before the batch is settled.

        ``handler_batch_records`` is the maximum number of records in one call of ``handler``. Few records are faster for a
        handler that needs one at a time: its events are published from the processor's cache. ``fatal`` ends the process.
        """
        self._handler = handler
        self._results = results
        self._failures = failures
        self._clock = clock
        self._fatal = fatal
        self._handler_batch_records = handler_batch_records
        self._batches: deque[Batch[E]] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._finishing = asyncio.Event()
        self._background = Background("the work on batches", self._work, fatal)

    async def start(self) -> None:
        """Starts to work."""
        await self._background.start()

    async def stop(self) -> None:
        """Cancels the batch in progress: ``finish`` has finished it if there was time."""
        await self._background.stop()

    @property
    def has_room(self) -> bool:
        """Whether another batch is taken: one is prepared while one is in progress."""
        return not self._batches

    def receive(self, batch: Batch[E]) -> None:
        """Takes a batch."""
        self._finishing.clear()
        self._batches.append(batch)
        self._arrived.set()

    async def finish(self) -> None:
        """Forgets the batches that have not begun, and waits for the one in progress."""
        self._batches.clear()
        self._finishing.set()
        await self._idle.wait()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._batches:
                self._idle.clear()
                try:
                    await self._process(self._take())
                finally:
                    self._idle.set()

    def _take(self) -> Batch[E]:
        """Returns the records that have come, as one batch if they belong to one ownership."""
        ownership = self._batches[0].ownership
        records: tuple[Incoming[E], ...] = ()
        while self._batches and self._batches[0].ownership is ownership:
            records += self._batches.popleft().records
        return Batch(records, ownership)

    async def _process(self, batch: Batch[E]) -> None:
        """Repeats a batch until it is settled, or its partitions move."""
        while not batch.ownership.has_moved:
            try:
                await self._handle_and_publish(batch)
            except Exception as error:  # noqa: BLE001 - the class of the error decides
                pause = self._failures.record(error)
                if self._failures.is_hopeless:
                    self._fatal(f"{self._failures.unexpected} unexpected errors in a row (last: {describe(error)})")
                if self._finishing.is_set():
                    return
                await run_until(self._finishing, self._clock.sleep(pause))
            else:
                batch.ownership.settle(batch.records)
                self._failures.record_success()
                return

    async def _handle_and_publish(self, batch: Batch[E]) -> None:
        results: list[Record] = []
        whole = object()  # another one for each attempt: what was read for the last one may be outdated
        for start in range(0, len(batch.records), self._handler_batch_records):
            part = Batch(batch.records[start : start + self._handler_batch_records], batch.ownership, whole)
            results += await self._handler(part)
            await asyncio.sleep(0)  # lets heartbeats and health checks run
        batch.ownership.ensure_owned()
        await self._results.publish(batch.records, results)
