"""The bodies of POST, PUT and PATCH: the smallest write, checked with an independent SCIM server."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory
from sandbox.declaree.registry import Registry
from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, MANAGER
from services.contracts.values import Value
from services.provisioning.bodies import PATCH_OP, build_patch_operations, build_post_body, build_put_body
from services.provisioning.desired import DesiredState, build_enabled_state
from tests.support.builders import NO_MANAGER, make_desired_account, reports_to
from tests.unit.provisioning.accounts import build_live, build_state

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
MOBILE = 'phoneNumbers[type eq "mobile"].value'
BOSS = AccountId("99")

# ---------------------------------------------------------------- forms


def test_post_body_names_schemas_and_omits_empty_fields() -> None:
    """A new resource names the schemas of its fields and has no empty ones."""
    state = build_state({"name.givenName": "Ada", "title": None, f"{OWN}:code": "C1", "tags": ("a", "b")})

    assert build_post_body(state) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", OWN],
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        "emails": [{"value": "e7@nordlicht.example", "type": "work", "primary": True}],
        "active": True,
        "name": {"givenName": "Ada"},
        OWN: {"code": "C1"},
        "tags": ["a", "b"],
    }


def test_patch_has_one_operation_for_each_field() -> None:
    """Each operation has a path and a lowercase verb, which every known server accepts."""
    state = build_state(
        {"name.givenName": "Eva", "title": None, MOBILE: "+49 1", "tags": ("a",)},
        reference=reports_to("3"),
        account=BOSS,
    )
    body = build_live(title="Dr.", active="False")

    assert build_patch_operations(body, state.difference(body)) == (
        {"op": "replace", "path": "active", "value": True},
        {"op": "replace", "path": "name.givenName", "value": "Eva"},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "+49 1", "type": "mobile"}]},
        {"op": "replace", "path": "tags", "value": ["a"]},
        {"op": "replace", "path": MANAGER, "value": BOSS},
    )


def test_patch_clears_entry_or_reference_as_a_whole() -> None:
    """An entry or a reference without a value is meaningless, so the operation removes all of it."""
    body = build_live(phoneNumbers=[{"type": "mobile", "value": "1"}], **{ENTERPRISE: {"manager": {"value": "9"}}})
    difference = build_state({MOBILE: None}).difference(body)

    assert build_patch_operations(body, difference) == (
        {"op": "remove", "path": 'phoneNumbers[type eq "mobile"]'},
        {"op": "remove", "path": f"{ENTERPRISE}:manager"},
    )


@pytest.mark.promise("W10")
def test_put_keeps_unmapped_attributes_and_drops_read_only() -> None:
    """A PUT has everything that was read, except what only the server sets."""
    unknown = {"nickName": "A", "x509Certificates": [{"value": "…"}], "urn:example:own": {"a": [1, {"b": None}]}}
    body = build_live(**unknown, meta={"version": "1"}, groups=[{"value": "g"}], schemas=["core", "urn:example:own"])

    put = build_put_body(body, build_state({"name.givenName": "Eva"}).difference(body))

    expected = {name: value for name, value in body.items() if name not in {"id", "meta", "groups"}}
    assert put == expected | {"name": {"givenName": "Eva"}}
    assert body["name"] == {"givenName": "Ada"}, "a body that was read is never changed in place"


# ---------------------------------------------------------------- checked with a server

NAMES = st.sampled_from(["Ada", "Eva", "Zoë"])
FIELDS = st.fixed_dictionaries(
    {"name.givenName": NAMES, "name.familyName": NAMES},
    optional={
        "title": st.none() | NAMES,
        MOBILE: st.none() | NAMES,
        'emails[type eq "home"].value': st.none() | st.just("home@x.example"),
        f"{OWN}:code": st.none() | NAMES,
        f"{OWN}:fixedProject": st.none() | st.booleans(),
        f"{OWN}:assistants": st.none() | st.lists(NAMES, min_size=1, unique=True).map(tuple),
        f"{ENTERPRISE}:costCenter": st.none() | NAMES,
    },
)
MANAGERS = st.sampled_from([0, 1, None])
BEHAVIOUR = Behaviour(unknown_attributes="refuse")


def create_manager(registry: Registry, address: str) -> AccountId:
    """Creates the account of a manager on the server."""
    body = {"userName": address, "emails": [{"value": address}], "name": {"givenName": "B", "familyName": "B"}}
    return AccountId(registry.create("User", body, BEHAVIOUR).id)


def build_named_state(fields: dict[str, Value], name: str, account: AccountId | None) -> DesiredState:
    """Returns a desired state with this user name and this manager's account."""
    reference = reports_to("boss") if account else NO_MANAGER
    return build_enabled_state(
        make_desired_account("7", fields=fields, user_name=f"{name}@x.example", manager=reference), account
    )


@given(
    before=FIELDS,
    after=FIELDS,
    names=st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
    managers=st.tuples(MANAGERS, MANAGERS),
)
def test_patch_and_put_reach_the_desired_state(
    before: dict[str, Value], after: dict[str, Value], names: tuple[str, str], managers: tuple[int | None, int | None]
) -> None:
    """PATCH and PUT lead from any state to any other, and change no unmapped attribute."""
    registry = Registry(Directory(), lambda: datetime(2026, 1, 1, tzinfo=UTC))
    bosses = [create_manager(registry, f"boss{number}@x.example") for number in range(2)]
    old, new = (None if number is None else bosses[number] for number in managers)
    first, second = build_named_state(before, names[0], old), build_named_state(after, names[1], new)
    created = registry.create("User", build_post_body(first) | {"displayName": "not mapped"}, BEHAVIOUR)

    assert first.difference(created.resource).fields == ()

    difference = second.difference(created.resource)
    body = created.resource | {"id": created.id, "meta": {"version": "1"}, "groups": []}
    put = registry.replace(created, build_put_body(body, difference), BEHAVIOUR)
    patched = created
    if difference.fields:
        patch = {"schemas": [PATCH_OP], "Operations": list(build_patch_operations(body, difference))}
        patched = registry.patch(created, patch, BEHAVIOUR)

    for result in (put, patched):
        assert second.difference(result.resource).fields == ()
        assert result.resource["displayName"] == "not mapped"
    assert put.resource == patched.resource
