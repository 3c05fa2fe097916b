"""Field catalogues: one document for each connection."""

from services.contracts.fields import FieldCatalogue
from services.contracts.ids import ConnectionId
from services.store.collection import Collection
from services.store.damaged import read_valid


class FieldCatalogues:
    """The field catalogues of all connections. The check of a connection writes its catalogue; the last of two checks counts."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def get(self, connection: ConnectionId) -> FieldCatalogue | None:
        """Returns the catalogue; None before the first check, and for a damaged catalogue, which the next check replaces."""
        document = await self._collection.find_one({"_id": connection})
        return None if document is None else next(read_valid(FieldCatalogue, [document]), None)

    async def save(self, catalogue: FieldCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        await self._collection.put(catalogue.connection_id, catalogue.model_dump(mode="json"))
