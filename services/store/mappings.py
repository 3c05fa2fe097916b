"""Published mappings: numbered per connection, never changed, none ever removed."""

from collections.abc import Iterable
from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.mappings import Mapping, PublishedMapping
from services.store.collection import Collection, Document, Session, to_model
from services.store.errors import MappingConflictError


class Mappings:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def published(self, connection: ConnectionId) -> PublishedMapping | None:
        """The newest version, which is the one in force; None if nothing was ever published."""
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1}, limit=1)
        return to_model(PublishedMapping, documents[0]) if documents else None

    async def newest(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        """The versions in force of several connections, with one query to the primary."""
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}}},
                {"$sort": {"connection_id": 1, "version": -1}},
                {"$group": {"_id": "$connection_id", "newest": {"$first": "$$ROOT"}}},
            ]
        )
        found = (to_model(PublishedMapping, document["newest"]) for document in documents)
        return {mapping.connection_id: mapping for mapping in found}

    async def publish(
        self,
        connection: ConnectionId,
        mapping: Mapping,
        *,
        now: datetime,
        expected_version: int | None,
        session: Session | None = None,
    ) -> PublishedMapping:
        """Publishes under the next version. ``expected_version`` is the one in force when the person looked: 0 for
        none, None for whichever. Raises ``MappingConflictError`` if it is another, also by one at this very moment.
        """
        newest = await self.published(connection)
        version = newest.version if newest else 0
        if expected_version not in {None, version}:
            raise _conflict(connection, version)
        published = PublishedMapping(connection_id=connection, version=version + 1, mapping=mapping, published_at=now)
        if not await self._collection.insert(_to_document(published), session):
            raise _conflict(connection, version + 1)
        return published

    async def history(self, connection: ConnectionId) -> tuple[PublishedMapping, ...]:
        """All versions, newest first."""
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1})
        return tuple(to_model(PublishedMapping, document) for document in documents)


def _to_document(published: PublishedMapping) -> Document:
    return {"_id": f"{published.connection_id}/{published.version}", **published.model_dump(mode="json")}


def _conflict(connection: ConnectionId, version: int) -> MappingConflictError:
    return MappingConflictError(
        f"version {version} of the mapping of connection {connection} was published meanwhile: "
        "look at it, then publish again"
    )
