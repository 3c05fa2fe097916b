"""Whom an account submits to: the id of another account, unless Declaree is switched to something else."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import ENTERPRISE, Stage, operation, refusal, user

MANAGER = f"{ENTERPRISE}:manager"


def reporting(manager: Any, email: str = "ben@example.com", **others: Any) -> dict[str, Any]:
    return user(email, **{ENTERPRISE: {"manager": manager, **others}})


async def test_a_manager_is_kept_by_id_and_shown_with_its_address(stage: Stage) -> None:
    chief = await stage.create()
    created = await stage.create(reporting({"value": chief["id"]}))
    expected = {"value": chief["id"], "$ref": f"http://declaree.test/SCIM/v2/Users/{chief['id']}"}
    assert created[ENTERPRISE]["manager"] == expected


@pytest.mark.parametrize("shape", ["object", "plain id", "reference"])
async def test_the_big_clients_shapes_of_a_manager_are_understood(stage: Stage, shape: str) -> None:
    chief = (await stage.create())["id"]
    created = await stage.create(user("ben@example.com"))
    value = {"object": {"value": chief}, "plain id": chief, "reference": {"$ref": f"../Users/{chief}"}}[shape]
    changed = await stage.patched(created["id"], operation("add", MANAGER, value))
    assert changed[ENTERPRISE]["manager"]["value"] == chief


async def test_a_manager_can_be_written_by_its_value_and_cleared(stage: Stage) -> None:
    chief = (await stage.create())["id"]
    created = await stage.create(user("ben@example.com"))
    changed = await stage.patched(created["id"], operation("replace", f"{MANAGER}.value", chief))
    assert changed[ENTERPRISE]["manager"]["value"] == chief
    for cleared in (
        operation("remove", MANAGER),
        operation("replace", MANAGER, None),
        operation("remove", f"{MANAGER}.value"),
    ):
        await stage.patched(created["id"], operation("replace", f"{MANAGER}.value", chief))
        assert ENTERPRISE not in await stage.patched(created["id"], cleared)


async def test_a_manager_that_does_not_exist_is_refused(stage: Stage) -> None:
    assert refusal(await stage.scim("POST", "/Users", reporting({"value": "77"}))) == (400, "invalidValue")
    created = await stage.create()
    assert refusal(await stage.patch(created["id"], operation("add", MANAGER, "77"))) == (400, "invalidValue")
    assert await stage.get(f"/Users/{created['id']}") == created


async def test_a_manager_that_does_not_exist_may_be_ignored_or_stored(stage: Stage) -> None:
    stage.behave(manager="ignored")
    assert ENTERPRISE not in await stage.create(reporting({"value": "77"}))
    kept = await stage.create(reporting({"value": "77"}, "c@example.com", department="Sales"))
    assert kept[ENTERPRISE] == {"department": "Sales"}
    stage.behave(manager="stored")
    assert (await stage.create(reporting({"value": "77"}, "d@example.com")))[ENTERPRISE]["manager"]["value"] == "77"


async def test_a_manager_may_be_given_by_email(stage: Stage) -> None:
    chief = await stage.create()
    stage.behave(manager_by_email=True)
    created = await stage.create(reporting({"value": "Anna.Berg@example.com"}))
    assert created[ENTERPRISE]["manager"]["value"] == chief["id"]
    assert refusal(await stage.scim("POST", "/Users", reporting({"value": chief["id"]}, "c@example.com")))[0] == 400


async def test_who_submits_to_a_deleted_account_keeps_the_reference_and_can_be_written(stage: Stage) -> None:
    chief = (await stage.create())["id"]
    created = await stage.create(reporting({"value": chief}))
    await stage.control("DELETE", f"/accounts/{chief}")
    changed = await stage.patched(created["id"], operation("replace", "title", "Dr."))
    assert changed[ENTERPRISE]["manager"]["value"] == chief
    assert (await stage.control("GET", f"/accounts/{created['id']}"))["manager_name"] is None
