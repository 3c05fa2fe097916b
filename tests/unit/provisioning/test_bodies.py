"""The bodies of POST, PUT and PATCH in each way to write: the smallest write."""

from typing import Any

import pytest

from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, WORK_EMAIL
from services.provisioning.bodies import PAGE_CORE, build_post_body, build_update, has_additions
from services.provisioning.calls import PatchAccount, ReplaceAccount, Resource
from services.provisioning.desired import DesiredState
from services.provisioning.manager import ManagerAccount
from services.provisioning.server import ServerMemory, Way
from tests.support.builders import reports_to
from tests.unit.provisioning.accounts import BOSS, EMAIL, build_account, build_live, build_state

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
MOBILE = 'phoneNumbers[type eq "mobile"].value'
REPORTS = build_state(reference=reports_to("3"), manager=BOSS)


def patch(
    way: Way, live: Resource, wanted: DesiredState, memory: ServerMemory | None = None
) -> tuple[dict[str, Any], ...]:
    """Returns the operations that write what the account does not have yet."""
    call = build_update(way, live, wanted.find_difference(live.body), memory or ServerMemory())
    assert isinstance(call, PatchAccount)
    return call.operations


def put(way: Way, live: Resource, wanted: DesiredState) -> ReplaceAccount:
    """Returns the PUT that writes what the account does not have yet."""
    call = build_update(way, live, wanted.find_difference(live.body), ServerMemory())
    assert isinstance(call, ReplaceAccount)
    return call


# ---------------------------------------------------------------- POST


def test_post_body_names_schemas_and_omits_empty_fields() -> None:
    """A new resource names the schemas of its fields and has no empty ones."""
    state = build_state({"name.givenName": "Ada", "title": None, f"{OWN}:code": "C1", "tags": ("a", "b")})

    assert build_post_body(state, ServerMemory()) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", OWN],
        "externalId": "7",
        "userName": EMAIL,
        "emails": [{"value": EMAIL, "type": "work", "primary": True}],
        "active": True,
        "name": {"givenName": "Ada"},
        OWN: {"code": "C1"},
        "tags": ["a", "b"],
    }


@pytest.mark.promise("W11")
@pytest.mark.parametrize(
    ("is_external", "manager"),
    [(False, {"value": "99"}), (True, {"managerId": "3"})],
    ids=["account id", "external id"],
)
def test_post_body_names_the_manager_as_the_server_wants(manager: dict[str, str], *, is_external: bool) -> None:
    """The manager is named by the account's id, or by its external id."""
    body = build_post_body(REPORTS, ServerMemory(manager_by_external_id=is_external))

    assert body[ENTERPRISE] == {"manager": manager}


def test_unknown_external_id_of_a_manager_is_not_sent() -> None:
    """A server that wants an external id gets no manager while that is unknown."""
    wanted = build_state(reference=reports_to("3"), manager=ManagerAccount(AccountId("99")))

    assert ENTERPRISE not in build_post_body(wanted, ServerMemory(manager_by_external_id=True))


# ---------------------------------------------------------------- PATCH


def test_patch_with_paths_has_one_operation_for_each_field() -> None:
    """Each operation has a path and a lowercase verb, which every known server accepts."""
    wanted = build_state(
        {"name.givenName": "Eva", "title": None, MOBILE: "+49 1", "tags": ("a",)},
        reference=reports_to("3"),
        manager=BOSS,
    )

    assert patch(Way.PATHS, build_account(title="Dr.", active="False"), wanted) == (
        {"op": "replace", "path": "active", "value": True},
        {"op": "replace", "path": "name.givenName", "value": "Eva"},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "+49 1", "type": "mobile"}]},
        {"op": "replace", "path": "tags", "value": ["a"]},
        {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "99"}},
    )


def test_patch_replaces_a_manager_and_adds_a_first_one() -> None:
    """Most servers take the whole manager, with ``replace`` over an old one and ``add`` otherwise."""
    path = f"{ENTERPRISE}:manager"
    other = build_account(**{ENTERPRISE: {"manager": {"value": "9", "displayName": "Charles"}}})
    memory = ServerMemory(manager_by_external_id=True)

    assert patch(Way.PATHS, other, REPORTS) == ({"op": "replace", "path": path, "value": {"value": "99"}},)
    assert patch(Way.PATHS, build_account(), REPORTS, memory) == (
        {"op": "add", "path": path, "value": {"managerId": "3"}},
    )


def test_patch_clears_entry_or_reference_as_a_whole() -> None:
    """An entry or a reference without a value is meaningless, so the operation removes all of it."""
    live = build_account(phoneNumbers=[{"type": "mobile", "value": "1"}], **{ENTERPRISE: {"manager": {"value": "9"}}})

    assert patch(Way.PATHS, live, build_state({MOBILE: None})) == (
        {"op": "remove", "path": 'phoneNumbers[type eq "mobile"]'},
        {"op": "remove", "path": f"{ENTERPRISE}:manager"},
    )


