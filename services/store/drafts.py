"""Drafts of mappings: at most one for each connection, saved with optimistic locking."""

from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, MappingDraft
from services.store.collection import Collection, to_model
from services.store.errors import DraftConflictError


class MappingDrafts:
    """The drafts of all connections."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def get(self, connection: ConnectionId) -> MappingDraft | None:
        """Returns the draft; None without one. Raises ``StoreFailedError`` if it cannot be read: it can be discarded."""
        document = await self._collection.find_one({"_id": connection})
        return None if document is None else to_model(MappingDraft, document)

    async def save(
        self,
        connection: ConnectionId,
        mapping: MappingDocument,
        *,
        based_on: int,
        expected_revision: int,
        by: str,
        now: datetime,
    ) -> MappingDraft:
        """Saves a draft under the next revision and returns it.

        ``expected_revision`` is the revision that the caller has seen; 0 means that there was none. ``based_on`` is the newest
        published version: a draft keeps the one that it was begun with. Raises ``DraftConflictError`` if the draft has another
        revision.
        """
        values = {"mapping": mapping.model_dump(mode="json"), "saved_at": now.isoformat(), "saved_by": by}
        if expected_revision == 0:
            document = {"_id": connection, "connection_id": connection, "revision": 1, "based_on": based_on, **values}
            if not await self._collection.insert(document):
                raise DraftConflictError(connection)
            return to_model(MappingDraft, document)
        saved = await self._collection.update_and_get(
            {"_id": connection, "revision": expected_revision}, {"$set": values, "$inc": {"revision": 1}}
        )
        if saved is None:
            raise DraftConflictError(connection)
        return to_model(MappingDraft, saved)

    async def discard(self, connection: ConnectionId, *, revision: int | None = None) -> bool:
        """Removes the draft. Returns whether there was one.

        ``revision`` limits this to the revision that the caller has seen; None removes any, also one that cannot be read.
        """
        where = {"_id": connection} if revision is None else {"_id": connection, "revision": revision}
        return bool(await self._collection.delete_all(where))
