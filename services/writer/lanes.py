"""The order of a batch: one lane a person, all at once, but a manager of the batch before those who submit to them.

A report written after its manager is complete at once; written before, it would have to be sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId, PersonKey
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


async def run(lanes: Lanes, lane: Callable[[PersonKey], Awaitable[None]]) -> None:
    """Raises what a lane raises, as the group of a ``TaskGroup``; the other lanes are then cancelled."""
    before = waits_for(lanes)
    ended = {key: asyncio.Event() for key in set(before.values())}

    async def in_turn(key: PersonKey) -> None:
        if key in before:
            await ended[before[key]].wait()
        await lane(key)
        if key in ended:
            ended[key].set()

    async with asyncio.TaskGroup() as group:
        for key in lanes:
            group.create_task(in_turn(key))
