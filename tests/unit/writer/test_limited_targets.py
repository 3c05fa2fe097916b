"""First imports into servers with limits, in virtual time: what they allow is used, and no change waits or is sent twice."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from sandbox.declaree.behaviour import Behaviour
from services.contracts.outcomes import Outcome
from services.store.database import Store
from tests.support.builders import CONNECTION, OTHER, make_request
from tests.support.fake_store import FakeStore
from tests.support.virtual_time import VirtualClock, run_in_virtual_time
from tests.support.writer_stage import WriterStage

CHANGE_SECONDS = 20.0
"""Seconds that a change may take, as in the default settings. The imports take longer."""
USED_SHARE = 0.95
"""Share of the requests that a server allows that the writer must use."""


@dataclass
class Import:
    """A first import."""

    seconds: float
    """How long it took."""
    accepted: int
    """Number of requests that the server accepted."""
    refused: int
    """Number of requests that the server refused as rate-limited."""
    created: int
    """Number of employees with an account at the end."""
    waiting: int
    """Number of employees that waited for some cause. Each would need another ``EmployeeChanged``."""
    filed: int
    """Number of resends that were filed."""
    is_usable: bool
    """Whether the circuit breaker is closed at the end."""

    def check_none_waited(self, employees: int) -> None:
        """Checks that each employee needed one ``EmployeeChanged``, and that no breaker was opened."""
        assert self.created == employees
        assert self.waiting == 0
        assert self.filed == 0
        assert self.is_usable


def run_stage(behaviour: dict[str, Any], work: Callable[[WriterStage], Awaitable[Any]]) -> Any:
    """Runs ``work`` with a writer and a server of this behaviour, in virtual time."""

    async def main() -> Any:
        stage = WriterStage(cast("Store", FakeStore()), Behaviour.model_validate(behaviour), VirtualClock())
        stage.restart(settle_seconds=CHANGE_SECONDS)
        try:
            return await work(stage)
        finally:
            await stage.close()

    return run_in_virtual_time(main)


def import_people(number: int, **behaviour: Any) -> Import:
    """Imports this number of employees into a server with this behaviour."""

    async def work(stage: WriterStage) -> Import:
        outcomes = await stage.handle(*(make_request(str(employee)) for employee in range(number)))
        seconds = stage.clock.monotonic()
        statuses = [entry.status for entry in stage.declaree.journal.read_since(0, 10_000)]
        return Import(
            seconds=seconds,
            accepted=len(statuses) - statuses.count(429),
            refused=statuses.count(429),
            created=sum(outcome.outcome is Outcome.CREATED for outcome in outcomes),
            waiting=(await stage.store.counters.read_one(CONNECTION)).waiting,
            filed=len(stage.tasks.filed),
            is_usable=(await stage.get_endpoints())[CONNECTION].is_usable,
        )

    result: Import = run_stage({"latency_seconds": 0.05, **behaviour}, work)
    return result


@pytest.mark.parametrize(
    "behaviour",
    [
        {"retry_after_as": "seconds"},
        {"retry_after_as": "none"},
        {"retry_after_as": "none", "quota_headers": "x_ratelimit_epoch"},
        {"latency_seconds": 1.0},
    ],
    ids=str,
)
@pytest.mark.promise("W15")
def test_requests_of_each_window_are_used(behaviour: dict[str, Any]) -> None:
    """A server allows 100 requests a minute, and may name the time until the next minute."""
    done = import_people(250, window_limit=100, **behaviour)

    done.check_none_waited(250)
    windows = 2  # 250 accounts need two whole minutes and a part of the third one
    assert done.accepted < 1.03 * 250
    assert windows * 60 <= done.seconds < windows * 60 * 1.1


@pytest.mark.parametrize(
    ("behaviour", "share"),
    [
        ({"rate_limit": 5.0}, USED_SHARE),
        ({"rate_limit": 5.0, "retry_after_as": "none"}, USED_SHARE),
        # a window of one second is lost with each refusal, which the search for the rate needs
        ({"window_limit": 5, "window_seconds": 1.0}, 0.9),
    ],
    ids=str,
)
def test_rate_of_each_second_is_learnt_and_used(behaviour: dict[str, Any], share: float) -> None:
    """A pause of a second after each refusal would lose a part of what the server allows."""
    people, rate = 600, 5

    done = import_people(people, **behaviour)

    done.check_none_waited(people)
    assert done.accepted >= share * rate * done.seconds
    assert done.refused < 0.05 * done.accepted
    assert done.seconds < 1.05 * people / rate / share


def test_slow_server_gets_as_many_requests_as_the_setting_allows() -> None:
    """A server that takes a second for each request is not busy: it gets 16 requests at once."""
    done = import_people(1000, latency_seconds=1.0)

    done.check_none_waited(1000)
    assert done.accepted >= USED_SHARE * 16 * done.seconds
    assert done.seconds < 1.1 * 1000 / 16


def test_long_import_spends_few_requests_on_lists() -> None:
    """A list of all accounts is read again after it has saved many times its cost, not whenever it is two minutes old."""
    done = import_people(250, window_limit=60)

    done.check_none_waited(250)
    assert done.seconds > 4 * 60
    assert done.accepted < 1.03 * 250


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("behaviour", "longest"),
    [({"rate_limit": 5.0}, 3.0), ({"window_limit": 50, "window_seconds": 10.0}, 20.0)],
    ids=str,
)
def test_hire_is_not_behind_an_import_of_another_company(behaviour: dict[str, Any], longest: float) -> None:
    """Connections share the limit of a host. While one imports, the other one has its turn at once.

    As long as the limit is not known to be shared, the import uses up whole windows.
    """

    async def work(stage: WriterStage) -> list[float]:
        stage.connect(OTHER)
        people = [make_request(f"a{number}", connection=OTHER) for number in range(500)]
        importing = asyncio.create_task(stage.handle(*people))
        waits: list[float] = []
        for number in range(10):
            await stage.clock.sleep(5)
            begun = stage.clock.monotonic()
            (outcome,) = await stage.handle(make_request(str(number)))
            waits.append(stage.clock.monotonic() - begun)
            assert outcome.outcome is Outcome.CREATED
        assert not importing.done()
        await importing
        return waits

    waits: list[float] = run_stage({"latency_seconds": 0.05, **behaviour}, work)

    assert sorted(waits)[len(waits) // 2] < 3.0
    assert max(waits) < longest
