"""Incremental polls: they ask for changed employees alone, and a full scan follows whenever one is needed."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from services.clients.personio.errors import PersonioRefusedError, PersonioUnavailableError
from services.contracts.connections import Guard
from services.contracts.employees import EmployeePage
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.mappings import AttributeSource, Rule, default_mapping
from services.contracts.runs import Run, RunKind, RunState
from tests.support.builders import ADA, CONNECTION, NOW, make_connection
from tests.support.fakes import make_employee
from tests.support.run_stage import CURSOR, DEPARTURE_SECONDS, MemoryRunStage

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P6")]

INTERVAL = 900.0
"""Seconds between two polls."""


class Company(MemoryRunStage):
    """A company with five employees."""

    async def poll(self, after: float = INTERVAL) -> Run:
        """Polls on schedule, this number of seconds later."""
        self.clock.seconds += after
        return await self.runner.poll(CONNECTION, is_full=False)

    def change(self, employee: str = "2", *, is_shown: bool = True, **values: str) -> None:
        """Changes an employee in Personio. Without ``is_shown``, the filter by time does not show it."""
        self.personio.people[employee] |= {"last_name": "New", **values}
        if is_shown:
            self.personio.changed_at[employee] = self.clock.now()

    def list_events(self) -> list[tuple[str, ChangeKind]]:
        """Returns the employees and kinds of the events since the import."""
        return [(event.employee_id, event.kind) for event in self.read_events()]

    @property
    def asked_since(self) -> datetime | None:
        """The time from which the last list was asked for."""
        return self.personio.asked_since[-1]


@pytest.fixture
async def company() -> Company:
    """The company after its import, and after the time in which the import is asked for again."""
    company = Company()
    await company.poll()
    company.publisher.log.clear()
    company.clock.seconds += CURSOR.overlap.total_seconds()
    return company


# ---------------------------------------------------------------- which employees


async def test_changed_employees_alone_are_asked_for(company: Company) -> None:
    """The first poll asks for all. The next one asks for changes since the start of the first, and some time before."""
    company.change()

    run = await company.poll()

    imported_at = NOW + timedelta(seconds=INTERVAL)
    assert company.personio.asked_since == [None, imported_at - CURSOR.overlap]
    assert run.kind is RunKind.INCREMENTAL
    assert run.state is RunState.SUCCEEDED
    assert run.counts.seen == 1
    assert run.counts.changed == 1
    assert company.list_events() == [("2", ChangeKind.CHANGED)]


async def test_time_moves_with_each_released_run(company: Company) -> None:
    """The same change is listed again within the overlap, and sent once."""
    company.change()
    first = await company.poll()

    second = await company.poll()

    assert company.asked_since == first.started_at - CURSOR.overlap
    assert second.counts.seen == 1
    assert second.counts.unchanged == 1
    assert len(company.list_events()) == 1


async def make_a_day_pass(company: Company) -> None:
    """A day after the last full scan."""
    company.clock.seconds += CURSOR.full_scan_every.total_seconds()


async def set_clock_back(company: Company) -> None:
    """The clock of the machine was wrong."""
    company.clock.seconds -= CURSOR.full_scan_every.total_seconds()


async def want_another_attribute(company: Company) -> None:
    """A mapping reads a further attribute."""
    rule = Rule(target="title", source=AttributeSource(attribute="position"))
    mapping = default_mapping().model_copy(update={"rules": (*default_mapping().rules, rule)})
    await company.store.mappings.publish(CONNECTION, mapping, now=NOW, expected_version=None)
    company.personio.visible = (*company.personio.visible, "position")


async def replace_credential(company: Company) -> None:
    """The credential is another one."""
    company.personio.fingerprint = "another"


async def hold_a_run(company: Company) -> None:
    """The last run is held."""
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(
        update={"guard": Guard(share=0, people=1)}
    )
    company.change("1")
    company.change("2")
    assert (await company.poll()).state is RunState.HELD


@pytest.mark.parametrize(
    "cause", [make_a_day_pass, set_clock_back, want_another_attribute, replace_credential, hold_a_run]
)
async def test_full_scan_is_due(company: Company, cause: Callable[[Company], Awaitable[None]]) -> None:
    """All employees are compared, also those that the filter by time does not show."""
    company.change("5", is_shown=False)
    await cause(company)

    run = await company.poll()

    assert company.asked_since is None
    assert run.kind is RunKind.FULL
    assert run.counts.seen == 5


async def test_poll_on_request_is_full(company: Company) -> None:
    """An administrator wants to see everything."""
    run = await company.runner.poll(CONNECTION)

    assert run.kind is RunKind.FULL


async def test_progress_that_cannot_be_read_leads_to_a_full_scan(company: Company) -> None:
    """The plan has none then."""
    company.fakes.schedule.progress.clear()

    assert (await company.poll()).kind is RunKind.FULL


async def test_refused_filter_leads_to_a_full_scan(company: Company) -> None:
    """Personio does not accept the time."""
    company.personio.refused_filter = PersonioRefusedError("422")
    company.change("5", is_shown=False)

    run = await company.poll()

    assert run.kind is RunKind.FULL
    assert run.state is RunState.SUCCEEDED
    assert run.counts.seen == 5
    assert company.list_events() == [("5", ChangeKind.CHANGED)]


async def test_filter_without_an_answer_leads_to_a_full_scan(company: Company) -> None:
    """Personio fails at the filter each time, and answers without it. The first failure may be an outage."""
    company.personio.refused_filter = PersonioUnavailableError("500")
    company.change("5")
    first = await company.poll()
    assert first.state is RunState.FAILED

    second = await company.poll()

    assert second.kind is RunKind.FULL
    assert second.state is RunState.SUCCEEDED
    assert company.list_events() == [("5", ChangeKind.CHANGED)]


# ---------------------------------------------------------------- what is not lost


async def break_list_off(company: Company) -> None:
    """The list ends with an error after its first page."""
    company.change("1")
    company.change("3")
    company.personio.failure = PersonioUnavailableError("no answer")


async def fail_at_once(company: Company) -> None:
    """Personio does not answer."""

    async def fail(_: int) -> None:
        raise PersonioUnavailableError("no answer")

    company.personio.before_page = fail


async def end_list_early(company: Company) -> None:
    """The list has fewer employees than its total."""
    company.personio.odd_pages = [EmployeePage((make_employee("1", company.personio.people["1"]),), 0, 2)]


async def lower_total(company: Company) -> None:
    """The total falls while the list is read."""
    company.personio.odd_pages = [EmployeePage((), 0, 2), EmployeePage((), 0, 0)]


@pytest.mark.parametrize("trouble", [break_list_off, fail_at_once, end_list_early, lower_total])
async def test_list_with_a_gap_is_asked_for_again(
    company: Company, trouble: Callable[[Company], Awaitable[None]]
) -> None:
    """The time stays where it was, so that the next poll lists what this one has missed."""
    usual = company.personio.before_page
    company.change("2")
    await trouble(company)
    run = await company.poll(after=CURSOR.overlap.total_seconds())
    assert run.state in {RunState.INCOMPLETE, RunState.FAILED}
    company.personio.failure = company.personio.odd_pages = None
    company.personio.before_page = usual

    again = await company.poll(after=CURSOR.overlap.total_seconds())

    assert again.kind is RunKind.INCREMENTAL
    assert again.state is RunState.SUCCEEDED
    assert ("2", ChangeKind.CHANGED) in company.list_events()


async def test_list_that_grows_is_complete(company: Company) -> None:
    """Employees change while the list is read, and one is listed twice."""
    first, second = (make_employee(key, company.personio.people[key]) for key in "12")
    company.personio.odd_pages = [EmployeePage((first,), 0, 1), EmployeePage((first, second), 1, 2)]

    run = await company.poll()

    assert run.kind is RunKind.INCREMENTAL
    assert run.state is RunState.SUCCEEDED
    assert run.counts.seen == 2


async def test_change_that_is_not_shown_is_found_and_counted(company: Company) -> None:
    """The next full scan finds it. By Personio's own timestamp, an earlier poll should have shown it."""
    company.clock.seconds += 1
    changed_at = company.clock.now()
    company.change("5", is_shown=False)
    await company.poll()
    await company.poll(after=2 * CURSOR.overlap.total_seconds())
    assert company.list_events() == []
    employee = make_employee("5", company.personio.people["5"], changed_at)
    others = [make_employee(key, company.personio.people[key]) for key in "1234"]
    company.personio.odd_pages = [EmployeePage((*others, employee), 0, 5)]

    run = await company.poll(after=CURSOR.full_scan_every.total_seconds())

    assert run.kind is RunKind.FULL
    assert run.counts.changed == 1
    assert run.counts.missed == 1


