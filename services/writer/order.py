"""The order of a batch: requests of one person in sequence, leavers first, managers before the employees that report to them.

An account that is written after the manager's account is complete at once. Written before, it would have to be resent. The
number of people that are processed at once is limited: a slow server would otherwise settle none before the batch times out.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.outcomes import Intent
from services.provisioning.manager import find_wanted_manager
from services.runtime.kafka.decoding import Incoming

Queues: TypeAlias = Mapping[PersonKey, Sequence[Incoming[AccountRequested]]]
"""The requests of each person, in their order."""


def find_manager(record: Incoming[AccountRequested]) -> PersonKey | None:
    """Returns the manager that a request asks for; None if it asks for none."""
    wanted = find_wanted_manager(record.event)
    return None if wanted is None else PersonKey(record.event.connection_id, wanted)


def find_predecessors(queues: Queues) -> dict[PersonKey, PersonKey]:
    """Maps each employee to the manager that must be settled first.

    Employees in a reporting cycle do not wait.
    """
    managers = {key: find_manager(records[-1]) for key, records in queues.items()}
    return {
        key: manager
        for key, manager in managers.items()
        if manager is not None and manager in queues and not _is_in_cycle(key, managers)
    }


def _is_in_cycle(key: PersonKey, managers: Mapping[PersonKey, PersonKey | None]) -> bool:
    passed: set[PersonKey] = set()
    current: PersonKey | None = key
    while current is not None and current not in passed:
        passed.add(current)
        current = managers.get(current)
    return current is not None


async def run_in_order(queues: Queues, work: Callable[[PersonKey], Awaitable[None]], concurrency: int) -> None:
    """Runs ``work`` for each person, for at most ``concurrency`` people of each connection at the same time.

    Raises what ``work`` raises, as the group of a ``TaskGroup``; the others are then cancelled.
    """
    predecessors = find_predecessors(queues)
    finished = {key: asyncio.Event() for key in set(predecessors.values())}
    slots: dict[ConnectionId, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(concurrency))

    async def run_after_manager(key: PersonKey) -> None:
        if key in predecessors:
            await finished[predecessors[key]].wait()  # before taking a slot, which the manager may need
        async with slots[key.connection_id]:
            await work(key)
        if key in finished:
            finished[key].set()

    async with asyncio.TaskGroup() as group:
        for key in sorted(queues, key=lambda key: (not _is_leaver(queues[key]), key not in finished)):
            group.create_task(run_after_manager(key))


def _is_leaver(records: Sequence[Incoming[AccountRequested]]) -> bool:
    return records[-1].event.intent is Intent.DISABLE
