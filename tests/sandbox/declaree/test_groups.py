"""Groups, their members and duplicate names."""

from typing import Any

from tests.sandbox.declaree.in_process import DeclareeSandbox, build_operation, build_user, read_error

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def build_group(name: str = "Sales", *members: str) -> dict[str, Any]:
    """Returns a group with these members."""
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}


async def test_group_and_user_show_the_membership_with_addresses(sandbox: DeclareeSandbox) -> None:
    """Membership is stored in the group, and the user resource shows it as well."""
    anna = (await sandbox.create())["id"]
    sales = await sandbox.create(build_group("Sales", anna), "/Groups")

    address = "http://declaree.test/SCIM/v2"

    assert sales["members"] == [{"value": anna, "$ref": f"{address}/Users/{anna}"}]
    assert (await sandbox.get(f"/Users/{anna}"))["groups"] == [
        {"value": sales["id"], "$ref": f"{address}/Groups/{sales['id']}", "display": "Sales"}
    ]


async def test_group_without_name_or_with_unknown_member_is_invalid(sandbox: DeclareeSandbox) -> None:
    """A group cannot reference accounts that do not exist."""
    assert read_error(await sandbox.request("POST", "/Groups", {"schemas": [GROUP]})) == (400, "invalidValue")
    assert read_error(await sandbox.request("POST", "/Groups", build_group("Sales", "77"))) == (400, "invalidValue")


async def test_members_change_by_patch_of_okta_and_entra(sandbox: DeclareeSandbox) -> None:
    """Okta removes members by a filter, Entra ID by a list of values."""
    ids = [(await sandbox.create(build_user(f"{number}@example.com")))["id"] for number in range(4)]
    sales = await sandbox.create(build_group("Sales", ids[0]), "/Groups")

    async def change_members(*operations: dict[str, Any]) -> list[str]:
        changed = await sandbox.patch_and_get(sales["id"], *operations, path="/Groups")
        return [member["value"] for member in changed.get("members", [])]

    added = [{"value": member_id} for member_id in ids]

    assert await change_members(build_operation("add", "members", added)) == ids
    assert await change_members(build_operation("remove", f'members[value eq "{ids[0]}"]')) == ids[1:]
    assert await change_members(build_operation("Remove", "members", [{"value": ids[1]}])) == ids[2:]
    assert await change_members(build_operation("replace", "members", [{"value": ids[0]}])) == [ids[0]]
    assert await change_members(build_operation("remove", "members")) == []


async def test_groups_of_a_user_are_read_only(sandbox: DeclareeSandbox) -> None:
    """Membership changes only in the group (RFC 7643, section 4.1.2)."""
    created = await sandbox.create()
    answer = await sandbox.patch(created["id"], build_operation("add", "groups", [{"value": "1"}]))

    assert read_error(answer) == (400, "mutability")


async def test_deleted_user_leaves_its_groups(sandbox: DeclareeSandbox) -> None:
    """A group never lists an account that does not exist."""
    anna, ben = (await sandbox.create())["id"], (await sandbox.create(build_user("ben@example.com")))["id"]
    sales = await sandbox.create(build_group("Sales", anna, ben), "/Groups")

    await sandbox.control("DELETE", f"/accounts/{anna}")

    assert [member["value"] for member in (await sandbox.get(f"/Groups/{sales['id']}"))["members"]] == [ben]


async def test_duplicate_group_names_are_both_returned(sandbox: DeclareeSandbox) -> None:
    """SCIM does not require unique group names."""
    first = await sandbox.create(build_group(), "/Groups")
    second = await sandbox.create(build_group("sales"), "/Groups")

    assert await sandbox.find_ids('displayName eq "SALES"', "/Groups") == [first["id"], second["id"]]


async def test_unique_group_names_reject_a_duplicate(sandbox: DeclareeSandbox) -> None:
    """With the switch, names are unique without regard to case, and a group can keep its own name."""
    sandbox.change_behaviour(unique_group_names=True)
    first = await sandbox.create(build_group(), "/Groups")

    assert read_error(await sandbox.request("POST", "/Groups", build_group("SALES"))) == (409, "uniqueness")

    renamed = await sandbox.patch_and_get(
        first["id"], build_operation("replace", "displayName", "SALES"), path="/Groups"
    )

    assert renamed["displayName"] == "SALES"


async def test_group_is_replaced_by_put_and_removed_by_delete(sandbox: DeclareeSandbox) -> None:
    """DELETE works for groups even where accounts cannot be deleted."""
    sales = await sandbox.create(build_group(), "/Groups")
    answer = await sandbox.request("PUT", f"/Groups/{sales['id']}", build_group("Marketing"))

    assert answer.json()["displayName"] == "Marketing"
    assert (await sandbox.request("DELETE", f"/Groups/{sales['id']}")).status_code == 204
    assert (await sandbox.get("/Groups"))["totalResults"] == 0


async def test_groups_switched_off_get_404(sandbox: DeclareeSandbox) -> None:
    """Without groups, the endpoint and its resource type do not exist."""
    sandbox.change_behaviour(groups=False)

    assert read_error(await sandbox.request("GET", "/Groups")) == (404, None)
    assert read_error(await sandbox.request("POST", "/Groups", build_group())) == (404, None)
    assert [kind["id"] for kind in (await sandbox.get("/ResourceTypes"))["Resources"]] == ["User"]
