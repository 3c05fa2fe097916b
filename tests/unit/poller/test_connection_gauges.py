"""The metrics of each connection: as many problems and hints as ``status`` has."""

from collections.abc import AsyncIterator, Mapping

import pytest

from services.admin.findings import Level
from services.contracts.ids import ConnectionId
from services.poller.connection_gauges import REFRESH_SECONDS, ConnectionGauges
from services.runtime.metrics import Metrics
from services.store.errors import StoreUnavailableError
from tests.support.builders import CONNECTION, OTHER
from tests.support.fakes import StillClock
from tests.support.waiting import wait_until


class Stage:
    """The gauges over findings that a test sets, on a clock that it moves."""

    def __init__(self) -> None:
        self.found: dict[ConnectionId, Mapping[Level, int]] = {CONNECTION: {Level.PROBLEM: 2, Level.WELL: 5}, OTHER: {}}
        self.is_down = False
        self.metrics = Metrics()
        self.clock = StillClock()
        self.ended: list[str] = []
        self.gauges = ConnectionGauges(self.count, self.metrics, self.clock, self.ended.append)

    async def count(self) -> Mapping[ConnectionId, Mapping[Level, int]]:
        """Returns the findings. Raises ``StoreUnavailableError`` while the store is down."""
        if self.is_down:
            raise StoreUnavailableError("MongoDB does not answer")
        return self.found

    async def refresh(self) -> None:
        """Waits for the next refresh."""
        self.clock.advance(REFRESH_SECONDS)
        await wait_until(lambda: self.clock.sleepers == 1)

    def read(self) -> dict[tuple[str, str], float]:
        """Returns the value of each series, by connection and level."""
        (family,) = self.metrics.findings.collect()
        return {(one.labels["connection"], one.labels["level"]): one.value for one in family.samples}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Gauges that have been read once."""
    stage = Stage()
    await stage.gauges.start()
    await wait_until(lambda: stage.clock.sleepers == 1)
    yield stage
    await stage.gauges.stop()


async def test_each_connection_has_its_problems_and_hints(stage: Stage) -> None:
    """A connection without any has series, too: an alert ends with them."""
    assert stage.read() == {
        (CONNECTION, "problem"): 2,
        (CONNECTION, "hint"): 0,
        (OTHER, "problem"): 0,
        (OTHER, "hint"): 0,
    }


async def test_removed_connection_has_no_series(stage: Stage) -> None:
    """Its alert would never end."""
    del stage.found[CONNECTION]

    await stage.refresh()

    assert {connection for connection, _ in stage.read()} == {OTHER}


async def test_unreachable_store_leaves_no_series(stage: Stage) -> None:
    """Old numbers would be wrong. The loop goes on."""
    stage.is_down = True
    await stage.refresh()
    during = stage.read()

    stage.is_down = False
    await stage.refresh()

    assert during == {}
    assert len(stage.read()) == 4
    assert stage.ended == []
