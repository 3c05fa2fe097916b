"""Deleted employees: an employee that is not listed is looked up twice, with a pause in between, and then loses the account."""

import pytest

from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.connections import Guard
from services.contracts.employees import EmployeePage
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.runs import Run, RunState
from services.contracts.tasks import DecideRun
from services.poller import absences
from tests.support.builders import ADA, CONNECTION, make_connection
from tests.support.fakes import make_employee
from tests.support.run_stage import DEPARTURE_SECONDS, MemoryRunStage

pytestmark = [pytest.mark.promise("P6"), pytest.mark.promise("P9")]

GONE = "2"
"""The employee that Personio has deleted."""


class Company(MemoryRunStage):
    """A company with five employees, all of them imported."""

    def __init__(self) -> None:
        super().__init__()
        self.people = dict(self.personio.people)

    async def poll(self, after: float = DEPARTURE_SECONDS) -> Run:
        """Polls this number of seconds later."""
        self.clock.seconds += after
        return await self.runner.poll(CONNECTION)

    def delete(self, employee: str = GONE) -> None:
        """Deletes an employee in Personio."""
        del self.personio.people[employee]

    def list_events(self) -> list[tuple[str, ChangeKind]]:
        """Returns the employees and kinds of the events since the import."""
        return [(event.employee_id, event.kind) for event in self.read_events()]

    async def decide(self, run: str) -> dict[str, int]:
        """Releases a held run."""
        return await self.decider.decide(CONNECTION, DecideRun(run=run, is_released=True))

    def is_absent(self, employee: str = GONE) -> bool:
        """Returns whether an employee is stored as absent."""
        snapshot = self.fakes.snapshots.content[PersonKey(CONNECTION, EmployeeId(employee))]
        return snapshot.absent_since is not None


@pytest.fixture
async def company() -> Company:
    """The company after its import."""
    company = Company()
    await company.poll()
    company.publisher.log.clear()
    return company


async def test_deleted_employee_is_removed_after_two_lookups(company: Company) -> None:
    """The second one comes after the pause. There is one event, and no further lookup."""
    company.delete()

    first = await company.poll()
    soon = await company.poll(after=DEPARTURE_SECONDS - 1)
    assert company.list_events() == []
    await company.poll(after=1)
    last = await company.poll()

    assert [run.state for run in (first, soon, last)] == [RunState.SUCCEEDED] * 3
    assert company.list_events() == [(GONE, ChangeKind.REMOVED)]
    assert company.personio.lookups == [GONE, GONE]
    assert company.is_absent()


async def test_employee_that_exists_makes_the_list_incomplete(company: Company) -> None:
    """Total and pages agree, and the list is wrong nevertheless. Neither this employee nor another one is absent."""
    company.delete("3")
    company.personio.unlisted = {GONE}

    runs = [await company.poll() for _ in range(3)]

    assert {run.state for run in runs} == {RunState.INCOMPLETE}
    assert "1 exist that it does not list" in str(runs[0].error)
    assert company.list_events() == []
    assert not company.is_absent()
    assert not company.is_absent("3")


async def test_failed_lookup_removes_no_employee(company: Company) -> None:
    """A gateway without an answer says nothing about the employee."""
    company.delete()
    await company.poll()
    company.personio.lookup_failure = PersonioUnavailableError("Personio answers with a server error (502)")

    run = await company.poll()

    assert run.state is RunState.INCOMPLETE
    assert run.error == "Personio answers with a server error (502)"
    assert company.list_events() == []

    company.personio.lookup_failure = None
    await company.poll()

    assert company.list_events() == [(GONE, ChangeKind.REMOVED)]


async def test_failed_first_lookup_is_repeated(company: Company) -> None:
    """The employee is absent at once, and is removed after two lookups with an answer."""
    company.delete()
    company.personio.lookup_failure = PersonioUnavailableError("no answer")
    await company.poll()
    company.personio.lookup_failure = None
    await company.poll()
    assert company.list_events() == []

    await company.poll()

    assert company.list_events() == [(GONE, ChangeKind.REMOVED)]
    assert company.personio.lookups == [GONE] * 3


async def test_spoilt_page_of_every_scan_removes_no_employee(company: Company) -> None:
    """The employees of one page of eleven never come, and one element has no id."""
    employees = [make_employee(key, ADA | dict(values)) for key, values in company.people.items()]
    company.personio.odd_pages = [EmployeePage(tuple(employees[1:]), 0, 5, skipped=1)]

    runs = [await company.poll() for _ in range(4)]

    assert {run.state for run in runs} == {RunState.INCOMPLETE}
    assert company.list_events() == []
    assert company.personio.lookups == []


