"""In which order the people of a batch are worked on, and how many at once."""

import asyncio
from collections import Counter

import pytest

from services.contracts.events import AccountRequested, ManagerReference
from services.contracts.ids import ConnectionId, PersonKey
from services.runtime.consumer import Incoming
from services.writer.lanes import run
from tests.builders import incoming, requested
from tests.stored import CONNECTION, OTHER


def lanes_of(*requests: AccountRequested) -> dict[PersonKey, list[Incoming[AccountRequested]]]:
    return {request.person: [incoming(request, number)] for number, request in enumerate(requests)}


async def test_so_many_of_a_connection_at_once_and_no_company_takes_another_s_place() -> None:
    running: Counter[ConnectionId] = Counter()
    most: Counter[ConnectionId] = Counter()
    other_done = asyncio.Event()

    async def lane(key: PersonKey) -> None:
        running[key.connection_id] += 1
        most[key.connection_id] = max(most[key.connection_id], running[key.connection_id])
        if key.connection_id == OTHER:
            other_done.set()
        else:
            await other_done.wait()  # a slow company: none of its people is done before the other's
        await asyncio.sleep(0)
        running[key.connection_id] -= 1

    people = [requested(str(number)) for number in range(9)]
    async with asyncio.timeout(10):
        await run(lanes_of(*people, requested("1", connection=OTHER)), lane, 3)
    assert most == {CONNECTION: 3, OTHER: 1}


async def test_whoever_is_begun_is_ended_before_others_are_begun() -> None:
    """Each asks three times: of a slow server's answers none is spent on somebody for whom there is no time."""
    asked: list[str] = []

    async def lane(key: PersonKey) -> None:
        for _ in range(3):
            asked.append(key.employee_id)
            await asyncio.sleep(0)

    await run(lanes_of(*(requested(str(number)) for number in range(6))), lane, 2)
    assert [set(asked[first : first + 6]) for first in (0, 6, 12)] == [{"0", "1"}, {"2", "3"}, {"4", "5"}]


@pytest.mark.parametrize("at_once", [1, 2, 9])
async def test_managers_come_first_also_where_there_is_but_one_place(at_once: int) -> None:
    order: list[str] = []

    async def lane(key: PersonKey) -> None:
        await asyncio.sleep(0)
        order.append(key.employee_id)

    managers = [ManagerReference(employee_id=str(number + 1)) for number in range(5)]
    chain = [requested(str(number), manager=manager) for number, manager in enumerate(managers)]
    async with asyncio.timeout(10):
        await run(lanes_of(requested("other"), *chain, requested("5")), lane, at_once)
    assert [each for each in order if each != "other"] == ["5", "4", "3", "2", "1", "0"]
