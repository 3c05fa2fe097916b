"""Writes that repeat content of an older read: a manager gets another external id between the read and the write."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, ReadAccount
from tests.support.builders import make_request
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    FULL,
    MANAGER,
    MOBILE,
    STEADY,
    find_user,
    hire,
    leave,
    live_through,
    read_content,
    write,
)

STRICT: dict[str, Any] = {"dialect": "page_strict", "id_format": "uuid"}
"""A server that takes the forms of the vendor's page alone: a mobile phone goes by PUT."""


async def rename_after_read(stage: WriterStage, report: str, manager: str) -> None:
    """Gives the manager's account another external id after the first read of the report's account."""
    server, account = await stage.get_server(), (await stage.get_entry(report)).account_id
    is_first = True

    async def rename(call: Call, answer: Answer) -> Answer:
        nonlocal is_first
        if isinstance(call, ReadAccount) and call.id == account and is_first:
            is_first = False
            await rename_account(stage, manager)
        return answer

    server.after = rename


async def rename_account(stage: WriterStage, employee: str) -> None:
    """Gives an employee's account another external id. The ledger does not know it yet, as with another writer's change."""
    entry = stage.declaree.directory.users[str((await stage.get_entry(employee)).account_id)]
    renamed = entry.resource | {"externalId": f"nl-{employee}"}
    stage.declaree.registry.replace(entry, renamed, stage.declaree.behaviour)


@pytest.mark.parametrize("versions", [False, True], ids=["unconditional", "conditional"])
async def test_outdated_reference_in_a_put_is_read_again(company: Company, versions: bool) -> None:
    """The version of the report's account stays when the manager's changes, so that no condition fails."""
    stage = company.stage
    stage.change_behaviour(**STRICT, versions=versions)
    await hire(company, "7")
    await live_through(company, "7", (FULL,))
    await rename_after_read(stage, "7", "9")
    wanted = replace(FULL, mobile="+49 2")

    outcome, _ = await write(company, "7", wanted)

    assert outcome.outcome is Outcome.UPDATED, outcome.reason
    assert outcome.written == (MOBILE,)
    assert await read_content(stage, "7") == wanted


async def test_outdated_reference_costs_one_more_write(company: Company) -> None:
    """The account, the manager's account and the account again are read: the PUT is refused, and sent again."""
    stage = company.stage
    stage.change_behaviour(**STRICT)
    await hire(company, "7")
    await live_through(company, "7", (FULL,))
    await rename_after_read(stage, "7", "9")

    _, requests = await write(company, "7", replace(FULL, mobile="+49 2"))

    assert requests == STEADY + 3


async def test_dropped_reference_is_written_again(company: Company) -> None:
    """A server drops an unknown manager from a PUT without an error: the manager is written by the new external id."""
    stage = company.stage
    stage.change_behaviour(**STRICT, manager="ignored")
    await hire(company, "7")
    await live_through(company, "7", (FULL,))
    await rename_after_read(stage, "7", "9")
    wanted = replace(FULL, mobile="+49 2")

    outcome, _ = await write(company, "7", wanted)

    assert outcome.outcome is Outcome.UPDATED, outcome.reason
    assert outcome.written == (MOBILE, MANAGER)
    assert await read_content(stage, "7") == wanted


async def test_former_external_id_of_a_manager_is_looked_up(company: Company) -> None:
    """Another writer has renamed the manager's account, and its ledger entry is not stored yet when a report is new."""
    stage = company.stage
    stage.change_behaviour(**STRICT)
    await hire(company, "7")
    await rename_account(stage, "9")

    outcome, _ = await write(company, "7", FULL)

    assert outcome.outcome is Outcome.UPDATED, outcome.reason
    assert await read_content(stage, "7") == FULL


async def test_new_account_gets_a_manager_that_was_renamed(company: Company) -> None:
    """The create is refused for the former external id, and the account is then completed."""
    stage = company.stage
    stage.change_behaviour(**STRICT)
    await hire(company)
    await rename_account(stage, "9")

    outcome, _ = await write(company, "7", FULL)

    assert outcome.outcome is Outcome.CREATED, outcome.reason
    assert await read_content(stage, "7") == FULL


@pytest.mark.promise("P9")
async def test_outdated_reference_keeps_no_leaver_enabled(company: Company) -> None:
    """The server takes PUT alone, which repeats the manager's former external id."""
    stage = company.stage
    stage.change_behaviour(**STRICT, patch_routed=False)
    await hire(company, "7")
    await live_through(company, "7", (FULL,))
    await rename_after_read(stage, "7", "9")

    await leave(company, "7")

    manager = (await stage.get_entry("9")).account_id
    assert (await find_user(stage, "7"))[ENTERPRISE]["manager"] == {"value": manager}


async def test_reporting_circle_gets_another_prefix(company: Company) -> None:
    """Each account is written while that of its manager gets another external id. No account waits in the circle."""
    stage = company.stage
    stage.change_behaviour(**STRICT)
    await hire(company, "7")
    circle = {"7": "9", "9": "8", "8": "7"}
    requests = {key: replace(FULL, prefix="x", manager=boss).make_request(key, 2_000) for key, boss in circle.items()}
    await company.settle(*requests.values())
    renamed = []
    for request in requests.values():
        assert request.desired is not None
        fields = {**request.desired.fields, MOBILE: "+49 2"}
        desired = request.desired.model_copy(update={"external_id": f"nl-{request.employee_id}", "fields": fields})
        renamed.append(request.model_copy(update={"revision": 3_000, "desired": desired}))

    outcomes = await company.settle(*renamed)

    accounts = {key: (await stage.get_entry(key)).account_id for key in circle}
    managers = {key: (await find_user(stage, key))[ENTERPRISE]["manager"]["value"] for key in circle}
    assert outcomes == dict.fromkeys(circle, Outcome.UPDATED)
    assert managers == {key: accounts[boss] for key, boss in circle.items()}


async def test_external_id_of_a_rejected_manager_is_recorded(company: Company) -> None:
    """The manager's new address is taken, and the account gets the new external id."""
    stage = company.stage
    stage.change_behaviour(**STRICT)
    await hire(company)
    stage.add_account("taken@nordlicht.example")
    renamed = make_request("9", 2_000, user_name="taken@nordlicht.example", external_id="nl-9")

    outcomes = await company.settle(renamed)

    assert outcomes == {"9": Outcome.REJECTED}
    assert (await find_user(stage, "9"))["externalId"] == "nl-9"
    assert (await stage.get_entry("9")).external_id == "nl-9"
