"""Fences: what a process writes after the end of its lease changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast, get_type_hints

import pytest

from services.contracts.catalogues import SourceCatalogue
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.mappings import EmploymentDates
from services.contracts.polls import PollProgress, ScanBasis
from services.contracts.runs import RunState
from services.contracts.snapshots import Listing, NotedListing
from services.contracts.tasks import Poll
from services.poller.repositories import Repositories
from services.store.database import Store
from tests.contract.store.population import make_step
from tests.simulation.guarded_store import READS
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    PERSONIO,
    make_entry,
    make_observation,
    make_outcome,
    make_pinned,
    make_snapshot,
)
from tests.support.fake_store import FakeStore
from tests.support.fake_store.fenced import GUARDED, UNGUARDED

ENDED, LASTING = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Ends of a lease, far from the clock of any database."""
LATER = NOW + timedelta(days=1)
ONE, TWO = EmployeeId("1"), EmployeeId("2")
"""An employee that is listed, and one that is absent."""


class FenceError(Exception):
    """The lease has ended, as far as the process knows."""


@dataclass
class StillFence:
    """A fence of which a test sets the end."""

    ends_at: datetime
    has_noticed: bool = True
    """Whether the process knows that its lease has ended."""

    def ensure_held(self) -> None:
        """Raises ``FenceError`` if the lease has ended and the process knows."""
        if self.ends_at == ENDED and self.has_noticed:
            raise FenceError


BASIS = ScanBasis(attributes=(), employment=EmploymentDates(), source="x")
PROGRESS = PollProgress(released_until=LATER, full_scan_at=LATER, basis=BASIS)
"""Progress that is not stored yet."""
Write = Callable[[Repositories], Awaitable[Any]]
PEOPLE: dict[str, Write] = {
    "snapshots.save": lambda s: s.snapshots.save([(make_snapshot("1", 2_000), 1_000)]),
    "snapshots.replace_attributes": lambda s: s.snapshots.replace_attributes([make_snapshot("1", attributes={})]),
    "snapshots.note_listings": lambda s: s.snapshots.note_listings(
        CONNECTION, [NotedListing(ONE, "hash-1-1000", Listing("digest", ("email",)))]
    ),
    "snapshots.mark_emitted": lambda s: s.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)]),
    "snapshots.mark_oversized": lambda s: s.snapshots.mark_oversized(CONNECTION, [(ONE, 1_000)]),
    "snapshots.mark_absent": lambda s: s.snapshots.mark_absent(CONNECTION, [ONE], NOW),
    "snapshots.mark_unknown": lambda s: s.snapshots.mark_unknown(CONNECTION, [TWO], NOW),
    "snapshots.clear_absent": lambda s: s.snapshots.clear_absent(CONNECTION, [TWO]),
    "expiry.remove_missing": lambda s: s.expiry.remove_missing(CONNECTION, LATER, 10),
    "expiry.reduce_leavers": lambda s: s.expiry.reduce_leavers(CONNECTION, LATER, 10),
    "expiry.remove_examples": lambda s: s.expiry.remove_examples(CONNECTION, LATER),
    "marks.repair_unsettled": lambda s: s.marks.repair_unsettled(CONNECTION),
    "marks.repair_all": lambda s: s.marks.repair_all(CONNECTION),
    "catalogues.save": lambda s: s.catalogues.save(
        SourceCatalogue(connection_id=CONNECTION, attributes=(), employees=7)
    ),
}
"""A write of each kind about employees."""
RUNS: dict[str, Write] = {
    "runs.fail_unfinished": lambda s: s.runs.fail_unfinished(CONNECTION, "x", now=NOW),
    "runs.replace_held": lambda s: s.runs.replace_held(CONNECTION, by="n9"),
    "runs.decide": lambda s: s.runs.decide("held", RunState.HELD, RunState.RELEASING),
    "observations.drop": lambda s: s.observations.drop("held"),
    "observations.drop_person": lambda s: s.observations.drop_person(PersonKey(CONNECTION, ONE)),
    "observations.drop_others": lambda s: s.observations.drop_others(CONNECTION, ["n9"]),
    "tasks.start": lambda s: s.tasks.start("open"),
    "tasks.set_progress": lambda s: s.tasks.set_progress("running", {"seen": 1}),
    "tasks.finish": lambda s: s.tasks.finish("running", {}, now=NOW),
    "tasks.fail": lambda s: s.tasks.fail("running", "x", now=NOW),
    "tasks.reopen_running": lambda s: s.tasks.reopen_running(CONNECTION),
    "verifications.begin": lambda s: s.verifications.begin(CONNECTION, "v9"),
    "verifications.restart": lambda s: s.verifications.restart(CONNECTION, "v1"),
    "verifications.note_repaired": lambda s: s.verifications.note_repaired(CONNECTION, "v1", 0),
    "verifications.finish": lambda s: s.verifications.finish(CONNECTION, "v9", {}, now=NOW),
    "schedule.set_next_poll": lambda s: s.schedule.set_next_poll(CONNECTION, LATER),
    "schedule.set_rejected_resent_on": lambda s: s.schedule.set_rejected_resent_on(CONNECTION, LATER.date()),
    "schedule.set_verified_on": lambda s: s.schedule.set_verified_on(CONNECTION, LATER.date()),
    "schedule.set_progress": lambda s: s.schedule.set_progress(CONNECTION, PROGRESS),
}
"""A write of each kind about runs, tasks and verifications, and about the connection."""
WRITES = PEOPLE | RUNS


