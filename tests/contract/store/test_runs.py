"""Runs: the history of each connection, newest first."""

from datetime import timedelta

from services.contracts.runs import Run, RunCounts, RunState
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER


def end(run: Run, state: RunState = RunState.SUCCEEDED) -> Run:
    """Returns the run as it is five seconds after its start, in this state."""
    return run.model_copy(update={"state": state, "finished_at": run.started_at + timedelta(seconds=5)})


async def test_run_is_read_as_saved(store: Store) -> None:
    """The store changes no value of a run."""
    run = await store.runs.begin(CONNECTION, now=NOW)
    begun = await store.runs.get(run.id)
    counts = RunCounts(seen=9, created=1, changed=2, unchanged=6, emitted=3, oversized=1, absent=4)
    changes = {"counts": counts, "invisible": ("office.name",), "error": "x"}
    ended = end(run).model_copy(update=changes)

    await store.runs.save(ended)

    assert begun == run
    assert await store.runs.get(run.id) == ended
    assert await store.runs.get("missing") is None


async def test_newest_runs_come_first_and_by_connection(store: Store) -> None:
    """The order is that of the starts, not that of the writes."""
    runs = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=number)) for number in (1, 3, 2)]
    await store.runs.begin(OTHER, now=NOW)

    assert await store.runs.list_newest(CONNECTION) == (runs[1], runs[2], runs[0])
    assert await store.runs.list_newest(CONNECTION, limit=2) == (runs[1], runs[2])


async def test_first_run_is_in_progress_until_one_succeeds(store: Store) -> None:
    """Runs that failed do not count, and a connection without a run in progress is left out."""
    failed, first = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=n)) for n in (1, 2)]
    other = await store.runs.begin(OTHER, now=NOW)
    await store.runs.save(end(failed, RunState.FAILED))
    await store.runs.save(end(other, RunState.FAILED))

    assert await store.runs.find_first([CONNECTION, OTHER]) == {CONNECTION}

    await store.runs.save(end(first))
    await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=3))

    assert await store.runs.find_first([CONNECTION, OTHER]) == frozenset()
    assert await store.runs.find_first([]) == frozenset()


async def test_last_finished_run_is_missing_while_all_run(store: Store) -> None:
    """A new connection has no finished run, and a running one does not count."""
    before = await store.runs.get_last_finished(CONNECTION)

    await store.runs.begin(CONNECTION, now=NOW)

    assert before is None
    assert await store.runs.get_last_finished(CONNECTION) is None


async def test_last_finished_run_may_have_succeeded_or_failed(store: Store) -> None:
    """A newer run that is still running does not hide it."""
    first, second, third = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=n)) for n in (1, 2, 3)]

    await store.runs.save(end(first))
    after_first = await store.runs.get_last_finished(CONNECTION)
    await store.runs.save(end(second, RunState.FAILED))

    assert after_first == end(first)
    assert await store.runs.get_last_finished(CONNECTION) == end(second, RunState.FAILED)
    assert (await store.runs.list_newest(CONNECTION))[0] == third


async def test_unfinished_runs_of_a_former_owner_are_failed(store: Store) -> None:
    """Finished runs and the runs of other connections stay as they are."""
    left, ended, other = [await store.runs.begin(connection, now=NOW) for connection in (CONNECTION, CONNECTION, OTHER)]
    await store.runs.save(end(ended))
    now = NOW + timedelta(hours=1)

    count = await store.runs.fail_unfinished(CONNECTION, "the poller stopped", now=now)

    failure = {"state": RunState.FAILED, "error": "the poller stopped", "finished_at": now}
    assert count == 1
    assert await store.runs.get(left.id) == left.model_copy(update=failure)
    assert await store.runs.get(ended.id) == end(ended)
    assert await store.runs.get(other.id) == other
    assert await store.runs.fail_unfinished(CONNECTION, "again", now=now) == 0


async def test_short_run_is_stored_at_its_end_alone(store: Store) -> None:
    """A run that was never stored as running is stored with its result."""
    run = await store.runs.begin(CONNECTION, now=NOW, is_stored=False)
    before = await store.runs.get(run.id)
    ended = run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": NOW})

    await store.runs.save(ended)

    assert before is None
    assert await store.runs.get(run.id) == ended
    assert await store.runs.find_last_finished([CONNECTION, OTHER]) == {CONNECTION: ended}


async def test_newest_ended_run_is_found_behind_one_in_progress(store: Store) -> None:
    """The runs of several connections are read together."""
    first, _, third = [await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=n)) for n in (1, 2, 3)]
    other = await store.runs.begin(OTHER, now=NOW)
    ended = [run.model_copy(update={"state": RunState.FAILED, "finished_at": NOW}) for run in (first, third, other)]
    await store.runs.save(ended[0])
    await store.runs.save(ended[2])

    assert await store.runs.find_last_finished([CONNECTION, OTHER]) == {CONNECTION: ended[0], OTHER: ended[2]}

    await store.runs.save(ended[1])

    assert await store.runs.find_last_finished([CONNECTION, OTHER]) == {CONNECTION: ended[1], OTHER: ended[2]}


async def test_successor_holds_the_same_changes(store: Store) -> None:
    """A run that was not replaced has none, and neither do other changes, another connection, or a run without a digest."""
    states = {"old": RunState.REPLACED, "other": RunState.REPLACED, "new": RunState.HELD, "plain": RunState.REPLACED}
    digests = {"old": "d1", "other": "d2", "new": "d1", "plain": None}
    runs = {}
    for name, state in states.items():
        begun = await store.runs.begin(CONNECTION, now=NOW)
        runs[name] = begun.model_copy(update={"state": state, "digest": digests[name]})
        await store.runs.save(runs[name])
    elsewhere = await store.runs.begin(OTHER, now=NOW)
    stranger = elsewhere.model_copy(update={"state": RunState.REPLACED, "digest": "d1"})

    assert await store.runs.find_successor(runs["old"]) == runs["new"]
    assert await store.runs.find_successor(runs["other"]) is None
    assert await store.runs.find_successor(runs["plain"]) is None
    assert await store.runs.find_successor(runs["new"]) is None
    assert await store.runs.find_successor(stranger) is None
