"""`people list` and `people show` on a real MongoDB."""

import asyncio
import json
from typing import Any

import pytest

from services.contracts.ids import ConnectionId
from services.store.database import Store
from tests.component.cli.conftest import store_odd_employee
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


def show(cli: Cli, connection: ConnectionId, employee: str) -> Any:
    """Returns the employee as `people show --json` prints it."""
    return json.loads(cli("people", "show", connection, employee, "--json").output)


def test_employee_needing_attention_is_listed_once(cli: Cli, attention: ConnectionId) -> None:
    """An employee with several states has the first of them; one that needs no attention is missing."""
    people = json.loads(cli("people", "list", attention, "--json").output)

    assert [(person["employee"], person["state"]) for person in people] == [
        ("1", "waiting"),
        ("12", "rejected"),
        ("2", "rejected"),
        ("3", "oversized"),
        ("5", "absent"),
    ]
    assert people[0]["since"] == "2026-03-09T08:30:00.123000Z"


def test_people_list_contains_no_personal_data(cli: Cli, attention: ConnectionId) -> None:
    """Ids and reasons are enough; the names stay in `people show`."""
    result = cli("people", "list", attention)

    assert result.exit_code == 0
    assert [line.split(None, 2)[:2] for line in result.output.splitlines()] == [
        ["EMPLOYEE", "STATE"],
        ["1", "waiting"],
        ["12", "rejected"],
        ["2", "rejected"],
        ["3", "oversized"],
        ["5", "absent"],
    ]
    assert "Zoë" not in result.output


def test_people_are_listed_by_state_and_number(cli: Cli, attention: ConnectionId) -> None:
    """What is left out is counted."""
    rejected = json.loads(cli("people", "list", attention, "--state", "rejected", "--json").output)
    limited = cli("people", "list", attention, "--limit", "2").output

    assert [person["employee"] for person in rejected] == ["12", "2"]
    assert limited.splitlines()[-1] == "and 3 more"


def test_people_are_listed_with_names_on_request(cli: Cli, attention: ConnectionId) -> None:
    """Names are personal data."""
    people = json.loads(cli("people", "list", attention, "--names", "--json").output)

    assert [person["name"] for person in people] == ["Zoë", None, "Zoë", "Zoë", "Zoë"]
    assert "EMPLOYEE  NAME  STATE" in cli("people", "list", attention, "--names").output


def test_people_are_counted_by_reason(cli: Cli, attention: ConnectionId) -> None:
    """A thousand rejected employees have two or three reasons."""
    groups = json.loads(cli("people", "list", attention, "--by-reason", "--json").output)
    wrong = cli("people", "list", attention, "--by-reason", "--names")

    assert sum(group["people"] for group in groups) == 5
    assert {group["state"] for group in groups} == {"waiting", "rejected", "oversized", "absent"}
    assert wrong.exit_code == 2


def test_employee_is_found_by_name(cli: Cli, attention: ConnectionId) -> None:
    """The administrator knows the name, and other commands want the id."""
    found = cli("people", "find", attention, "zo")
    missing = cli("people", "find", attention, "ada")

    assert found.output.splitlines()[0].split() == ["EMPLOYEE", "NAME", "E-MAIL", "STATUS"]
    assert [line.split()[:2] for line in found.output.splitlines()[1:]] == [[one, "Zoë"] for one in "1235"]
    assert missing.output == "none is found\n"
    assert missing.exit_code == 1


def test_people_list_without_people_is_empty(cli: Cli, connection: ConnectionId) -> None:
    """A connection without employees needs no attention."""
    assert json.loads(cli("people", "list", connection, "--json").output) == []


def test_absent_employee_shows_the_time_of_the_absence(cli: Cli, attention: ConnectionId) -> None:
    """The administrator decides about the account, and needs to know since when."""
    assert show(cli, attention, "5")["snapshot"]["absent_since"] == "2026-03-09T08:30:00.123000Z"
    assert "absent since 2026-03-09 08:30 UTC: " in cli("people", "show", attention, "5").output


