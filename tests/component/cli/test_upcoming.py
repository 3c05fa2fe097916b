"""`people upcoming` and `connections time-zone` on a real MongoDB."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.contracts.employees import EmploymentPhase
from services.contracts.ids import ConnectionId
from services.store.database import Store
from tests.support.builders import make_snapshot
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
async def today(store: Store, connection: ConnectionId) -> datetime:
    """Today in Berlin. Access begins in three days for 1, ends in two for 2, and begins in a month for 3; 4 has left."""
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    days = {"1": (3, "hire_date"), "2": (2, "last_working_day"), "3": (30, "hire_date"), "4": (1, "termination_date")}
    snapshots = []
    for key, (in_days, attribute) in days.items():
        day = today.date() + timedelta(days=in_days)
        phase = EmploymentPhase.UPCOMING if attribute == "hire_date" else EmploymentPhase.CURRENT
        last = day - timedelta(days=0 if attribute == "hire_date" else 1)
        values = {"first_name": "Zoë", "last_name": key, attribute: f"{last}"}
        values["status"] = "inactive" if key == "4" else "active"
        snapshots.append(make_snapshot(key, connection_id=connection, attributes=values, phase=phase, next_day=day))
    await store.snapshots.save([(snapshot, None) for snapshot in snapshots])
    return today


@pytest.mark.parametrize(
    ("phase", "has_day", "status", "text"),
    [
        (EmploymentPhase.UPCOMING, True, "active", "access begins on 2026-03-20, by the hire date\n"),
        (EmploymentPhase.CURRENT, True, "active", "access ends on 2026-03-20, because the last day is over then\n"),
        (EmploymentPhase.ENDED, False, "active", "access has ended, because the last day is over\n"),
        (EmploymentPhase.CURRENT, False, "active", ""),
        (EmploymentPhase.UPCOMING, True, "inactive", ""),
    ],
)
async def test_show_says_when_the_dates_decide(
    cli: Cli, store: Store, connection: ConnectionId, phase: EmploymentPhase, has_day: bool, status: str, text: str
) -> None:
    """An active employee without an enabled account is otherwise a riddle."""
    day = date(2026, 3, 20) if has_day else None
    attributes = {"status": status}
    snapshot = make_snapshot(connection_id=connection, attributes=attributes, phase=phase, next_day=day)
    await store.snapshots.save([(snapshot, None)])

    output = (await asyncio.to_thread(cli, "people", "show", connection, "1")).output

    assert [line for line in output.splitlines(keepends=True) if line.startswith("access")] == [text] * bool(text)


def test_changes_of_the_next_days_are_listed(cli: Cli, connection: ConnectionId, today: datetime) -> None:
    """The next one first, without names."""
    lines = cli("people", "upcoming", connection).output.splitlines()

    ends, begins = today.date() + timedelta(days=2), today.date() + timedelta(days=3)
    assert [line.split() for line in lines] == [
        [f"{ends}", "access", "ends", "2", "-", "last", "day", f"{ends - timedelta(days=1)}"],
        [f"{begins}", "access", "begins", "1", "-", "hire", "date", f"{begins}"],
    ]


def test_names_and_days_are_chosen(cli: Cli, connection: ConnectionId, today: datetime) -> None:
    """Names are personal data, and shown on request."""
    listed = json.loads(cli("people", "upcoming", connection, "--days", "31", "--names", "--json").output)

    assert [(one["employee"], one["begins"], one["name"]) for one in listed] == [
        ("2", False, "Zoë 2"),
        ("1", True, "Zoë 1"),
        ("3", True, "Zoë 3"),
    ]
    assert listed[2]["day"] == f"{today.date() + timedelta(days=30)}"


def test_days_without_changes_are_named(cli: Cli, connection: ConnectionId) -> None:
    """An empty answer would look like a failure."""
    assert (
        cli("people", "upcoming", connection).output
        == "Access begins or ends for none of the employees in the next 14 days.\n"
    )


def test_time_zone_is_shown_and_changed(cli: Cli, connection: ConnectionId) -> None:
    """An unknown one is refused, and changes nothing."""
    before = cli("connections", "time-zone", connection).output
    changed = cli("connections", "time-zone", connection, "America/New_York").output
    refused = cli("connections", "time-zone", connection, "Berlin")

    assert before == "time zone: Europe/Berlin\n"
    assert changed == "time zone: America/New_York\n"
    assert refused.exit_code == 2
    assert "the time zone is unknown" in refused.output
    assert cli("connections", "time-zone", connection).output == changed


@pytest.mark.parametrize("command", [("people", "upcoming"), ("connections", "time-zone")])
def test_unknown_connection_is_named(cli: Cli, connection: ConnectionId, command: tuple[str, str]) -> None:
    """Its id may be misspelled."""
    result = cli(*command, f"{connection[:-1]}0")

    assert result.exit_code == 1
    assert "does not exist" in result.output
