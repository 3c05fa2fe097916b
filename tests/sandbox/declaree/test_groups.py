"""Groups and their members; duplicate names."""

from typing import Any

from tests.sandbox.declaree.stage import Stage, operation, refusal, user

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def group(name: str = "Sales", *members: str) -> dict[str, Any]:
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}


async def test_a_group_shows_its_members_and_a_user_its_groups(stage: Stage) -> None:
    anna = (await stage.create())["id"]
    sales = await stage.create(group("Sales", anna), "/Groups")
    address = "http://declaree.test/SCIM/v2"
    assert sales["members"] == [{"value": anna, "$ref": f"{address}/Users/{anna}"}]
    assert (await stage.get(f"/Users/{anna}"))["groups"] == [
        {"value": sales["id"], "$ref": f"{address}/Groups/{sales['id']}", "display": "Sales"}
    ]


async def test_a_group_needs_a_name_and_members_that_exist(stage: Stage) -> None:
    assert refusal(await stage.scim("POST", "/Groups", {"schemas": [GROUP]})) == (400, "invalidValue")
    assert refusal(await stage.scim("POST", "/Groups", group("Sales", "77"))) == (400, "invalidValue")


async def test_members_come_and_go_by_patch_in_both_dialects(stage: Stage) -> None:
    ids = [(await stage.create(user(f"{number}@example.com")))["id"] for number in range(4)]
    sales = await stage.create(group("Sales", ids[0]), "/Groups")

    async def members(*operations: dict[str, Any]) -> list[str]:
        changed = await stage.patched(sales["id"], *operations, path="/Groups")
        return [member["value"] for member in changed.get("members", [])]

    added = [{"value": each} for each in ids]
    assert await members(operation("add", "members", added)) == ids
    assert await members(operation("remove", f'members[value eq "{ids[0]}"]')) == ids[1:]
    assert await members(operation("Remove", "members", [{"value": ids[1]}])) == ids[2:]
    assert await members(operation("replace", "members", [{"value": ids[0]}])) == [ids[0]]
    assert await members(operation("remove", "members")) == []


async def test_membership_is_not_changed_on_the_user(stage: Stage) -> None:
    created = await stage.create()
    answer = await stage.patch(created["id"], operation("add", "groups", [{"value": "1"}]))
    assert refusal(answer) == (400, "mutability")


async def test_a_deleted_user_leaves_its_groups(stage: Stage) -> None:
    anna, ben = (await stage.create())["id"], (await stage.create(user("ben@example.com")))["id"]
    sales = await stage.create(group("Sales", anna, ben), "/Groups")
    await stage.control("DELETE", f"/accounts/{anna}")
    assert [member["value"] for member in (await stage.get(f"/Groups/{sales['id']}"))["members"]] == [ben]


async def test_names_can_be_duplicate_and_are_then_found_twice(stage: Stage) -> None:
    first = await stage.create(group(), "/Groups")
    second = await stage.create(group("sales"), "/Groups")
    assert await stage.found('displayName eq "SALES"', "/Groups") == [first["id"], second["id"]]


async def test_names_may_be_unique(stage: Stage) -> None:
    stage.behave(unique_group_names=True)
    first = await stage.create(group(), "/Groups")
    assert refusal(await stage.scim("POST", "/Groups", group("SALES"))) == (409, "uniqueness")
    renamed = await stage.patched(first["id"], operation("replace", "displayName", "SALES"), path="/Groups")
    assert renamed["displayName"] == "SALES"


async def test_groups_can_be_renamed_replaced_and_deleted(stage: Stage) -> None:
    sales = await stage.create(group(), "/Groups")
    replaced = await stage.scim("PUT", f"/Groups/{sales['id']}", group("Marketing"))
    assert replaced.json()["displayName"] == "Marketing"
    assert (await stage.scim("DELETE", f"/Groups/{sales['id']}")).status_code == 204
    assert (await stage.get("/Groups"))["totalResults"] == 0


async def test_groups_may_be_missing(stage: Stage) -> None:
    stage.behave(groups=False)
    assert refusal(await stage.scim("GET", "/Groups")) == (404, None)
    assert refusal(await stage.scim("POST", "/Groups", group())) == (404, None)
    assert [kind["id"] for kind in (await stage.get("/ResourceTypes"))["Resources"]] == ["User"]
