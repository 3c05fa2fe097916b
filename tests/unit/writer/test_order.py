"""The order in which the employees of a batch run, and how many of them run at once."""

import asyncio
from collections import Counter

import pytest

from services.contracts.events import AccountRequested, ManagerReference
from services.contracts.ids import ConnectionId, PersonKey
from services.runtime.kafka.decoding import Incoming
from services.writer.order import run_in_order
from tests.support.builders import CONNECTION, OTHER, make_incoming, make_request, reports_to


def build_queues(*requests: AccountRequested) -> dict[PersonKey, list[Incoming[AccountRequested]]]:
    """Returns the queue of each employee, with one request each."""
    return {request.person: [make_incoming(request, number)] for number, request in enumerate(requests)}


@pytest.mark.promise("P10")
async def test_concurrency_is_limited_for_each_connection() -> None:
    """Employees of a slow connection take no slot of another connection."""
    running: Counter[ConnectionId] = Counter()
    most: Counter[ConnectionId] = Counter()
    other_done = asyncio.Event()

    async def work(key: PersonKey) -> None:
        running[key.connection_id] += 1
        most[key.connection_id] = max(most[key.connection_id], running[key.connection_id])
        if key.connection_id == OTHER:
            other_done.set()
        else:
            await other_done.wait()  # the slow connection: none of its employees ends before the other connection's
        await asyncio.sleep(0)
        running[key.connection_id] -= 1

    requests = [make_request(str(number)) for number in range(9)]
    async with asyncio.timeout(10):
        await run_in_order(build_queues(*requests, make_request("1", connection=OTHER)), work, 3)

    assert most == {CONNECTION: 3, OTHER: 1}


async def test_started_employees_end_before_others_start() -> None:
    """A slow server completes a few employees before the batch ends, instead of none."""
    steps: list[str] = []

    async def work(key: PersonKey) -> None:
        for _ in range(3):
            steps.append(key.employee_id)
            await asyncio.sleep(0)

    await run_in_order(build_queues(*(make_request(str(number)) for number in range(6))), work, 2)

    assert [set(steps[first : first + 6]) for first in (0, 6, 12)] == [{"0", "1"}, {"2", "3"}, {"4", "5"}]


async def test_employee_named_as_own_manager_waits_for_none() -> None:
    """The head of a company may be their own supervisor in Personio. That is not a cycle: the reports still wait."""
    order: list[str] = []

    async def work(key: PersonKey) -> None:
        order.append(key.employee_id)

    chain = {"3": "2", "2": "1", "1": "1"}
    requests = [make_request(employee, manager=reports_to(manager)) for employee, manager in chain.items()]
    await run_in_order(build_queues(*requests), work, 1)

    assert order == ["1", "2", "3"]


@pytest.mark.parametrize("concurrency", [1, 2, 9])
async def test_managers_run_before_reports(concurrency: int) -> None:
    """A chain of managers runs from the top, even with a single slot."""
    order: list[str] = []

    async def work(key: PersonKey) -> None:
        await asyncio.sleep(0)
        order.append(key.employee_id)

    managers = [ManagerReference(employee_id=str(number + 1)) for number in range(5)]
    chain = [make_request(str(number), manager=manager) for number, manager in enumerate(managers)]
    async with asyncio.timeout(10):
        await run_in_order(build_queues(make_request("other"), *chain, make_request("5")), work, concurrency)

    assert [employee for employee in order if employee != "other"] == ["5", "4", "3", "2", "1", "0"]
