"""What an account shall hold: its hash, what differs, and the smallest write, judged by an independent SCIM server."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory
from sandbox.declaree.registry import Registry
from services.contracts.events import ManagerReference
from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.model import Value
from services.provisioning.target import (
    DISABLED,
    PATCH_OP,
    Target,
    new_resource,
    operations,
    provisioned,
    replaced,
)
from tests.builders import NOBODY, desired, submits_to

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
MOBILE = 'phoneNumbers[type eq "mobile"].value'
BOSS = AccountId("99")


def target(
    fields: dict[str, Value] | None = None,
    *,
    reference: ManagerReference | None = NOBODY,
    account: AccountId | None = None,
) -> Target:
    """Ada's; ``reference`` is the manager that is wanted, ``account`` the account of that manager."""
    return provisioned(desired("7", fields=fields or {"name.givenName": "Ada"}, manager=reference), account)


def live(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "u1",
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        "active": True,
        "name": {"givenName": "Ada"},
        "emails": [{"type": "work", "value": "e7@nordlicht.example", "primary": True}],
    }
    return body | changes


# ---------------------------------------------------------------- content and hash


def test_an_account_is_wanted_with_its_identity_enabled_and_one_address_for_user_name_and_email() -> None:
    assert dict(target().fields) == {
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        WORK_EMAIL: "e7@nordlicht.example",
        "active": True,
        "name.givenName": "Ada",
        MANAGER: None,
    }


def test_the_manager_is_set_to_an_account_cleared_or_left_alone() -> None:
    assert dict(target(reference=submits_to("3"), account=BOSS).fields)[MANAGER] == BOSS
    assert dict(target(reference=NOBODY).fields)[MANAGER] is None
    assert MANAGER not in dict(target(reference=submits_to("3")).fields), "an unknown account clears nothing"
    assert MANAGER not in dict(target(reference=None).fields)


def test_to_disable_is_one_field() -> None:
    assert DISABLED.fields == (("active", False),)


def test_the_hash_depends_on_the_content_and_not_on_its_order() -> None:
    one, other = Target((("a", 1), ("b", ("x", "y")))), Target((("b", ("x", "y")), ("a", 1)))
    assert one.hash == other.hash


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (1, "1"), (None, ""), (None, "null"), (("a", "b"), ("b", "a")), ("a", ("a",)), ("é", "e")],
)
def test_different_values_have_different_hashes(one: Value, other: Value) -> None:
    assert Target((("x", one),)).hash != Target((("x", other),)).hash


def test_a_field_to_clear_is_another_content_than_a_field_left_alone() -> None:
    assert Target((("x", 1), ("y", None))).hash != Target((("x", 1),)).hash


# ---------------------------------------------------------------- differences


@pytest.mark.parametrize(
    ("held", "wanted", "same"),
    [
        ("Ada", "Ada", True),
        ("ada", "Ada", False),
        (None, None, True),
        ([], None, True),
        ("", None, False),
        ("True", True, True),
        ("false", True, False),
        (True, True, True),
        (1, True, False),
        (True, 1, False),
        (["a", "b"], ("a", "b"), True),
        ([{"value": "a", "type": "x"}, {"value": "b"}], ("a", "b"), True),
        (["a"], ("a", "b"), False),
        (None, ("a",), False),
    ],
)
def test_what_the_account_holds_already_is_no_difference(held: Any, wanted: Value, same: bool) -> None:
    assert bool(Target((("x", wanted),)).differences({"x": held}).fields) is not same


def test_only_wanted_fields_can_differ() -> None:
    strange = live(title="Countess", nickName="A", emails=[{"type": "home", "value": "h@x.example"}])
    assert target().differences(strange).paths == (WORK_EMAIL,)


def test_a_changed_spelling_of_the_user_name_is_written() -> None:
    assert target().differences(live(userName="E7@nordlicht.example")).paths == ("userName",)


def test_a_spelling_that_was_sent_before_and_is_kept_in_another_case_is_not_written_again_and_again() -> None:
    lower = live(userName="E7@Nordlicht.example", emails=[{"type": "work", "value": "E7@Nordlicht.example"}])
    assert target().differences(lower).paths == ("userName", WORK_EMAIL)
    assert target().differences(lower, spelling_sent=True).fields == ()
    other = live(userName="other@nordlicht.example", name={"givenName": "ada"})
    assert target().differences(other, spelling_sent=True).paths == ("userName", "name.givenName")
    assert target().differences(live(userName=None), spelling_sent=True).paths == ("userName",)


# ---------------------------------------------------------------- writes


def test_a_new_resource_names_its_schemas_and_leaves_out_what_is_empty() -> None:
    wanted = target({"name.givenName": "Ada", "title": None, f"{OWN}:code": "C1", "roles": ("a", "b")})
    assert new_resource(wanted) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", OWN],
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        "emails": [{"value": "e7@nordlicht.example", "type": "work", "primary": True}],
        "active": True,
        "name": {"givenName": "Ada"},
        OWN: {"code": "C1"},
        "roles": ["a", "b"],
    }


