"""Source catalogues: one document for each connection."""

from services.contracts.catalogues import SourceCatalogue
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

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        document = catalogue.model_dump(mode="json")
        await self._collection.put(catalogue.connection_id, document)


def read_catalogue(document: Document | None) -> SourceCatalogue | None:
    """Returns the catalogue of a document; None without a document, and for a damaged one."""
    return None if document is None else next(read_valid(SourceCatalogue, [document]), None)
