"""The number of requests of a first import: little more than one for each account, managers included."""

import random
from typing import Any

import pytest

from services.contracts.connections import LinkPolicy
from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import RunState
from services.provisioning.calls import FindAccounts
from tests.support.builders import CONNECTION, NO_MANAGER, make_request, make_snapshot, reports_to
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company
from tests.unit.writer.servers import count_requests

SIZE = 300
"""Number of employees."""
TEAM = 8
"""Number of reports of each manager."""
MOST = 1.2
"""Maximum number of requests for each employee, with lists, discovery and managers."""


def find_boss(number: int) -> int | None:
    """Returns the manager of an employee; None for the first employee."""
    return None if number == 1 else (number - 2) // TEAM + 1


def get_address(number: int) -> str:
    """Returns the user name of an employee."""
    return f"e{number}@nordlicht.example"


async def import_people(company: Company, size: int, order: str) -> dict[str, Outcome]:
    """Handles the first request of each employee in batches of this size. Resends follow each batch.

    Personio is still being read: the employees of later batches have no snapshot yet.
    """
    numbers = list(range(1, SIZE + 1))
    if order == "reports first":
        numbers.reverse()
    elif order == "mixed":
        random.Random(1).shuffle(numbers)
    snapshots, runs = company.stage.snapshots, company.stage.runs
    run = await runs.begin(CONNECTION, now=company.stage.clock.now())
    requests = []
    for number in numbers:
        boss = find_boss(number)
        fields = {"name.givenName": "Ada", "name.familyName": f"Lovelace {number}"}
        manager = reports_to(str(boss)) if boss else NO_MANAGER
        requests.append(make_request(str(number), 1_000, fields=fields, manager=manager))
    outcomes: dict[str, Outcome] = {}
    for first in range(0, SIZE, size):
        batch = requests[first : first + size]
        snapshots.content |= {request.person: make_snapshot(request.employee_id, 1_000) for request in batch}
        outcomes |= await company.settle(*batch)
    await runs.save(run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": company.stage.clock.now()}))
    return outcomes


def fill(stage: WriterStage, *, family: str | None = None) -> None:
    """Adds an account by hand for every second employee, with this family name or the right one."""
    for number in range(2, SIZE + 1, 2):
        stage.add_account(get_address(number), name={"givenName": "Ada", "familyName": family or f"Lovelace {number}"})


def check_accounts(stage: WriterStage) -> None:
    """Checks that each employee has one account with the right names and the right manager."""
    users = {user.resource["userName"]: user for user in stage.declaree.directory.users.values()}
    assert len(users) == len(stage.declaree.directory.users) == SIZE
    for number in range(1, SIZE + 1):
        user, boss = users[get_address(number)].resource, find_boss(number)
        assert user["externalId"] == str(number)
        assert user["name"] == {"givenName": "Ada", "familyName": f"Lovelace {number}"}
        assert user.get(ENTERPRISE, {}).get("manager", {}).get("value") == (
            users[get_address(boss)].id if boss else None
        )


@pytest.mark.parametrize(
    ("size", "order"), [(300, "mixed"), (100, "managers first"), (100, "reports first"), (10, "managers first")]
)
async def test_import_into_empty_server(company: Company, size: int, order: str) -> None:
    """Each account is created by one request, for each size of the batches and each order of the people."""
    outcomes, requests = await count_requests(company.stage, import_people(company, size, order))

    assert set(outcomes.values()) == {Outcome.CREATED}
    check_accounts(company.stage)
    assert requests <= MOST * SIZE


@pytest.mark.parametrize("family", [None, "Noel"], ids=["same name", "other name"])
async def test_import_into_half_filled_server(company: Company, family: str | None) -> None:
    """An account that exists is linked by one request: the list has shown it."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    fill(stage, family=family)

    outcomes, requests = await count_requests(stage, import_people(company, 100, "mixed"))

    assert list(outcomes.values()).count(Outcome.LINKED) == SIZE // 2
    check_accounts(stage)
    assert requests <= MOST * SIZE


@pytest.mark.parametrize(
    "behaviour",
    [{"dialect": "page_strict"}, {"external_id": "ignored", "filters": "ignored"}],
    ids=["page", "no external ids and filters"],
)
async def test_import_into_peculiar_server(company: Company, behaviour: dict[str, Any]) -> None:
    """What the first employee has shown about the server costs nothing for the others."""
    stage = company.stage
    stage.change_behaviour(**behaviour)

    outcomes, requests = await count_requests(stage, import_people(company, 100, "mixed"))

    assert set(outcomes.values()) == {Outcome.CREATED}
    assert requests <= MOST * SIZE


async def test_manager_off_the_list_delays_only_the_first_scan(company: Company) -> None:
    """During the first scan, a report waits for a manager that no page has listed. The resend after it creates the report."""
    stage = company.stage
    run = await stage.runs.begin(CONNECTION, now=stage.clock.now())
    report = make_request("7", manager=reports_to("9"))
    stage.snapshots.content[report.person] = make_snapshot("7", 1_000)

    assert await company.settle(report) == {}
    assert await stage.get_cause() is WaitingCause.MANAGER_PENDING

    await stage.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": stage.clock.now()}))

    assert await company.resend("7") == {"7": Outcome.CREATED}


async def test_content_from_an_old_list_is_not_used(company: Company) -> None:
    """An account that another hand has disabled since the list was read is seen as it is."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    fill(stage)
    requests = [make_request(str(number), 1_000) for number in range(1, 60)]
    await company.settle(*requests[:30])
    stage.clock.seconds += 600
    (entry,) = stage.declaree.directory.find_users_by_name(get_address(40))
    stage.declaree.registry.replace(entry, entry.resource | {"active": False}, stage.declaree.behaviour)

    outcomes = await company.settle(*requests[30:])

    assert outcomes["40"] is Outcome.REJECTED


async def test_lookup_that_must_be_fresh_asks_the_server(company: Company) -> None:
    """After a conflict the list is out of date: the account is looked up by a filter, and read."""
    stage = company.stage
    await company.settle(*(make_request(str(number), 1_000) for number in range(1, 30)))
    stage.add_account(get_address(40))
    server = await stage.get_server()

    outcomes = await company.settle(make_request("40", 1_000))

    assert outcomes == {"40": Outcome.REJECTED}
    assert any(isinstance(call, FindAccounts) for call in server.calls[-6:])


async def test_account_that_was_linked_is_not_written_from_the_list(company: Company) -> None:
    """The second change of a linked employee starts from the account, not from the list."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    fill(stage)
    requests = [make_request(str(number), 1_000) for number in range(1, 30)]
    await company.settle(*requests)
    await company.lose_ledger()

    server = await stage.get_server()
    writes = len(server.writes)

    await company.settle(make_request("2", 1_000))

    assert len(server.writes) == writes
    assert stage.get_account("2")["name"] == {"givenName": "Ada", "familyName": "Lovelace"}


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"patch_answer": 204},
        {"patch": False},
        {"dialect": "page_strict"},
        {"versions": False},
        {"external_id": "ignored"},
    ],
    ids=str,
)
async def test_changed_employee_costs_two_requests(company: Company, behaviour: dict[str, Any]) -> None:
    """The account is read and written once. An unchanged employee costs nothing, also after a resend."""
    stage = company.stage
    stage.change_behaviour(**behaviour)
    await company.settle(make_request("7"), make_request("8"))
    await company.settle(make_request("7", 2_000, **EVA))  # what the first change has shown about the server is known

    changed = await count_requests(stage, company.settle(make_request("8", 2_000, **EVA)))
    unchanged = await count_requests(stage, company.settle(make_request("8", 3_000, **EVA)))
    resent = await count_requests(stage, company.resend("8"))

    assert changed == ({"8": Outcome.UPDATED}, 2)
    assert unchanged == ({"8": Outcome.UNCHANGED}, 0)
    assert resent == ({"8": Outcome.UNCHANGED}, 0)
