"""Fields that a server refuses, ignores or stores in its own way: every other field arrives, and the field is named."""

from dataclasses import replace

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Call, CreateAccount
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    DEPARTMENT,
    FULL,
    MANAGER,
    MOBILE,
    OTHER,
    PLAIN,
    STEADY,
    Content,
    count_requests,
    hire,
    live_through,
    read_content,
    write,
)

REFUSED: dict[str, tuple[tuple[str, ...], tuple[str, ...], Content]] = {
    "title": (("title",), ("title",), replace(OTHER, title=None)),
    "a manager": ((f"{ENTERPRISE}:manager",), (MANAGER,), replace(OTHER, manager=None)),
    "phones": (("phoneNumbers",), (MOBILE,), replace(OTHER, mobile=None)),
    "two fields at once": (("title", DEPARTMENT), ("title", DEPARTMENT), replace(OTHER, title=None, department=None)),
}


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(("attributes", "paths", "expected"), REFUSED.values(), ids=REFUSED)
async def test_refused_field_keeps_no_other_field_out(
    company: Company, attributes: tuple[str, ...], paths: tuple[str, ...], expected: Content, status: int
) -> None:
    """New and changed accounts get everything else. The next employee needs one refused request for each such field."""
    stage = company.stage
    stage.change_behaviour(refused_attributes=attributes, refused_attributes_status=status)
    await hire(company, "7", "6")
    await company.settle(OTHER.make_request("5", 1_000))
    await write(company, "7", OTHER)

    outcome, requests = await write(company, "6", OTHER)

    assert outcome.outcome is Outcome.INCOMPLETE
    assert outcome.refused == paths
    assert f"{paths[0]} ({status}" in (outcome.reason or "")
    assert [await read_content(stage, employee) for employee in "567"] == [expected] * 3
    refusals = len(paths) * (1 if status == 400 else 2)  # the account is read after an error of the server
    looks = 1 if MANAGER in paths else 0  # the account of a refused manager may be gone, so it is looked up
    assert requests == STEADY + refusals + looks


@pytest.mark.parametrize("status", [400, 500])
async def test_refused_field_is_not_sent_again(company: Company, status: int) -> None:
    """A later change of another field costs as much as on any server, and an unchanged employee costs nothing."""
    stage = company.stage
    stage.change_behaviour(refused_attributes=("title",), refused_attributes_status=status)
    await hire(company, "7")
    await write(company, "7", replace(FULL, manager=None))

    outcome, requests = await write(company, "7", replace(FULL, manager=None, family="Kong"))
    same, unchanged = await write(company, "7", replace(FULL, manager=None, family="Kong"))

    assert [outcome.outcome, same.outcome] == [Outcome.INCOMPLETE, Outcome.INCOMPLETE]
    assert [requests, unchanged] == [STEADY, 0]


async def test_value_of_one_employee_says_nothing_about_others(company: Company) -> None:
    """A refused value is one employee's: the same field is written at once for the next employee."""
    stage = company.stage
    await hire(company, "7", "6", "5")
    await live_through(company, "5", (FULL,))
    stage.declaree.faults.order(
        Fault(kind="status", body_contains="+49 bad", status=400, scim_type="invalidValue", count=None)
    )

    outcome, requests = await write(company, "7", replace(FULL, mobile="+49 bad"))

    assert outcome.refused == (MOBILE,)
    assert requests <= STEADY + 6
    assert await live_through(company, "6", (FULL,)) == [STEADY]


async def test_value_that_was_refused_first_blocks_no_other(company: Company) -> None:
    """The first value of a field is refused in every way. The next employee's value is still sent."""
    stage = company.stage
    await hire(company, "7", "6", "5")
    stage.declaree.faults.order(
        Fault(kind="status", body_contains="+49 bad", status=400, scim_type="invalidValue", count=None)
    )
    await write(company, "7", replace(FULL, mobile="+49 bad"))

    await live_through(company, "6", (FULL,))

    assert await live_through(company, "5", (FULL,)) == [STEADY]


@pytest.mark.parametrize("status", [400, 500])
async def test_create_that_is_refused_is_reduced_once(company: Company, status: int) -> None:
    """A field that the server refuses keeps no new employee out, and the next create does not send it."""
    stage = company.stage
    stage.change_behaviour(refused_attributes=("title", DEPARTMENT), refused_attributes_status=status)
    content = replace(FULL, manager=None)
    server = await stage.get_server()
    await company.settle(content.make_request("7", 1_000))
    first = [call.body["schemas"][0] for call in server.writes if isinstance(call, CreateAccount)]
    before = len(server.writes)

    outcomes = await company.settle(content.make_request("6", 1_000))

    assert outcomes == {"6": Outcome.INCOMPLETE}
    assert first == ["urn:ietf:params:scim:schemas:core:2.0:User"] * 2
    assert [isinstance(call, CreateAccount) for call in server.writes[before:]] == [True, False, False]


async def test_field_that_new_accounts_cannot_have_is_added_later(company: Company) -> None:
    """The server refuses a create with a manager, and takes the manager afterwards."""
    stage = company.stage
    await hire(company)
    stage.declaree.faults.order(Fault(kind="status", method="POST", body_contains="manager", status=400, count=None))

    outcomes = await company.settle(FULL.make_request("7", 1_000))

    assert outcomes == {"7": Outcome.CREATED}
    assert await read_content(stage, "7") == FULL


async def test_field_that_new_accounts_must_have_is_kept(company: Company) -> None:
    """A create is refused for its title, and without a department: the account is made with the one, without the other."""
    stage = company.stage
    await hire(company)
    stage.change_behaviour(refused_attributes=("title",))

    async def require_department(call: Call) -> None:
        if isinstance(call, CreateAccount) and ENTERPRISE not in call.body:
            stage.declaree.faults.order(Fault(kind="status", method="POST", status=400))

    (await stage.get_server()).before = require_department

    outcomes = await company.settle(replace(FULL, mobile=None).make_request("7", 1_000))

    assert outcomes == {"7": Outcome.INCOMPLETE}
    assert await read_content(stage, "7") == replace(FULL, mobile=None, title=None)


async def test_core_schema_of_the_page_is_remembered(company: Company) -> None:
    """A server that knows the page's schema alone gets it, and from the second employee on at once."""
    stage = company.stage
    core = "urn:ietf:params:scim:schemas:core:2.0:User"
    fault = Fault(kind="status", method="POST", body_contains=core, status=400, scim_type="invalidSyntax", count=None)
    stage.declaree.faults.order(fault)
    await company.settle(PLAIN.make_request("9", 1_000))

    outcomes, requests = await count_requests(stage, company.settle(PLAIN.make_request("7", 1_000)))

    assert outcomes == {"7": Outcome.CREATED}
    assert requests == 3


@pytest.mark.parametrize("manager", ["must_exist", "stored"])
async def test_manager_that_is_gone_keeps_nothing_out(company: Company, manager: str) -> None:
    """The manager's account was deleted in Declaree: the new report is created, and all ends right after the resends."""
    stage = company.stage
    stage.change_behaviour(manager=manager)
    await hire(company, "7")
    stage.delete_account("9")

    await company.settle(FULL.make_request("7", 2_000), FULL.make_request("6", 1_000))
    await company.settle(replace(PLAIN, given="Grace").make_request("9", 2_000))
    await company.pass_time()

    assert [await read_content(stage, employee) for employee in "67"] == [FULL, FULL]
    assert (await stage.get_entry("6")).refused == ()
