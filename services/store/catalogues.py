"""Source catalogues: one document for each connection."""

from collections.abc import Iterable

from services.contracts.catalogues import AttributeChange, SourceCatalogue
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document
from services.store.damaged import read_valid


class Catalogues:
    """The source catalogues of all connections. Only the lease owner of a connection writes its catalogue."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def get(self, connection: ConnectionId) -> SourceCatalogue | None:
        """Returns the catalogue; None before the first scan, and for a damaged catalogue, which the next scan replaces."""
        return read_catalogue(await self._collection.find_one({"_id": connection}))

    async def find_changes(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, tuple[AttributeChange, ...]]:
        """Returns the changes of attributes of those connections that have any, except damaged ones. Sends one query."""
        where: Document = {"_id": {"$in": sorted(set(connections))}, "changes.0": {"$exists": True}}
        documents = await self._collection.find(where, fields=["connection_id", "changes"])
        catalogues = [read_catalogue({"attributes": [], **document}) for document in documents]
        return {catalogue.connection_id: catalogue.changes for catalogue in catalogues if catalogue is not None}

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        document = catalogue.model_dump(mode="json")
        await self._collection.put(catalogue.connection_id, document)


def read_catalogue(document: Document | None) -> SourceCatalogue | None:
    """Returns the catalogue of a document; None without a document, and for a damaged one."""
    return None if document is None else next(read_valid(SourceCatalogue, [document]), None)
