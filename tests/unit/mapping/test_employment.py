"""Dates of an employment: when accounts begin and end, on a day in the company's time zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.employees import EmploymentPhase
from services.contracts.events import ChangeKind
from services.contracts.mappings import EmploymentDates
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapping.employment import EmploymentCalendar, Phase
from services.mapping.engine import Engine
from tests.support.builders import NOW, make_change, make_published_mapping

TODAY = date(2026, 3, 9)
"""The day of these tests."""
UPCOMING, CURRENT, ENDED = EmploymentPhase
BY_STATUS = EmploymentDates()
"""The status decides, and the hire date."""
EARLY = EmploymentDates(days_before_start=5)
"""Accounts begin five days before the hire date."""
ENDING = EmploymentDates(disable_after_last_day=True)
"""Accounts end after the last day."""


def find_phase(dates: EmploymentDates = BY_STATUS, /, **attributes: Value) -> tuple[EmploymentPhase, date | None]:
    """Returns the phase today, and the day of the next one."""
    return EmploymentCalendar(dates, TODAY).find_phase(attributes)


@pytest.mark.parametrize(
    ("dates", "hire_date", "phase", "next_day"),
    [
        (BY_STATUS, "2026-03-10", UPCOMING, date(2026, 3, 10)),
        (BY_STATUS, "2026-03-09", CURRENT, None),
        (BY_STATUS, "2014-11-09", CURRENT, None),
        (EARLY, "2026-03-15", UPCOMING, date(2026, 3, 10)),
        (EARLY, "2026-03-14", CURRENT, None),
    ],
)
def test_employment_begins_on_the_hire_date_or_some_days_before(
    dates: EmploymentDates, hire_date: str, phase: EmploymentPhase, next_day: date | None
) -> None:
    """The next day is the one on which the account begins."""
    assert find_phase(dates, hire_date=hire_date) == (phase, next_day)


@pytest.mark.parametrize(
    "hire_date",
    [None, "", "soon", "0001-01-01", "9999-12-31", "2026-13-01", 20260310, ("2026-03-10",), "2026-03-10T00:00:00"],
)
def test_hire_date_that_cannot_be_read_has_passed(hire_date: Value) -> None:
    """The status decides then."""
    assert find_phase(hire_date=hire_date) == (CURRENT, None)


@pytest.mark.parametrize(
    ("last_working_day", "termination_date", "phase", "next_day"),
    [
        ("2026-03-09", None, CURRENT, date(2026, 3, 10)),
        ("2026-03-08", None, ENDED, None),
        ("2026-03-08", "2026-04-30", ENDED, None),
        ("2026-03-31", "2026-03-08", CURRENT, date(2026, 4, 1)),
        (None, "2026-03-08", ENDED, None),
        ("", "2026-03-09", CURRENT, date(2026, 3, 10)),
        (None, None, CURRENT, None),
    ],
)
def test_employment_ends_after_its_last_working_day(
    last_working_day: Value, termination_date: Value, phase: EmploymentPhase, next_day: date | None
) -> None:
    """The end of the employment counts without a last working day. The last day itself is a day of work."""
    found = find_phase(ENDING, last_working_day=last_working_day, termination_date=termination_date)

    assert found == (phase, next_day)


def test_last_day_counts_only_if_the_mapping_says_so() -> None:
    """By default, the status alone ends an account."""
    assert find_phase(last_working_day="2026-01-31") == (CURRENT, None)


@pytest.mark.parametrize(
    ("hire_date", "expected"),
    [("2026-02-01", (CURRENT, None)), ("2026-04-01", (UPCOMING, date(2026, 4, 1)))],
)
def test_last_day_before_the_hire_date_is_of_an_earlier_time(hire_date: str, expected: object) -> None:
    """The employee was hired again, and Personio still has the old date."""
    assert find_phase(ENDING, hire_date=hire_date, termination_date="2026-01-31") == expected


def test_last_working_day_of_an_earlier_time_hides_no_later_end() -> None:
    """Only one of both dates was replaced when the employee was hired again."""
    dates = {"hire_date": "2026-02-01", "last_working_day": "2026-01-31", "termination_date": "2026-03-08"}

    assert find_phase(ENDING, **dates) == (ENDED, None)


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("Europe/Berlin", datetime(2026, 3, 8, 22, 59, tzinfo=UTC), date(2026, 3, 8)),
        ("Europe/Berlin", datetime(2026, 3, 8, 23, 0, tzinfo=UTC), date(2026, 3, 9)),
        ("America/New_York", datetime(2026, 3, 9, 3, 59, tzinfo=UTC), date(2026, 3, 8)),
        ("Pacific/Auckland", datetime(2026, 3, 8, 11, 0, tzinfo=UTC), date(2026, 3, 9)),
    ],
)
def test_day_begins_at_midnight_of_the_company(zone: str, now: datetime, today: date) -> None:
    """Not at that of the server."""
    assert EmploymentCalendar.open(None, ZoneInfo(zone), now).today == today


@given(
    st.builds(EmploymentDates, days_before_start=st.none() | st.integers(0, 90), disable_after_last_day=st.booleans()),
    st.dictionaries(
        st.sampled_from(["hire_date", "last_working_day", "termination_date"]),
        st.dates(TODAY - timedelta(days=200), TODAY + timedelta(days=200)).map(str) | st.none() | st.text(max_size=12),
    ),
    st.integers(0, 300),
)
def test_phase_changes_on_its_next_day_and_not_before(
    dates: EmploymentDates, attributes: dict[str, Any], days: int
) -> None:
    """So an employee that is looked at on these days alone is always right."""
    phase, next_day = EmploymentCalendar(dates, TODAY).find_phase(attributes)
    later = TODAY + timedelta(days=days)
    then, _ = EmploymentCalendar(dates, later).find_phase(attributes)

    if next_day is None or later < next_day:
        assert then is phase
    if later == next_day:
        assert then is not phase


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    ("dates", "before", "expected"),
    [
        (BY_STATUS, (UPCOMING, date(2026, 3, 10)), (UPCOMING, date(2026, 3, 10))),
        (BY_STATUS, (UPCOMING, TODAY), (CURRENT, None)),
        (BY_STATUS, (CURRENT, None), (CURRENT, None)),
        (ENDING, (ENDED, None), (ENDED, None)),
        (ENDING, (CURRENT, date(2026, 3, 10)), (CURRENT, date(2026, 3, 10))),
        (ENDING, (CURRENT, TODAY), (ENDED, None)),
        (BY_STATUS, (ENDED, None), (CURRENT, None)),
    ],
)
def test_hidden_dates_stay_as_they_were(dates: EmploymentDates, before: Phase, expected: Phase) -> None:
    """The credential no longer shows them: that opens and ends no account."""
    assert EmploymentCalendar(dates, TODAY).find_phase({}, before) == expected


def test_last_day_is_known_although_the_hire_date_is_hidden() -> None:
    """Otherwise, only the full scan of the next day would find it."""
    calendar = EmploymentCalendar(ENDING, TODAY)

    assert calendar.find_phase({"termination_date": "2026-03-09"}, (UPCOMING, TODAY)) == (CURRENT, date(2026, 3, 10))
    assert calendar.find_phase({"termination_date": "2026-03-08"}, (UPCOMING, TODAY)) == (ENDED, None)


def test_empty_date_is_not_hidden() -> None:
    """The date was removed in Personio."""
    assert EmploymentCalendar(BY_STATUS, TODAY).find_phase({"hire_date": None}, (UPCOMING, date(2026, 4, 1))) == (
        CURRENT,
        None,
    )


# ---------------------------------------------------------------- intents


@pytest.mark.parametrize(
    ("dates", "status", "phase", "intent"),
    [
        (BY_STATUS, "active", UPCOMING, Intent.IGNORE),
        (BY_STATUS, "active", CURRENT, Intent.PROVISION),
        (BY_STATUS, "onboarding", CURRENT, Intent.IGNORE),
        (EARLY, "onboarding", UPCOMING, Intent.IGNORE),
        (EARLY, "onboarding", CURRENT, Intent.PROVISION),
        (EARLY, "active", CURRENT, Intent.PROVISION),
        (EARLY, "inactive", CURRENT, Intent.DISABLE),
        (EARLY, "leave", CURRENT, Intent.IGNORE),
        (EARLY, None, CURRENT, Intent.IGNORE),
        (ENDING, "active", ENDED, Intent.DISABLE),
        (ENDING, "leave", ENDED, Intent.DISABLE),
        (ENDING, "inactive", UPCOMING, Intent.DISABLE),
        (BY_STATUS, "active", ENDED, Intent.PROVISION),
    ],
)
def test_status_and_phase_decide_the_intent(
    dates: EmploymentDates, status: Value, phase: EmploymentPhase, intent: Intent
) -> None:
    """Only active employees have an account, and those that begin soon if the mapping says so."""
    event = make_change({"status": status, "hire_date": "2026-03-10"}).model_copy(update={"phase": phase})

    assert Engine(make_published_mapping(employment=dates)).map(event).intent is intent


def test_onboarding_without_a_hire_date_waits_for_the_status() -> None:
    """The days before an unknown day are unknown."""
    event = make_change({"status": "onboarding"})

    assert Engine(make_published_mapping(employment=EARLY)).map(event).intent is Intent.IGNORE


def test_life_cycle_can_provision_before_the_first_day() -> None:
    """A company that gives each status onboarding an account does so without a date."""
    event = make_change({"status": "onboarding"}).model_copy(update={"phase": UPCOMING})
    engine = Engine(make_published_mapping(life_cycle={"onboarding": Intent.PROVISION}))

    assert engine.map(event).intent is Intent.PROVISION


def test_removed_employee_is_disabled_in_any_phase() -> None:
    """Also before the first day."""
    event = make_change(kind=ChangeKind.REMOVED).model_copy(update={"phase": UPCOMING})

    assert Engine(make_published_mapping()).map(event).intent is Intent.DISABLE


def test_time_of_the_mapper_does_not_count() -> None:
    """The same event gives the same request for ever: the event says the phase of its own day."""
    event = make_change({"hire_date": f"{NOW.date() + timedelta(days=1)}"})

    assert Engine(make_published_mapping()).map(event).intent is Intent.PROVISION
