"""Published mappings: numbered per connection, never changed and never deleted."""

from collections.abc import Iterable
from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, PublishedMapping
from services.store.collection import Collection, Document, Session, to_model
from services.store.errors import MappingConflictError


class Mappings:
    """The published mappings of all connections."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def get_published(self, connection: ConnectionId) -> PublishedMapping | None:
        """Returns the newest version, which the mapper applies; None if nothing was published."""
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1}, limit=1)
        return to_model(PublishedMapping, documents[0]) if documents else None

    async def get_all_published(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        """Returns the newest versions of several connections. Sends one query to the primary."""
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}}},
                {"$sort": {"connection_id": 1, "version": -1}},
                {"$group": {"_id": "$connection_id", "newest": {"$first": "$$ROOT"}}},
            ]
        )
        versions = (to_model(PublishedMapping, document["newest"]) for document in documents)
        return {published.connection_id: published for published in versions}

    async def find_newest_versions(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, int]:
        """Returns the numbers of the newest versions of those connections that have any. Sends one query to the primary."""
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}}},
                {"$sort": {"connection_id": 1, "version": -1}},
                {"$group": {"_id": "$connection_id", "version": {"$first": "$version"}}},
            ]
        )
        return {ConnectionId(document["_id"]): document["version"] for document in documents}

    async def publish(
        self,
        connection: ConnectionId,
        mapping: MappingDocument,
        *,
        now: datetime,
        expected_version: int | None,
        session: Session | None = None,
    ) -> PublishedMapping:
        """Publishes a mapping under the next version and returns it.

        ``expected_version`` is the newest version that the caller has seen: 0 means that nothing was published, None skips
        the check. Raises ``MappingConflictError`` if another version is the newest, and for a concurrent publication.
        """
        newest = await self.get_published(connection)
        version = newest.version if newest else 0
        if expected_version not in {None, version}:
            raise MappingConflictError(connection, version)
        published = PublishedMapping(connection_id=connection, version=version + 1, mapping=mapping, published_at=now)
        if not await self._collection.insert(_to_document(published), session):
            raise MappingConflictError(connection, version + 1)
        return published

    async def list_versions(self, connection: ConnectionId) -> tuple[PublishedMapping, ...]:
        """Returns all versions, newest first."""
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1})
        return tuple(to_model(PublishedMapping, document) for document in documents)


def _to_document(published: PublishedMapping) -> Document:
    return {"_id": f"{published.connection_id}/{published.version}", **published.model_dump(mode="json")}
