"""Accounts: create, read, replace and disable; required, unique and ignored attributes."""

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
    run_sandbox,
)


async def test_created_account_is_returned_with_id_and_location(sandbox: DeclareeSandbox) -> None:
    """The answer equals a later GET."""
    answer = await sandbox.request("POST", "/Users", build_user(externalId="4711"))
    location = "http://declaree.test/SCIM/v2/Users/1001"

    assert answer.status_code == 201
    assert answer.headers["location"] == location
    assert answer.json() == {
        **build_user(externalId="4711"),
        "id": "1001",
        "active": True,
        "meta": {
            "resourceType": "User",
            "created": "2026-03-02T12:00:00.000Z",
            "lastModified": "2026-03-02T12:00:00.000Z",
            "location": location,
        },
    }
    assert await sandbox.get("/Users/1001") == answer.json()


async def test_id_is_assigned_by_the_server(sandbox: DeclareeSandbox) -> None:
    """An id from the client is ignored, and the form of ids can be switched."""
    assert (await sandbox.create(build_user(id="mine")))["id"] == "1001"

    sandbox.change_behaviour(id_format="uuid")
    second = (await sandbox.create(build_user("b@example.com")))["id"]

    assert [len(part) for part in second.split("-")] == [8, 4, 4, 4, 12]


async def test_id_of_a_deleted_account_is_not_reused(sandbox: DeclareeSandbox) -> None:
    """Ids stay unique forever (RFC 7643, section 3.1)."""
    sandbox.change_behaviour(delete="allowed")
    first = (await sandbox.create())["id"]

    await sandbox.request("DELETE", f"/Users/{first}")

    assert (await sandbox.create())["id"] != first


async def test_unknown_id_gets_404_for_every_method(sandbox: DeclareeSandbox) -> None:
    """Writes to an unknown id never create an account."""
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert read_error(await sandbox.request(method, "/Users/77", {})) == (404, None)


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
async def test_account_without_a_required_attribute_is_invalid(
    sandbox: DeclareeSandbox, changes: dict[str, Any], path: str
) -> None:
    """The error names the missing attribute, and nothing is stored."""
    answer = await sandbox.request("POST", "/Users", build_user(**changes))

    assert read_error(answer) == (400, "invalidValue")
    assert answer.json()["detail"] == f"{path} is required"
    assert sandbox.declaree.directory.users == {}


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
async def test_value_of_the_wrong_type_is_rejected(sandbox: DeclareeSandbox, changes: dict[str, Any]) -> None:
    """Types, closed lists of values and the primary value are checked."""
    assert read_error(await sandbox.request("POST", "/Users", build_user(**changes))) == (400, "invalidValue")


async def test_attributes_of_extensions_are_stored(sandbox: DeclareeSandbox) -> None:
    """The resource lists the schemas of its extensions."""
    extensions = {
        ENTERPRISE: {"employeeNumber": "4711", "costCenter": "CC-10", "department": "Sales"},
        DECLAREE: {
            "initials": "A.B.",
            "assistants": ["b@example.com"],
            "fixedProject": False,
            "expiresAt": "2027-01-31",
        },
    }
    created = await sandbox.create(build_user(preferredLanguage="de", roles=[{"value": "accountant"}], **extensions))

    assert created["schemas"] == [CORE, ENTERPRISE, DECLAREE]
    assert {urn: created[urn] for urn in extensions} == extensions
    assert created["preferredLanguage"] == "de"
    assert created["roles"] == [{"value": "accountant"}]


async def test_attribute_names_in_any_case_are_accepted(sandbox: DeclareeSandbox) -> None:
    """Names and URNs are case-insensitive (RFC 7643, section 2.1)."""
    body = {name.swapcase(): value for name, value in build_user(**{ENTERPRISE: {"COSTcenter": "CC-1"}}).items()}
    created = await sandbox.create(body)

    assert created["userName"] == "anna.berg@example.com"
    assert created[ENTERPRISE] == {"costCenter": "CC-1"}


async def test_null_and_empty_attributes_are_not_stored(sandbox: DeclareeSandbox) -> None:
    """Null and an empty list mean unassigned (RFC 7643, section 2.5)."""
    created = await sandbox.create(
        build_user(title="x", roles=[], **{ENTERPRISE: {"department": None}}) | {"displayName": None}
    )

    assert created.keys().isdisjoint({"displayName", "roles", ENTERPRISE})


async def test_read_only_attributes_are_ignored(sandbox: DeclareeSandbox) -> None:
    """A client can send back a resource that it has read."""
    created = await sandbox.create(build_user(groups=[{"value": "1"}], meta={"created": "1999-01-01T00:00:00Z"}))

    assert "groups" not in created
    assert created["meta"]["created"].startswith("2026")