async def test_acknowledged_employee_is_not_removed(company: Company) -> None:
    """An administrator has decided that the account stays as it is."""
    company.delete()
    await company.poll()
    await company.store.snapshots.acknowledge_absence(PersonKey(CONNECTION, EmployeeId(GONE)))

    await company.poll()
    await company.poll()

    assert company.list_events() == []


async def test_return_between_the_lookups_begins_again(company: Company) -> None:
    """The pause counts from the first lookup after the return."""
    company.delete()
    await company.poll()
    company.personio.people[GONE] = company.people[GONE]
    await company.poll()
    company.publisher.log.clear()
    company.delete()

    await company.poll()
    assert company.list_events() == []
    await company.poll()

    assert company.list_events() == [(GONE, ChangeKind.REMOVED)]


async def test_return_after_the_removal_is_a_change(company: Company) -> None:
    """The same id with the same data: the account is enabled again."""
    company.delete()
    await company.poll()
    await company.poll()
    company.publisher.log.clear()
    company.personio.people[GONE] = company.people[GONE]

    await company.poll()
    await company.poll()

    assert company.list_events() == [(GONE, ChangeKind.CHANGED)]
    assert not company.is_absent()


async def test_late_release_removes_no_employee_that_is_listed_again(company: Company) -> None:
    """The run was held for long. The later ones were incomplete, and did not replace it."""
    guard = Guard(share=0, people=0)
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": guard})
    company.delete()
    absent = await company.poll()
    await company.decide(absent.id)
    deleted = await company.poll()
    assert deleted.state is RunState.HELD
    employees = [make_employee(key, ADA | dict(values)) for key, values in company.people.items()]
    company.personio.odd_pages = [EmployeePage(tuple(employees), 0, 99)]
    assert (await company.poll()).state is RunState.INCOMPLETE
    company.publisher.log.clear()

    counts = await company.decide(deleted.id)

    assert counts == {"emitted": 0, "oversized": 0, "superseded": 1}
    assert company.list_events() == []


async def test_many_deleted_employees_are_looked_up_scan_by_scan(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan sends few lookups. Second ones come first, so that all are removed in the end."""
    monkeypatch.setattr(absences, "MAX_LOOKUPS", 2)
    for employee in "1235":
        company.delete(employee)

    for _ in range(5):
        before = len(company.personio.lookups)
        await company.poll()
        assert len(company.personio.lookups) - before <= 2

    assert sorted(company.list_events()) == [(employee, ChangeKind.REMOVED) for employee in "1235"]
    assert all(company.is_absent(employee) for employee in "1235")


@pytest.mark.parametrize("failing", [{"1", "2", "3"}, {"1", "2", "3", "5"}])
async def test_failing_lookups_keep_no_other_employee_waiting(
    company: Company, monkeypatch: pytest.MonkeyPatch, failing: set[str]
) -> None:
    """Personio never answers for some deleted employees, which were deleted first. The last one is removed nevertheless."""
    monkeypatch.setattr(absences, "MAX_LOOKUPS", 2)
    for employee in failing:
        company.delete(employee)
        company.personio.failing_lookups[employee] = PersonioUnavailableError(
            "Personio answers with a server error (502)"
        )
    await company.poll()
    company.delete("4")

    for _ in range(40):
        await company.poll()

    assert company.list_events() == [("4", ChangeKind.REMOVED)]


async def test_second_lookups_that_fail_leave_room_for_first_ones(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Personio answers the first lookup of some deleted employees, and never the second one."""
    monkeypatch.setattr(absences, "MAX_LOOKUPS", 2)
    for employee in "123":
        company.delete(employee)
    while any(company.personio.lookups.count(employee) < 1 for employee in "123"):
        await company.poll(after=1)
    for employee in "123":
        company.personio.failing_lookups[employee] = PersonioUnavailableError(
            "Personio answers with a server error (502)"
        )
    company.delete("4")

    await company.poll()

    assert "4" in company.personio.lookups


async def test_unlisted_leaver_is_compared(company: Company) -> None:
    """The list lacks an employee in every scan, and the lookup shows that the employee has left."""
    company.personio.unlisted = {GONE}
    company.personio.people[GONE] = company.personio.people[GONE] | {"status": "inactive"}

    runs = [await company.poll() for _ in range(2)]

    assert {run.state for run in runs} == {RunState.INCOMPLETE}
    assert "listed 4, 1 exist that it does not list" in str(runs[0].error)
    assert company.list_events() == [(GONE, ChangeKind.CHANGED)]
