"""Accounts: created, read, replaced and disabled; what is required, what is unique, what is dropped."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import CORE, DECLAREE, ENTERPRISE, Stage, operation, refusal, staged, user


async def test_a_created_account_is_answered_with_its_id_and_address(stage: Stage) -> None:
    answer = await stage.scim("POST", "/Users", user(externalId="4711"))
    location = "http://declaree.test/SCIM/v2/Users/1001"
    assert (answer.status_code, answer.headers["location"]) == (201, location)
    assert answer.json() == {
        **user(externalId="4711"),
        "id": "1001",
        "active": True,
        "meta": {
            "resourceType": "User",
            "created": "2026-03-02T12:00:00.000Z",
            "lastModified": "2026-03-02T12:00:00.000Z",
            "location": location,
        },
    }
    assert await stage.get("/Users/1001") == answer.json()


async def test_the_id_is_the_servers_and_can_be_a_uuid(stage: Stage) -> None:
    assert (await stage.create(user(id="mine")))["id"] == "1001"
    stage.behave(id_format="uuid")
    second = (await stage.create(user("b@example.com")))["id"]
    assert [len(part) for part in second.split("-")] == [8, 4, 4, 4, 12]


async def test_an_id_is_never_given_again(stage: Stage) -> None:
    stage.behave(delete="allowed")
    first = (await stage.create())["id"]
    await stage.scim("DELETE", f"/Users/{first}")
    assert (await stage.create())["id"] != first


async def test_an_unknown_id_is_404_for_every_method(stage: Stage) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert refusal(await stage.scim(method, "/Users/77", {})) == (404, None)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"userName": None}, "userName"),
        ({"userName": ""}, "userName"),
        ({"emails": None}, "emails"),
        ({"emails": []}, "emails"),
        ({"emails": [{"type": "work"}]}, "emails.value"),
        ({"name": None}, "name"),
        ({"name": {"givenName": "Anna"}}, "name.familyName"),
        ({"name": {"givenName": "", "familyName": "Berg"}}, "name.givenName"),
    ],
)
async def test_email_and_names_are_required(stage: Stage, changes: dict[str, Any], path: str) -> None:
    answer = await stage.scim("POST", "/Users", user(**changes))
    assert refusal(answer) == (400, "invalidValue")
    assert answer.json()["detail"] == f"{path} is required"
    assert stage.declaree.directory.users == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"userName": 7},
        {"name": "Anna Berg"},
        {"active": "yes"},
        {"title": ["Dr."]},
        {"emails": [{"value": "a@x.example", "primary": True}, {"value": "b@x.example", "primary": True}]},
        {ENTERPRISE: "Sales"},
        {DECLAREE: {"travelPolicy": "first class"}},
    ],
)
async def test_a_value_of_the_wrong_type_is_refused(stage: Stage, changes: dict[str, Any]) -> None:
    assert refusal(await stage.scim("POST", "/Users", user(**changes))) == (400, "invalidValue")


async def test_every_field_of_the_extensions_is_kept(stage: Stage) -> None:
    extensions = {
        ENTERPRISE: {"employeeNumber": "4711", "costCenter": "CC-10", "department": "Sales"},
        DECLAREE: {
            "initials": "A.B.",
            "assistants": ["b@example.com"],
            "fixedProject": False,
            "expiresAt": "2027-01-31",
        },
    }
    created = await stage.create(user(preferredLanguage="de", roles=[{"value": "accountant"}], **extensions))
    assert created["schemas"] == [CORE, ENTERPRISE, DECLAREE]
    assert {urn: created[urn] for urn in extensions} == extensions
    assert (created["preferredLanguage"], created["roles"]) == ("de", [{"value": "accountant"}])


async def test_names_of_attributes_and_urns_are_read_without_regard_to_case(stage: Stage) -> None:
    body = {name.swapcase(): value for name, value in user(**{ENTERPRISE: {"COSTcenter": "CC-1"}}).items()}
    created = await stage.create(body)
    assert (created["userName"], created[ENTERPRISE]) == ("anna.berg@example.com", {"costCenter": "CC-1"})


async def test_unassigned_attributes_are_not_kept(stage: Stage) -> None:
    created = await stage.create(
        user(title="x", roles=[], **{ENTERPRISE: {"department": None}}) | {"displayName": None}
    )
    assert created.keys().isdisjoint({"displayName", "roles", ENTERPRISE})


async def test_read_only_attributes_are_ignored(stage: Stage) -> None:
    created = await stage.create(user(groups=[{"value": "1"}], meta={"created": "1999-01-01T00:00:00Z"}))
    assert "groups" not in created
    assert created["meta"]["created"].startswith("2026")


async def test_unknown_attributes_are_dropped_or_refused(stage: Stage) -> None:
    unknown: list[dict[str, Any]] = [
        {"shoeSize": "42"},
        {"urn:example:other:2.0:User": {"a": "b"}},
        {ENTERPRISE: {"shoeSize": "42"}},
        {"name": {"givenName": "A", "familyName": "B", "nickName": "C"}},
    ]
    for number, changes in enumerate(unknown):
        created = await stage.create(user(f"{number}@example.com", **changes))
        assert "shoeSize" not in str(created)
        assert "other" not in str(created)
        assert "nickName" not in str(created)
    stage.behave(unknown_attributes="refuse")
    for changes in unknown:
        assert refusal(await stage.scim("POST", "/Users", user("x@example.com", **changes))) == (400, "invalidSyntax")
    known = user("x@example.com", **{ENTERPRISE: {"schemas": [ENTERPRISE], "department": "Sales"}})
    assert (await stage.create(known))[ENTERPRISE] == {"department": "Sales"}


# ---------------------------------------------------------------- replacing


async def test_put_replaces_everything_and_clears_what_is_left_out(stage: Stage) -> None:
    created = await stage.create(user(externalId="1", title="Dr.", **{ENTERPRISE: {"costCenter": "CC-1"}}))
    stage.clock.move(hours=1)
    answer = await stage.scim("PUT", f"/Users/{created['id']}", user(externalId="1", displayName="Anna"))
    replaced = answer.json()
    assert (answer.status_code, replaced["displayName"]) == (200, "Anna")
    assert replaced.keys().isdisjoint({"title", ENTERPRISE})
    assert replaced["meta"]["created"] == created["meta"]["created"]
    assert replaced["meta"]["lastModified"] == "2026-03-02T13:00:00.000Z"


async def test_put_of_the_same_changes_nothing(stage: Stage) -> None:
    created = await stage.create()
    stage.clock.move(hours=1)
    assert (await stage.scim("PUT", f"/Users/{created['id']}", created)).json() == created


async def test_put_asks_for_the_required_and_never_creates(stage: Stage) -> None:
    created = await stage.create()
    answer = await stage.scim("PUT", f"/Users/{created['id']}", user(emails=None))
    assert refusal(answer) == (400, "invalidValue")
    assert await stage.get(f"/Users/{created['id']}") == created
    assert refusal(await stage.scim("PUT", "/Users/77", user("new@example.com"))) == (404, None)


# ---------------------------------------------------------------- uniqueness


@pytest.mark.parametrize(
    "second",
    [
        user(),
        user("ANNA.Berg@Example.com"),
        user("ANNA.berg@example.com", emails=[{"value": "other@example.com"}]),
        user("other@example.com", emails=[{"value": "other@example.com"}, {"value": "Anna.berg@example.com"}]),
    ],
)
async def test_user_name_and_email_are_unique_without_regard_to_case(stage: Stage, second: dict[str, Any]) -> None:
    await stage.create()
    assert refusal(await stage.scim("POST", "/Users", second)) == (409, "uniqueness")
    assert len(stage.declaree.directory.users) == 1


async def test_nobody_can_take_somebody_elses_address_later(stage: Stage) -> None:
    await stage.create()
    other = await stage.create(user("ben@example.com"))
    name = user("Anna.Berg@example.com", emails=other["emails"])
    put = await stage.scim("PUT", f"/Users/{other['id']}", name)
    patch = await stage.patch(
        other["id"], operation("replace", 'emails[type eq "work"].value', "ANNA.BERG@example.com")
    )
    assert refusal(put) == refusal(patch) == (409, "uniqueness")
    assert await stage.get(f"/Users/{other['id']}") == other


async def test_a_changed_address_frees_the_old_one(stage: Stage) -> None:
    first = await stage.create()
    changed = await stage.scim("PUT", f"/Users/{first['id']}", user("anna.neu@example.com"))
    assert changed.status_code == 200
    assert (await stage.create())["id"] != first["id"]
    assert refusal(await stage.scim("POST", "/Users", user("anna.neu@example.com"))) == (409, "uniqueness")


async def test_an_own_address_can_be_spelled_anew(stage: Stage) -> None:
    first = await stage.create()
    await stage.patched(first["id"], operation("replace", "userName", "Anna.Berg@example.com"))
    assert (await stage.get(f"/Users/{first['id']}"))["userName"] == "Anna.Berg@example.com"


async def test_addresses_are_unique_over_all_administrations() -> None:
    async with staged(administration_attribute=True) as stage:
        await stage.create(user(**{DECLAREE: {"administration": "Muster GmbH"}}))
        elsewhere = user(**{DECLAREE: {"administration": "Muster B.V."}})
        assert refusal(await stage.scim("POST", "/Users", elsewhere)) == (409, "uniqueness")


async def test_a_409_can_come_without_a_body(stage: Stage) -> None:
    stage.behave(conflict_body=False)
    await stage.create()
    answer = await stage.scim("POST", "/Users", user())
    assert (answer.status_code, answer.content) == (409, b"")


async def test_the_user_name_may_have_to_be_the_email(stage: Stage) -> None:
    other = user(userName="aberg")
    assert (await stage.create(other))["userName"] == "aberg"
    stage.behave(user_name_must_equal_email=True)
    changed = user("ben@example.com", userName="ben")
    assert refusal(await stage.scim("POST", "/Users", changed)) == (400, "invalidValue")
    assert (await stage.create(user("ben@example.com", userName="Ben@Example.com")))["userName"] == "Ben@Example.com"


async def test_an_external_id_is_kept_as_spelled_and_not_unique(stage: Stage) -> None:
    first = await stage.create(user(externalId="Emp-1"))
    second = await stage.create(user("b@example.com", externalId="Emp-1"))
    assert await stage.found('externalId eq "Emp-1"') == [first["id"], second["id"]]
    assert await stage.found('externalId eq "emp-1"') == []


async def test_an_external_id_may_not_be_stored(stage: Stage) -> None:
    stage.behave(external_id="ignored")
    created = await stage.create(user(externalId="1"))
    patched = await stage.patched(created["id"], operation("add", "externalId", "1"))
    assert "externalId" not in created
    assert "externalId" not in patched


async def test_an_external_id_may_be_unique(stage: Stage) -> None:
    stage.behave(external_id="unique")
    await stage.create(user(externalId="1"))
    assert refusal(await stage.scim("POST", "/Users", user("b@example.com", externalId="1"))) == (409, "uniqueness")
    other = await stage.create(user("b@example.com", externalId="2"))
    assert refusal(await stage.patch(other["id"], operation("replace", "externalId", "1"))) == (409, "uniqueness")
    assert (await stage.patched(other["id"], operation("replace", "externalId", "3")))["externalId"] == "3"


# ---------------------------------------------------------------- life cycle


async def test_a_disabled_account_is_kept_with_its_address_and_can_be_enabled(stage: Stage) -> None:
    created = await stage.create(user(externalId="1"))
    disabled = await stage.patched(created["id"], operation("replace", "active", False))
    assert {**disabled, "active": True} == created
    assert refusal(await stage.scim("POST", "/Users", user())) == (409, "uniqueness")
    assert await stage.found('externalId eq "1"') == [created["id"]]
    assert await stage.patched(created["id"], operation("replace", "active", True)) == created


@pytest.mark.parametrize(("refused", "status"), [("forbidden", 403), ("not_allowed", 405), ("not_implemented", 501)])
async def test_deletion_is_refused(stage: Stage, refused: str, status: int) -> None:
    stage.behave(delete=refused)
    created = await stage.create()
    assert refusal(await stage.scim("DELETE", f"/Users/{created['id']}")) == (status, None)
    assert await stage.get(f"/Users/{created['id']}") == created


async def test_deletion_is_405_unless_switched_on_and_then_frees_the_address(stage: Stage) -> None:
    created = await stage.create()
    refused = await stage.scim("DELETE", f"/Users/{created['id']}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT, PATCH")
    stage.behave(delete="allowed")
    answer = await stage.scim("DELETE", f"/Users/{created['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(await stage.scim("GET", f"/Users/{created['id']}")) == (404, None)
    assert await stage.found('userName eq "anna.berg@example.com"') == []
    assert (await stage.create())["id"] != created["id"]


async def test_accounts_are_not_invited_unless_switched_on(stage: Stage) -> None:
    first = await stage.create()
    stage.behave(auto_invite=True)
    second = await stage.create(user("b@example.com"))
    invited = {each["id"]: each["invited"] for each in (await stage.control("GET", "/accounts"))["accounts"]}
    assert invited == {first["id"]: False, second["id"]: True}


# ---------------------------------------------------------------- administrations


async def _places(stage: Stage, account_id: str) -> list[tuple[str, bool]]:
    account = await stage.control("GET", f"/accounts/{account_id}")
    return [(place["name"], place["sticky"]) for place in account["administrations"]]


async def test_new_accounts_land_in_the_parent_administration(stage: Stage) -> None:
    ignored = user(**{DECLAREE: {"administration": "Muster GmbH"}})
    assert await _places(stage, (await stage.create(ignored))["id"]) == [("Muster Holding", False)]


async def test_the_custom_attribute_can_choose_the_administration() -> None:
    async with staged(administration_attribute=True) as stage:
        created = await stage.create(user(**{DECLAREE: {"administration": "Muster GmbH"}}))
        assert await _places(stage, created["id"]) == [("Muster GmbH", False)]
        nowhere = user("b@example.com", **{DECLAREE: {"administration": "Nowhere"}})
        assert refusal(await stage.scim("POST", "/Users", nowhere)) == (400, "invalidValue")
        await stage.patched(created["id"], operation("replace", f"{DECLAREE}:administration", "Muster B.V."))
        assert await _places(stage, created["id"]) == [("Muster B.V.", False), ("Muster GmbH", False)]


async def test_the_next_sync_removes_from_other_administrations_unless_sticky(stage: Stage) -> None:
    created = await stage.create()
    places = [{"name": "Muster GmbH", "sticky": True}, {"name": "Muster B.V."}, {"name": "Muster Holding"}]
    await stage.control("PATCH", f"/accounts/{created['id']}", {"administrations": places})
    await stage.patched(created["id"], operation("replace", "title", "Dr."))
    assert len(await _places(stage, created["id"])) == 3
    stage.behave(leave_other_administrations=True)
    await stage.patched(created["id"], operation("replace", "title", "Prof."))
    assert await _places(stage, created["id"]) == [("Muster GmbH", True), ("Muster Holding", False)]


async def test_the_last_administration_cannot_be_left(stage: Stage) -> None:
    created = await stage.create()
    answer = await stage.http.patch(f"/_control/accounts/{created['id']}", json={"administrations": []})
    assert answer.status_code == 400
    assert await _places(stage, created["id"]) == [("Muster Holding", False)]