async def fill(store: Store) -> None:
    """Stores what each of the writes changes."""
    connections = cast("Any", store.connections)
    connections._new_id = lambda: CONNECTION
    await store.connections.add("one", PERSONIO, DECLAREE, now=NOW)
    absent = make_snapshot("2", absent_since=NOW)
    leaver = make_snapshot("3", status="inactive", attributes={"status": "inactive", "first_name": "Zoë"})
    await store.ledger.write([make_entry(key, decided=make_outcome(key)) for key in "23"])
    await store.snapshots.save([(snapshot, None) for snapshot in (make_snapshot("1"), absent, leaver)])
    await store.examples.save(make_pinned("9"))
    await store.catalogues.save(SourceCatalogue(connection_id=CONNECTION, attributes=()))
    running = await store.runs.begin(CONNECTION, now=NOW)
    await store.runs.save(running.model_copy(update={"id": "held", "state": RunState.HELD}))
    await store.observations.save([make_observation("1", "held")], now=NOW)
    tasks = cast("Any", store.tasks)
    for name in ("open", "running"):
        tasks._new_id = lambda name=name: name
        await store.tasks.file(CONNECTION, Poll(), now=NOW)
    await store.tasks.start("running")
    await store.verifications.finish(CONNECTION, "v0", {}, now=NOW)
    step = make_step(0).model_copy(update={"to_repair": (ONE,)})
    await store.verifications.save_step(CONNECTION, "v1", step)


async def dump(store: Store) -> str:
    """Returns everything that is stored."""
    fakes = cast("object", store)
    if isinstance(fakes, FakeStore):
        attributes = [snapshot.attributes_json for snapshot in fakes.snapshots.content.values()]
        return repr((attributes, fakes.examples.content, {name: vars(getattr(fakes, name)) for name in GUARDED}))
    database = store._database
    names = sorted(await database.list_collection_names())
    return repr([await database[name].find().sort("_id").to_list(None) for name in names])


def fence(store: Store, ends_at: datetime, *, has_noticed: bool = True) -> Repositories:
    """Returns the repositories of work with a lease that ends then."""
    return cast("Repositories", store.fence(StillFence(ends_at, has_noticed)))


@pytest.mark.promise("P1")
async def test_late_writes_change_nothing(store: Store) -> None:
    """The process was suspended past its lease, after it had checked the lease and before its write arrived."""
    await fill(store)
    before = await dump(store)

    for name, write in WRITES.items():
        with pytest.raises(FenceError):
            await write(fence(store, ENDED))

        assert await dump(store) == before, name


async def test_late_writes_change_nothing_unnoticed(mongodb_store: Store) -> None:
    """MongoDB decides by its own clock, even if the process believes that its lease lasts."""
    await fill(mongodb_store)
    before = await dump(mongodb_store)

    for name, write in WRITES.items():
        if not name.startswith("schedule."):  # an error: the connection is not found
            await write(fence(mongodb_store, ENDED, has_noticed=False))

        assert await dump(mongodb_store) == before, name


@pytest.mark.parametrize("name", WRITES)
async def test_timely_write_takes_effect(store: Store, name: str) -> None:
    """Otherwise the tests of late writes would prove nothing."""
    await fill(store)
    before = await dump(store)

    await WRITES[name](fence(store, LASTING))

    assert await dump(store) != before


async def test_step_of_a_verification_is_stored_once(store: Store) -> None:
    """A suspended poller would replace the step of the next lease owner, which may end at another account."""
    steps = store.verifications
    first = await steps.save_step(CONNECTION, "v1", make_step(0))

    second = await steps.save_step(CONNECTION, "v1", make_step(0).model_copy(update={"next_start": 9}))

    assert first is True
    assert second is False
    assert [step.next_start async for step in steps.iterate_steps(CONNECTION, "v1")] == [1]


async def test_run_that_has_ended_stays_as_it_is(store: Store) -> None:
    """The next lease owner has ended the run. A hold that comes later must not be offered for a decision."""
    run = await store.runs.begin(CONNECTION, now=NOW)
    await store.runs.fail_unfinished(CONNECTION, "taken over", now=NOW)

    await store.runs.save(run.model_copy(update={"state": RunState.HELD}))

    stored = await store.runs.get(run.id)
    assert stored is not None
    assert stored.state is RunState.FAILED


def test_every_write_of_the_poller_is_known() -> None:
    """A new write needs a fence, or a reason in ADR 029."""
    writes: set[str] = set()
    for name, repository in vars(Repositories).items():
        if isinstance(repository, property):
            port: type[Protocol] = get_type_hints(repository.fget)["return"]  # type: ignore[valid-type]
            methods = [method for method in vars(port) if not method.startswith(("_", "iterate", "plan", *READS))]
            writes |= {f"{name}.{method}" for method in methods}

    known = {
        f"{name}.{method}" for table in (GUARDED, UNGUARDED) for name, methods in table.items() for method in methods
    }
    assert writes == known
    assert WRITES.keys() == {f"{name}.{method}" for name, methods in GUARDED.items() for method in methods}
