"""Days on which employments begin and end: the poller looks at employees on them, without a change in Personio."""

from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from services.contracts.connections import Guard
from services.contracts.employees import EmploymentPhase
from services.contracts.mappings import EmploymentDates, default_mapping
from services.contracts.observations import GroupKind
from services.contracts.polls import PollProgress, ScanBasis
from services.contracts.runs import Run, RunKind, RunNotHeldError, RunState
from services.contracts.tasks import DecideRun
from services.poller.cursor import SPREAD, Cursor
from services.store.polls import PollPlan
from tests.support.builders import CONNECTION, make_connection
from tests.support.run_stage import MemoryRunStage

pytestmark = pytest.mark.promise("P9")

DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
NO_SCAN = Cursor(overlap=timedelta(hours=2), full_scan_every=timedelta(days=365), morning=timedelta(hours=20))
"""Rules that lead to no full scan in these tests, before 21 o'clock."""


class Company(MemoryRunStage):
    """A company with five employees that releases the dates of employments."""

    def __init__(self) -> None:
        super().__init__()
        self.personio.visible = (*self.personio.visible, "hire_date", "last_working_day", "termination_date")
        self.runner._cursor = NO_SCAN

    async def publish(self, **dates: object) -> None:
        """Publishes a mapping with these rules for dates."""
        mapping = default_mapping().model_copy(update={"employment": EmploymentDates.model_validate(dates)})
        await self.store.mappings.publish(CONNECTION, mapping, now=self.clock.now(), expected_version=None)

    async def poll(self, at: datetime | None = None, *, is_full: bool = False) -> Run:
        """Polls at this time; None polls now."""
        if at is not None:
            self.clock.seconds += (at - self.clock.now()).total_seconds()
        return await self.runner.poll(CONNECTION, is_full=is_full)

    def list_events(self) -> list[tuple[str, EmploymentPhase]]:
        """Returns the employees and phases of the events."""
        return [(event.employee_id, event.phase) for event in self.read_events()]


