"""Prepares the publication of a mapping: what its author has to see and to decide before."""

from dataclasses import dataclass

from services.admin.mapping.examples import ExampleCheck, check_examples
from services.admin.mapping.review import MappingReview, review_mapping
from services.admin.mapping.versions import read_before
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, Rule
from services.mapping.differences import Difference, find_differences, find_dropped_rules
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Publication:
    """A mapping that is about to be published."""

    connection: ConnectionId
    """The connection."""
    mapping: MappingDocument
    """The mapping."""
    before: MappingDocument | None
    """The published mapping; None without one, and for one that cannot be read: it is replaced."""
    version: int
    """The newest published version; 0 without one. If another one is published in between, this publication is refused."""
    review: MappingReview
    """Problems and hints."""
    examples: ExampleCheck
    """Which pinned examples hold."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs from the published mapping."""
        return find_differences(self.before, self.mapping)

    @property
    def dropped(self) -> tuple[Rule, ...]:
        """Rules of the published mapping for fields that the new one does not mention."""
        return find_dropped_rules(self.before, self.mapping)


async def prepare_publication(store: Store, connection: ConnectionId, mapping: MappingDocument) -> Publication:
    """Compares a mapping with the published one, and with what is known of both systems. Writes nothing.

    Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    version = (await store.mappings.find_newest_versions([connection])).get(connection, 0)
    return Publication(
        connection,
        mapping,
        before=await read_before(store, connection),
        version=version,
        review=await review_mapping(store, connection, mapping),
        examples=await check_examples(store, connection, mapping),
    )
