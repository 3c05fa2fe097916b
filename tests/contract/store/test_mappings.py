"""Published mappings on a real MongoDB: numbered without gaps, never changed, one winner of each number."""

import asyncio
from datetime import timedelta

import pytest

from services.contracts.mappings import AttributeSource, DateFormat, Default, Mapping, Rule, ValueTable, default_mapping
from services.store.database import Store
from services.store.errors import MappingConflictError
from tests.stored import CONNECTION, NOW, OTHER

pytestmark = pytest.mark.mongo

FULL = Mapping(
    rules=(
        Rule(
            target="urn:example:2.0:User:birth.day",
            source=AttributeSource(attribute="dynamic_1"),
            transforms=(
                DateFormat(format="%d.%m.%Y"),
                ValueTable(table={"a.b": None, "$c": 1, "": True}, otherwise="keep"),
                Default(value=("x", None, 1.5)),
            ),
            on_missing="clear",
        ),
    ),
    external_id_prefix="p-",
)


async def publish(store: Store, mapping: Mapping, expected: int | None = None) -> int:
    published = await store.mappings.publish(CONNECTION, mapping, now=NOW, expected_version=expected)
    return published.version


async def test_a_mapping_is_read_as_it_was_published(store: Store) -> None:
    """Names in it hold dots and dollars, which mean something to the database."""
    published = await store.mappings.publish(CONNECTION, FULL, now=NOW, expected_version=0)
    assert published.mapping == FULL
    assert await store.mappings.published(CONNECTION) == published
    assert await store.mappings.newest([CONNECTION]) == {CONNECTION: published}
    assert await store.mappings.history(CONNECTION) == (published,)


async def test_the_newest_version_is_in_force_also_beyond_nine(store: Store) -> None:
    assert [await publish(store, default_mapping()) for _ in range(11)] == list(range(1, 12))
    assert await publish(store, FULL, expected=11) == 12
    other = await store.mappings.publish(OTHER, default_mapping(), now=NOW + timedelta(hours=1), expected_version=None)
    newest = await store.mappings.newest([CONNECTION, OTHER])
    assert {connection: found.version for connection, found in newest.items()} == {CONNECTION: 12, OTHER: 1}
    assert newest[OTHER] == other
    assert newest[CONNECTION] == await store.mappings.published(CONNECTION)
    assert [entry.version for entry in await store.mappings.history(CONNECTION)] == list(range(12, 0, -1))


async def test_without_a_mapping_there_is_none(store: Store) -> None:
    await publish(store, FULL)
    assert await store.mappings.published(OTHER) is None
    assert await store.mappings.newest([OTHER]) == {}
    assert await store.mappings.newest([]) == {}
    assert await store.mappings.history(OTHER) == ()


@pytest.mark.parametrize("seen", [0, 1, 3])
async def test_who_has_seen_another_version_than_the_one_in_force_does_not_publish(store: Store, seen: int) -> None:
    await publish(store, FULL)
    await publish(store, FULL)
    with pytest.raises(MappingConflictError, match="look at it"):
        await publish(store, default_mapping(), expected=seen)
    assert len(await store.mappings.history(CONNECTION)) == 2


@pytest.mark.parametrize("seen", [1, None])
async def test_of_many_who_publish_at_once_each_number_has_one_winner(store: Store, seen: int | None) -> None:
    await publish(store, default_mapping())
    rivals = [default_mapping().model_copy(update={"external_id_prefix": f"{number}-"}) for number in range(8)]
    results = await asyncio.gather(*(publish(store, rival, seen) for rival in rivals), return_exceptions=True)
    won = {result: rival for result, rival in zip(results, rivals, strict=True) if isinstance(result, int)}
    lost = [result for result in results if isinstance(result, MappingConflictError)]
    assert len(won) + len(lost) == 8
    assert len(won) == 1 or seen is None
    history = await store.mappings.history(CONNECTION)
    assert {entry.version: entry.mapping for entry in history if entry.version > 1} == won
    assert [entry.version for entry in history] == list(range(len(won) + 1, 0, -1))
