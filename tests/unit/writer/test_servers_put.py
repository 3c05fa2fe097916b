"""Servers that take PUT alone, or only some forms of it."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from tests.support.builders import CONNECTION
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    FULL,
    HOME,
    LIFE,
    PLAIN,
    STEADY,
    STEADY_LIFE,
    find_user,
    hire,
    learn_and_repeat,
    live_through,
    read_content,
    write,
)

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "PATCH is answered by a web page with 404": {"patch_routed": False},
    "PATCH is answered 501": {"patch": False},
    "PATCH is answered 501 and nothing is described": {"patch": False, "service_provider_config": False},
    "PUT needs the id in its body": {"patch_routed": False, "put_needs_id": True},
    "PUT is conditional": {"patch_routed": False, "versions": True},
    "PUT is the vendor's": {"patch_routed": False, "dialect": "page_strict"},
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_account_is_right_and_the_form_of_put_is_remembered(company: Company, behaviour: dict[str, Any]) -> None:
    """Every kind of field is set, changed and cleared. The next employee needs no request that failed before."""
    company.stage.change_behaviour(**behaviour)

    assert await learn_and_repeat(company) == STEADY_LIFE


async def test_put_keeps_what_the_mapping_does_not_write(company: Company) -> None:
    """A PUT replaces the whole account, so it repeats what other hands have written."""
    stage = company.stage
    stage.change_behaviour(patch_routed=False)
    await hire(company, "7")
    account = (await stage.get_entry("7")).account_id
    entry = stage.declaree.directory.users[str(account)]
    own = {"displayName": "Countess", "roles": [{"value": "Controller"}]}
    stage.declaree.registry.replace(entry, entry.resource | own, stage.declaree.behaviour)

    await live_through(company, "7")

    user = await find_user(stage, "7")
    assert {name: user[name] for name in own} == own


@pytest.mark.parametrize("patch_routed", [True, False], ids=["patch", "put"])
async def test_list_that_hides_attributes_loses_none(company: Company, patch_routed: bool) -> None:
    """An account that is found in a list without its e-mails is read before a write that repeats them."""
    stage = company.stage
    stage.change_behaviour(patch_routed=patch_routed)
    await hire(company, "7")
    entry = stage.declaree.directory.users[str((await stage.get_entry("7")).account_id)]
    home = {"value": "ada@home.example", "type": "home"}
    own = {"displayName": "Countess", "emails": [*entry.resource["emails"], home]}
    stage.declaree.registry.replace(entry, entry.resource | own, stage.declaree.behaviour)
    await company.lose_ledger()
    stage.change_behaviour(list_attributes=("userName", "externalId", "active", "name"))

    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in "89"))
    await company.settle(replace(PLAIN, prefix="ada.", title=FULL.title).make_request("7", 2_000))

    user = await find_user(stage, "7")
    assert [email["value"] for email in user["emails"]] == ["ada.7@nordlicht.example", home["value"]]
    assert [user["displayName"], user["title"]] == ["Countess", FULL.title]


async def test_settings_that_ask_for_put_get_put(company: Company) -> None:
    """The connection's setting is the first way, and PATCH remains the second."""
    stage = company.stage
    connection = stage.connections.connections[CONNECTION]
    access = connection.declaree.model_copy(update={"updates": "put"})
    stage.connections.connections[CONNECTION] = connection.model_copy(update={"declaree": access})
    await hire(company, "7")
    _, requests = await write(company, "7", FULL)
    stage.declaree.faults.order(Fault(kind="status", method="PUT", status=405, count=None))

    await live_through(company, "7", LIFE[1:])

    assert requests == STEADY
    assert await read_content(stage, "7") == FULL


async def test_home_address_is_written_beside_the_work_address(company: Company) -> None:
    """A PUT with a further e-mail address leaves the work address the primary one."""
    stage = company.stage
    stage.change_behaviour(patch_routed=False)
    await hire(company, "7")
    request = FULL.make_request("7", 3_000)
    desired = request.desired
    assert desired is not None
    wanted = desired.model_copy(update={"fields": {**desired.fields, HOME: "eva@home.example"}})

    await company.settle(request.model_copy(update={"desired": wanted}))

    assert [(email["value"], email.get("primary", False)) for email in (await find_user(stage, "7"))["emails"]] == [
        (FULL.get_address("7"), True),
        ("eva@home.example", False),
    ]