async def test_unknown_attributes_are_dropped_or_rejected(sandbox: DeclareeSandbox) -> None:
    """The vendor does not document this case, so the behaviour decides it."""
    unknown: list[dict[str, Any]] = [
        {"shoeSize": "42"},
        {"urn:example:other:2.0:User": {"a": "b"}},
        {ENTERPRISE: {"shoeSize": "42"}},
        {"name": {"givenName": "A", "familyName": "B", "nickName": "C"}},
    ]

    for number, changes in enumerate(unknown):
        created = await sandbox.create(build_user(f"{number}@example.com", **changes))
        assert "shoeSize" not in str(created)
        assert "other" not in str(created)
        assert "nickName" not in str(created)

    sandbox.change_behaviour(unknown_attributes="refuse")

    for changes in unknown:
        answer = await sandbox.request("POST", "/Users", build_user("x@example.com", **changes))
        assert read_error(answer) == (400, "invalidSyntax")

    accepted = build_user("x@example.com", **{ENTERPRISE: {"schemas": [ENTERPRISE], "department": "Sales"}})

    assert (await sandbox.create(accepted))[ENTERPRISE] == {"department": "Sales"}


# ---------------------------------------------------------------- replacing


async def test_put_replaces_all_attributes(sandbox: DeclareeSandbox) -> None:
    """Attributes that the body omits are cleared, and the time of creation stays."""
    created = await sandbox.create(build_user(externalId="1", title="Dr.", **{ENTERPRISE: {"costCenter": "CC-1"}}))
    sandbox.clock.move(hours=1)
    answer = await sandbox.request("PUT", f"/Users/{created['id']}", build_user(externalId="1", displayName="Anna"))

    replaced = answer.json()

    assert answer.status_code == 200
    assert replaced["displayName"] == "Anna"
    assert replaced.keys().isdisjoint({"title", ENTERPRISE})
    assert replaced["meta"]["created"] == created["meta"]["created"]
    assert replaced["meta"]["lastModified"] == "2026-03-02T13:00:00.000Z"


async def test_put_of_the_same_resource_changes_nothing(sandbox: DeclareeSandbox) -> None:
    """The time of modification shows real changes only."""
    created = await sandbox.create()
    sandbox.clock.move(hours=1)

    assert (await sandbox.request("PUT", f"/Users/{created['id']}", created)).json() == created


async def test_put_needs_required_attributes_and_never_creates(sandbox: DeclareeSandbox) -> None:
    """An invalid PUT leaves the account unchanged."""
    created = await sandbox.create()
    answer = await sandbox.request("PUT", f"/Users/{created['id']}", build_user(emails=None))

    assert read_error(answer) == (400, "invalidValue")
    assert await sandbox.get(f"/Users/{created['id']}") == created
    assert read_error(await sandbox.request("PUT", "/Users/77", build_user("new@example.com"))) == (404, None)


# ---------------------------------------------------------------- uniqueness


@pytest.mark.parametrize(
    "second",
    [
        build_user(),
        build_user("ANNA.Berg@Example.com"),
        build_user("ANNA.berg@example.com", emails=[{"value": "other@example.com"}]),
        build_user("other@example.com", emails=[{"value": "other@example.com"}, {"value": "Anna.berg@example.com"}]),
    ],
)
async def test_duplicate_user_name_or_email_gets_409(sandbox: DeclareeSandbox, second: dict[str, Any]) -> None:
    """User name and e-mail address are unique without regard to case."""
    await sandbox.create()

    assert read_error(await sandbox.request("POST", "/Users", second)) == (409, "uniqueness")
    assert len(sandbox.declaree.directory.users) == 1


async def test_update_to_the_address_of_another_account_gets_409(sandbox: DeclareeSandbox) -> None:
    """Uniqueness applies to PUT and PATCH as well."""
    await sandbox.create()
    other = await sandbox.create(build_user("ben@example.com"))
    name = build_user("Anna.Berg@example.com", emails=other["emails"])
    put = await sandbox.request("PUT", f"/Users/{other['id']}", name)

    patch = await sandbox.patch(
        other["id"], build_operation("replace", 'emails[type eq "work"].value', "ANNA.BERG@example.com")
    )

    assert read_error(put) == read_error(patch) == (409, "uniqueness")
    assert await sandbox.get(f"/Users/{other['id']}") == other