def test_patch_of_emails_without_type_adds_no_entry() -> None:
    """A server that drops the type of an e-mail gets the whole list, with the new address in place of the old one."""
    live = build_account(emails=[{"value": "old@x.example", "primary": True}, {"value": "home@x.example"}])

    (operation,) = patch(Way.PATHS, live, build_state())

    assert operation == {
        "op": "replace",
        "path": "emails",
        "value": [{"value": EMAIL, "primary": True}, {"value": "home@x.example"}],
    }


def test_patch_with_whole_values_has_one_for_each_attribute() -> None:
    """Each attribute is replaced as a whole, merged with what the account has."""
    home = {"type": "home", "value": "h@x.example"}
    live = build_account(name={"givenName": "A.", "familyName": "King"}, emails=[home], title="Dr.")

    assert patch(Way.WHOLE, live, build_state({"name.givenName": "Ada", "title": None})) == (
        {"op": "replace", "path": "emails", "value": [home, {"value": EMAIL, "type": "work", "primary": True}]},
        {"op": "replace", "path": "name", "value": {"givenName": "Ada", "familyName": "King"}},
        {"op": "remove", "path": "title"},
    )


def test_patch_without_path_has_one_object() -> None:
    """One operation carries all attributes, and null clears one."""
    live = build_account(name={"givenName": "A."}, title="Dr.")

    assert patch(Way.PATHLESS, live, build_state({"name.givenName": "Ada", "title": None})) == (
        {"op": "replace", "value": {"name": {"givenName": "Ada"}, "title": None}},
    )


def test_patch_of_the_page_has_its_paths_and_values() -> None:
    """The vendor's page prints short names, another e-mail path, booleans as text, and the manager by external id."""
    live = build_account(name={}, emails=[], active=False)

    assert patch(Way.PAGE, live, REPORTS) == (
        {"op": "replace", "path": "emails[email.type eq 'work']", "value": EMAIL},
        {"op": "replace", "path": "active", "value": "true"},
        {"op": "replace", "path": "givenName", "value": "Ada"},
        {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"managerId": "3"}},
    )


def test_additions_are_recognised() -> None:
    """A PATCH with ``add`` or ``remove`` says nothing about whether the server supports PATCH."""
    live = build_account(name={"givenName": "A."})

    assert has_additions(build_update(Way.PATHS, live, REPORTS, ServerMemory()))
    assert not has_additions(build_update(Way.PATHLESS, live, REPORTS, ServerMemory()))
    assert not has_additions(put(Way.PUT, live, REPORTS))


# ---------------------------------------------------------------- PUT


@pytest.mark.promise("W10")
def test_put_keeps_unmapped_attributes_and_drops_read_only() -> None:
    """A PUT has everything that was read, except what only the server sets."""
    unknown = {"nickName": "A", "x509Certificates": [{"value": "…"}], "urn:example:own": {"a": [1, {"b": None}]}}
    body = build_live(**unknown, meta={"version": "1"}, groups=[{"value": "g"}], schemas=["core", "urn:example:own"])
    live = Resource(AccountId("u1"), body, "1")

    call = put(Way.PUT, live, build_state({"name.givenName": "Eva"}))

    expected = {name: value for name, value in body.items() if name not in {"id", "meta", "groups"}}
    assert call == ReplaceAccount(live.id, expected | {"name": {"givenName": "Eva"}}, "1")
    assert body["name"] == {"givenName": "Ada"}, "a body that was read is never changed in place"


def test_put_may_have_the_id_in_its_body() -> None:
    """Some servers want the id in the body, and the vendor's page prints no id in the path."""
    live = build_account("u1", "1")

    assert put(Way.PUT_WITH_ID, live, REPORTS).body["id"] == "u1"
    collection = put(Way.PUT_COLLECTION, live, REPORTS)
    assert collection.id is None
    assert collection.body["id"] == "u1"
    assert collection.body["schemas"] == [PAGE_CORE, ENTERPRISE]
    assert collection.body[ENTERPRISE] == {"manager": {"managerId": "3"}}


@pytest.mark.promise("W14")
@pytest.mark.parametrize("way", Way)
def test_condition_is_sent_while_versions_work(way: Way) -> None:
    """Each update has the version that was read as its condition, unless the server's versions do not work."""
    difference = DesiredState((("title", "Dr."), (WORK_EMAIL, EMAIL)))

    assert build_update(way, build_account("u1", "1"), difference, ServerMemory()).version == "1"
    assert build_update(way, build_account("u1", "1"), difference, ServerMemory(uses_etags=False)).version is None
