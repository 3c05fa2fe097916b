"""Observations: what a run has seen and not released, and which runs still need them."""

from datetime import timedelta

from services.contracts.ids import EmployeeId
from services.contracts.runs import Run, RunState
from services.store.database import Store
from services.store.observations import RELEASE_PAGE
from tests.support.builders import CONNECTION, NOW, OTHER, make_observation, make_person, make_snapshot


async def list_employees(store: Store, run: str) -> list[str]:
    """Returns the employees with an observation of a run, in the order in which they come."""
    return [seen.employee_id async for page in store.observations.stream(run) for seen in page]


async def test_observation_is_read_as_saved(store: Store) -> None:
    """The snapshot keeps its attributes to the byte. Saving again changes nothing."""
    snapshot = make_snapshot("7", attributes={"office.name": "Zürich", "status": "active", "a.b": None})
    changed = make_observation("7", snapshot=snapshot, replaces=900)
    absent = make_observation("8", snapshot=None, is_unknown=True)
    await store.observations.save([changed, absent], now=NOW)

    await store.observations.save([changed], now=NOW)

    assert [page async for page in store.observations.stream("n1")] == [(changed, absent)]


async def test_many_observations_come_in_pages(store: Store) -> None:
    """A release needs memory for one page."""
    keys = [f"{number:04}" for number in range(RELEASE_PAGE + 1)]
    await store.observations.save([make_observation(key) for key in keys], now=NOW)

    sizes = [len(page) async for page in store.observations.stream("n1")]

    assert sizes == [RELEASE_PAGE, 1]
    assert await list_employees(store, "n1") == keys


async def test_observations_are_dropped_by_run(store: Store) -> None:
    """Those of another run, and of another connection, stay."""
    mine = [make_observation("1", run) for run in ("n1", "n2", "n3")]
    await store.observations.save([*mine, make_observation("1", "n4", connection_id=OTHER)], now=NOW)

    await store.observations.drop("n1")
    assert [await list_employees(store, run) for run in ("n1", "n2", "n3", "n4")] == [[], ["1"], ["1"], ["1"]]
    await store.observations.drop_others(CONNECTION, ["n3"])

    assert [await list_employees(store, run) for run in ("n2", "n3", "n4")] == [[], ["1"], ["1"]]


# ---------------------------------------------------------------- held runs


async def hold(store: Store, minutes: int = 0, state: RunState = RunState.HELD) -> Run:
    """Stores a run in this state."""
    run = await store.runs.begin(CONNECTION, now=NOW + timedelta(minutes=minutes))
    await store.runs.save(held := run.model_copy(update={"state": state}))
    return held


async def test_held_and_releasing_runs_are_undecided(store: Store) -> None:
    """Their observations are still needed."""
    held, releasing = await hold(store), await hold(store, 1, RunState.RELEASING)
    await hold(store, 2, RunState.REJECTED)

    assert set(await store.runs.find_undecided(CONNECTION)) == {held.id, releasing.id}
    assert await store.runs.find_undecided(OTHER) == ()


async def test_later_run_replaces_held_ones(store: Store) -> None:
    """A run that is being released goes on."""
    first, releasing, last = await hold(store), await hold(store, 1, RunState.RELEASING), await hold(store, 2)

    assert await store.runs.replace_held(CONNECTION, by=last.id) == 1

    states = {run.id: run.state for run in await store.runs.list_newest(CONNECTION)}
    assert states == {
        first.id: RunState.REPLACED,
        releasing.id: RunState.RELEASING,
        last.id: RunState.HELD,
    }


async def test_run_is_decided_once(store: Store) -> None:
    """Of a release and a rejection, the first one counts."""
    run = await hold(store)

    assert await store.runs.decide(run.id, RunState.HELD, RunState.RELEASING)
    assert not await store.runs.decide(run.id, RunState.HELD, RunState.REJECTED)
    assert not await store.runs.decide("missing", RunState.HELD, RunState.REJECTED)
    found = await store.runs.get(run.id)
    assert found is not None
    assert found.state is RunState.RELEASING


# ---------------------------------------------------------------- absent employees


async def test_absent_employees_are_found_by_their_lookups(store: Store) -> None:
    """One without a lookup, one with an old and one with a recent one; acknowledged and listed ones are left out."""
    await store.snapshots.save([(make_snapshot(key), None) for key in "12345"])
    await store.snapshots.mark_absent(CONNECTION, [EmployeeId(key) for key in "1234"], NOW)
    await store.snapshots.mark_unknown(CONNECTION, [EmployeeId(key) for key in "145"], NOW)
    await store.snapshots.mark_unknown(CONNECTION, [EmployeeId("2")], NOW + timedelta(minutes=5))
    await store.snapshots.mark_unknown(CONNECTION, [EmployeeId("1")], NOW + timedelta(minutes=9))
    await store.snapshots.acknowledge_absence(make_person("4"))

    assert await store.snapshots.find_marked_absent(CONNECTION) == set("1234")
    assert await store.snapshots.find_unknown(CONNECTION, NOW, 9) == ("1",)
    assert set(await store.snapshots.find_unknown(CONNECTION, NOW + timedelta(minutes=5), 9)) == {"1", "2"}
    assert await store.snapshots.find_not_looked_up(CONNECTION, 9) == ("3",)

    await store.snapshots.clear_absent(CONNECTION, [EmployeeId("1")])
    await store.snapshots.mark_absent(CONNECTION, [EmployeeId("1")], NOW)

    assert set(await store.snapshots.find_not_looked_up(CONNECTION, 9)) == {"1", "3"}
    assert len(await store.snapshots.find_not_looked_up(CONNECTION, 1)) == 1
