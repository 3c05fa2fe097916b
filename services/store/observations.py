"""Observations of the runs: changes that were seen and are not released. They are removed with the decision about their run."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from pymongo import ReplaceOne

from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.observations import Observation
from services.store.collection import Collection, Document
from services.store.damaged import read_valid
from services.store.runs import RETENTION

RELEASE_PAGE = 200
"""Maximum number of observations that are read at once: each holds the whole state of an employee."""


class Observations:
    """The observations of all runs."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def save(self, observations: Sequence[Observation], *, now: datetime) -> None:
        """Stores observations until 90 days after ``now``. Repeating a call is safe."""
        documents = [_to_document(observation, now + RETENTION) for observation in observations]
        await self._collection.write_bulk(
            [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents]
        )

    async def stream(self, run: str) -> AsyncIterator[tuple[Observation, ...]]:
        """Yields the observations of a run in pages, in the order of the employee ids. Passes over damaged ones."""
        async for page in self._collection.iterate_pages({"run_id": run}, size=RELEASE_PAGE):
            yield tuple(read_valid(Observation, page))

    async def drop(self, run: str) -> None:
        """Removes the observations of a run."""
        await self._collection.delete_all({"run_id": run})

    async def drop_person(self, person: PersonKey) -> None:
        """Removes the observations of an employee, of all runs."""
        await self._collection.delete_all({"person": str(person)})

    async def drop_others(self, connection: ConnectionId, keep: Iterable[str]) -> None:
        """Removes the observations of all runs of a connection, except those to keep."""
        await self._collection.delete_all({"connection_id": connection, "run_id": {"$nin": sorted(keep)}})


def _to_document(observation: Observation, expires: datetime) -> Document:
    """Returns the document. The attributes of the snapshot stay JSON text: see ``services.store.snapshots``."""
    key = f"{observation.run_id}/{observation.employee_id}"
    content = observation.model_dump(mode="json", exclude_none=True)
    return {"_id": key, "person": str(observation.person), "expires": expires, **content}
