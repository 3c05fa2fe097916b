"""The brakes: one document for each connection, with what the writers have counted of its disabled accounts."""

import logging

from pymongo import UpdateOne

from services.contracts.brakes import Brake
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document, to_model
from services.store.errors import StoreFailedError

logger = logging.getLogger(__name__)

_MAX_SEQ = 1 << 62
"""A ``seq`` that only damage can have made. It can still be increased."""


class Brakes:
    """The brakes of all connections. Each write is conditional on the ``seq`` of the stored document."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def read(self, connection: ConnectionId) -> Brake:
        """Returns the brake of a connection. A missing document is an empty brake, and a damaged one has ``is_damaged``."""
        document = await self._collection.find_one({"_id": connection})
        if document is None:
            return Brake(connection_id=connection)
        try:
            return _read({**document, "connection_id": connection})
        except StoreFailedError as error:
            logger.warning("a brake cannot be read: %s", error, extra={"connection": connection})
            return Brake(connection_id=connection, is_damaged=True)

    async def write(self, brake: Brake) -> bool:
        """Writes a brake if the stored ``seq`` is one below. One with ``seq`` 1 must not exist yet.

        Returns False and writes nothing if another writer was first.
        """
        document = {"_id": brake.connection_id, **brake.model_dump(mode="json", exclude_none=True)}
        if brake.seq == 1:
            return await self._collection.insert(document)
        replacement = [{"$replaceWith": {"$literal": document}}]
        return await self._collection.update({"_id": brake.connection_id, "seq": brake.seq - 1}, replacement)

    async def reset(self, connection: ConnectionId) -> None:
        """Forgets the disabled accounts of a connection: the count begins at 0. Repairs a damaged document."""
        empty = Brake(connection_id=connection).model_dump(mode="json", exclude_none=True)
        # it grows, so that a writer that has read the brake before does not write it back
        is_number = {"$in": [{"$type": "$seq"}, ["int", "long"]]}
        is_countable = {"$and": [is_number, {"$gte": ["$seq", 0]}, {"$lt": ["$seq", _MAX_SEQ]}]}
        seq = {"$cond": [is_countable, {"$add": ["$seq", 1]}, 1]}
        replacement = {"$mergeObjects": [{"$literal": {"_id": connection, **empty}}, {"seq": seq}]}
        await self._collection.write_bulk([UpdateOne({"_id": connection}, [{"$replaceWith": replacement}])])


def _read(document: Document) -> Brake:
    """Returns the brake of a document. Raises ``StoreFailedError`` also for a ``seq`` that no writer could ever replace."""
    seq = document.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq < _MAX_SEQ:
        raise StoreFailedError(f"the stored Brake {document['connection_id']} has invalid fields (seq)")
    return to_model(Brake, document)
