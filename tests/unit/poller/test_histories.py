"""Random histories of a company: the published events lead to its final state, after anything that happens on the way.

A history is a list of steps. One that fails is printed as the shortest list that Hypothesis finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clients.personio.errors import PersonioRefusedError, PersonioUnavailableError
from services.contracts.cloudevents import read_event
from services.contracts.connections import Guard
from services.contracts.employees import EmployeePage
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.runs import RunNotHeldError, RunState
from services.contracts.tasks import DecideRun
from services.contracts.values import Value
from services.poller.cursor import Cursor
from services.poller.decisions import Decider
from services.store.database import Store
from tests.support.builders import ADA, CONNECTION, make_connection
from tests.support.fake_store import FakeStore
from tests.support.fakes import CrashError, Crashes, FakeClock, FakePersonio, FakePublisher, make_employee
from tests.support.run_stage import DEPARTURE_SECONDS, build_crashing_runner
from tests.unit.contracts.strategies import repeatable

pytestmark = [
    pytest.mark.promise("P1"),
    pytest.mark.promise("P2"),
    pytest.mark.promise("P6"),
    pytest.mark.promise("P9"),
]

HISTORIES = 500
"""Number of histories."""
NARROW = Cursor(overlap=timedelta(seconds=1), full_scan_every=timedelta(days=1), morning=timedelta(hours=5))
"""An overlap that hides no mistake about the time from which changes are asked for."""
GUARD = Guard(share=0.3, people=2)
"""Thresholds that a company of this size exceeds often."""


@dataclass(frozen=True)
class Step:
    """One thing that happens."""

    name: str
    """Name of the method of ``World``."""
    number: int = 0
    """Chooses the employee, or the place of a crash."""


NAMES = (
    *(
        "hire",
        "hire_many",
        "rename",
        "rename_all",
        "hand_email_on",
        "leave",
        "leave_all",
        "come_back",
        "delete",
        "return_same",
    ),
    *("return_new", "hide_from_list", "show_in_list", "hide_supervisor", "show_supervisor", "move_on"),
    *(
        "poll",
        "poll",
        "poll_all",
        "hide_changes",
        "show_changes",
        "refuse_filter",
        "crash",
        "crash",
        "break_off",
        "lie_about_total",
        "fail_lookups",
        "release",
        "reject",
        "look_up",
    ),
)
"""What can happen. Some is more frequent."""
STEPS = st.lists(st.builds(Step, st.sampled_from(NAMES), st.integers(0, 40)), min_size=1, max_size=25)


SHOWN = [name for name in NAMES if name not in {"delete", "hide_from_list", "hide_changes"}]
"""What leaves nothing to a full scan."""
SHOWN_STEPS = st.lists(st.builds(Step, st.sampled_from(SHOWN), st.integers(0, 40)), min_size=1, max_size=25)


class World:
    """A company, what it has in Personio, and the poller."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.store.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": GUARD})
        self.personio = FakePersonio({str(number): self.make_person(number) for number in range(1, 5)}, page=3)
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        self.deleted: dict[str, dict[str, Value]] = {}
        self.next_id = 100
        self.is_hidden = False
        """Whether Personio's filter by time shows no further change."""
        self.hidden: dict[str, datetime] = {}
        """The times of the changes that it does not show yet."""

    def make_person(self, number: int) -> dict[str, Value]:
        """Returns the attributes of a person."""
        return {"first_name": f"F{number}", "last_name": f"L{number}", "email": f"e{number}@x.example"}

    def choose(self, number: int) -> str | None:
        """Returns an employee of Personio; None without any."""
        people = sorted(self.personio.people)
        return people[number % len(people)] if people else None

    # ------------------------------------------------------------ what happens in Personio

    def hire(self, _: int) -> None:
        self.next_id += 1
        self.personio.people[str(self.next_id)] = ADA | self.make_person(self.next_id)

    def hire_many(self, number: int) -> None:
        for _ in range(2 + number % 6):
            self.hire(0)

    def rename(self, number: int) -> None:
        if employee := self.choose(number):
            self.personio.people[employee]["last_name"] = f"New{number}"

    def rename_all(self, number: int) -> None:
        for values in self.personio.people.values():
            values["last_name"] = f"All{number}"

    def hand_email_on(self, number: int) -> None:
        """An employee gets the address of another one, which gets a new one."""
        first, second = self.choose(number), self.choose(number + 1)
        if first and second and first != second:
            people = self.personio.people
            people[first]["email"], people[second]["email"] = people[second]["email"], f"new{number}@x.example"

    def leave(self, number: int) -> None:
        if employee := self.choose(number):
            self.personio.people[employee]["status"] = "inactive"

    def leave_all(self, _: int) -> None:
        for values in self.personio.people.values():
            values["status"] = "inactive"

    def come_back(self, number: int) -> None:
        if employee := self.choose(number):
            self.personio.people[employee]["status"] = "active"

    def delete(self, number: int) -> None:
        if employee := self.choose(number):
            self.deleted[employee] = self.personio.people.pop(employee)
            self.personio.unlisted.discard(employee)

    def return_same(self, number: int) -> None:
        if self.deleted:
            employee = sorted(self.deleted)[number % len(self.deleted)]
            self.personio.people[employee] = self.deleted.pop(employee)

    def return_new(self, number: int) -> None:
        """A deleted employee is hired again under another id."""
        if self.deleted:
            self.next_id += 1
            self.personio.people[str(self.next_id)] = dict(
                self.deleted[sorted(self.deleted)[number % len(self.deleted)]]
            )

    def hide_from_list(self, number: int) -> None:
        """The list lacks an employee that exists, and its total agrees with it."""
        if employee := self.choose(number):
            self.personio.unlisted.add(employee)

    def show_in_list(self, _: int) -> None:
        self.personio.unlisted.clear()

    def hide_supervisor(self, _: int) -> None:
        """The credential no longer releases an attribute."""
        self.personio.visible = tuple(key for key in self.personio.visible if key != "supervisor")

    def show_supervisor(self, _: int) -> None:
        self.personio.visible = (*self.personio.visible, "supervisor")

    def move_on(self, number: int) -> None:
        """Time passes."""
        self.clock.seconds += 60 * number

    def hide_changes(self, _: int) -> None:
        """The filter by time lags."""
        self.is_hidden = True

    def show_changes(self, _: int) -> None:
        """The filter by time shows what it has hidden, with the times of the changes."""
        self.is_hidden = False
        self.personio.changed_at |= self.hidden
        self.hidden.clear()

    def mark_changes(self, before: Mapping[str, Mapping[str, Value]]) -> None:
        """Notes the time of what has changed for the filter by time."""
        changed = {key for key, values in self.personio.people.items() if before.get(key) != values}
        marks = self.hidden if self.is_hidden else self.personio.changed_at
        marks |= dict.fromkeys(changed, self.clock.now())

    # ------------------------------------------------------------ what the poller does

    async def poll_all(self, _: int = 0) -> RunState | None:
        """An administrator asks for a poll of all employees."""
        return await self.poll(is_full=True)

    async def refuse_filter(self, _: int) -> None:
        """Personio refuses the filter by time."""
        self.personio.refused_filter = PersonioRefusedError("422")
        await self.poll()
        self.personio.refused_filter = None

    async def poll(self, _: int = 0, crashes: Crashes | None = None, *, is_full: bool = False) -> RunState | None:
        """Polls. Checks that no employee is reported as deleted that exists. Returns the state; None after a crash."""
        self.clock.seconds += 60
        before = len(self.publisher.log)
        runner = build_crashing_runner(
            cast("Store", self.store), self.personio, self.publisher, crashes or Crashes(), self.clock, NARROW
        )
        try:
            run = await runner.poll(CONNECTION, is_full=is_full)
        except CrashError:
            run = None
        self.check_departures(before)
        return run.state if run else None

    def check_departures(self, first: int) -> None:
        """Checks that no event from this number on reports an employee as deleted that is listed.

        An employee may come back after the poll that a person decides about: then the next poll says so.
        """
        for record in self.publisher.log[first:]:
            event = read_event(EmployeeChanged, record.value)
            if event.kind is ChangeKind.REMOVED:
                assert event.employee_id not in self.personio.people, "a departure that did not happen"

    async def crash(self, number: int) -> None:
        """Polls, and crashes before one of the effects."""
        await self.poll(crashes=Crashes(number))

    async def break_off(self, number: int) -> None:
        """The list ends with an error."""

        async def fail(page: int) -> None:
            if page > number % 3:
                raise PersonioUnavailableError("no answer")

        usual, self.personio.before_page = self.personio.before_page, fail
        await self.poll()
        self.personio.before_page = usual

    async def lie_about_total(self, number: int) -> None:
        """The list has one page, and a total that changes or is too large."""
        people = list(self.personio.people.items())[: number % 4]
        employees = tuple(make_employee(key, values) for key, values in people)
        total = len(people) + number % 3
        self.personio.odd_pages = [EmployeePage(employees, 0, total + 1), EmployeePage((), len(people), total)]
        await self.poll()
        self.personio.odd_pages = None

    async def fail_lookups(self, _: int) -> None:
        """No lookup is answered."""
        self.personio.lookup_failure = PersonioUnavailableError("502")
        await self.poll()
        self.personio.lookup_failure = None

    async def look_up(self, number: int) -> None:
        """An administrator does not wait for a held run."""
        if employee := self.choose(number):
            runner = build_crashing_runner(
                cast("Store", self.store), self.personio, self.publisher, Crashes(), self.clock
            )
            await runner.look_up(CONNECTION, [EmployeeId(employee)])

    async def release(self, number: int) -> None:
        """Releases the newest held run, with a crash on the way."""
        await self.decide(number, is_released=True)

    async def reject(self, number: int) -> None:
        """Rejects the newest held run, with a crash on the way."""
        await self.decide(number, is_released=False)

    async def decide(self, number: int, *, is_released: bool) -> None:
        held = [run for run in await self.store.runs.list_newest(CONNECTION) if run.state is RunState.HELD]
        for crashes in (Crashes(number % 8), Crashes()):
            runner = build_crashing_runner(
                cast("Store", self.store), self.personio, self.publisher, crashes, self.clock
            )
            repositories = runner._repositories
            decider = Decider(self.store.polls, repositories.runs, repositories.observations, runner.build_releaser)
            for run in held[:1]:
                try:
                    await decider.decide(CONNECTION, DecideRun(run=run.id, is_released=is_released))
                except (CrashError, RunNotHeldError):
                    continue

    # ------------------------------------------------------------ the end

    async def settle(self, *, is_shown: bool) -> None:
        """Lets the poller come to rest: lists are right, and held runs are released.

        If the filter by time has shown every change (``is_shown``), only deleted employees need full scans.
        """
        self.show_in_list(0)
        quiet = 0
        for _ in range(20):
            self.clock.seconds += DEPARTURE_SECONDS
            before = len(self.publisher.log)
            state = await self.poll(is_full=not is_shown)
            if state is RunState.HELD:
                await self.decide(99, is_released=True)
            quiet = quiet + 1 if state is RunState.SUCCEEDED and len(self.publisher.log) == before else 0
            if quiet == 3:  # a lookup without a result publishes nothing, and the one after it does
                return
        raise AssertionError("the poller does not come to rest")

    def check(self) -> None:
        """Checks what a reader of the events knows at the end."""
        newest: dict[str, EmployeeChanged] = {}
        contents: dict[str, set[bytes]] = {}
        for record in self.publisher.log:
            event = read_event(EmployeeChanged, record.value)
            contents.setdefault(event.event_id, set()).add(record.value or b"")
            known = newest.get(event.employee_id)
            assert known is None or known.revision <= event.revision, "an older revision after a newer one"
            newest[event.employee_id] = event
        assert all(len(values) == 1 for values in contents.values()), "one revision with two contents"
        for employee, values in self.personio.people.items():
            event = newest[employee]
            assert event.kind is not ChangeKind.REMOVED, f"{employee} works here"
            assert {key: event.attributes[key] for key in ("last_name", "email", "status")} == {
                key: values[key] for key in ("last_name", "email", "status")
            }, employee
        for employee in newest.keys() - self.personio.people.keys():
            assert newest[employee].kind is ChangeKind.REMOVED, f"{employee} was deleted and keeps the account"
        assert self.store.observations.content == {}


async def live(steps: list[Step], *, is_shown: bool) -> None:
    """Lets a history happen, and checks its end."""
    world = World()
    for step in steps:
        before = deepcopy(world.personio.people)
        action = cast("Callable[[int], Awaitable[object] | None]", getattr(world, step.name))
        result = action(step.number)
        if result is not None:
            await result
        world.mark_changes(before)
    await world.settle(is_shown=is_shown)
    world.check()


@settings(repeatable, max_examples=HISTORIES)
@given(STEPS)
def test_events_of_any_history_lead_to_its_end(steps: list[Step]) -> None:
    """No change is lost, no account of an employee is taken away, and none of a deleted one stays."""
    asyncio.run(live(steps, is_shown=False))


@settings(repeatable, max_examples=HISTORIES)
@given(SHOWN_STEPS)
def test_incremental_polls_lose_no_change_that_is_shown(steps: list[Step]) -> None:
    """While Personio's filter by time shows every change, no full scan is needed to find one."""
    asyncio.run(live(steps, is_shown=True))
