"""A poller is suspended past its lease before each of its writes in turn. The next lease owner works until it continues."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from services.contracts.cloudevents import read_event
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.runs import RunState
from services.contracts.tasks import TaskState
from services.poller import staging
from services.poller.account_reader import VerificationInterruptedError
from services.poller.lease import LeaseLostError
from tests.support.builders import CONNECTION
from tests.support.fake_store.fenced import GUARDED, UNGUARDED
from tests.support.rivals import MANY, OTHER, STOPPED, TRIMMED, Rivals

NOT_REACHED = {"snapshots.mark_oversized", "verifications.restart", "tasks.file"}
"""Writes for damaged or oversized data, and of the first verification of a day."""


INSERTED = ("runs", "snapshots", "attributes", "steps")
"""What a fence does not guard, because it is inserted and replaces nothing."""


@pytest.fixture
async def rivals(monkeypatch: pytest.MonkeyPatch) -> Rivals:
    """A company with something to do for every kind of write. Few changes are kept in memory."""
    monkeypatch.setattr(staging, "MAX_IN_MEMORY", 2)
    rivals = Rivals()
    await rivals.prepare()
    return rivals


def change_a_few(rivals: Rivals) -> None:
    """Changes employees that the suspended poller has read already, and one that it has not."""
    for number in (2, 3, 29):
        rivals.people[str(number)]["last_name"] = "Newer"


def change_many(rivals: Rivals) -> None:
    """Changes half of the employees, so that the run of the next owner is held."""
    for number in range(14, MANY):
        rivals.people[str(number)]["last_name"] = "Unusual"


async def test_work_reaches_every_kind_of_write(rivals: Rivals) -> None:
    """Otherwise the tests below would not cover it."""
    reached: set[str] = set()

    async def note(write: str) -> None:
        reached.add(write)

    await rivals.work(OTHER, note)

    writes = {
        f"{name}.{method}" for table in (GUARDED, UNGUARDED) for name, methods in table.items() for method in methods
    }
    assert writes - reached - {"marks.repair_unsettled"} == NOT_REACHED
    assert "publish" in reached


async def suspend_and_dump(
    rivals: Rivals, at: int, take_over: Callable[[], Awaitable[None]]
) -> tuple[str | None, dict[str, Any]]:
    """Suspends a poller before a write. Returns the write, None if there are fewer, and what was stored when it continued.

    What it has inserted since then is added: its own run, a new employee, and the next step of a verification.
    """
    before: dict[str, Any] = {}

    async def look() -> None:
        await take_over()
        before.update(rivals.dump())

    write = await rivals.suspend(at, look)
    if write is None:
        return None, before
    after = rivals.dump()
    late = {name: after[name].keys() - before[name].keys() for name in INSERTED}
    assert {after["runs"][run].state for run in late["runs"]} <= {RunState.FAILED}
    for name, keys in late.items():
        before[name] |= {key: after[name][key] for key in keys}
    return write, before


async def check_stale_write(rivals: Rivals, at: int, change: Callable[[Rivals], None]) -> str | None:
    """Suspends a poller before a write, and checks that its late writes change nothing. Returns the write."""

    async def take_over() -> None:
        change(rivals)
        await rivals.work(OTHER)

    write, before = await suspend_and_dump(rivals, at, take_over)
    assert write is None or rivals.dump() == before, f"suspended before {write}, number {at}"
    return write


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
async def test_late_write_of_any_kind_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end, Kafka has every revision in order, and the newest state of each employee."""
    monkeypatch.setattr(staging, "MAX_IN_MEMORY", 2)
    at = 0
    while True:
        rivals = Rivals()
        await rivals.prepare()
        write = await check_stale_write(rivals, at, change_a_few)
        if write is None:
            break
        rivals.clock.seconds += 60
        await rivals.work(OTHER)
        check_events(rivals, f"suspended before {write}, number {at}")
        at += 1

    assert at > 50


def check_events(rivals: Rivals, situation: str) -> None:
    """Checks the events in Kafka, and the snapshots."""
    revisions: dict[str, dict[int, bytes]] = defaultdict(dict)
    for record in rivals.log:
        event = read_event(EmployeeChanged, record.value)
        first = revisions[event.employee_id].setdefault(event.revision, record.value or b"")
        # the attribute of one employee is removed between two resends of one revision
        assert first == record.value or event.employee_id == TRIMMED, f"another content of one revision: {situation}"
    for person, snapshot in rivals.store.snapshots.content.items():
        sent = list(revisions[person.employee_id])
        assert sent == sorted(sent), situation
        assert sent[-1] == snapshot.revision, situation
        employee = rivals.people.get(person.employee_id)
        if employee is not None:
            assert snapshot.attributes["last_name"] == employee["last_name"], situation
            assert snapshot.absent_since is None, situation
    removed = {p.employee_id for p, s in rivals.store.snapshots.content.items() if s.kind is ChangeKind.REMOVED}
    assert {"11", "13"} <= removed <= {"9", "10", "11", "13"}, situation


