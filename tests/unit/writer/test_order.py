"""The order in which the employees of a batch run, and how many of them run at once."""

import asyncio

import pytest

from services.contracts.events import AccountRequested, ManagerReference
from services.contracts.ids import PersonKey
from services.runtime.kafka.decoding import Incoming
from services.writer.order import Turns
from tests.support.builders import make_incoming, make_request, reports_to


def build_queues(*requests: AccountRequested) -> dict[PersonKey, list[Incoming[AccountRequested]]]:
    """Returns the queue of each employee, with one request each."""
    return {request.person: [make_incoming(request, number)] for number, request in enumerate(requests)}


@pytest.mark.promise("P10")
async def test_batches_of_a_connection_share_its_turns() -> None:
    """The number of employees that are worked on at once is limited over all batches of a connection."""
    running, most = 0, 0

    async def work(_: PersonKey) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    turns = Turns(3)
    first, second = ([make_request(f"{batch}{number}") for number in range(9)] for batch in (1, 2))

    await asyncio.gather(*(turns.run(build_queues(*requests), work) for requests in (first, second)))

    assert most == 3


async def test_manager_of_an_earlier_batch_is_settled_first() -> None:
    """An employee waits for the manager in a batch that began before."""
    order: list[str] = []
    may_go_on, has_passed, turns = asyncio.Event(), asyncio.Event(), Turns(5)

    async def work(key: PersonKey) -> None:
        if key.employee_id == "boss":
            await may_go_on.wait()
        order.append(key.employee_id)
        has_passed.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(turns.run(build_queues(make_request("boss")), work))
        await asyncio.sleep(0)
        group.create_task(
            turns.run(build_queues(make_request("report", manager=reports_to("boss")), make_request("5")), work)
        )
        await has_passed.wait()
        may_go_on.set()

    assert order == ["5", "boss", "report"]


async def test_started_employees_end_before_others_start() -> None:
    """A slow server completes a few employees before the batch ends, instead of none."""
    steps: list[str] = []

    async def work(key: PersonKey) -> None:
        for _ in range(3):
            steps.append(key.employee_id)
            await asyncio.sleep(0)

    await Turns(2).run(build_queues(*(make_request(str(number)) for number in range(6))), work)

    assert [set(steps[first : first + 6]) for first in (0, 6, 12)] == [{"0", "1"}, {"2", "3"}, {"4", "5"}]


async def test_employee_named_as_own_manager_waits_for_none() -> None:
    """The head of a company may be their own supervisor in Personio. That is not a cycle: the reports still wait."""
    order: list[str] = []

    async def work(key: PersonKey) -> None:
        order.append(key.employee_id)

    chain = {"3": "2", "2": "1", "1": "1"}
    requests = [make_request(employee, manager=reports_to(manager)) for employee, manager in chain.items()]
    await Turns(1).run(build_queues(*requests), work)

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
        await Turns(concurrency).run(build_queues(make_request("other"), *chain, make_request("5")), work)

    assert [employee for employee in order if employee != "other"] == ["5", "4", "3", "2", "1", "0"]