async def test_changed_address_frees_the_old_address(sandbox: DeclareeSandbox) -> None:
    """Another account can use the old address."""
    first = await sandbox.create()
    changed = await sandbox.request("PUT", f"/Users/{first['id']}", build_user("anna.neu@example.com"))

    assert changed.status_code == 200
    assert (await sandbox.create())["id"] != first["id"]

    answer = await sandbox.request("POST", "/Users", build_user("anna.neu@example.com"))

    assert read_error(answer) == (409, "uniqueness")


async def test_account_can_change_the_case_of_its_address(sandbox: DeclareeSandbox) -> None:
    """An account does not conflict with itself."""
    first = await sandbox.create()
    await sandbox.patch_and_get(first["id"], build_operation("replace", "userName", "Anna.Berg@example.com"))

    assert (await sandbox.get(f"/Users/{first['id']}"))["userName"] == "Anna.Berg@example.com"


async def test_address_is_unique_over_all_administrations() -> None:
    """Uniqueness does not depend on the administration."""
    async with run_sandbox(administration_attribute=True) as sandbox:
        await sandbox.create(build_user(**{DECLAREE: {"administration": "Muster GmbH"}}))
        elsewhere = build_user(**{DECLAREE: {"administration": "Muster B.V."}})

        assert read_error(await sandbox.request("POST", "/Users", elsewhere)) == (409, "uniqueness")


async def test_conflict_can_have_an_empty_body(sandbox: DeclareeSandbox) -> None:
    """A client must not rely on the SCIM error type."""
    sandbox.change_behaviour(conflict_body=False)
    await sandbox.create()

    answer = await sandbox.request("POST", "/Users", build_user())

    assert answer.status_code == 409
    assert answer.content == b""


async def test_user_name_must_equal_email_if_switched_on(sandbox: DeclareeSandbox) -> None:
    """The comparison ignores case."""
    other = build_user(userName="aberg")

    assert (await sandbox.create(other))["userName"] == "aberg"

    sandbox.change_behaviour(user_name_must_equal_email=True)
    changed = build_user("ben@example.com", userName="ben")

    assert read_error(await sandbox.request("POST", "/Users", changed)) == (400, "invalidValue")

    created = await sandbox.create(build_user("ben@example.com", userName="Ben@Example.com"))

    assert created["userName"] == "Ben@Example.com"


async def test_external_id_is_case_exact_and_not_unique(sandbox: DeclareeSandbox) -> None:
    """Two accounts can share an external id unless the behaviour forbids it."""
    first = await sandbox.create(build_user(externalId="Emp-1"))
    second = await sandbox.create(build_user("b@example.com", externalId="Emp-1"))

    assert await sandbox.find_ids('externalId eq "Emp-1"') == [first["id"], second["id"]]
    assert await sandbox.find_ids('externalId eq "emp-1"') == []


async def test_external_id_is_ignored_if_switched_off(sandbox: DeclareeSandbox) -> None:
    """Neither POST nor PATCH stores the external id."""
    sandbox.change_behaviour(external_id="ignored")
    created = await sandbox.create(build_user(externalId="1"))

    changed = await sandbox.patch_and_get(created["id"], build_operation("add", "externalId", "1"))

    assert "externalId" not in created
    assert "externalId" not in changed


async def test_external_id_is_unique_if_switched_on(sandbox: DeclareeSandbox) -> None:
    """Uniqueness applies to POST and PATCH, and an account can still change its own id."""
    sandbox.change_behaviour(external_id="unique")
    await sandbox.create(build_user(externalId="1"))

    answer = await sandbox.request("POST", "/Users", build_user("b@example.com", externalId="1"))

    assert read_error(answer) == (409, "uniqueness")

    other = await sandbox.create(build_user("b@example.com", externalId="2"))

    answer = await sandbox.patch(other["id"], build_operation("replace", "externalId", "1"))

    assert read_error(answer) == (409, "uniqueness")

    changed = await sandbox.patch_and_get(other["id"], build_operation("replace", "externalId", "3"))

    assert changed["externalId"] == "3"


# ---------------------------------------------------------------- life cycle


async def test_disabled_account_keeps_its_address(sandbox: DeclareeSandbox) -> None:
    """A disabled account is still found, blocks its address and can be enabled."""
    created = await sandbox.create(build_user(externalId="1"))
    disabled = await sandbox.patch_and_get(created["id"], build_operation("replace", "active", False))

    assert {**disabled, "active": True} == created
    assert read_error(await sandbox.request("POST", "/Users", build_user())) == (409, "uniqueness")
    assert await sandbox.find_ids('externalId eq "1"') == [created["id"]]
    assert await sandbox.patch_and_get(created["id"], build_operation("replace", "active", True)) == created


