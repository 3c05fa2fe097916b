"""Drafts of mappings: one for each connection, and one winner of each revision."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, MappingDraft, default_mapping
from services.store.database import Store
from services.store.errors import DraftConflictError, StoreFailedError
from tests.support.builders import CONNECTION, NOW, OTHER, make_rule

OTHER_MAPPING = MappingDocument(rules=(make_rule("title", "position"),))


async def save(
    store: Store, expected: int, mapping: MappingDocument | None = None, connection: ConnectionId = CONNECTION
) -> MappingDraft:
    """Saves a draft that was begun with version 3."""
    return await store.drafts.save(
        connection, mapping or default_mapping(), based_on=3, expected_revision=expected, by="ada", now=NOW
    )


async def test_draft_is_read_as_saved(store: Store) -> None:
    """Another connection has none."""
    saved = await save(store, 0)

    assert saved.revision == 1
    assert await store.drafts.get(CONNECTION) == saved
    assert await store.drafts.get(OTHER) is None


async def test_saved_draft_keeps_the_version_that_it_was_begun_with(store: Store) -> None:
    """So that publishing notices a version in between."""
    await save(store, 0)

    saved = await store.drafts.save(
        CONNECTION, OTHER_MAPPING, based_on=5, expected_revision=1, by="ben", now=NOW + timedelta(hours=1)
    )

    assert saved == MappingDraft(
        connection_id=CONNECTION,
        revision=2,
        based_on=3,
        mapping=OTHER_MAPPING,
        saved_at=NOW + timedelta(hours=1),
        saved_by="ben",
    )
    assert await store.drafts.get(CONNECTION) == saved


@pytest.mark.parametrize("expected", [0, 2])
async def test_draft_that_was_saved_in_between_stays(store: Store, expected: int) -> None:
    """The work of one person must not replace that of another unseen."""
    first = await save(store, 0)

    with pytest.raises(DraftConflictError, match="not the one that you have seen"):
        await save(store, expected, OTHER_MAPPING)

    assert await store.drafts.get(CONNECTION) == first


async def test_one_of_two_concurrent_saves_wins(store: Store) -> None:
    """The other one learns of it."""
    await save(store, 0)

    results = await asyncio.gather(save(store, 1), save(store, 1, OTHER_MAPPING), return_exceptions=True)

    assert [type(result) for result in results if isinstance(result, BaseException)] == [DraftConflictError]


async def test_draft_is_discarded(store: Store) -> None:
    """Then the next one begins with revision 1."""
    await save(store, 0)
    await save(store, 0, connection=OTHER)

    assert await store.drafts.discard(CONNECTION, revision=2) is False
    assert await store.drafts.discard(CONNECTION, revision=1) is True
    assert await store.drafts.discard(CONNECTION) is False
    assert (await save(store, 0)).revision == 1
    assert await store.drafts.get(OTHER) is not None


async def test_draft_is_removed_with_its_connection(store: Store) -> None:
    """A value table may contain personal data."""
    await save(store, 0)

    erased = await store.erasure.erase_connection(CONNECTION)

    assert erased["mapping_drafts"] == 1
    assert await store.drafts.get(CONNECTION) is None


@pytest.mark.mongo
async def test_draft_that_cannot_be_read_can_be_discarded(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    """It may be of a newer version of the product, so nothing replaces it unseen."""
    await raw["mapping_drafts"].insert_one({"_id": CONNECTION, "revision": 1, "mapping": {"format_version": 2}})

    with pytest.raises(StoreFailedError):
        await mongodb_store.drafts.get(CONNECTION)

    assert await mongodb_store.drafts.discard(CONNECTION) is True
