"""Published mappings and the marks of dead letters in memory."""

from collections.abc import Iterable
from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, PublishedMapping, UnreadableMapping
from services.store.errors import MappingConflictError
from tests.support.fake_store.pages import give_turn


class FakeMappings:
    """``services.store.mappings.Mappings`` in memory. The keys of ``content`` are connection and version."""

    def __init__(self) -> None:
        self.content: dict[tuple[ConnectionId, int], PublishedMapping] = {}

    async def get_published(self, connection: ConnectionId) -> PublishedMapping | None:
        """Returns the newest version; None if nothing is published."""
        return next(iter(await self.list_versions(connection)), None)

    async def get_all_published(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, PublishedMapping | UnreadableMapping]:
        """Returns the newest versions of several connections. In memory, each can be read."""
        newest = {connection: await self.get_published(connection) for connection in sorted(set(connections))}
        return {connection: published for connection, published in newest.items() if published is not None}

    async def find_newest_versions(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, int]:
        """Returns the numbers of the newest versions of those connections that have any."""
        newest = {connection: await self.get_published(connection) for connection in sorted(set(connections))}
        return {connection: published.version for connection, published in newest.items() if published is not None}

    async def publish(
        self,
        connection: ConnectionId,
        mapping: MappingDocument,
        *,
        now: datetime,
        expected_version: int | None,
        by: str | None = None,
        note: str | None = None,
        session: object | None = None,
    ) -> PublishedMapping:
        """Publishes a mapping under the next version. The session has no effect: transactions are missing here."""
        newest = await self.get_published(connection)
        version = newest.version if newest else 0
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
        await give_turn()
        if (connection, published.version) in self.content:
            raise MappingConflictError(connection, published.version)
        self.content[connection, published.version] = published
        return published

    async def get_version(self, connection: ConnectionId, version: int) -> PublishedMapping | None:
        """Returns one version; None if it does not exist."""
        await give_turn()
        return self.content.get((connection, version))

    async def list_versions(self, connection: ConnectionId) -> tuple[PublishedMapping, ...]:
        """Returns all versions, newest first."""
        await give_turn()
        versions = [published for published in self.content.values() if published.connection_id == connection]
        return tuple(sorted(versions, key=lambda published: published.version, reverse=True))


class FakeDeadLetters:
    """``services.store.dead_letters.DeadLetters`` in memory: the time of the first retry of each letter."""

    def __init__(self) -> None:
        self.content: dict[str, datetime] = {}

    async def filter_retried(self, letters: Iterable[str]) -> frozenset[str]:
        """Returns the letters that were retried."""
        await give_turn()
        return frozenset(self.content.keys() & set(letters))

    async def mark_retried(self, letters: Iterable[str], *, now: datetime) -> None:
        """Notes that the letters were retried. Keeps the time of the first retry."""
        await give_turn()
        for letter in letters:
            self.content.setdefault(letter, now)
