"""The marks of retried dead letters."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.store.database import Store
from tests.support.builders import NOW
from tests.support.fake_store import FakeDeadLetters

FIRST, LATER = NOW, NOW + timedelta(days=1)
TIMES = {"0/1": FIRST, "0/2": LATER}


async def test_retried_letters_are_filtered_out_of_the_named_ones(store: Store) -> None:
    """A letter may be marked twice in one call."""
    await store.dead_letters.mark_retried(["0/1", "11/2", "0/1"], now=NOW)

    assert await store.dead_letters.filter_retried(["0/1", "0/2", "11/2"]) == {"0/1", "11/2"}
    assert await store.dead_letters.filter_retried(["0/2"]) == frozenset()


async def test_empty_lists_of_letters_are_accepted(store: Store) -> None:
    """MongoDB rejects an empty bulk, so the store must not send one."""
    await store.dead_letters.mark_retried([], now=NOW)

    assert await store.dead_letters.filter_retried([]) == frozenset()


@pytest.mark.mongo
async def test_time_of_the_first_retry_is_kept(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """A second retry does not move the time."""
    await mongodb_store.dead_letters.mark_retried(["0/1"], now=FIRST)
    await mongodb_store.dead_letters.mark_retried(["0/1", "0/2"], now=LATER)

    stored: dict[str, datetime] = {mark["_id"]: mark["retried_at"] async for mark in raw["dead_letters"].find()}
    assert stored == TIMES


async def test_fake_keeps_the_time_of_the_first_retry() -> None:
    """The times have no reader in the product, so the fake is compared directly."""
    letters = FakeDeadLetters()

    await letters.mark_retried(["0/1"], now=FIRST)
    await letters.mark_retried(["0/1", "0/2"], now=LATER)

    assert letters.content == TIMES
