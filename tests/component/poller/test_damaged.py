"""A document that cannot be read fails the polls of its own company alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from services.contracts.mappings import default_mapping
from services.contracts.runs import RunState
from services.poller.ports import Personio, PollPlan, Source
from services.store.database import Store
from tests.support.schedule_stage import ScheduleStage

DAMAGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "mapping of a newer format": (
        "mappings",
        {"$set": {"mapping.format_version": 99}},
        "publish a mapping with `mapping import`",
    ),
    "secret": ("connections", {"$set": {"personio.client_secret": "gAAAü"}}, "`connections secrets "),
    "connection": ("connections", {"$set": {"link_policy": "newer"}}, "see `connections check`"),
}
"""The collection of a damaged document, the change, and what the run says."""


@asynccontextmanager
async def open_source(source: Source, plan: PollPlan) -> AsyncIterator[Personio]:
    """Opens the connection's Personio with the stored access, as the poller does."""
    plan.open_connection()
    async with source(plan) as personio:
        yield personio


@pytest.mark.promise("P10")
@pytest.mark.parametrize(("collection", "change", "advice"), DAMAGES.values(), ids=DAMAGES)
async def test_damage_fails_the_polls_of_its_company(
    store: Store, collection: str, change: dict[str, Any], advice: str
) -> None:
    """The other company is polled. Once the document is repaired, the next poll succeeds."""
    raw = store.connections._collection.motor.database
    async with AsyncExitStack() as pollers:
        stage = ScheduleStage(store, pollers)
        stage.personio.source = partial(open_source, stage.personio.source)  # type: ignore[assignment]
        damaged, sound = await stage.connect("one"), await stage.connect("two")
        await store.mappings.publish(damaged, default_mapping(), now=stage.clock.now(), expected_version=None)
        key = f"{damaged}/1" if collection == "mappings" else damaged
        whole = await raw[collection].find_one({"_id": key})
        await raw[collection].update_one({"_id": key}, change)

        await stage.start_poller()
        (failed,) = await store.runs.list_newest(damaged)
        (other,) = await store.runs.list_newest(sound)
        await raw[collection].replace_one({"_id": key}, whole or {})
        await stage.pass_time(1_000)
        repaired, *_ = await store.runs.list_newest(damaged)

    assert failed.state is RunState.FAILED
    assert advice in str(failed.error)
    assert other.state is RunState.SUCCEEDED
    assert repaired.state is RunState.SUCCEEDED
