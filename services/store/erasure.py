"""Erases employees and connections from all collections."""

from collections.abc import AsyncIterator, Callable, Mapping

from services.contracts.ids import ConnectionId, PersonKey
from services.store.collection import PAGE_SIZE, ChangeAll, Collection, Filter
from services.store.contents import CONTENTS, CollectionContent
from services.store.damaged import parse_keys

_PEOPLE = frozenset({"snapshots", "ledger"})
"""The collections with one document for each employee."""


def _ignore(_: Mapping[str, int]) -> None:
    pass


class Erasure:
    """What is stored about an employee or a connection, in all collections."""

    def __init__(self, get_collection: Callable[[str], Collection]) -> None:
        self._get = get_collection

    async def count_person(self, person: PersonKey) -> dict[str, int]:
        """Returns the number of documents about an employee, or that name the employee, by collection."""
        counts: dict[str, int] = {}
        for content in CONTENTS:
            find = content.of_person or (content.mention.find if content.mention else None)
            if find is not None:
                counts[content.collection] = await self._get(content.collection).count(find(person))
        return counts

    async def count_reports(self, person: PersonKey) -> int:
        """Returns the number of other employees with this employee as manager. Their data may name the manager."""
        where = {"connection_id": person.connection_id, "manager.employee_id": person.employee_id}
        return await self._get("ledger").count(where)

    async def erase_person(self, person: PersonKey) -> dict[str, int]:
        """Erases an employee. Returns the number of erased and changed documents by collection. Can be repeated."""
        counts: dict[str, int] = {}
        for content in CONTENTS:
            collection = self._get(content.collection)
            if content.of_person is not None:
                counts[content.collection] = await collection.delete_all(content.of_person(person))
            elif content.mention is not None:
                change = ChangeAll(content.mention.find(person), content.mention.erase(person))
                counts[content.collection] = (await collection.write_bulk([change])).matched
        return counts

    async def page_people(self, connection: ConnectionId) -> AsyncIterator[tuple[PersonKey, ...]]:
        """Yields the employees of a connection with a snapshot, and then those with a ledger entry, in pages."""
        for content in CONTENTS:
            if content.of_person is not None and content.of_connection is not None and content.collection in _PEOPLE:
                where = content.of_connection(connection)
                async for page in self._get(content.collection).iterate_pages(where, fields=["_id"]):
                    yield tuple(parse_keys(page))

    async def count_connection(self, connection: ConnectionId) -> dict[str, int]:
        """Returns the number of documents about a connection by collection."""
        return {
            content.collection: await self._get(content.collection).count(content.of_connection(connection))
            for content in CONTENTS
            if content.of_connection is not None
        }

    async def erase_connection(
        self, connection: ConnectionId, progress: Callable[[Mapping[str, int]], None] = _ignore
    ) -> dict[str, int]:
        """Erases a connection, page by page. Returns the number of erased documents by collection.

        After an interruption it can be repeated, since the connection itself is erased near the end. ``progress`` receives
        the numbers after each page.
        """
        counts: dict[str, int] = {}
        for content in CONTENTS:
            if content.of_connection is None:
                continue
            counts[content.collection] = 0
            async for erased in self._erase_pages(content, content.of_connection(connection)):
                counts[content.collection] += erased
                progress(counts)
        return counts

    async def _erase_pages(self, content: CollectionContent, where: Filter) -> AsyncIterator[int]:
        """Deletes the matching documents, and yields the number of each page. One command over all could time out."""
        collection = self._get(content.collection)
        while page := await collection.find(where, fields=["_id"], limit=PAGE_SIZE):
            yield await collection.delete_all({"_id": {"$in": [document["_id"] for document in page]}})
