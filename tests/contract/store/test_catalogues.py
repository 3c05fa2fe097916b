"""Source catalogues: one for each connection, replaced as a whole."""

from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceAttribute, SourceCatalogue
from services.contracts.ids import ConnectionId
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER

CATALOGUE = SourceCatalogue(
    connection_id=CONNECTION,
    attributes=(
        SourceAttribute(key="office", label="Büro", type="standard", parts=("office.id", "office.name"), filled=3),
        SourceAttribute(key="dynamic_1.x", label="", type="tags"),
    ),
    employees=4,
    stored=("office.name", "status"),
    changes=(AttributeChange(key="team", label="Team", kind=AttributeChangeKind.VANISHED, at=NOW, type="tags"),),
)
"""A catalogue with every kind of attribute."""


async def test_catalogue_is_read_as_saved(store: Store) -> None:
    """Another connection has none."""
    await store.catalogues.save(CATALOGUE)

    assert await store.catalogues.get(CONNECTION) == CATALOGUE
    assert await store.catalogues.get(OTHER) is None


async def test_saved_catalogue_replaces_the_earlier_one(store: Store) -> None:
    """An attribute that is no longer visible is gone."""
    smaller = CATALOGUE.model_copy(update={"attributes": CATALOGUE.attributes[:1], "employees": 0})
    await store.catalogues.save(CATALOGUE)

    await store.catalogues.save(smaller)

    assert await store.catalogues.get(CONNECTION) == smaller


async def test_changes_are_found_without_the_attributes(store: Store) -> None:
    """A connection without a change is left out, and so is one without a catalogue."""
    other = CATALOGUE.model_copy(update={"connection_id": OTHER, "changes": ()})
    await store.catalogues.save(CATALOGUE)
    await store.catalogues.save(other)

    found = await store.catalogues.find_changes([CONNECTION, OTHER, ConnectionId("cunknown")])

    assert found == {CONNECTION: CATALOGUE.changes}
