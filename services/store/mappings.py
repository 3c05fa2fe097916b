"""Published mappings: numbered per connection, never changed and never deleted."""

import math
from collections.abc import Iterable
from datetime import datetime

from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, PublishedMapping, UnreadableMapping
from services.store.collection import Collection, Document, Session, to_model
from services.store.damage_notes import DamageNotes
from services.store.damaged import select_named
from services.store.errors import MappingConflictError


class Mappings:
    """The published mappings of all connections."""

    def __init__(self, collection: Collection, damage: DamageNotes) -> None:
        """``damage`` takes notes about mappings that cannot be read."""
        self._collection = collection
        self._damage = damage
        damage.add_check(DocumentKind.MAPPING, read_published)

    async def get_published(self, connection: ConnectionId) -> PublishedMapping | None:
        """Returns the newest version, which the mapper applies; None if nothing was published.

        Raises ``StoreFailedError`` if it cannot be read. An older version never takes its place.
        """
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1}, limit=1)
        return read_published(documents[0]) if documents else None

    async def get_all_published(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, PublishedMapping | UnreadableMapping]:
        """Returns the newest versions of several connections. Sends one query to the primary.

        One that cannot be read is logged and noted. An older version never takes its place.
        """
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}}},
                {"$sort": {"connection_id": 1, "version": -1}},
                {"$group": {"_id": "$connection_id", "newest": {"$first": "$$ROOT"}}},
            ]
        )
        newest = [document["newest"] for document in select_named(documents)]
        readings = await self._damage.read_all(DocumentKind.MAPPING, newest, read_published)
        unreadable = [
            UnreadableMapping(connection_id=document["connection_id"], problem=readings.problems[str(document["_id"])])
            for document in newest
            if str(document["_id"]) in readings.problems
        ]
        found: list[PublishedMapping | UnreadableMapping] = [*readings.valid, *unreadable]
        return {mapping.connection_id: mapping for mapping in found}

    async def find_newest_versions(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, int]:
        """Returns the numbers of the newest versions of those connections that have any. Sends one query to the primary."""
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}, "version": {"$type": "number"}}},
                {"$sort": {"connection_id": 1, "version": -1}},
                {"$group": {"_id": "$connection_id", "version": {"$first": "$version"}}},
            ]
        )
        return {
            ConnectionId(document["_id"]): int(document["version"])
            for document in select_named(documents)
            if _is_number(document["version"])
        }

    async def publish(
        self,
        connection: ConnectionId,
        mapping: MappingDocument,
        *,
        now: datetime,
        expected_version: int | None,
        by: str | None = None,
        note: str | None = None,
        session: Session | None = None,
    ) -> PublishedMapping:
        """Publishes a mapping under the next version and returns it.

        ``expected_version`` is the newest version that the caller has seen: 0 means that nothing was published, None skips
        the check. ``by`` and ``note`` are kept with the version. Raises ``MappingConflictError`` if another version is the
        newest, and for a concurrent publication.
        """
        version = (await self.find_newest_versions([connection])).get(connection, 0)
        if expected_version not in {None, version}:
            raise MappingConflictError(connection, version)
        published = PublishedMapping(
            connection_id=connection,
            version=version + 1,
            mapping=mapping,
            published_at=now,
            published_by=by,
            note=note,
        )
        if not await self._collection.insert(_to_document(published), session):
            raise MappingConflictError(connection, version + 1)
        return published

    async def get_version(self, connection: ConnectionId, version: int) -> PublishedMapping | None:
        """Returns one version; None if it does not exist. Raises ``StoreFailedError`` if it cannot be read."""
        document = await self._collection.find_one({"_id": f"{connection}/{version}"})
        return None if document is None else read_published(document)

    async def list_versions(self, connection: ConnectionId) -> tuple[PublishedMapping, ...]:
        """Returns all versions, newest first."""
        documents = await self._collection.find({"connection_id": connection}, sort={"version": -1})
        return tuple((await self._damage.read_all(DocumentKind.MAPPING, documents, read_published)).valid)


def _is_number(version: object) -> bool:
    """Whether a version is a finite number. MongoDB also counts infinity as one, and a list with a number in it."""
    return isinstance(version, int | float) and math.isfinite(version)


def read_published(document: Document) -> PublishedMapping:
    """Returns the mapping of a document. Raises ``StoreFailedError`` if it cannot be read."""
    return to_model(PublishedMapping, document)


def _to_document(published: PublishedMapping) -> Document:
    return {"_id": f"{published.connection_id}/{published.version}", **published.model_dump(mode="json")}