async def find_kinds() -> dict[str, int]:
    """Returns the first position of each kind of write."""
    rivals, reached = Rivals(), list[str]()

    async def note(write: str) -> None:
        reached.append(write)

    await rivals.prepare()
    await rivals.work(OTHER, note)
    return {write: reached.index(write) for write in reached}


class Halt:
    """Holds a poller before a write of this name, and lets it continue."""

    def __init__(self, write: str) -> None:
        """The poller has not reached it."""
        self._write = write
        self.is_reached = asyncio.Event()
        self.may_continue = asyncio.Event()

    async def __call__(self, write: str) -> None:
        """Waits before the write."""
        if write == self._write:
            self.is_reached.set()
            await self.may_continue.wait()


@pytest.mark.promise("P1")
@pytest.mark.parametrize("halted_at", ["snapshots.save", "observations.drop", "tasks.finish"])
async def test_late_write_leaves_work_in_progress(monkeypatch: pytest.MonkeyPatch, halted_at: str) -> None:
    """The next owner is in the middle of its tasks and its run: they keep their observations, and end as usual."""
    monkeypatch.setattr(staging, "MAX_IN_MEMORY", 2)
    for write, at in (await find_kinds()).items():
        rivals, halt, others = Rivals(), Halt(halted_at), list[asyncio.Task[None]]()
        await rivals.prepare()

        async def take_over(rivals: Rivals = rivals, halt: Halt = halt, others: list[Any] = others) -> None:
            change_a_few(rivals)
            others.append(asyncio.create_task(rivals.work(OTHER, halt)))
            await asyncio.wait_for(halt.is_reached.wait(), 5)

        _, before = await suspend_and_dump(rivals, at, take_over)
        assert rivals.dump() == before, f"suspended before {write}"
        halt.may_continue.set()
        with suppress(VerificationInterruptedError):  # it continues after the step of the suspended poller
            await others[0]
        rivals.clock.seconds += 60
        await rivals.work(OTHER)

        states = Counter(task.state for task in rivals.store.tasks.content.values())
        assert states == {TaskState.DONE: states.total() - 1, TaskState.FAILED: 1}, f"suspended before {write}"
        check_events(rivals, f"suspended before {write}")


@pytest.mark.promise("P6")
async def test_late_write_leaves_the_held_run_of_the_next_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its observations stay complete, and an administrator can release it."""
    monkeypatch.setattr(staging, "MAX_IN_MEMORY", 2)
    at = 0
    while True:
        rivals = Rivals()
        await rivals.prepare()
        write = await check_stale_write(rivals, at, change_many)
        if write is None:
            break
        held = [run for run in rivals.store.runs.content.values() if run.state is RunState.HELD]
        assert len(held) == 1, f"suspended before {write}, number {at}"
        seen = [employee for run, employee in rivals.store.observations.content if run == held[0].id]
        assert len(seen) >= MANY - 14, f"suspended before {write}, number {at}"
        assert held[0].connection_id == CONNECTION
        at += 1

    assert at > 50


@pytest.mark.promise("P6")
async def test_late_hold_is_refused() -> None:
    """An administrator would decide about changes that the next owner has not found any longer."""
    rivals, reached = Rivals(), list[str]()
    rivals.page = MANY + 1  # a run with one page is stored at its end
    await rivals.work(OTHER)
    rivals.clock.seconds += 60
    change_many(rivals)

    async def stop(write: str) -> None:
        if write == "runs.save" and "observations.save" in reached and "stop" not in reached:
            reached.append("stop")
            rivals.clock.seconds += 31
            for number in range(14, MANY):
                rivals.people[str(number)]["last_name"] = f"N{number}"
            await rivals.work(OTHER)
        reached.append(write)

    with suppress(LeaseLostError):
        await rivals.work(STOPPED, stop)

    assert "stop" in reached
    assert RunState.HELD not in {run.state for run in rivals.store.runs.content.values()}
