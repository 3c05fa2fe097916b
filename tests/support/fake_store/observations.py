"""Observations in memory."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.observations import Observation
from services.store.observations import RELEASE_PAGE
from tests.support.fake_store.pages import give_turn


class FakeObservations:
    """``services.store.observations.Observations`` in memory. The keys of ``content`` are run and employee."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, EmployeeId], Observation] = {}

    async def save(self, observations: Sequence[Observation], *, now: datetime) -> None:
        """Stores observations."""
        await give_turn()
        self.content |= {(seen.run_id, seen.employee_id): seen for seen in observations}

    async def stream(self, run: str) -> AsyncIterator[tuple[Observation, ...]]:
        """Yields the observations of a run in pages, in the order of the employee ids."""
        keys = sorted(key for key in self.content if key[0] == run)
        for start in range(0, len(keys), RELEASE_PAGE):
            await give_turn()
            yield tuple(self.content[key] for key in keys[start : start + RELEASE_PAGE] if key in self.content)

    async def drop(self, run: str) -> None:
        """Removes the observations of a run."""
        await give_turn()
        self._remove(key for key in self.content if key[0] == run)

    async def drop_person(self, person: PersonKey) -> None:
        """Removes the observations of an employee, of all runs."""
        await give_turn()
        self._remove(key for key, seen in self.content.items() if seen.person == person)

    async def drop_others(self, connection: ConnectionId, keep: Iterable[str]) -> None:
        """Removes the observations of all runs of a connection, except those to keep."""
        await give_turn()
        kept = set(keep)
        self._remove(k for k, seen in self.content.items() if seen.connection_id == connection and k[0] not in kept)

    def _remove(self, keys: Iterable[tuple[str, EmployeeId]]) -> None:
        for key in list(keys):
            del self.content[key]