# ---------------------------------------------------------------- departures


async def test_second_lookup_does_not_wait_for_a_full_scan(company: Company) -> None:
    """A full scan no longer lists the employee, and looks the id up. An incremental poll looks it up again."""
    del company.personio.people["2"]
    await company.runner.poll(CONNECTION)

    run = await company.poll(after=DEPARTURE_SECONDS)

    assert run.kind is RunKind.INCREMENTAL
    assert run.state is RunState.SUCCEEDED
    assert run.counts.removed == 1
    assert company.list_events() == [("2", ChangeKind.REMOVED)]
    lookups = len(company.personio.lookups)
    await company.poll()
    assert len(company.personio.lookups) == lookups


async def test_incremental_list_makes_no_employee_absent(company: Company) -> None:
    """It lists changed employees alone. A deleted one waits for the full scan."""
    del company.personio.people["2"]

    run = await company.poll()

    assert run.counts.absent == 0
    assert company.personio.lookups == []


async def test_employee_that_exists_after_all_is_compared(company: Company) -> None:
    """The list lacked the employee, and the first lookup too. The employee is no longer absent, and changes arrive."""
    del company.personio.people["2"]
    await company.runner.poll(CONNECTION)
    company.personio.people["2"] = ADA | {"last_name": "Back"}

    run = await company.poll(after=DEPARTURE_SECONDS)

    assert run.state is RunState.SUCCEEDED
    assert run.counts.changed == 1
    assert run.counts.removed == 0
    assert company.list_events() == [("2", ChangeKind.CHANGED)]
    assert company.fakes.snapshots.content[PersonKey(CONNECTION, EmployeeId("2"))].absent_since is None


async def test_lookup_without_an_answer_concerns_its_employee(company: Company) -> None:
    """The others are looked up, and the run says that it is incomplete."""
    for key in "12":
        del company.personio.people[key]
    await company.runner.poll(CONNECTION)
    company.personio.failing_lookups["1"] = PersonioUnavailableError("500")

    run = await company.poll(after=DEPARTURE_SECONDS)

    assert run.state is RunState.INCOMPLETE
    assert company.list_events() == [("2", ChangeKind.REMOVED)]


# ---------------------------------------------------------------- the guard


async def test_changes_are_compared_with_all_employees(company: Company) -> None:
    """Two of the two listed employees are two of five. An inactive one does not count."""
    company.change("5", status="inactive")
    await company.poll()
    guard = Guard(share=0.5, people=1)
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": guard})
    company.change("1", last_name="A")
    company.change("2", last_name="B")

    few = await company.poll()
    for key in "123":
        company.change(key, last_name="C")
    many = await company.poll()

    assert few.state is RunState.SUCCEEDED
    assert many.state is RunState.HELD
    assert {(count.people, count.of) for count in many.unusual} == {(3, 4)}
