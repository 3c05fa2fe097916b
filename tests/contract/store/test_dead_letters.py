"""Marks of retried dead letters on a real MongoDB."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.store.database import Store
from tests.stored import NOW

pytestmark = pytest.mark.mongo


async def test_what_was_retried_is_known_among_what_is_asked_for(store: Store) -> None:
    await store.dead_letters.mark_retried(["0/1", "11/2", "0/1"], now=NOW)
    assert await store.dead_letters.retried(["0/1", "0/2", "11/2"]) == {"0/1", "11/2"}
    assert await store.dead_letters.retried(["0/2"]) == frozenset()
    assert await store.dead_letters.retried([]) == frozenset()
    await store.dead_letters.mark_retried([], now=NOW)


async def test_the_time_of_the_first_retry_is_kept(store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    await store.dead_letters.mark_retried(["0/1"], now=NOW)
    await store.dead_letters.mark_retried(["0/1", "0/2"], now=NOW + timedelta(days=1))
    stored = {mark["_id"]: mark["retried_at"] async for mark in raw["dead_letters"].find()}
    assert stored == {"0/1": NOW, "0/2": NOW + timedelta(days=1)}