@pytest.fixture
async def company() -> Company:
    """The company before its import."""
    return Company()


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Returns a time in March 2026 in Berlin."""
    return datetime(2026, 3, day, hour, minute, tzinfo=BERLIN)


async def test_first_day_is_noticed_without_a_change_in_personio(company: Company) -> None:
    """At midnight of the company, the employee is looked up and sent once more, as a new revision."""
    company.personio.people["2"]["hire_date"] = "2026-03-11"
    await company.poll(at(10, 23, 10))
    company.publisher.log.clear()

    before = await company.poll(at(10, 23, 59))
    after = await company.poll(at(11, 0, 1))
    later = await company.poll(at(11, 0, 16))

    assert {run.kind for run in (before, after, later)} == {RunKind.INCREMENTAL}
    assert company.list_events() == [("2", EmploymentPhase.CURRENT)]
    assert company.personio.lookups == ["2"]
    assert after.counts.changed == 1


async def test_moved_hire_date_is_seen_on_the_old_day(company: Company) -> None:
    """The lookup shows the new date, also if the filter by time has missed it."""
    company.personio.people["2"]["hire_date"] = "2026-03-11"
    await company.poll(at(9, 12))
    company.personio.people["2"]["hire_date"] = "2026-03-13"

    await company.poll(at(11, 0, 1))

    assert company.list_events()[-1] == ("2", EmploymentPhase.UPCOMING)


async def test_last_day_ends_the_account(company: Company) -> None:
    """The status is still active."""
    await company.publish(disable_after_last_day=True)
    company.personio.people["2"]["last_working_day"] = "2026-03-10"
    await company.poll(at(9, 12))
    company.publisher.log.clear()

    await company.poll(at(10, 23, 59))
    await company.poll(at(11, 0, 1))

    assert company.list_events() == [("2", EmploymentPhase.ENDED)]


async def test_many_ends_on_one_day_are_held(company: Company) -> None:
    """They lose their accounts, as leavers do."""
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(
        update={"guard": Guard(share=0.3, people=1)}
    )
    await company.publish(disable_after_last_day=True)
    await company.poll(at(9, 12))
    for key in "123":
        company.personio.people[key]["termination_date"] = "2026-02-28"
        company.personio.changed_at[key] = company.clock.now()

    run = await company.poll(at(9, 13))

    assert run.state is RunState.HELD
    assert GroupKind.LEFT in {count.group.kind for count in run.unusual}


async def test_decision_before_a_last_day_does_not_count_after_it(company: Company) -> None:
    """The administrator has checked a change of the date alone. By now, the same values end the employments."""
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(
        update={"guard": Guard(share=0.3, people=1)}
    )
    await company.publish(disable_after_last_day=True)
    for key in "123":
        company.personio.people[key]["termination_date"] = None
    await company.poll(at(9, 12))
    company.publisher.log.clear()
    for key in "123":
        company.personio.people[key]["termination_date"] = "2026-03-09"
    checked = await company.poll(at(9, 13), is_full=True)
    ended = await company.poll(at(10, 1))
    decision = DecideRun(run=checked.id, is_released=True)

    with pytest.raises(RunNotHeldError, match="replaced, not held"):
        await company.decider.decide(CONNECTION, decision)

    assert GroupKind.LEFT not in {count.group.kind for count in checked.unusual}
    assert GroupKind.LEFT in {count.group.kind for count in ended.unusual}
    assert company.publisher.log == []


async def test_changed_rule_leads_to_a_full_scan(company: Company) -> None:
    """All phases are found again."""
    await company.publish()
    company.personio.people["2"]["hire_date"] = "2026-03-11"
    await company.poll(at(9, 12))
    company.publisher.log.clear()
    await company.publish(days_before_start=5)

    run = await company.poll(at(9, 13))

    assert run.kind is RunKind.FULL
    assert company.list_events() == [("2", EmploymentPhase.CURRENT)]


async def test_hidden_hire_date_is_not_reported(company: Company) -> None:
    """It is wanted if it is visible. Without it, the status decides."""
    company.personio.visible = tuple(key for key in company.personio.visible if key != "hire_date")

    run = await company.poll()

    assert run.invisible == ()


# ---------------------------------------------------------------- the morning


class Plan:
    """The plan of a poll after a full scan."""

    connection_id = CONNECTION
    time_zone = BERLIN

    def __init__(self, full_scan_at: datetime, now: datetime) -> None:
        basis = ScanBasis(attributes=("email",), employment=EmploymentDates(), source="x")
        self.progress = PollProgress(released_until=now, full_scan_at=full_scan_at, basis=basis)

    def needs_any(self, *_: str) -> bool:
        """Nothing is to be done."""
        return False


@pytest.mark.parametrize(
    ("full_scan_at", "now", "is_full"),
    [
        (at(9, 12), at(9, 23), False),
        (at(9, 12), at(10, 4, 59), False),
        (at(9, 12), at(10, 8, 0), True),
        (at(10, 8, 0), at(10, 23), False),
        (at(10, 4), at(10, 9), True),
        (at(28, 12), at(29, 8, 0), True),
    ],
    ids=["same day", "night", "morning", "after it", "scan before the morning", "clock change"],
)
def test_full_scan_is_due_each_morning(full_scan_at: datetime, now: datetime, is_full: bool) -> None:
    """Some hours after midnight of the company, when Personio has changed the statuses of the day."""
    cursor = Cursor(overlap=timedelta(hours=2), full_scan_every=timedelta(days=1), morning=timedelta(hours=5))
    plan = Plan(full_scan_at.astimezone(UTC), now.astimezone(UTC))

    since = cursor.find_since(cast("PollPlan", plan), plan.progress.basis, now.astimezone(UTC))

    assert (since is None) == is_full


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("Antarctica/Troll", datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
    ],
)
def test_short_or_missing_day_is_after_an_earlier_morning(zone: str, night: datetime) -> None:
    """Just after midnight, the latest morning that the settings allow has not come since the day before began."""
    cursor = Cursor(overlap=timedelta(), full_scan_every=timedelta(days=9), morning=timedelta(hours=22, minutes=59))
    plan = Plan(night - timedelta(days=2), night)
    plan.time_zone = ZoneInfo(zone)

    assert cursor.find_since(cast("PollPlan", plan), plan.progress.basis, night) is None


def test_mornings_of_many_companies_are_spread() -> None:
    """All of them begin within the hours after the setting, and not at once."""
    cursor = Cursor(overlap=timedelta(), full_scan_every=timedelta(days=2), morning=timedelta(hours=5))
    noon, starts = at(9, 12).astimezone(UTC), set()
    for number in range(200):
        plan = Plan(noon, noon)
        plan.connection_id = f"c{number:012}"  # type: ignore[assignment]
        times = [at(10, 5).astimezone(UTC) + timedelta(minutes=minutes) for minutes in range(0, 181, 5)]
        due = [cursor.find_since(cast("PollPlan", plan), plan.progress.basis, now) is None for now in times]
        starts.add(times[due.index(True)])

    assert len(starts) > 30
    assert max(starts) - min(starts) <= SPREAD
