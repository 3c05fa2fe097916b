"""The metrics of stored work, which nothing but the clock asks for."""

import math
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.contracts.connections import ConnectionState
from services.contracts.events import Version
from services.contracts.ids import ConnectionId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.poller.gauges import REFRESH_SECONDS, Gauges
from services.runtime.metrics import Metrics
from services.store.errors import StoreUnavailableError
from tests.support.builders import CONNECTION, NOW, OTHER, make_connection, make_entry, make_snapshot
from tests.support.fake_store import FakeStore
from tests.support.fakes import StillClock
from tests.support.waiting import wait_until

WAITING = Waiting(cause=WaitingCause.RATE_LIMITED, since=NOW, version=Version(1_000, 3))


class Stage:
    """The gauges over a fake store, on a clock that a test moves."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.metrics = Metrics()
        self.clock = StillClock()
        self.ended: list[str] = []
        self.gauges = Gauges(
            self.store.counters, self.store.schedule, self.metrics, self.clock, timedelta(seconds=90), self.ended.append
        )

    async def start(self) -> None:
        """Starts the gauges and waits until they have been read once."""
        await self.gauges.start()
        await wait_until(lambda: self.clock.sleepers == 1)

    def read(self, name: str, **labels: str) -> float:
        """Returns the value of a metric; NaN if it has none."""
        value = self.metrics.registry.get_sample_value(name, labels)
        return math.nan if value is None else value


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Gauges that are not started."""
    stage = Stage()
    yield stage
    await stage.gauges.stop()


async def add_work(store: FakeStore) -> None:
    """Stores two unsettled employees of two connections, one of them waits."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2", connection_id=OTHER), None)])
    await store.ledger.write([make_entry("1", waiting=WAITING)])


async def test_gauges_show_the_sum_of_all_connections(stage: Stage) -> None:
    """No label names a connection, so that the number of series does not depend on that of the companies."""
    await add_work(stage.store)

    await stage.gauges.refresh()

    assert stage.read("sync_balance_people") == 2
    assert stage.read("sync_waiting_people", cause="rate-limited") == 1
    assert stage.read("sync_waiting_people", cause="key-refused") == 0


async def test_gauges_fall_without_a_request(stage: Stage) -> None:
    """A cause that has ended is 0 after the next refresh."""
    await add_work(stage.store)
    await stage.start()
    before = stage.read("sync_waiting_people", cause="rate-limited")

    await stage.store.ledger.write([make_entry("1", 2)])
    stage.clock.advance(REFRESH_SECONDS)
    await wait_until(lambda: stage.clock.sleepers == 1)

    assert before == 1
    assert stage.read("sync_waiting_people", cause="rate-limited") == 0


async def test_late_poll_is_overdue_after_the_tolerance(stage: Stage) -> None:
    """A poll that has just become due is not late."""
    for name, seconds in ((CONNECTION, 89), (OTHER, 91)):
        connection = make_connection(name).model_copy(update={"state": ConnectionState.ACTIVE})
        stage.store.connections.content[ConnectionId(name)] = connection
        await stage.store.schedule.set_next_poll(name, stage.clock.now() - timedelta(seconds=seconds))

    await stage.gauges.refresh()

    assert stage.read("sync_overdue_polls") == 1


async def test_numbers_are_unknown_while_the_database_does_not_answer(stage: Stage) -> None:
    """An old number would hide the outage. The loop goes on."""

    async def fail() -> int:
        raise StoreUnavailableError("MongoDB does not answer")

    await stage.gauges.refresh()
    stage.store.counters.count_all_behind = fail  # type: ignore[method-assign]

    await stage.start()

    assert math.isnan(stage.read("sync_balance_people"))
    assert math.isnan(stage.read("sync_waiting_people", cause="rate-limited"))
    assert stage.ended == []


def test_numbers_are_unknown_before_the_first_refresh(stage: Stage) -> None:
    """The mapper and the writer never read them: 0 would be wrong there."""
    assert math.isnan(stage.read("sync_balance_people"))
    assert math.isnan(stage.read("sync_overdue_polls"))
