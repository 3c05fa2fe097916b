"""Statuses that change at midnight of the company, or some hours later: Personio documents neither zone nor hour."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.personio.in_process import NOW, PersonioSandbox, extract_ids, run_sandbox

BERLIN = "Europe/Berlin"


async def _read_status(personio: PersonioSandbox, employee_id: int, at: str) -> str:
    """Returns the status that the vendor's API shows at a time in UTC."""
    personio.state.clock.offset = datetime.fromisoformat(at).replace(tzinfo=UTC) - NOW
    await personio.log_in()
    employees = await personio.list_attributes()
    return str(employees[employee_id]["status"]["value"])


async def test_onboarding_becomes_active_at_local_midnight() -> None:
    """In Berlin the hire date begins an hour before midnight in UTC in winter, and two hours in summer."""
    async with run_sandbox() as personio:
        winter = (await personio.call_control("POST", "/employees", {"hire_date": "2026-03-10"}))["id"]
        summer = (await personio.call_control("POST", "/employees", {"hire_date": "2026-06-10"}))["id"]

        assert await _read_status(personio, winter, "2026-03-09T22:59:59") == "onboarding"
        assert await _read_status(personio, winter, "2026-03-09T23:00:00") == "active"
        assert await _read_status(personio, summer, "2026-06-09T21:59:59") == "onboarding"
        assert await _read_status(personio, summer, "2026-06-09T22:00:00") == "active"


async def test_sync_at_four_sees_the_flip_a_day_late() -> None:
    """With a flip at five, a sync at 04:00 in Berlin still sees onboarding on the hire date."""
    async with run_sandbox(time_zone=BERLIN, flip_hour=5) as personio:
        hired = (await personio.call_control("POST", "/employees", {"hire_date": "2026-03-10"}))["id"]

        assert await _read_status(personio, hired, "2026-03-10T03:00:00") == "onboarding"
        assert await _read_status(personio, hired, "2026-03-10T04:00:00") == "active"


async def test_leaver_becomes_inactive_after_the_last_day() -> None:
    """The local day after the last working day makes a leaver inactive, at the hour of the switch."""
    async with run_sandbox(time_zone="America/New_York", flip_hour=2) as personio:
        leaver = next(
            employee.id for employee in personio.state.company.list_employees() if employee.status == "active"
        )
        await personio.call_control("POST", f"/employees/{leaver}/terminate", {"last_working_day": "2026-03-05"})

        assert await _read_status(personio, leaver, "2026-03-06T06:59:59") == "active"
        assert await _read_status(personio, leaver, "2026-03-06T07:00:00") == "inactive"


@pytest.mark.parametrize(("leaves_mark", "listed"), [(False, False), (True, True)])
async def test_flip_shows_in_updated_since_by_switch(leaves_mark: bool, listed: bool) -> None:
    """A flip leaves the stamp of its moment, or none at all: then only a full scan sees it."""
    async with run_sandbox(time_zone=BERLIN, flip_hour=5, flips_leave_a_mark=leaves_mark) as personio:
        hired = (await personio.call_control("POST", "/employees", {"hire_date": "2026-03-10"}))["id"]

        assert await _read_status(personio, hired, "2026-03-10T09:00:00") == "active"

        before = extract_ids(await personio.list_page("?updated_since=2026-03-10T03:59:59"))
        after = extract_ids(await personio.list_page("?updated_since=2026-03-10T04:00:00"))

        assert (hired in before) is listed
        assert hired not in after


async def test_flip_applies_before_a_control_request(personio: PersonioSandbox) -> None:
    """A control request shows the day's statuses although the vendor's API was not asked."""
    hired = (await personio.call_control("POST", "/employees", {"hire_date": "2026-03-10"}))["id"]
    personio.state.clock.offset = timedelta(days=8)

    assert (await personio.call_control("GET", f"/employees/{hired}"))["status"] == "active"


async def test_new_employee_starts_by_the_local_day() -> None:
    """Whether a hire date is in the future depends on the day of the company."""
    async with run_sandbox(time_zone="Pacific/Auckland") as personio:
        hired = await personio.call_control("POST", "/employees", {"hire_date": "2026-03-03"})

        assert hired["status"] == "active"


@pytest.mark.parametrize("switches", [{"time_zone": "Europe/Atlantis"}, {"flip_hour": 24}])
async def test_unknown_zone_or_hour_is_422(personio: PersonioSandbox, switches: dict[str, object]) -> None:
    """An unknown time zone or an hour outside the day is rejected, and changes nothing."""
    response = await personio.http.patch("/_control/behaviour", json=switches)

    assert response.status_code == 422
    assert personio.state.behaviour.time_zone == BERLIN
