"""PATCH in the dialects of the RFC, of Okta and of Entra ID. A request applies all operations or none."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import (
    CORE,
    DECLAREE,
    ENTERPRISE,
    DeclareeSandbox,
    build_operation,
    build_user,
    read_error,
)

WORK, HOME = 'emails[type eq "work"]', 'emails[type eq "home"]'


@pytest.fixture
async def anna(sandbox: DeclareeSandbox) -> str:
    """Id of an account with a title, two addresses and a department."""
    emails = [
        {"value": "anna.berg@example.com", "type": "work", "primary": True},
        {"value": "anna@home.example", "type": "home"},
    ]
    body = build_user(title="Dr.", emails=emails, **{ENTERPRISE: {"department": "Sales", "costCenter": "CC-1"}})
    return str((await sandbox.create(body))["id"])


@pytest.mark.parametrize("op", ["replace", "Replace", "REPLACE", "add", "Add"])
async def test_patch_operator_in_any_case_is_accepted(sandbox: DeclareeSandbox, anna: str, op: str) -> None:
    """Entra ID capitalises the operator."""
    assert (await sandbox.patch_and_get(anna, build_operation(op, "title", "Prof.")))["title"] == "Prof."


@pytest.mark.parametrize("value", [False, "False", "false", "FALSE"])
async def test_patch_boolean_as_string_is_accepted(sandbox: DeclareeSandbox, anna: str, value: object) -> None:
    """Entra ID sends booleans as strings."""
    assert (await sandbox.patch_and_get(anna, build_operation("Replace", "active", value)))["active"] is False


@pytest.mark.parametrize("value", ["", "no", 0])
async def test_patch_boolean_with_another_value_is_invalid(sandbox: DeclareeSandbox, anna: str, value: object) -> None:
    """Only true, false and their spellings are booleans."""
    assert read_error(await sandbox.patch(anna, build_operation("replace", "active", value))) == (400, "invalidValue")


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("userName", "new@example.com", lambda body: body["userName"]),
        ("name.givenName", "Anne", lambda body: body["name"]["givenName"]),
        ("NAME.GIVENNAME", "Anne", lambda body: body["name"]["givenName"]),
        (f"{CORE}:name.givenName", "Anne", lambda body: body["name"]["givenName"]),
        (f"{ENTERPRISE}:department", "HR", lambda body: body[ENTERPRISE]["department"]),
        (f"{ENTERPRISE.upper()}:Department", "HR", lambda body: body[ENTERPRISE]["department"]),
        (f"{DECLAREE}:initials", "A.B.", lambda body: body.get(DECLAREE, {}).get("initials")),
        (f"{WORK}.value", "new@example.com", lambda body: body["emails"][0]["value"]),
        (f"{HOME}.value", "new@example.com", lambda body: body["emails"][1]["value"]),
        ('emails[type eq "home" and value ew ".example"].type', "other", lambda body: body["emails"][1]["type"]),
    ],
)
async def test_patch_path_of_every_kind_is_applied(
    sandbox: DeclareeSandbox, anna: str, path: str, value: str, read: Any
) -> None:
    """Paths can name core, extension and sub-attributes, with and without a filter."""
    before = await sandbox.get(f"/Users/{anna}")
    after = await sandbox.patch_and_get(anna, build_operation("replace", path, value))

    assert read(before) != value
    assert read(after) == value


async def test_patch_without_path_sets_all_attributes_of_the_value(sandbox: DeclareeSandbox, anna: str) -> None:
    """Okta and Entra ID send several attributes in one operation, with paths as keys."""
    value = {
        "active": "False",
        "name.familyName": "Neumann",
        f"{ENTERPRISE}:department": "HR",
        DECLAREE: {"schemas": [DECLAREE], "code": "70012"},
        "schemas": [CORE],
        "id": "other",
    }
    after = await sandbox.patch_and_get(anna, {"op": "Replace", "value": value})

    assert after["active"] is False
    assert after["name"] == {"givenName": "Anna", "familyName": "Neumann"}
    assert after[ENTERPRISE] == {"department": "HR", "costCenter": "CC-1"}
    assert after[DECLAREE] == {"code": "70012"}
    assert after["id"] == anna


async def test_patch_add_appends_to_a_list_and_replace_replaces(sandbox: DeclareeSandbox, anna: str) -> None:
    """An equal value is not added twice (RFC 7644, section 3.5.2.1)."""
    other = {"value": "anna@other.example", "type": "other"}
    added = await sandbox.patch_and_get(anna, build_operation("add", "emails", [other]))

    assert [email["type"] for email in added["emails"]] == ["work", "home", "other"]
    assert await sandbox.patch_and_get(anna, build_operation("add", "emails", [other])) == added

    replaced = await sandbox.patch_and_get(anna, build_operation("replace", "emails", [other]))

    assert replaced["emails"] == [other]


async def test_patch_of_a_primary_value_clears_the_other_ones(sandbox: DeclareeSandbox, anna: str) -> None:
    """At most one value is primary (RFC 7644, section 3.5.2)."""
    other = {"value": "anna@other.example", "type": "other", "primary": True}
    added = await sandbox.patch_and_get(anna, build_operation("add", "emails", [other]))

    assert [email.get("primary") for email in added["emails"]] == [False, None, True]

    home = await sandbox.patch_and_get(anna, build_operation("replace", f"{HOME}.primary", True))

    assert [email.get("primary") for email in home["emails"]] == [False, True, False]


async def test_patch_of_a_complex_value_merges_its_parts(sandbox: DeclareeSandbox, anna: str) -> None:
    """Parts that the value omits stay, and null clears a part."""
    await sandbox.patch_and_get(anna, build_operation("add", "name", {"middleName": "van"}))
    after = await sandbox.patch_and_get(
        anna, build_operation("replace", "name", {"middleName": None, "givenName": "Anne"})
    )

    assert after["name"] == {"givenName": "Anne", "familyName": "Berg"}


@pytest.mark.parametrize(
    "cleared",
    [
        build_operation("remove", "title"),
        build_operation("replace", "title", None),
        build_operation("replace", None, {"title": None}),
    ],
)
async def test_patch_remove_and_null_clear_an_attribute(
    sandbox: DeclareeSandbox, anna: str, cleared: dict[str, Any]
) -> None:
    """Clearing an empty attribute succeeds as well."""
    assert "title" not in await sandbox.patch_and_get(anna, cleared)
    assert "title" not in await sandbox.patch_and_get(anna, cleared)


async def test_patch_removes_values_parts_and_extensions(sandbox: DeclareeSandbox, anna: str) -> None:
    """A resource no longer lists the schema of a removed extension."""
    assert len((await sandbox.patch_and_get(anna, build_operation("remove", HOME)))["emails"]) == 1

    changed = await sandbox.patch_and_get(anna, build_operation("remove", f"{ENTERPRISE}:department"))

    assert changed[ENTERPRISE] == {"costCenter": "CC-1"}

    without_extension = await sandbox.patch_and_get(anna, build_operation("remove", ENTERPRISE))

    assert without_extension.keys().isdisjoint({ENTERPRISE})
    assert without_extension["schemas"] == [CORE]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (build_operation("remove"), "noTarget"),
        (build_operation("replace", 'emails[type eq "other"].value', "x@example.com"), "noTarget"),
        (build_operation("remove", "userName"), "mutability"),
        (build_operation("remove", "name.familyName"), "mutability"),
        (build_operation("remove", "emails"), "mutability"),
        (build_operation("replace", "id", "7"), "mutability"),
        (build_operation("add", "meta.created", "1999-01-01T00:00:00Z"), "mutability"),
        (build_operation("add", "groups", [{"value": "7"}]), "mutability"),
        (build_operation("replace", "userName", None), "invalidValue"),
        (build_operation("replace", "title", 7), "invalidValue"),
        (build_operation("replace", None, "Dr."), "invalidValue"),
        (build_operation("replace", "emails[type eq].value", "x"), "invalidFilter"),
        (build_operation("replace", "name[formatted pr]", "x"), "invalidPath"),
        (build_operation("replace", "title.part", "x"), "invalidPath"),
        (build_operation("replace", "not a path", "x"), "invalidPath"),
        ({"op": "replace", "path": 7, "value": "x"}, "invalidPath"),
        (build_operation("move", "title", "x"), "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
    ],
)
async def test_patch_with_an_invalid_operation_changes_nothing(
    sandbox: DeclareeSandbox, anna: str, wrong: dict[str, Any], expected: str
) -> None:
    """A PATCH is atomic: valid operations before the invalid one have no effect."""
    before = await sandbox.get(f"/Users/{anna}")
    first = build_operation("replace", None, {"name.givenName": "Anne", f"{ENTERPRISE}:department": "HR"})

    answer = await sandbox.patch(anna, first, build_operation("add", "emails", {"value": "third@example.com"}), wrong)

    assert read_error(answer) == (400, expected)
    assert await sandbox.get(f"/Users/{anna}") == before
    assert await sandbox.find_ids('userName eq "anna.berg@example.com"') == [anna]


@pytest.mark.parametrize("message", [{}, {"Operations": []}, {"Operations": {}}, {"Operations": ["x"]}])
async def test_patch_without_operations_is_invalid_syntax(sandbox: DeclareeSandbox, anna: str, message: Any) -> None:
    """A PatchOp message must contain at least one operation object."""
    assert read_error(await sandbox.request("PATCH", f"/Users/{anna}", message)) == (400, "invalidSyntax")


async def test_patch_operations_apply_in_order(sandbox: DeclareeSandbox, anna: str) -> None:
    """An operation works on the result of the operations before it."""
    after = await sandbox.patch_and_get(
        anna,
        build_operation("add", "emails", [{"value": "third@example.com", "type": "other"}]),
        build_operation("replace", 'emails[type eq "other"].value', "fourth@example.com"),
        build_operation("remove", HOME),
    )

    assert [email["value"] for email in after["emails"]] == ["anna.berg@example.com", "fourth@example.com"]


async def test_patch_filter_without_match_can_create_a_value(sandbox: DeclareeSandbox, anna: str) -> None:
    """Entra ID expects a new value, while the RFC requires the error noTarget."""
    add = build_operation("Add", 'phoneNumbers[type eq "mobile"].value', "+49 170 1")

    assert read_error(await sandbox.patch(anna, add)) == (400, "noTarget")

    sandbox.change_behaviour(unmatched_value_path="create")

    assert (await sandbox.patch_and_get(anna, add))["phoneNumbers"] == [{"type": "mobile", "value": "+49 170 1"}]


async def test_patch_of_an_unknown_attribute_is_dropped_or_rejected(sandbox: DeclareeSandbox, anna: str) -> None:
    """The vendor does not document this case, so the behaviour decides it."""
    before = await sandbox.get(f"/Users/{anna}")
    unknown = [build_operation("add", path, "x") for path in ("shoeSize", "name.nick", "urn:example:other:size")]

    assert await sandbox.patch_and_get(anna, *unknown) == before

    sandbox.change_behaviour(unknown_attributes="refuse")

    for operation in unknown:
        assert read_error(await sandbox.patch(anna, operation)) == (400, "invalidPath")


async def test_patch_answers_with_200_or_204(sandbox: DeclareeSandbox, anna: str) -> None:
    """RFC 7644 allows both, but a request for attributes always gets them."""
    full = await sandbox.patch(anna, build_operation("replace", "title", "Prof."))

    assert full.status_code == 200
    assert full.json()["title"] == "Prof."

    sandbox.change_behaviour(patch_answer=204)
    short = await sandbox.patch(anna, build_operation("replace", "title", "Dr."))

    assert short.status_code == 204
    assert short.content == b""

    message = {"Operations": [build_operation("replace", "title", "M.A.")]}
    part = await sandbox.request("PATCH", f"/Users/{anna}?attributes=title", message)

    assert part.status_code == 200
    assert part.json() == {"schemas": [CORE, ENTERPRISE], "id": anna, "title": "M.A."}


async def test_patch_without_a_change_keeps_last_modified(sandbox: DeclareeSandbox, anna: str) -> None:
    """The time of modification shows real changes only."""
    before = await sandbox.get(f"/Users/{anna}")
    sandbox.clock.move(hours=1)

    assert await sandbox.patch_and_get(anna, build_operation("replace", "title", "Dr.")) == before

    changed = await sandbox.patch_and_get(anna, build_operation("replace", "title", "Prof."))

    assert changed["meta"]["lastModified"] == "2026-03-02T13:00:00.000Z"


async def test_patch_switched_off_gets_501(sandbox: DeclareeSandbox, anna: str) -> None:
    """The published capabilities say that PATCH is not supported."""
    sandbox.change_behaviour(patch=False)

    assert read_error(await sandbox.patch(anna, build_operation("replace", "title", "Prof."))) == (501, None)
    assert (await sandbox.get("/ServiceProviderConfig"))["patch"] == {"supported": False}
