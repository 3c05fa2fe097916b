"""Writes that the server refuses or ignores, although the RFC allows them: each restriction has a switch."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import (
    CORE,
    ENTERPRISE,
    DeclareeSandbox,
    build_operation,
    build_user,
    read_error,
    run_sandbox,
)

ADMIN = {"roles": [{"value": "Alter Settings (Admin)"}]}
DISABLE = build_operation("replace", "active", False)


async def put(sandbox: DeclareeSandbox, account: str, **changes: Any) -> Any:
    """Replaces the account by a user with these changes, and returns the answer."""
    return await sandbox.request("PUT", f"/Users/{account}", build_user(**changes))


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    ("refused", "operation", "resource"),
    [
        ("title", build_operation("replace", "title", "Dr."), {"title": "Dr."}),
        ("title", build_operation("replace", None, {"TITLE": "Dr."}), {"Title": "Dr."}),
        (
            "name.middleName",
            build_operation("add", "name", {"middleName": "van"}),
            {"name": {"givenName": "A", "familyName": "B", "middleName": "van"}},
        ),
        (
            f"{ENTERPRISE}:department",
            build_operation("add", ENTERPRISE, {"department": "Sales"}),
            {ENTERPRISE: {"department": "Sales"}},
        ),
        (
            f"{ENTERPRISE}:manager",
            build_operation("replace", f"{ENTERPRISE}:manager", {"value": "1001"}),
            {ENTERPRISE: {"manager": {"value": "1001"}}},
        ),
        (
            "phoneNumbers.value",
            build_operation("replace", 'phoneNumbers[type eq "mobile"].value', "+49 30 1"),
            {"phoneNumbers": [{"value": "+49 30 1", "type": "mobile"}]},
        ),
    ],
)
@pytest.mark.parametrize(("status", "scim_type"), [(400, "invalidValue"), (500, None)])
async def test_refused_attribute_fails_the_whole_write(
    refused: str, operation: dict[str, Any], resource: dict[str, Any], status: int, scim_type: str | None
) -> None:
    """The field is refused in POST, PUT and PATCH, and nothing of such a write takes effect."""
    async with run_sandbox(refused_attributes=[refused], refused_attributes_status=status) as sandbox:
        created = await sandbox.create()
        answers = [
            await sandbox.request("POST", "/Users", build_user("b@example.com") | resource),
            await put(sandbox, created["id"], **resource),
            await sandbox.patch(created["id"], build_operation("replace", "displayName", "Ada"), operation),
        ]

        assert [read_error(answer) for answer in answers] == [(status, scim_type)] * 3
        assert (await sandbox.get("/Users"))["Resources"] == [created]


async def test_other_writes_pass_a_refused_attribute(sandbox: DeclareeSandbox) -> None:
    """A null, a removal, another field and a write by an administrator are not refused."""
    account = (await sandbox.create(build_user(title="Dr.")))["id"]
    sandbox.change_behaviour(refused_attributes=["title"])

    await sandbox.control("PATCH", f"/accounts/{account}", {"set": {"title": "Prof."}})

    assert (await sandbox.get(f"/Users/{account}"))["title"] == "Prof."
    assert (await sandbox.patch(account, build_operation("replace", "displayName", "A"))).status_code == 200
    assert (await sandbox.patch(account, build_operation("remove", "title", "Prof."))).status_code == 200
    assert (await put(sandbox, account)).status_code == 200
    assert (await sandbox.request("POST", "/Users", build_user("b@example.com") | {"title": None})).status_code == 201


@pytest.mark.parametrize("attribute", ["userName", "externalId"])
async def test_immutable_attribute_keeps_its_value(attribute: str) -> None:
    """A client can repeat the value, and can neither change nor clear it."""
    async with run_sandbox(immutable_attributes=[attribute]) as sandbox:
        created = await sandbox.create(build_user(externalId="1"))
        same = {"externalId": "1", "title": "Dr."}
        other = {**same, attribute: "x"}

        assert (await put(sandbox, created["id"], **same)).status_code == 200
        assert read_error(await put(sandbox, created["id"], **other)) == (400, "mutability")
        assert read_error(await sandbox.patch(created["id"], build_operation("replace", attribute, "x"))) == (
            400,
            "mutability",
        )
        assert (await sandbox.get(f"/Users/{created['id']}"))[attribute] == created[attribute]


async def test_immutable_external_id_can_be_set_once(sandbox: DeclareeSandbox) -> None:
    """An account without a value takes the first one, which then cannot be cleared (RFC 7644, section 3.5.1)."""
    sandbox.change_behaviour(immutable_attributes=["externalId"])
    account = (await sandbox.create())["id"]

    assert (await put(sandbox, account, externalId="1")).status_code == 200
    assert read_error(await put(sandbox, account)) == (400, "mutability")
    assert (await sandbox.get(f"/Users/{account}"))["externalId"] == "1"


async def test_emails_can_lose_their_type() -> None:
    """A client that addresses the work address by its type adds one more address at each change."""
    async with run_sandbox(email_types=False, unmatched_value_path="create") as sandbox:
        created = await sandbox.create()

        changed = await sandbox.patch_and_get(
            created["id"], build_operation("replace", 'emails[type eq "work"].value', "b@example.com")
        )

        assert created["emails"] == [{"value": "anna.berg@example.com", "primary": True}]
        assert [item["value"] for item in changed["emails"]] == ["anna.berg@example.com", "b@example.com"]
        assert all("type" not in item for item in changed["emails"])


async def test_addresses_and_names_can_be_stored_in_lower_case(sandbox: DeclareeSandbox) -> None:
    """Each has its own switch."""
    sandbox.change_behaviour(lower_case_emails=True)
    first = await sandbox.create(build_user("Anna.Berg@Example.com"))
    sandbox.change_behaviour(lower_case_emails=False, lower_case_user_names=True)
    second = await sandbox.create(build_user("Ben@Example.com"))

    assert first["userName"] == "Anna.Berg@Example.com"
    assert first["emails"][0]["value"] == "anna.berg@example.com"
    assert second["userName"] == "ben@example.com"
    assert second["emails"][0]["value"] == "Ben@Example.com"


async def test_rename_can_change_the_id() -> None:
    """The answer shows the account under a new id, and the old id is gone."""
    async with run_sandbox(rename_changes_id=True) as sandbox:
        account = (await sandbox.create(build_user(externalId="1")))["id"]
        kept = (await sandbox.patch(account, build_operation("replace", "title", "Dr."))).json()["id"]

        renamed = await sandbox.patch(account, build_operation("replace", "userName", "b@example.com"))

        assert kept == account
        assert renamed.status_code == 200
        assert renamed.json()["id"] != account
        assert (await sandbox.request("GET", f"/Users/{account}")).status_code == 404
        assert await sandbox.find_ids('externalId eq "1"') == [renamed.json()["id"]]


# ---------------------------------------------------------------- disabling


@pytest.mark.parametrize("status", [200, 204])
async def test_disabling_can_be_ignored(status: int) -> None:
    """A success status does not prove that the account is disabled; other fields of the same write are stored."""
    async with run_sandbox(ignore_disabling=True, patch_answer=status) as sandbox:
        account = (await sandbox.create())["id"]

        patched = await sandbox.patch(account, DISABLE, build_operation("replace", "title", "Dr."))
        replaced = await put(sandbox, account, active=False, title="Prof.")

        assert patched.status_code == status
        assert replaced.json()["active"] is True
        assert (await sandbox.get(f"/Users/{account}"))["title"] == "Prof."
        assert (await sandbox.get(f"/Users/{account}"))["active"] is True


async def test_ignored_disabling_keeps_administrators_and_creates(sandbox: DeclareeSandbox) -> None:
    """An administrator can disable an account, and a new account can be disabled."""
    sandbox.change_behaviour(ignore_disabling=True)
    account = (await sandbox.create())["id"]
    await sandbox.control("PATCH", f"/accounts/{account}", {"set": {"active": False}})

    assert (await sandbox.get(f"/Users/{account}"))["active"] is False
    assert (await sandbox.create(build_user("b@example.com", active=False)))["active"] is False


@pytest.mark.parametrize("status", [409, 423])
async def test_account_with_protected_role_stays_enabled(status: int) -> None:
    """Other accounts can be disabled, and the protected one can be changed otherwise."""
    async with run_sandbox(protected_roles=["alter settings (admin)"], protected_status=status) as sandbox:
        admin = (await sandbox.create(build_user(**ADMIN)))["id"]
        other = (await sandbox.create(build_user("b@example.com", roles=[{"value": "Other"}])))["id"]

        assert read_error(await sandbox.patch(admin, DISABLE)) == (status, None)
        assert read_error(await put(sandbox, admin, active=False)) == (status, None)
        assert (await sandbox.get(f"/Users/{admin}"))["active"] is True
        assert (await sandbox.patch(admin, build_operation("replace", "title", "Dr."))).status_code == 200
        assert (await sandbox.patch_and_get(other, DISABLE))["active"] is False


async def test_administrator_can_create_a_disabled_account_with_roles(sandbox: DeclareeSandbox) -> None:
    """An account made by hand can have any names and roles, and need not have an external id."""
    body = build_user("boss@example.com", name={"givenName": "B", "familyName": "Oss"}, active=False, **ADMIN)
    made = await sandbox.control("POST", "/accounts", body)
    other = await sandbox.control("POST", "/accounts", build_user("c@example.com", userName="c", externalId="1029"))

    shown = await sandbox.get(f"/Users/{made['id']}")

    assert shown["roles"] == ADMIN["roles"]
    assert shown["active"] is False
    assert "externalId" not in shown
    assert other["user_name"] == "c"
    assert await sandbox.find_ids('externalId eq "1029"') == [other["id"]]


# ---------------------------------------------------------------- whole accounts


@pytest.mark.parametrize("identity", ["1001", "E7", "Anna.Berg@example.com"])
async def test_writes_of_a_failing_account_get_500(sandbox: DeclareeSandbox, identity: str) -> None:
    """The account is known by id, external id or user name; reads of it and writes of others succeed."""
    account = (await sandbox.create(build_user(externalId="E7")))["id"]
    sandbox.change_behaviour(failing_accounts=[identity])

    assert read_error(await sandbox.patch(account, build_operation("replace", "title", "Dr."))) == (500, None)
    assert read_error(await put(sandbox, account)) == (500, None)
    assert (await sandbox.get(f"/Users/{account}"))["externalId"] == "E7"
    assert (await sandbox.create(build_user("b@example.com", externalId="E8")))["externalId"] == "E8"


@pytest.mark.parametrize("identity", ["E7", "anna.berg@example.com"])
async def test_create_of_a_failing_account_gets_500(sandbox: DeclareeSandbox, identity: str) -> None:
    """The body names the account by external id or user name."""
    sandbox.change_behaviour(failing_accounts=[identity])

    answer = await sandbox.request("POST", "/Users", build_user(externalId="E7"))

    assert read_error(answer) == (500, None)
    assert (await sandbox.get("/Users"))["totalResults"] == 0


async def test_put_can_need_the_id_in_its_body(sandbox: DeclareeSandbox) -> None:
    """A PUT without the id, or with the id of another account, is rejected."""
    sandbox.change_behaviour(put_needs_id=True)
    account = (await sandbox.create())["id"]

    assert read_error(await put(sandbox, account)) == (400, "invalidValue")
    assert read_error(await put(sandbox, account, id="77")) == (400, "invalidValue")
    assert (await put(sandbox, account, id=account, title="Dr.")).json()["title"] == "Dr."
    assert (await sandbox.get(f"/Users/{account}"))["schemas"] == [CORE]
