"""One lane for each connection: a bounded queue of records, and the batches that are in progress.

No connection waits for another one. What does not fit into a lane waits in the ledger, and is resent when there is room.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.outcomes import WaitingCause
from services.provisioning.waiting import build_waiting
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.ownership import Ownership
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.stopping import run_until
from services.writer.backlog import Backlog
from services.writer.handler import Writer
from services.writer.lane import Lane, count_fitting, weigh
from services.writer.people import Request
from services.writer.ports import Ledger, WorkRanges
from services.writer.takeover import Takeover

logger = logging.getLogger(__name__)

MAX_ARRIVED = 1_000
"""Number of records that have arrived and are not in a lane yet. Only MongoDB can keep them from it."""
MIN_ROOM = 20
"""Number of records that each lane may hold, however many lanes there are."""


class Lanes:
    """The lanes of all connections. Receives the records of the partitions, and settles each with its ownership."""

    def __init__(
        self,
        *,
        writer: Writer,
        ledger: Ledger,
        work_ranges: WorkRanges,
        results: ResultPublisher,
        make_failures: Callable[[], Failures],
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        lane_records: int,
        all_records: int,
        batch_records: int,
    ) -> None:
        """``lane_records`` and ``all_records`` limit the records of one lane and of all lanes. ``batch_records`` limits a
        batch. ``make_failures`` counts the failures of one strand of work.
        """
        self._writer = writer
        self._ledger = ledger
        self._work_ranges = work_ranges
        self._results = results
        self._make_failures = make_failures
        self._clock = clock
        self._metrics = metrics
        self._lane_records = lane_records
        self._all_records = all_records
        self._batch_records = batch_records
        self._lanes: dict[ConnectionId, Lane] = {}
        self._takeover: tuple[Ownership | None, Takeover] = (None, Takeover())
        self._arrived: list[Batch[AccountRequested]] = []
        self._has_arrived = asyncio.Event()
        self._finishing = asyncio.Event()
        self._distribution = asyncio.Lock()
        self._batches: set[asyncio.Task[None]] = set()
        self.backlog = Backlog(clock)
        """The connections with employees that wait until there is room."""
        self._background = Background("the distribution to the connections", self._distribute_all, fatal)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Starts to distribute records."""
        await self._background.start()

    async def stop(self) -> None:
        """Cancels the work in progress: ``finish`` has finished it if there was time."""
        await self._background.stop()
        for task in self._batches:
            task.cancel()
        if self._batches:
            await asyncio.wait(self._batches)

    @property
    def has_room(self) -> bool:
        """Whether more records are taken from the partitions."""
        return sum(weigh(batch.records) for batch in self._arrived) < MAX_ARRIVED

    def receive(self, batch: Batch[AccountRequested]) -> None:
        """Takes records."""
        self._finishing.clear()
        self._arrived.append(batch)
        self._has_arrived.set()

    async def finish(self) -> None:
        """Finishes the people in progress, and forgets all records that have not begun."""
        self._finishing.set()
        self._arrived.clear()
        for lane in self._lanes.values():
            lane.clear()
        async with self._distribution:
            pass
        while self._batches:
            await asyncio.wait(self._batches)
        self._lanes.clear()

    # ------------------------------------------------------------ distribution

    async def _distribute_all(self) -> None:
        failures = self._make_failures()
        while True:
            await self._has_arrived.wait()
            self._has_arrived.clear()
            while self._arrived:
                batch = self._arrived[0]
                try:
                    async with self._distribution:
                        await self._distribute(batch)
                except Exception as error:  # noqa: BLE001 - the class of the error decides
                    await run_until(self._finishing, self._clock.sleep(failures.record(error)))
                else:
                    failures.record_success()
                    if self._arrived and self._arrived[0] is batch:
                        del self._arrived[0]

    async def _distribute(self, batch: Batch[AccountRequested]) -> None:
        """Notes records as in progress, and puts them into their lanes, or notes that they wait."""
        if batch.ownership.has_moved:
            return
        takeover = self._get_takeover(batch.ownership)
        await takeover.begin(self._work_ranges, batch.records, batch.ownership.get_positions())
        by_connection: dict[ConnectionId, list[Request]] = defaultdict(list)
        for record in batch.records:
            by_connection[record.event.connection_id].append(record)
            self.backlog.note_arrival(record.event.person)
        surplus: list[Request] = []
        for connection, records in by_connection.items():
            fitting = count_fitting(records, self.find_room(connection))
            if not fitting and not self._find_size(connection):
                fitting = 1  # a record may be larger than the room of a lane
            if fitting < len(records):
                surplus += records[fitting:]
                by_connection[connection] = records[:fitting]
                self.backlog.note_surplus(connection)
        if surplus:
            await self._let_wait(surplus, WaitingCause.BACKLOG)
            batch.ownership.settle(surplus)
        if self._finishing.is_set():
            return
        for connection, records in by_connection.items():
            if records:
                self._get_lane(connection, batch.ownership, takeover).add(records)
                self._start_batches(connection)

    def _get_takeover(self, ownership: Ownership) -> Takeover:
        if self._takeover[0] is not ownership:
            self._takeover = (ownership, Takeover())
        return self._takeover[1]

    def _get_lane(self, connection: ConnectionId, ownership: Ownership, takeover: Takeover) -> Lane:
        lane = self._lanes.get(connection)
        if lane is None or lane.ownership is not ownership:
            lane = self._lanes[connection] = Lane(ownership, takeover, self._batch_records)
        return lane

    def find_room(self, connection: ConnectionId) -> int:
        """Returns how many further records of usual size the lane of a connection takes."""
        return max(0, self._find_share() - self._find_size(connection))

    def find_room_for_waiting(self, connection: ConnectionId) -> int:
        """Returns how many waiting employees of a connection may be resent now. Half of a lane is kept for new changes."""
        expected = self.backlog.count_expected(connection)
        return max(0, self._find_share() // 2 - self._find_size(connection) - expected)

    def _find_share(self) -> int:
        return max(MIN_ROOM, min(self._lane_records, self._all_records // max(1, len(self._lanes))))

    def _find_size(self, connection: ConnectionId) -> int:
        lane = self._lanes.get(connection)
        return lane.size if lane is not None else 0

    async def _let_wait(self, records: Sequence[Request], cause: WaitingCause) -> None:
        """Notes in the ledger that the newest of these changes of each employee waits."""
        newest: dict[PersonKey, AccountRequested] = {}
        for record in records:
            known = newest.get(record.event.person)
            if known is None or known.version <= record.event.version:
                newest[record.event.person] = record.event
        now = self._clock.now()
        await self._ledger.note_waiting({person: build_waiting(event, cause, now) for person, event in newest.items()})
        self._metrics.waiting.labels(cause.value).inc(len(newest))

    # ------------------------------------------------------------ batches

    def _start_batches(self, connection: ConnectionId) -> None:
        lane = self._lanes.get(connection)
        while lane is not None and (records := lane.take()):
            task = asyncio.create_task(self._run_batch(connection, lane, records), name=f"batch {connection}")
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _run_batch(self, connection: ConnectionId, lane: Lane, records: Sequence[Request]) -> None:
        """Repeats a batch until each record is settled, or the partitions move. Then begins what waits behind it."""
        try:
            await self._settle(connection, lane, records)
        finally:
            lane.put_back(records)
            if not lane.size and self._lanes.get(connection) is lane:
                del self._lanes[connection]
            if self._find_size(connection) < self._find_share() // 4:
                self.backlog.note_room(connection)
        self._start_batches(connection)

    async def _settle(self, connection: ConnectionId, lane: Lane, records: Sequence[Request]) -> None:
        failures, ownership = self._make_failures(), lane.ownership
        while not ownership.has_moved:
            try:
                results = await self._writer.handle(Batch(tuple(records), ownership), lane.takeover)
                ownership.ensure_owned()
                await self._results.publish(records, results.records)
            except Exception as error:  # noqa: BLE001 - the class of the error decides
                lane.takeover.note_repeated(records)
                pause = failures.record(error, connection=connection)
                if failures.is_hopeless and await self._give_up(records, ownership):
                    return
                if self._finishing.is_set():
                    return
                await run_until(self._finishing, self._clock.sleep(pause))
            else:
                ownership.settle(record for record in records if record.event.person not in results.skipped)
                failures.record_success()
                return

    async def _give_up(self, records: Sequence[Request], ownership: Ownership) -> bool:
        """Lets the people of a batch wait that fails for an unexpected reason: the batches behind it may work."""
        try:
            await self._let_wait(records, WaitingCause.UNEXPECTED)
        except Exception:
            logger.exception("a batch that fails cannot be noted as waiting; it is repeated")
            return False
        ownership.settle(records)
        return True
