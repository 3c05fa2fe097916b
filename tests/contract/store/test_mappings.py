"""Published mappings: numbered without gaps, never changed, and one winner of each number."""

import asyncio
from datetime import timedelta

import pytest

from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.transforms import DateFormat, Default, ValueTable
from services.store.database import Store
from services.store.errors import MappingConflictError
from tests.support.builders import CONNECTION, NOW, OTHER

FULL = MappingDocument(
    rules=(
        Rule(
            target="urn:example:2.0:User:birth.day",
            source=AttributeSource(attribute="dynamic_1"),
            transforms=(
                DateFormat(format="dd.MM.yyyy"),
                ValueTable(table={"a.b": None, "$c": 1, "": True}, otherwise="keep"),
                Default(value=("x", None, 1.5)),
            ),
            on_missing="clear",
        ),
    ),
    external_id_prefix="p-",
)


async def publish(store: Store, mapping: MappingDocument, expected: int | None = None) -> int:
    """Publishes a mapping and returns its version."""
    published = await store.mappings.publish(CONNECTION, mapping, now=NOW, expected_version=expected)
    return published.version


async def test_mapping_is_read_as_published(store: Store) -> None:
    """Names in it contain dots and dollar signs, which have a meaning in MongoDB."""
    published = await store.mappings.publish(CONNECTION, FULL, now=NOW, expected_version=0)

    assert published.mapping == FULL
    assert await store.mappings.get_published(CONNECTION) == published
    assert await store.mappings.get_all_published([CONNECTION]) == {CONNECTION: published}
    assert await store.mappings.list_versions(CONNECTION) == (published,)


async def test_newest_version_is_in_force_beyond_nine(store: Store) -> None:
    """Versions are compared as numbers; as text, 9 would be above 12."""
    versions = [await publish(store, default_mapping()) for _ in range(11)]

    newest = await publish(store, FULL, expected=11)

    published = await store.mappings.get_published(CONNECTION)
    assert versions == list(range(1, 12))
    assert newest == 12
    assert published is not None
    assert published.version == 12
    assert await store.mappings.get_all_published([CONNECTION]) == {CONNECTION: published}
    assert [entry.version for entry in await store.mappings.list_versions(CONNECTION)] == list(range(12, 0, -1))


async def test_versions_in_force_of_several_connections_are_read(store: Store) -> None:
    """Each connection has numbers of its own."""
    await publish(store, default_mapping())
    await publish(store, FULL)
    other = await store.mappings.publish(OTHER, default_mapping(), now=NOW + timedelta(hours=1), expected_version=None)

    newest = await store.mappings.get_all_published([CONNECTION, OTHER])

    assert await store.mappings.find_newest_versions([CONNECTION, OTHER]) == {CONNECTION: 2, OTHER: 1}
    assert set(newest) == {CONNECTION, OTHER}
    assert newest[OTHER] == other
    assert newest[CONNECTION] == await store.mappings.get_published(CONNECTION)


async def test_connection_without_a_mapping_has_no_version(store: Store) -> None:
    """The mapping of another connection does not stand in."""
    await publish(store, FULL)

    assert await store.mappings.get_published(OTHER) is None
    assert await store.mappings.get_all_published([OTHER]) == {}
    assert await store.mappings.find_newest_versions([OTHER]) == {}
    assert await store.mappings.get_all_published([]) == {}
    assert await store.mappings.list_versions(OTHER) == ()


@pytest.mark.parametrize("seen", [0, 1, 3])
async def test_mapping_over_an_unseen_version_is_not_published(store: Store, seen: int) -> None:
    """The caller has not seen the changes that it would overwrite."""
    await publish(store, FULL)
    await publish(store, FULL)

    with pytest.raises(MappingConflictError, match="review it"):
        await publish(store, default_mapping(), expected=seen)

    assert len(await store.mappings.list_versions(CONNECTION)) == 2


@pytest.mark.parametrize("seen", [1, None])
async def test_concurrent_publications_have_one_winner_each(store: Store, seen: int | None) -> None:
    """Each number belongs to one mapping, and the numbers have no gaps."""
    await publish(store, default_mapping())
    rivals = [default_mapping().model_copy(update={"external_id_prefix": f"{number}-"}) for number in range(8)]

    results = await asyncio.gather(*(publish(store, rival, seen) for rival in rivals), return_exceptions=True)

    winners = {result: rival for result, rival in zip(results, rivals, strict=True) if isinstance(result, int)}
    losers = [result for result in results if isinstance(result, MappingConflictError)]
    history = await store.mappings.list_versions(CONNECTION)
    assert len(winners) + len(losers) == 8
    assert len(winners) == 1 or seen is None
    assert {entry.version: entry.mapping for entry in history if entry.version > 1} == winners
    assert [entry.version for entry in history] == list(range(len(winners) + 1, 0, -1))
