"""The forms of the vendor's page about SCIM, beside those of the RFC and alone."""

from collections.abc import AsyncIterator
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

MANAGER = f"{ENTERPRISE}:manager"
WORK_EMAIL = "emails[email.type eq 'work']"
EXAMPLE = {
    "schemas": ["urn:scim:schemas:core:1.0", ENTERPRISE],
    "userName": "bjensen",
    "externalId": "ABC123",
    "name": {"familyName": "Jensen", "givenName": "Barbara"},
    "emails": [{"value": "bjensen@example.com", "type": "work", "primary": True}],
    "locale": "en_US",
    "active": True,
    "password": "t1meMa$heen",
}
"""A user in the form of the page's example."""


@pytest.fixture(params=["page", "page_strict"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[DeclareeSandbox]:
    """A sandbox in each dialect of the vendor's page."""
    async with run_sandbox(dialect=request.param, id_format="uuid") as sandbox:
        yield sandbox


@pytest.fixture
async def lenient() -> AsyncIterator[DeclareeSandbox]:
    """A sandbox that understands the page's forms and those of the RFC."""
    async with run_sandbox(dialect="page") as sandbox:
        yield sandbox


@pytest.fixture
async def strict() -> AsyncIterator[DeclareeSandbox]:
    """A sandbox that understands the page's forms only."""
    async with run_sandbox(dialect="page_strict") as sandbox:
        yield sandbox


def build_report(manager: Any, **changes: Any) -> dict[str, Any]:
    """Returns a user with this manager."""
    return build_user("ben@example.com", **{ENTERPRISE: {"manager": manager, "department": "Sales"}, **changes})


async def create_chief(sandbox: DeclareeSandbox) -> str:
    """Creates the account of a manager with the external id ``M1``, and returns its id."""
    return str((await sandbox.create(build_user(externalId="M1")))["id"])


# ---------------------------------------------------------------- both dialects of the page


async def test_example_of_the_page_is_created_and_found(page: DeclareeSandbox) -> None:
    """The body has SCIM 1 among its schemas, and the lookup writes spaces as plus signs."""
    page.change_behaviour(unknown_attributes="refuse")
    created = await page.create(EXAMPLE)

    found = await page.get("/Users?filter=externalId+eq+%22ABC123%22")

    assert found["Resources"] == [created]
    assert created["locale"] == "en_US"
    assert "password" not in created


async def test_manager_id_names_the_manager_by_external_id(page: DeclareeSandbox) -> None:
    """The account is stored with its manager, and shows the manager in the page's form."""
    chief = await create_chief(page)
    created = await page.create(build_report({"managerId": "M1", "displayName": "ignored"}))

    assert created[ENTERPRISE] == {"department": "Sales", "manager": {"managerId": "M1", "displayName": "Anna Berg"}}
    assert (await page.control("GET", f"/accounts/{created['id']}"))["manager_id"] == chief


async def test_manager_id_is_changed_and_cleared(page: DeclareeSandbox) -> None:
    """PATCH and PUT read the page's form of a manager."""
    await create_chief(page)
    account = (await page.create(build_user("ben@example.com")))["id"]

    changed = await page.patch_and_get(account, build_operation("replace", MANAGER, {"managerId": "M1"}))

    assert changed[ENTERPRISE]["manager"]["managerId"] == "M1"
    assert ENTERPRISE not in await page.patch_and_get(account, build_operation("replace", MANAGER, None))

    answer = await page.request("PUT", f"/Users/{account}", build_report({"managerId": "M1"}))

    assert answer.json()[ENTERPRISE]["manager"]["managerId"] == "M1"

    answer = await page.request("PUT", f"/Users/{account}", build_report({"managerId": None}))

    assert answer.json()[ENTERPRISE] == {"department": "Sales"}


async def test_account_id_as_manager_id_is_rejected(page: DeclareeSandbox) -> None:
    """The page links managerId to the external id alone; the switch for unknown managers decides other values."""
    chief = await create_chief(page)

    answer = await page.request("POST", "/Users", build_report({"managerId": chief}))

    assert read_error(answer) == (400, "invalidValue")

    page.change_behaviour(manager="ignored")

    assert (await page.create(build_report({"managerId": "77"})))[ENTERPRISE] == {"department": "Sales"}

    page.change_behaviour(manager="stored")
    operation = build_operation("replace", MANAGER, {"managerId": "77"})
    account = (await page.create(build_user("c@example.com")))["id"]

    assert (await page.patch_and_get(account, operation))[ENTERPRISE]["manager"] == {"managerId": "77"}


async def test_patch_of_the_page_changes_the_account(page: DeclareeSandbox) -> None:
    """The text "false", a name without its parent, and the address as the value of a filter are understood."""
    account = (await page.create())["id"]

    changed = await page.patch_and_get(
        account,
        build_operation("replace", "active", "false"),
        build_operation("replace", "familyName", "Jansen"),
        build_operation("replace", "givenName", "Ada"),
        build_operation("replace", WORK_EMAIL, "ada@example.com"),
    )

    assert changed["active"] is False
    assert changed["name"] == {"familyName": "Jansen", "givenName": "Ada"}
    assert changed["emails"] == [{"value": "ada@example.com", "type": "work", "primary": True}]


async def test_simple_attributes_have_the_same_paths(page: DeclareeSandbox) -> None:
    """The page's dialect differs for parts of complex attributes only."""
    account = (await page.create())["id"]

    changed = await page.patch_and_get(
        account,
        build_operation("replace", "userName", "ada@example.com"),
        build_operation("add", f"{ENTERPRISE}:department", "Sales"),
        build_operation("replace", "active", False),
    )

    assert changed["userName"] == "ada@example.com"
    assert changed[ENTERPRISE] == {"department": "Sales"}
    assert changed["active"] is False


@pytest.mark.parametrize("key", ["id", "externalId", "userName"])
async def test_put_without_id_in_path_names_account_in_body(page: DeclareeSandbox, key: str) -> None:
    """The id counts first, then the external id, then the user name."""
    account = await page.create(build_user(externalId="1"))
    other = await page.create(build_user("ben@example.com", externalId="2"))
    identities = {"id": account["id"], "externalId": "1", "userName": "anna.berg@example.com"}
    less_certain = {"id": {"externalId": "2"}, "externalId": {"userName": "ada@example.com"}, "userName": {}}[key]
    body = build_user(title="Dr.") | less_certain | {key: identities[key]}

    answer = await page.request("PUT", "/Users", body)

    assert answer.json()["id"] == account["id"]
    assert (await page.get(f"/Users/{account['id']}"))["title"] == "Dr."
    assert "title" not in await page.get(f"/Users/{other['id']}")
    assert read_error(await page.request("PUT", "/Users", body | {"id": "77"})) == (404, None)


async def test_schemas_of_the_page_show_manager_id(page: DeclareeSandbox) -> None:
    """A client can find out the form of a manager, and the user schema is also among the resource types."""
    enterprise = await page.get(f"/Schemas/{ENTERPRISE}")
    (manager,) = [item for item in enterprise["attributes"] if item["name"] == "manager"]

    assert [item["name"] for item in manager["subAttributes"]] == ["managerId", "displayName"]
    assert enterprise in (await page.get("/Schemas"))["Resources"]
    assert await page.get(f"/ResourceTypes/{CORE}") == await page.get(f"/Schemas/{CORE}")
    assert (await page.get("/ResourceTypes"))["totalResults"] == 2


# ---------------------------------------------------------------- one dialect each


async def test_forms_of_the_page_are_unknown_to_the_rfc(sandbox: DeclareeSandbox) -> None:
    """Without the switch, the sandbox stays a server of the RFC."""
    sandbox.change_behaviour(unknown_attributes="refuse")
    account = (await sandbox.create(build_user(externalId="1")))["id"]

    for path in ("familyName", WORK_EMAIL):
        answer = await sandbox.patch(account, build_operation("replace", path, "x@example.com"))
        assert answer.status_code == 400

    assert read_error(await sandbox.request("POST", "/Users", build_report({"managerId": "1"})))[0] == 400
    assert (await sandbox.request("PUT", "/Users", build_user())).status_code == 405
    assert (await sandbox.request("GET", f"/ResourceTypes/{CORE}")).status_code == 404


async def test_lenient_dialect_understands_the_rfc_as_well(lenient: DeclareeSandbox) -> None:
    """Every form of the RFC has the same effect as on a server of the RFC."""
    chief = await create_chief(lenient)
    account = (await lenient.create(build_report({"value": chief})))["id"]

    shown = (await lenient.get(f"/Users/{account}"))[ENTERPRISE]["manager"]
    changed = await lenient.patch_and_get(
        account,
        build_operation("replace", 'emails[type eq "work"].value', "ada@example.com"),
        build_operation("replace", "name.familyName", "Jansen"),
        build_operation("replace", None, {"givenName": "Ada", f"{ENTERPRISE}:costCenter": "C1"}),
    )

    assert shown == {"managerId": "M1", "displayName": "Anna Berg"}
    assert changed["emails"][0]["value"] == "ada@example.com"
    assert changed["name"] == {"familyName": "Jansen", "givenName": "Ada"}
    assert changed[ENTERPRISE]["costCenter"] == "C1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{MANAGER}.managerId", "M1"),
        (ENTERPRISE, {"manager": {"managerId": "M1"}}),
        (None, {ENTERPRISE: {"manager": {"managerId": "M1"}}}),
        (None, {MANAGER: {"managerId": "M1"}}),
    ],
)
async def test_lenient_dialect_reads_manager_id_everywhere(
    lenient: DeclareeSandbox, path: str | None, value: Any
) -> None:
    """The manager's form does not depend on the form of the operation."""
    await create_chief(lenient)
    account = (await lenient.create(build_user("ben@example.com")))["id"]

    changed = await lenient.patch_and_get(account, build_operation("replace", path, value))

    assert changed[ENTERPRISE]["manager"]["managerId"] == "M1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name.familyName", "Jansen"),
        ("name", {"familyName": "Jansen"}),
        ('emails[type eq "work"].value', "ada@example.com"),
        ("emails[type eq 'work']", "ada@example.com"),
        ("emails", [{"value": "ada@example.com", "type": "work"}]),
        (f"{MANAGER}.value", "1001"),
        (f"{MANAGER}.managerId", "M1"),
        (ENTERPRISE, {"department": "Sales"}),
        (f"{CORE}:title", "Dr."),
        (None, {"title": "Dr."}),
    ],
)
async def test_strict_dialect_rejects_paths_of_the_rfc(strict: DeclareeSandbox, path: str | None, value: Any) -> None:
    """A rejected message changes nothing, also where one of its operations has a path of the page."""
    created = await strict.create()

    answer = await strict.patch(
        created["id"], build_operation("replace", "active", "false"), build_operation("replace", path, value)
    )

    assert read_error(answer) == (400, "invalidPath")
    assert await strict.get(f"/Users/{created['id']}") == created