@pytest.mark.parametrize(("refused", "status"), [("forbidden", 403), ("not_allowed", 405), ("not_implemented", 501)])
async def test_delete_is_rejected_with_the_selected_status(sandbox: DeclareeSandbox, refused: str, status: int) -> None:
    """The rejected account stays unchanged."""
    sandbox.change_behaviour(delete=refused)
    created = await sandbox.create()

    assert read_error(await sandbox.request("DELETE", f"/Users/{created['id']}")) == (status, None)
    assert await sandbox.get(f"/Users/{created['id']}") == created


async def test_delete_is_405_by_default_and_frees_the_address(sandbox: DeclareeSandbox) -> None:
    """Deletion must be switched on; another account can then use the freed address."""
    created = await sandbox.create()
    refused = await sandbox.request("DELETE", f"/Users/{created['id']}")

    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, PUT, PATCH"

    sandbox.change_behaviour(delete="allowed")
    answer = await sandbox.request("DELETE", f"/Users/{created['id']}")

    assert answer.status_code == 204
    assert answer.content == b""
    assert read_error(await sandbox.request("GET", f"/Users/{created['id']}")) == (404, None)
    assert await sandbox.find_ids('userName eq "anna.berg@example.com"') == []
    assert (await sandbox.create())["id"] != created["id"]


async def test_new_account_is_invited_only_if_switched_on(sandbox: DeclareeSandbox) -> None:
    """Accounts created over SCIM are not invited by default."""
    first = await sandbox.create()
    sandbox.change_behaviour(auto_invite=True)
    second = await sandbox.create(build_user("b@example.com"))

    invited = {account["id"]: account["invited"] for account in (await sandbox.control("GET", "/accounts"))["accounts"]}

    assert invited == {first["id"]: False, second["id"]: True}


# ---------------------------------------------------------------- administrations


async def _read_administrations(sandbox: DeclareeSandbox, account_id: str) -> list[tuple[str, bool]]:
    """Returns the account's administrations with their mark ``sticky``."""
    account = await sandbox.control("GET", f"/accounts/{account_id}")
    return [(item["name"], item["sticky"]) for item in account["administrations"]]


async def test_new_account_joins_the_parent_administration(sandbox: DeclareeSandbox) -> None:
    """By default the custom attribute has no effect on the administration."""
    ignored = build_user(**{DECLAREE: {"administration": "Muster GmbH"}})

    assert await _read_administrations(sandbox, (await sandbox.create(ignored))["id"]) == [("Muster Holding", False)]


async def test_custom_attribute_selects_the_administration() -> None:
    """A changed attribute adds the administration, and an unknown name is rejected."""
    async with run_sandbox(administration_attribute=True) as sandbox:
        created = await sandbox.create(build_user(**{DECLAREE: {"administration": "Muster GmbH"}}))

        assert await _read_administrations(sandbox, created["id"]) == [("Muster GmbH", False)]

        nowhere = build_user("b@example.com", **{DECLAREE: {"administration": "Nowhere"}})

        assert read_error(await sandbox.request("POST", "/Users", nowhere)) == (400, "invalidValue")

        await sandbox.patch_and_get(
            created["id"], build_operation("replace", f"{DECLAREE}:administration", "Muster B.V.")
        )

        assert await _read_administrations(sandbox, created["id"]) == [("Muster B.V.", False), ("Muster GmbH", False)]


async def test_write_removes_administrations_that_are_not_sticky(sandbox: DeclareeSandbox) -> None:
    """With the switch, a write by the connector undoes manual assignments."""
    created = await sandbox.create()
    administrations = [{"name": "Muster GmbH", "sticky": True}, {"name": "Muster B.V."}, {"name": "Muster Holding"}]
    await sandbox.control("PATCH", f"/accounts/{created['id']}", {"administrations": administrations})

    await sandbox.patch_and_get(created["id"], build_operation("replace", "title", "Dr."))

    assert len(await _read_administrations(sandbox, created["id"])) == 3

    sandbox.change_behaviour(leave_other_administrations=True)
    await sandbox.patch_and_get(created["id"], build_operation("replace", "title", "Prof."))

    assert await _read_administrations(sandbox, created["id"]) == [("Muster GmbH", True), ("Muster Holding", False)]


async def test_last_administration_cannot_be_removed(sandbox: DeclareeSandbox) -> None:
    """Every account belongs to at least one administration."""
    created = await sandbox.create()
    answer = await sandbox.http.patch(f"/_control/accounts/{created['id']}", json={"administrations": []})

    assert answer.status_code == 400
    assert await _read_administrations(sandbox, created["id"]) == [("Muster Holding", False)]
