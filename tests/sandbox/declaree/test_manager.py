"""The manager of an account: the id of another account, unless the behaviour says otherwise."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import ENTERPRISE, DeclareeSandbox, build_operation, build_user, read_error

MANAGER = f"{ENTERPRISE}:manager"


def build_report(manager: Any, email: str = "ben@example.com", **others: Any) -> dict[str, Any]:
    """Returns a user that reports to ``manager``. ``others`` are more attributes of the extension."""
    return build_user(email, **{ENTERPRISE: {"manager": manager, **others}})


async def test_manager_is_stored_by_id_and_shown_with_address(sandbox: DeclareeSandbox) -> None:
    """The address is built from the id, so it is always current."""
    chief = await sandbox.create()
    created = await sandbox.create(build_report({"value": chief["id"]}))

    expected = {"value": chief["id"], "$ref": f"http://declaree.test/SCIM/v2/Users/{chief['id']}"}

    assert created[ENTERPRISE]["manager"] == expected


@pytest.mark.parametrize("shape", ["object", "plain id", "reference"])
async def test_manager_is_accepted_in_every_client_form(sandbox: DeclareeSandbox, shape: str) -> None:
    """Okta, Entra ID and the RFC write a manager in different forms."""
    chief = (await sandbox.create())["id"]
    created = await sandbox.create(build_user("ben@example.com"))
    value = {"object": {"value": chief}, "plain id": chief, "reference": {"$ref": f"../Users/{chief}"}}[shape]

    changed = await sandbox.patch_and_get(created["id"], build_operation("add", MANAGER, value))

    assert changed[ENTERPRISE]["manager"]["value"] == chief


async def test_manager_value_is_written_and_cleared_by_patch(sandbox: DeclareeSandbox) -> None:
    """All three ways to clear a manager remove the extension if it is empty."""
    chief = (await sandbox.create())["id"]
    created = await sandbox.create(build_user("ben@example.com"))

    changed = await sandbox.patch_and_get(created["id"], build_operation("replace", f"{MANAGER}.value", chief))

    assert changed[ENTERPRISE]["manager"]["value"] == chief

    for cleared in (
        build_operation("remove", MANAGER),
        build_operation("replace", MANAGER, None),
        build_operation("remove", f"{MANAGER}.value"),
    ):
        await sandbox.patch_and_get(created["id"], build_operation("replace", f"{MANAGER}.value", chief))
        assert ENTERPRISE not in await sandbox.patch_and_get(created["id"], cleared)


async def test_manager_without_account_is_rejected(sandbox: DeclareeSandbox) -> None:
    """A rejected manager leaves the account unchanged."""
    assert read_error(await sandbox.request("POST", "/Users", build_report({"value": "77"}))) == (400, "invalidValue")

    created = await sandbox.create()

    answer = await sandbox.patch(created["id"], build_operation("add", MANAGER, "77"))

    assert read_error(answer) == (400, "invalidValue")
    assert await sandbox.get(f"/Users/{created['id']}") == created


async def test_manager_without_account_is_ignored_or_stored(sandbox: DeclareeSandbox) -> None:
    """The vendor does not document this case, so the behaviour decides it."""
    sandbox.change_behaviour(manager="ignored")

    assert ENTERPRISE not in await sandbox.create(build_report({"value": "77"}))

    stored = await sandbox.create(build_report({"value": "77"}, "c@example.com", department="Sales"))

    assert stored[ENTERPRISE] == {"department": "Sales"}

    sandbox.change_behaviour(manager="stored")

    stored = await sandbox.create(build_report({"value": "77"}, "d@example.com"))

    assert stored[ENTERPRISE]["manager"]["value"] == "77"


async def test_manager_by_email_is_stored_as_the_id(sandbox: DeclareeSandbox) -> None:
    """With the switch, an id is no longer accepted as a reference."""
    chief = await sandbox.create()
    sandbox.change_behaviour(manager_by_email=True)

    created = await sandbox.create(build_report({"value": "Anna.Berg@example.com"}))

    assert created[ENTERPRISE]["manager"]["value"] == chief["id"]

    answer = await sandbox.request("POST", "/Users", build_report({"value": chief["id"]}, "c@example.com"))

    assert read_error(answer)[0] == 400


async def test_account_with_deleted_manager_stays_writable(
    sandbox: DeclareeSandbox,
) -> None:
    """The account keeps the reference, and only a changed manager is checked."""
    chief = (await sandbox.create())["id"]
    created = await sandbox.create(build_report({"value": chief}))
    await sandbox.control("DELETE", f"/accounts/{chief}")

    changed = await sandbox.patch_and_get(created["id"], build_operation("replace", "title", "Dr."))

    assert changed[ENTERPRISE]["manager"]["value"] == chief
    assert (await sandbox.control("GET", f"/accounts/{created['id']}"))["manager_name"] is None