@pytest.mark.parametrize("manager", [{"value": "1001"}, {"$ref": "../Users/1001"}, "1001"])
async def test_strict_dialect_ignores_manager_value(strict: DeclareeSandbox, manager: Any) -> None:
    """No answer tells the client that its manager was not stored."""
    await create_chief(strict)
    created = await strict.create(build_report(manager))

    assert created[ENTERPRISE] == {"department": "Sales"}

    changed = await strict.patch(created["id"], build_operation("replace", MANAGER, manager))

    assert changed.status_code == 200
    assert changed.json() == created

    replaced = await strict.request("PUT", f"/Users/{created['id']}", build_report(manager, title="Dr."))

    assert replaced.json()["title"] == "Dr."
    assert replaced.json()[ENTERPRISE] == {"department": "Sales"}


async def test_strict_dialect_needs_the_address_itself(strict: DeclareeSandbox) -> None:
    """The page shows a text as the value of a filter, never an object."""
    account = (await strict.create())["id"]

    answer = await strict.patch(account, build_operation("replace", WORK_EMAIL, {"value": "ada@example.com"}))

    assert read_error(answer) == (400, "invalidValue")


async def test_administrators_are_independent_of_the_dialect(strict: DeclareeSandbox) -> None:
    """The control API keeps its forms, so a test can prepare accounts in every dialect."""
    chief = await create_chief(strict)
    account = (await strict.control("POST", "/accounts", build_report({"value": chief})))["id"]

    await strict.control("PATCH", f"/accounts/{account}", {"set": {"name.givenName": "Ben"}})

    resource = await strict.get(f"/Users/{account}")

    assert resource["name"]["givenName"] == "Ben"
    assert resource[ENTERPRISE]["manager"]["managerId"] == "M1"
