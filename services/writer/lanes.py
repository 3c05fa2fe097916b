"""The order of a batch: one lane a person, so many at once, a manager of the batch before those who submit to them.

A report written after its manager is complete at once; written before, it would have to be sent again. And of people who
are all begun at the same time, a slow server would complete none before the batch is out of time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.runtime.consumer import Incoming

Lanes = Mapping[PersonKey, Sequence[Incoming[AccountRequested]]]


def manager_in(records: Sequence[Incoming[AccountRequested]]) -> PersonKey | None:
    """Whom the newest of a person's requests wants as the manager."""
    request = records[-1].event
    wanted = request.desired.manager if request.desired else None
    if wanted is None or wanted.employee_id is None:
        return None
    return PersonKey(request.connection_id, EmployeeId(wanted.employee_id))


def waits_for(lanes: Lanes) -> dict[PersonKey, PersonKey]:
    """Whose lane each lane begins after. Of people who submit to one another in a circle, nobody waits."""
    managers = {key: manager_in(records) for key, records in lanes.items()}
    return {
        key: manager
        for key, manager in managers.items()
        if manager is not None and manager in lanes and not _in_a_circle(key, managers)
    }


def _in_a_circle(key: PersonKey, managers: Mapping[PersonKey, PersonKey | None]) -> bool:
    passed: set[PersonKey] = set()
    at: PersonKey | None = key
    while at is not None and at not in passed:
        passed.add(at)
        at = managers.get(at)
    return at is not None


async def run(lanes: Lanes, lane: Callable[[PersonKey], Awaitable[None]], at_once: int) -> None:
    """At most ``at_once`` lanes of each connection run at the same time: no company takes another's place.

    Raises what a lane raises, as the group of a ``TaskGroup``; the other lanes are then cancelled.
    """
    before = waits_for(lanes)
    ended = {key: asyncio.Event() for key in set(before.values())}
    places: dict[ConnectionId, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(at_once))

    async def in_turn(key: PersonKey) -> None:
        if key in before:
            await ended[before[key]].wait()  # without a place, which the manager may need
        async with places[key.connection_id]:
            await lane(key)
        if key in ended:
            ended[key].set()

    async with asyncio.TaskGroup() as group:
        for key in sorted(lanes, key=lambda key: key not in ended):  # for whom nobody waits comes last
            group.create_task(in_turn(key))