def test_a_patch_has_one_operation_for_each_difference_with_path_and_small_letters() -> None:
    wanted = target(
        {"name.givenName": "Eva", "title": None, MOBILE: "+49 1", "roles": ("a",)},
        reference=submits_to("3"),
        account=BOSS,
    )
    body = live(title="Dr.", active="False")
    assert operations(body, wanted.differences(body)) == (
        {"op": "replace", "path": "active", "value": True},
        {"op": "replace", "path": "name.givenName", "value": "Eva"},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "+49 1", "type": "mobile"}]},
        {"op": "replace", "path": "roles", "value": ["a"]},
        {"op": "replace", "path": MANAGER, "value": BOSS},
    )


def test_a_patch_clears_an_entry_or_reference_as_a_whole() -> None:
    body = live(phoneNumbers=[{"type": "mobile", "value": "1"}], **{ENTERPRISE: {"manager": {"value": "9"}}})
    missing = target({MOBILE: None}).differences(body)
    assert operations(body, missing) == (
        {"op": "remove", "path": 'phoneNumbers[type eq "mobile"]'},
        {"op": "remove", "path": f"{ENTERPRISE}:manager"},
    )


def test_a_put_keeps_every_attribute_that_is_not_mapped_and_drops_what_only_the_server_sets() -> None:
    unknown = {"nickName": "A", "x509Certificates": [{"value": "…"}], "urn:example:own": {"a": [1, {"b": None}]}}
    body = live(**unknown, meta={"version": "1"}, groups=[{"value": "g"}], schemas=["core", "urn:example:own"])
    put = replaced(body, target({"name.givenName": "Eva"}).differences(body))
    expected = {name: value for name, value in body.items() if name not in {"id", "meta", "groups"}}
    assert put == expected | {"name": {"givenName": "Eva"}}
    assert body["name"] == {"givenName": "Ada"}, "what was read is never changed"


# ---------------------------------------------------------------- judged by a server

NAMES = st.sampled_from(["Ada", "Eva", "Zoë"])
FIELDS = st.fixed_dictionaries(
    {"name.givenName": NAMES, "name.familyName": NAMES},
    optional={
        "title": st.none() | NAMES,
        MOBILE: st.none() | NAMES,
        'emails[type eq "home"].value': st.none() | st.just("home@x.example"),
        "roles": st.none() | st.lists(NAMES, min_size=1, unique=True).map(tuple),
        f"{OWN}:code": st.none() | NAMES,
        f"{OWN}:fixedProject": st.none() | st.booleans(),
        f"{OWN}:assistants": st.none() | st.lists(NAMES, min_size=1, unique=True).map(tuple),
        f"{ENTERPRISE}:costCenter": st.none() | NAMES,
    },
)
MANAGERS = st.sampled_from([0, 1, None])
BEHAVIOUR = Behaviour(unknown_attributes="refuse")


def a_boss(registry: Registry, address: str) -> AccountId:
    body = {"userName": address, "emails": [{"value": address}], "name": {"givenName": "B", "familyName": "B"}}
    return AccountId(registry.create("User", body, BEHAVIOUR).id)


def wanted_account(fields: dict[str, Value], name: str, account: AccountId | None) -> Target:
    reference = submits_to("boss") if account else NOBODY
    return provisioned(desired("7", fields=fields, user_name=f"{name}@x.example", manager=reference), account)


@given(
    before=FIELDS,
    after=FIELDS,
    names=st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
    managers=st.tuples(MANAGERS, MANAGERS),
)
def test_patch_and_put_reach_the_target_and_touch_nothing_else(
    before: dict[str, Value], after: dict[str, Value], names: tuple[str, str], managers: tuple[int | None, int | None]
) -> None:
    registry = Registry(Directory(), lambda: datetime(2026, 1, 1, tzinfo=UTC))
    bosses = [a_boss(registry, f"boss{number}@x.example") for number in range(2)]
    old, new = (None if number is None else bosses[number] for number in managers)
    first, second = wanted_account(before, names[0], old), wanted_account(after, names[1], new)
    made = registry.create("User", new_resource(first) | {"displayName": "not mapped"}, BEHAVIOUR)
    assert first.differences(made.resource).fields == ()

    missing = second.differences(made.resource)
    body = made.resource | {"id": made.id, "meta": {"version": "1"}, "groups": []}
    put = registry.replace(made, replaced(body, missing), BEHAVIOUR)
    patched = made
    if missing.fields:
        patch = {"schemas": [PATCH_OP], "Operations": list(operations(body, missing))}
        patched = registry.patch(made, patch, BEHAVIOUR)
    for result in (put, patched):
        assert second.differences(result.resource).fields == ()
        assert result.resource["displayName"] == "not mapped"
    assert put.resource == patched.resource