def test_waiting_employee_shows_the_cause(cli: Cli, attention: ConnectionId) -> None:
    """The text has the attributes and the waiting change."""
    person = show(cli, attention, "1")

    assert person["snapshot"]["attributes"]["first_name"] == "Zoë"
    assert person["account"]["waiting"]["cause"] == "server-unavailable"
    assert "  first_name: Zoë\n" in cli("people", "show", attention, "1").output


def test_rejected_employee_shows_account_and_reason(cli: Cli, attention: ConnectionId) -> None:
    """The account of an earlier change is known although the newest change was rejected."""
    account = show(cli, attention, "2")["account"]

    assert account["account_id"] == "a-2"
    assert account["decided"]["outcome"] == "rejected"
    text = cli("people", "show", attention, "2").output
    verdict = "the newest change is rejected, and account a-2 stays as it is: userName: taken"
    assert text.startswith(f"employee 2: Personio no longer lists the employee; before, {verdict}\n")


def test_unknown_employee_is_an_error_that_names_it(cli: Cli, connection: ConnectionId) -> None:
    """The message has the employee and the connection."""
    result = cli("people", "show", connection, "7")

    assert result.exit_code == 1
    assert connection in result.output
    assert "employee 7 " in result.output


@pytest.fixture
async def odd(store: Store, connection: ConnectionId) -> ConnectionId:
    """A connection with employee 7. Its values could control a terminal."""
    await store_odd_employee(store, connection)
    return connection


def test_control_characters_of_an_employee_are_replaced(cli: Cli, odd: ConnectionId) -> None:
    """Values cannot control the terminal, and a value with line breaks cannot imitate lines of the program."""
    assert cli("people", "show", odd, "7").output.splitlines()[3:] == [
        "  dynamic_7 (Own\ufffdfield): a, b account a-1, created",
        "  first_name: \ufffd[2JAda\ufffd",
        "  office.name: -",
        "  x: 7.5",
    ]


def test_control_characters_of_an_employee_stay_in_json(cli: Cli, odd: ConnectionId) -> None:
    """JSON escapes control characters, so that programs get the value as it is stored."""
    assert show(cli, odd, "7")["snapshot"]["attributes"]["first_name"] == "\x1b[2JAda\x07"


async def test_employee_with_a_damaged_snapshot_is_shown(cli: Cli, attention: ConnectionId, store: Store) -> None:
    """The commands name the document, its field and what to do, instead of an unknown employee."""
    key = {"_id": f"{attention}/3"}
    await store._database["snapshots"].update_one(key, {"$unset": {"kind": True}})
    problem = f"the stored Snapshot {attention}/3 has invalid fields (kind): upgrade all services"

    shown = await asyncio.to_thread(cli, "people", "show", attention, "3")
    listed = await asyncio.to_thread(cli, "people", "list", attention)
    status = await asyncio.to_thread(cli, "status")

    assert shown.exit_code == 1
    assert problem in shown.output
    assert problem in listed.output
    assert (
        f"  PROBLEM  stored data: documents of 1 employee cannot be read: see `people list {attention}`"
        in status.output
    )


async def test_employee_with_a_damaged_ledger_entry_is_shown(cli: Cli, attention: ConnectionId, store: Store) -> None:
    """The entry is named although no change has met it yet: without its fields, the employee seems to have no account."""
    key = {"_id": f"{attention}/2"}
    await store._database["ledger"].update_one(key, {"$set": {"decided.outcome": "of-a-newer-version"}})

    shown = await asyncio.to_thread(cli, "people", "show", attention, "2")

    assert "unreadable: the employee's ledger entry cannot be read" in shown.output
    assert "else run `people reset` (invalid fields: decided)" in shown.output


async def test_unreadable_mapping_is_shown_by_the_status(cli: Cli, attention: ConnectionId, store: Store) -> None:
    """Monitoring sees it by the exit code."""
    await store._database["mappings"].update_one({"connection_id": attention}, {"$set": {"mapping.format_version": 2}})
    await store.mappings.get_all_published([attention])

    status = await asyncio.to_thread(cli, "status")
    checked = await asyncio.to_thread(cli, "connections", "check", attention)

    assert (
        f"  PROBLEM  stored data: the stored PublishedMapping {attention}/1 has invalid fields (mapping"
        in status.output
    )
    assert status.exit_code == 1
    assert "publish a mapping with `mapping import`" in checked.output
