"""The order of a batch: requests of one person in sequence, leavers first, managers before the employees that report to them.

An account that is written after the manager's account is complete at once. Written before, it would have to be resent. The
number of people that are processed at once is limited, so that a slow server settles some of them before others begin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from services.contracts.events import AccountRequested
from services.contracts.ids import PersonKey
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


class Turns:
    """The turns of the people of one connection, over all of its batches."""

    def __init__(self, concurrency: int) -> None:
        """``concurrency`` is the maximum number of people that are worked on at the same time."""
        self._slots = asyncio.Semaphore(concurrency)
        self._finished: dict[PersonKey, asyncio.Event] = {}

    async def run(self, queues: Queues, work: Callable[[PersonKey], Awaitable[None]]) -> None:
        """Runs ``work`` for each person of a batch: leavers first, managers before the employees that report to them.

        The manager may be in a batch that began before. Raises what ``work`` raises, as the group of a ``TaskGroup``; the
        others are then cancelled.
        """
        predecessors = find_predecessors(queues)
        awaited = {
            key: self._finished[manager]
            for key, records in queues.items()
            if (manager := find_manager(records[-1])) is not None
            and manager not in queues
            and manager in self._finished
        }
        finished = {key: asyncio.Event() for key in queues}
        self._finished |= finished

        async def run_after_manager(key: PersonKey) -> None:
            # before taking a slot, which the manager may need
            if key in awaited:
                await awaited[key].wait()
            if key in predecessors:
                await finished[predecessors[key]].wait()
            async with self._slots:
                await work(key)
            finished[key].set()

        managers = set(predecessors.values())
        try:
            async with asyncio.TaskGroup() as group:
                for key in sorted(queues, key=lambda key: (not _is_leaver(queues[key]), key not in managers)):
                    group.create_task(run_after_manager(key))
        finally:
            for key, event in finished.items():
                event.set()
                if self._finished.get(key) is event:
                    del self._finished[key]


def _is_leaver(records: Sequence[Incoming[AccountRequested]]) -> bool:
    return records[-1].event.intent is Intent.DISABLE
