"""The changes that a run has seen, until they are released together or held.

Up to ``MAX_IN_MEMORY`` changes of usual size stay in memory. A crash drops them, and the next run sees them again. More are stored, so that
the memory does not depend on the size of a company.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.contracts.cloudevents import SendReason
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.observations import Observation
from services.mapping.observe import trim
from services.poller.guard import Census
from services.poller.observation_ports import Observations
from services.poller.outbox import Outbox
from services.poller.snapshot_ports import Snapshots
from services.runtime.clock import Clock

MAX_IN_MEMORY = 500
"""Number of observations of one run that stay in memory. With more, all of them are stored."""
MAX_CHARACTERS = 131_072
"""Length of their attributes as JSON from which on all of them are stored. Hundreds of connections may be polled at once."""
PAGE = 200
"""Maximum number of observations that are released or stored together."""


@dataclass(frozen=True, slots=True)
class Released:
    """What became of released observations."""

    emitted: int = 0
    """Number of events that Kafka has acknowledged."""
    oversized: int = 0
    """Number of events that are too large for Kafka."""
    lost_created: int = 0
    """Number of new employees that were not stored, because they have a snapshot by now."""
    lost_changed: int = 0
    """Number of changes that were not stored, because the snapshot has another revision by now, or cannot be read."""

    def __add__(self, other: "Released") -> "Released":
        return Released(
            self.emitted + other.emitted,
            self.oversized + other.oversized,
            self.lost_created + other.lost_created,
            self.lost_changed + other.lost_changed,
        )


class Releaser:
    """Turns observations of one connection into snapshots and events, while its lease is held. Repeating it is safe."""

    def __init__(
        self,
        connection: ConnectionId,
        snapshots: Snapshots,
        outbox: Outbox,
        clock: Clock,
        places: asyncio.Semaphore,
    ) -> None:
        """``outbox`` publishes the changes, and raises ``LeaseLostError`` once the lease is lost. ``places`` are shared with other
        companies.
        """
        self._places = places
        self._connection = connection
        self._snapshots = snapshots
        self._outbox = outbox
        self._clock = clock

    async def emit_pending(self) -> None:
        """Publishes the changes that are stored and not known to be published."""
        await self._outbox.emit_pending(self._connection, self._places)

    async def release_in_turn(self, observations: Sequence[Observation]) -> Released:
        """Releases changes in one of the places, so that other companies take turns with a long list."""
        async with self._places:
            return await self.release(observations)

    async def release(self, observations: Sequence[Observation]) -> Released:
        """Stores and publishes changes, and marks absent employees. Returns the counts.

        Each change is stored only over the snapshot that it replaces. Otherwise a process that was suspended past its lease,
        or a late decision, would overwrite newer changes. Raises ``LeaseLostError``.
        """
        absent = [observation.employee_id for observation in observations if observation.snapshot is None]
        unknown = [observation.employee_id for observation in observations if observation.is_unknown]
        returned = await self._find_returned(observations)
        changes = [
            (seen.snapshot, seen.replaces)
            for seen in observations
            if seen.snapshot is not None and seen.employee_id not in returned
        ]
        self._outbox.ensure_lease()
        if absent:
            await self._snapshots.mark_absent(self._connection, absent, self._clock.now())
        if unknown:
            await self._snapshots.mark_unknown(self._connection, unknown, self._clock.now())
        lost = await self._snapshots.save(changes) if changes else frozenset[EmployeeId]()
        saved = [snapshot for snapshot, _ in changes if snapshot.employee_id not in lost]
        emitted, oversized = await self._outbox.emit(self._connection, saved, SendReason.DETECTED)
        lost_kinds = [snapshot.kind for snapshot, _ in changes if snapshot.employee_id in lost]
        created = lost_kinds.count(ChangeKind.CREATED)
        return Released(emitted, oversized, created, len(lost_kinds) - created + len(returned))

    async def _find_returned(self, observations: Sequence[Observation]) -> set[EmployeeId]:
        """Returns the employees that were deleted when they were observed, and that a scan has listed since.

        A run may be held for long, and later runs that are incomplete do not replace it.
        """
        removed = [
            seen.employee_id for seen in observations if seen.snapshot and seen.snapshot.kind is ChangeKind.REMOVED
        ]
        stored = await self._snapshots.read(self._connection, removed) if removed else {}
        return {employee for employee, snapshot in stored.items() if snapshot.absent_since is None}


class Changes(Protocol):
    """Takes the changes of one run."""

    @property
    def census(self) -> Census:
        """The numbers of all changes so far."""
        ...

    async def add(self, observations: Sequence[Observation]) -> Released:
        """Takes changes. Returns what was released of them at once."""
        ...


class Staging:
    """Keeps the changes of one run until its end."""

    def __init__(self, run: str, observations: Observations, releaser: Releaser, outbox: Outbox, clock: Clock) -> None:
        """``outbox`` tells whether this process still owns the lease."""
        self.census = Census()
        """The numbers of all changes so far."""
        self._run = run
        self._observations = observations
        self._releaser = releaser
        self._outbox = outbox
        self._clock = clock
        self._waiting: list[Observation] = []
        self._characters = 0
        self._is_stored = False

    async def add(self, observations: Sequence[Observation]) -> Released:
        """Takes changes. Releases none of them."""
        self.census.add(observations)
        self._waiting += observations
        self._characters += sum(len(seen.snapshot.attributes_json) for seen in observations if seen.snapshot)
        if len(self._waiting) > MAX_IN_MEMORY or self._characters > MAX_CHARACTERS:
            await self.keep()
        return Released()

    async def keep(self) -> None:
        """Stores the changes that are in memory, and frees their memory. Raises ``LeaseLostError``."""
        for start in range(0, len(self._waiting), PAGE):
            self._outbox.ensure_lease()
            await self._observations.save(self._waiting[start : start + PAGE], now=self._clock.now())
            self._is_stored = True
        self._waiting.clear()
        self._characters = 0

    async def release(self) -> Released:
        """Releases all changes, and removes the stored ones. Returns the counts. Raises ``LeaseLostError``."""
        released = Released()
        if self._is_stored:
            released += await release_stored(self._run, self._observations, self._releaser)
        while self._waiting:
            released += await self._releaser.release_in_turn(self._waiting[:PAGE])
            del self._waiting[:PAGE]
        if self._is_stored:
            await self._observations.drop(self._run)
        return released


class FirstImport(Staging):
    """Releases new employees page by page, and keeps every other change until the end of the run."""

    async def add(self, observations: Sequence[Observation]) -> Released:
        """Takes changes. Releases the new employees, which the census does not count: all are new."""
        new = [seen for seen in observations if is_new(seen)]
        await super().add([seen for seen in observations if not is_new(seen)])
        return await self._releaser.release(new) if new else Released()


class DryRun:
    """Counts changes, and releases none."""

    def __init__(self, *, is_imported: bool) -> None:
        """Before the first complete scan, new employees do not count."""
        self.census = Census()
        """The numbers of all changes so far."""
        self._is_imported = is_imported

    async def add(self, observations: Sequence[Observation]) -> Released:
        """Counts changes."""
        self.census.add(seen for seen in observations if self._is_imported or not is_new(seen))
        return Released()


def is_new(observation: Observation) -> bool:
    """Returns whether the employee has no snapshot yet."""
    return observation.snapshot is not None and observation.replaces is None


async def release_stored(
    run: str, observations: Observations, releaser: Releaser, stored: frozenset[str] | None = None
) -> Released:
    """Releases the stored observations of a run. Returns the counts. After an interruption it can be repeated.

    ``stored`` are the attributes that snapshots may contain by now; None leaves all.
    """
    released = Released()
    pages: AsyncIterator[tuple[Observation, ...]] = observations.stream(run)
    async for page in pages:
        released += await releaser.release_in_turn(page if stored is None else [_reduce(seen, stored) for seen in page])
    return released


def _reduce(observation: Observation, stored: frozenset[str]) -> Observation:
    """Returns the observation without attributes that were unwanted or hidden since then."""
    reduced = None if observation.snapshot is None else trim(observation.snapshot, stored)
    return observation if reduced is None else observation.model_copy(update={"snapshot": reduced})
