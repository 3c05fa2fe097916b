"""Two pollers share thousands of connections. One dies without a word, and the other takes over: in virtual time."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.contracts.ids import ConnectionId
from services.contracts.leases import Lease, ProcessIdentity
from services.poller.schedule import Schedule
from services.runtime.metrics import Metrics
from tests.support.builders import make_connection
from tests.support.fake_store import FakeLeases, FakeStore
from tests.support.fakes import FakePersonio, FakePublisher
from tests.support.schedule_stage import SETTINGS
from tests.support.virtual_time import VirtualClock, run_in_virtual_time

COMPANIES = 3_000
"""Number of connections. All are due at the start."""
WORK_SECONDS = 5.0
"""Duration of the work on one connection."""
ROUNDS = 5
"""Rounds of the schedule after the end of a lease, within which the connection is taken over."""
LEASE_SECONDS = SETTINGS.poll_lease_seconds
ROUND_SECONDS = SETTINGS.poll_tasks_every_seconds


class CountedLeases(FakeLeases):
    """The leases, with the number of commands of each kind."""

    def __init__(self) -> None:
        """No lease is held."""
        super().__init__()
        self.commands: Counter[str] = Counter()

    async def acquire(self, name: str, owner: ProcessIdentity, **options: Any) -> Lease | None:
        """Counts and acquires."""
        self.commands["acquire"] += 1
        return await super().acquire(name, owner, **options)

    async def find_held(self, names: Any) -> tuple[Lease, ...]:
        """Counts and finds."""
        self.commands["find_held"] += 1
        return await super().find_held(names)


@dataclass
class Replica:
    """A poller, of which the work on a connection only takes time."""

    name: str
    store: FakeStore
    clock: VirtualClock
    started: dict[ConnectionId, float] = field(default_factory=dict)
    """When the work on each connection began."""
    finished: set[ConnectionId] = field(default_factory=set)
    """The connections with finished work."""

    def __post_init__(self) -> None:
        """Builds the schedule."""
        self.schedule = Schedule(
            settings=SETTINGS,
            repositories=cast("Any", self.store),
            source=FakePersonio().source,
            accounts=cast("Any", None),
            publisher=FakePublisher(),
            clock=self.clock,
            metrics=Metrics(),
            fatal=pytest.fail,
            owner=ProcessIdentity(self.name, 1, self.name),
        )
        work = SimpleNamespace(carry_out=self.carry_out)
        self.schedule._build_work = cast("Any", lambda **_: work)

    async def carry_out(self, connection: ConnectionId, guard: Any, **_: Any) -> None:
        """Works on a connection."""
        self.started[connection] = self.clock.monotonic()
        await self.clock.sleep(WORK_SECONDS)
        guard.ensure_held()
        await self.store.schedule.set_next_poll(connection, self.clock.now() + timedelta(seconds=900))
        self.finished.add(connection)

    async def die(self) -> set[ConnectionId]:
        """Ends the process without giving back its leases. Returns the connections in work."""
        held = dict(self.store.leases.content)
        await self.schedule.stop()
        self.store.leases.content = held
        return self.started.keys() - self.finished


def make_store(clock: VirtualClock) -> tuple[FakeStore, CountedLeases]:
    """Returns a store with many connections."""
    store, leases = FakeStore(), CountedLeases()
    leases.now = clock.now
    store.leases = leases
    for number in range(COMPANIES):
        connection = ConnectionId(f"c{number:04}")
        store.connections.content[connection] = make_connection(connection)
        store.schedule.next_polls[connection] = clock.now() - timedelta(seconds=COMPANIES - number)
    return store, leases


@pytest.mark.promise("P1")
def test_connections_of_a_dead_poller_are_taken_over() -> None:
    """Each connection is worked on once, and those of the dead poller as soon as their leases have ended."""

    async def work() -> None:
        clock = VirtualClock()
        store, leases = make_store(clock)
        dying, other = Replica("dying", store, clock), Replica("other", store, clock)
        await dying.schedule.start()
        await other.schedule.start()
        await asyncio.sleep(3.5 * WORK_SECONDS)
        both = (len(dying.finished), len(other.finished))
        orphans = await dying.die()
        died_at = clock.monotonic()
        await asyncio.sleep(LEASE_SECONDS + ROUNDS * ROUND_SECONDS + WORK_SECONDS)
        taken_over_at = max(other.started.get(connection, float("inf")) for connection in orphans)
        await asyncio.sleep(COMPANIES / SETTINGS.poll_open_connections * (WORK_SECONDS + ROUND_SECONDS))
        await other.schedule.stop()
        rounds = 2 * clock.monotonic() / ROUND_SECONDS

        assert min(both) > COMPANIES / 10, "both take part"
        assert len(orphans) > SETTINGS.poll_open_connections / 2
        assert taken_over_at - died_at <= LEASE_SECONDS + ROUNDS * ROUND_SECONDS
        assert dying.finished | other.finished == store.connections.content.keys()
        assert not dying.finished & other.finished
        assert leases.commands["find_held"] <= rounds
        assert leases.commands["acquire"] <= 1.25 * COMPANIES, "few attempts meet a lease of the other poller"

    run_in_virtual_time(work)
