"""The observations of the runs, with only the methods that the poller calls."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.observations import Observation


class Observations(Protocol):
    """The observations of all runs."""

    async def save(self, observations: Sequence[Observation], *, now: datetime) -> None:
        """Stores observations. Repeating a call is safe."""
        ...

    def stream(self, run: str) -> AsyncIterator[tuple[Observation, ...]]:
        """Yields the observations of a run in pages, in the order of the employee ids."""
        ...

    async def drop(self, run: str) -> None:
        """Removes the observations of a run."""
        ...

    async def drop_person(self, person: PersonKey) -> None:
        """Removes the observations of an employee, of all runs."""
        ...

    async def drop_others(self, connection: ConnectionId, keep: Iterable[str]) -> None:
        """Removes the observations of all runs of a connection, except those to keep."""
        ...
