"""Runs on a real MongoDB: a history per connection, newest first."""

from datetime import timedelta

import pytest

from services.contracts.runs import Run, RunCounts, RunState
from services.store.database import Store
from tests.stored import CONNECTION, NOW, OTHER

pytestmark = pytest.mark.mongo


def finished(run: Run, state: RunState = RunState.SUCCEEDED) -> Run:
    return run.model_copy(update={"state": state, "finished_at": run.started_at + timedelta(seconds=5)})


async def test_a_run_is_read_as_it_was_saved(store: Store) -> None:
    run = await store.runs.begin(CONNECTION, now=NOW)
    assert await store.runs.get(run.id) == run
    counts = RunCounts(seen=9, created=1, changed=2, unchanged=6, emitted=3, refused=1, missing=4)
    over = finished(run).model_copy(update={"counts": counts, "unreleased": ("office.name",), "error": "x"})
    await store.runs.save(over)
    assert await store.runs.get(run.id) == over
    assert await store.runs.get("nothing") is None


async def test_the_newest_come_first_and_by_connection(store: Store) -> None:
    runs = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=number)) for number in (1, 3, 2)]
    await store.runs.begin(OTHER, now=NOW)
    assert await store.runs.newest(CONNECTION) == (runs[1], runs[2], runs[0])
    assert await store.runs.newest(CONNECTION, limit=2) == (runs[1], runs[2])


async def test_the_last_finished_is_the_newest_that_has_ended_in_whichever_way(store: Store) -> None:
    assert await store.runs.last_finished(CONNECTION) is None
    first, second, third = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=n)) for n in (1, 2, 3)]
    assert await store.runs.last_finished(CONNECTION) is None
    await store.runs.save(finished(first))
    assert await store.runs.last_finished(CONNECTION) == finished(first)
    await store.runs.save(finished(second, RunState.FAILED))
    assert await store.runs.last_finished(CONNECTION) == finished(second, RunState.FAILED)
    assert (await store.runs.newest(CONNECTION))[0] == third


async def test_runs_that_nobody_will_end_any_more_are_failed_and_no_others(store: Store) -> None:
    left, ended, other = [await store.runs.begin(connection, now=NOW) for connection in (CONNECTION, CONNECTION, OTHER)]
    await store.runs.save(finished(ended))
    now = NOW + timedelta(hours=1)
    assert await store.runs.fail_unfinished(CONNECTION, "the poller ended", now=now) == 1
    failed = {"state": RunState.FAILED, "error": "the poller ended", "finished_at": now}
    assert await store.runs.get(left.id) == left.model_copy(update=failed)
    assert await store.runs.get(ended.id) == finished(ended)
    assert await store.runs.get(other.id) == other
    assert await store.runs.fail_unfinished(CONNECTION, "again", now=now) == 0


async def test_a_run_that_has_expired_is_not_brought_back(store: Store) -> None:
    run = await store.runs.begin(CONNECTION, now=NOW)
    unknown = run.model_copy(update={"id": "n-expired"})
    await store.runs.save(unknown)
    assert await store.runs.get(unknown.id) is None
