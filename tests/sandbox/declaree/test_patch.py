"""PATCH in the dialects of the RFC, of Okta and of Entra ID: all operations or none."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import CORE, DECLAREE, ENTERPRISE, Stage, operation, refusal, user

WORK, HOME = 'emails[type eq "work"]', 'emails[type eq "home"]'


@pytest.fixture
async def anna(stage: Stage) -> str:
    """An account with a title, two addresses and a department."""
    emails = [
        {"value": "anna.berg@example.com", "type": "work", "primary": True},
        {"value": "anna@home.example", "type": "home"},
    ]
    body = user(title="Dr.", emails=emails, **{ENTERPRISE: {"department": "Sales", "costCenter": "CC-1"}})
    return str((await stage.create(body))["id"])


@pytest.mark.parametrize("op", ["replace", "Replace", "REPLACE", "add", "Add"])
async def test_the_operator_is_read_without_regard_to_case(stage: Stage, anna: str, op: str) -> None:
    assert (await stage.patched(anna, operation(op, "title", "Prof.")))["title"] == "Prof."


@pytest.mark.parametrize("value", [False, "False", "false", "FALSE"])
async def test_booleans_may_be_strings(stage: Stage, anna: str, value: object) -> None:
    assert (await stage.patched(anna, operation("Replace", "active", value)))["active"] is False


@pytest.mark.parametrize("value", ["", "no", 0])
async def test_other_values_are_no_booleans(stage: Stage, anna: str, value: object) -> None:
    assert refusal(await stage.patch(anna, operation("replace", "active", value))) == (400, "invalidValue")


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
async def test_every_kind_of_path_is_understood(stage: Stage, anna: str, path: str, value: str, read: Any) -> None:
    before = await stage.get(f"/Users/{anna}")
    after = await stage.patched(anna, operation("replace", path, value))
    assert read(before) != value
    assert read(after) == value


async def test_an_operation_without_a_path_sets_attributes_as_okta_and_entra_do(stage: Stage, anna: str) -> None:
    value = {
        "active": "False",
        "name.familyName": "Neumann",
        f"{ENTERPRISE}:department": "HR",
        DECLAREE: {"schemas": [DECLAREE], "code": "70012"},
        "schemas": [CORE],
        "id": "other",
    }
    after = await stage.patched(anna, {"op": "Replace", "value": value})
    assert (after["active"], after["name"]) == (False, {"givenName": "Anna", "familyName": "Neumann"})
    assert after[ENTERPRISE] == {"department": "HR", "costCenter": "CC-1"}
    assert (after[DECLAREE], after["id"]) == ({"code": "70012"}, anna)


async def test_a_list_is_appended_to_by_add_and_replaced_by_replace(stage: Stage, anna: str) -> None:
    other = {"value": "anna@other.example", "type": "other"}
    added = await stage.patched(anna, operation("add", "emails", [other]))
    assert [email["type"] for email in added["emails"]] == ["work", "home", "other"]
    assert await stage.patched(anna, operation("add", "emails", [other])) == added
    replaced = await stage.patched(anna, operation("replace", "emails", [other]))
    assert replaced["emails"] == [other]


async def test_a_primary_value_takes_the_mark_from_the_others(stage: Stage, anna: str) -> None:
    other = {"value": "anna@other.example", "type": "other", "primary": True}
    added = await stage.patched(anna, operation("add", "emails", [other]))
    assert [email.get("primary") for email in added["emails"]] == [False, None, True]
    home = await stage.patched(anna, operation("replace", f"{HOME}.primary", True))
    assert [email.get("primary") for email in home["emails"]] == [False, True, False]


async def test_a_complex_value_is_merged_and_null_clears_a_part_of_it(stage: Stage, anna: str) -> None:
    await stage.patched(anna, operation("add", "name", {"middleName": "van"}))
    after = await stage.patched(anna, operation("replace", "name", {"middleName": None, "givenName": "Anne"}))
    assert after["name"] == {"givenName": "Anne", "familyName": "Berg"}


@pytest.mark.parametrize(
    "cleared",
    [operation("remove", "title"), operation("replace", "title", None), operation("replace", None, {"title": None})],
)
async def test_an_attribute_is_cleared_by_remove_and_by_null(stage: Stage, anna: str, cleared: dict[str, Any]) -> None:
    assert "title" not in await stage.patched(anna, cleared)
    assert "title" not in await stage.patched(anna, cleared)


async def test_a_value_an_extension_and_a_part_can_be_removed(stage: Stage, anna: str) -> None:
    assert len((await stage.patched(anna, operation("remove", HOME)))["emails"]) == 1
    left = await stage.patched(anna, operation("remove", f"{ENTERPRISE}:department"))
    assert left[ENTERPRISE] == {"costCenter": "CC-1"}
    gone = await stage.patched(anna, operation("remove", ENTERPRISE))
    assert gone.keys().isdisjoint({ENTERPRISE})
    assert gone["schemas"] == [CORE]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (operation("remove"), "noTarget"),
        (operation("replace", 'emails[type eq "other"].value', "x@example.com"), "noTarget"),
        (operation("remove", "userName"), "mutability"),
        (operation("remove", "name.familyName"), "mutability"),
        (operation("remove", "emails"), "mutability"),
        (operation("replace", "id", "7"), "mutability"),
        (operation("add", "meta.created", "1999-01-01T00:00:00Z"), "mutability"),
        (operation("add", "groups", [{"value": "7"}]), "mutability"),
        (operation("replace", "userName", None), "invalidValue"),
        (operation("replace", "title", 7), "invalidValue"),
        (operation("replace", None, "Dr."), "invalidValue"),
        (operation("replace", "emails[type eq].value", "x"), "invalidFilter"),
        (operation("replace", "name[formatted pr]", "x"), "invalidPath"),
        (operation("replace", "title.part", "x"), "invalidPath"),
        (operation("replace", "not a path", "x"), "invalidPath"),
        ({"op": "replace", "path": 7, "value": "x"}, "invalidPath"),
        (operation("move", "title", "x"), "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
    ],
)
async def test_a_wrong_operation_is_refused_and_those_before_it_leave_nothing(
    stage: Stage, anna: str, wrong: dict[str, Any], expected: str
) -> None:
    before = await stage.get(f"/Users/{anna}")
    first = operation("replace", None, {"name.givenName": "Anne", f"{ENTERPRISE}:department": "HR"})
    answer = await stage.patch(anna, first, operation("add", "emails", {"value": "third@example.com"}), wrong)
    assert refusal(answer) == (400, expected)
    assert await stage.get(f"/Users/{anna}") == before
    assert await stage.found('userName eq "anna.berg@example.com"') == [anna]


@pytest.mark.parametrize("message", [{}, {"Operations": []}, {"Operations": {}}, {"Operations": ["x"]}])
async def test_a_message_without_operations_is_invalid_syntax(stage: Stage, anna: str, message: Any) -> None:
    assert refusal(await stage.scim("PATCH", f"/Users/{anna}", message)) == (400, "invalidSyntax")


async def test_operations_see_what_those_before_them_did(stage: Stage, anna: str) -> None:
    after = await stage.patched(
        anna,
        operation("add", "emails", [{"value": "third@example.com", "type": "other"}]),
        operation("replace", 'emails[type eq "other"].value', "fourth@example.com"),
        operation("remove", HOME),
    )
    assert [email["value"] for email in after["emails"]] == ["anna.berg@example.com", "fourth@example.com"]


async def test_a_value_that_does_not_exist_may_be_made_from_the_filter(stage: Stage, anna: str) -> None:
    add = operation("Add", 'phoneNumbers[type eq "mobile"].value', "+49 170 1")
    assert refusal(await stage.patch(anna, add)) == (400, "noTarget")
    stage.behave(unmatched_value_path="create")
    assert (await stage.patched(anna, add))["phoneNumbers"] == [{"type": "mobile", "value": "+49 170 1"}]


async def test_unknown_attributes_are_dropped_or_refused(stage: Stage, anna: str) -> None:
    before = await stage.get(f"/Users/{anna}")
    unknown = [operation("add", path, "x") for path in ("shoeSize", "name.nick", "urn:example:other:size")]
    assert await stage.patched(anna, *unknown) == before
    stage.behave(unknown_attributes="refuse")
    for each in unknown:
        assert refusal(await stage.patch(anna, each)) == (400, "invalidPath")


async def test_patch_answers_200_with_the_account_or_204(stage: Stage, anna: str) -> None:
    full = await stage.patch(anna, operation("replace", "title", "Prof."))
    assert (full.status_code, full.json()["title"]) == (200, "Prof.")
    stage.behave(patch_answer=204)
    short = await stage.patch(anna, operation("replace", "title", "Dr."))
    assert (short.status_code, short.content) == (204, b"")
    message = {"Operations": [operation("replace", "title", "M.A.")]}
    part = await stage.scim("PATCH", f"/Users/{anna}?attributes=title", message)
    assert (part.status_code, part.json()) == (200, {"schemas": [CORE, ENTERPRISE], "id": anna, "title": "M.A."})


async def test_a_patch_that_changes_nothing_leaves_the_time_of_modification(stage: Stage, anna: str) -> None:
    before = await stage.get(f"/Users/{anna}")
    stage.clock.move(hours=1)
    assert await stage.patched(anna, operation("replace", "title", "Dr.")) == before
    changed = await stage.patched(anna, operation("replace", "title", "Prof."))
    assert changed["meta"]["lastModified"] == "2026-03-02T13:00:00.000Z"


async def test_patch_may_be_missing(stage: Stage, anna: str) -> None:
    stage.behave(patch=False)
    assert refusal(await stage.patch(anna, operation("replace", "title", "Prof."))) == (501, None)
    assert (await stage.get("/ServiceProviderConfig"))["patch"] == {"supported": False}
