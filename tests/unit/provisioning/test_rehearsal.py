"""The accounts of a rehearsal: each way of writing changes the copy as a server does, and lookups show the copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.ids import AccountId
from services.contracts.ledger import RefusedField
from services.contracts.mappings import ENTERPRISE, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.applying import apply_write
from services.provisioning.bodies import build_post_body, build_update
from services.provisioning.calls import (
    Body,
    Conflict,
    CreateAccount,
    FindAccounts,
    Found,
    Lost,
    PatchAccount,
    Refused,
    Resource,
    Written,
)
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, DesiredState, build_enabled_state, hash_value
from services.provisioning.manager import ManagerAccount
from services.provisioning.rehearsal import Rehearsal, list_new_addresses
from services.provisioning.server import ServerMemory, Way
from services.provisioning.states import NOT_STORED
from tests.support.builders import NO_MANAGER, NOW, make_desired_account, reports_to

ACCOUNT = AccountId("u1")
OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
NAMES = st.sampled_from(["Ada", "Eva", "Zoë"])
FIELDS = st.fixed_dictionaries(
    {"name.givenName": NAMES, "name.familyName": NAMES},
    optional={
        "title": st.none() | NAMES,
        'phoneNumbers[type eq "mobile"].value': st.none() | NAMES,
        'emails[type eq "home"].value': st.none() | st.just("home@x.example"),
        f"{OWN}:fixedProject": st.none() | st.booleans(),
        f"{OWN}:assistants": st.none() | st.lists(NAMES, min_size=1, unique=True).map(tuple),
        f"{ENTERPRISE}:costCenter": st.none() | NAMES,
    },
)


def build_state(fields: dict[str, Value], name: str, manager: str | None) -> DesiredState:
    """Returns a desired state with this user name and the account of this manager."""
    account = ManagerAccount(AccountId(f"account-{manager}"), manager) if manager else None
    reference = reports_to(manager) if manager else NO_MANAGER
    return build_enabled_state(
        make_desired_account("7", fields=fields, user_name=f"{name}@x.example", manager=reference), account
    )


def write(rehearsal: Rehearsal, operations: tuple[Body, ...], live: Body, **more: object) -> object:
    """Returns the answer to a PATCH."""
    refused = more.get("refused", {})
    assert isinstance(refused, dict)
    call = PatchAccount(ACCOUNT, operations)
    return rehearsal.write(call, ACCOUNT, live, refused, has_conflict=bool(more.get("has_conflict")))


@given(FIELDS, FIELDS, st.sampled_from(["1", "2", None]), st.sampled_from(list(Way)), st.booleans())
def test_every_way_of_writing_reaches_the_goal(
    before: dict[str, Value], after: dict[str, Value], manager: str | None, way: Way, by_external_id: bool
) -> None:
    """A request that left a difference would be sent again by the settlement."""
    memory = ServerMemory(manager_by_external_id=by_external_id or way in {Way.PAGE, Way.PUT_COLLECTION})
    first, then = build_state(before, "ada", "1"), build_state(after, "eva", manager)
    created = {**apply_write(CreateAccount(build_post_body(first, memory)), {}), "id": ACCOUNT}
    difference = then.find_difference(created)

    changed = apply_write(build_update(way, Resource(ACCOUNT, created), difference, memory), created)

    assert then.find_difference(changed).paths == ()
    assert changed["id"] == ACCOUNT


def test_lookups_show_the_copy_in_place_of_the_account() -> None:
    """The account has given up its old address, and has the new one."""
    rehearsal = Rehearsal()
    live = {"id": ACCOUNT, "userName": "old@x.example"}
    write(rehearsal, ({"op": "replace", "path": "userName", "value": "New@x.example"},), live)
    real = Found((Resource(ACCOUNT, live), Resource(AccountId("u2"), {"userName": "old@x.example"})))

    old = rehearsal.cover_lookup(FindAccounts("userName", "old@x.example"), real)
    new = rehearsal.cover_lookup(FindAccounts("userName", "new@x.example"), Found())

    assert isinstance(old, Found)
    assert isinstance(new, Found)
    assert [found.id for found in old.resources] == ["u2"]
    assert [found.body["userName"] for found in new.resources] == ["New@x.example"]


def test_new_account_gets_a_made_up_id() -> None:
    """The settlement reads the account back."""
    rehearsal = Rehearsal()

    answer = rehearsal.write(CreateAccount({"userName": "a@x.example"}), AccountId("new"), {}, {}, has_conflict=False)

    assert answer == Written(Resource(AccountId("new"), {"userName": "a@x.example", "id": "new"}))
    assert rehearsal.changed == {"new"}


def test_conflict_changes_nothing() -> None:
    """A server with unique addresses answers 409."""
    rehearsal = Rehearsal()

    answer = write(rehearsal, ({"op": "replace", "path": "userName", "value": "b@x.example"},), {}, has_conflict=True)

    assert answer == Conflict()
    assert rehearsal.changed == frozenset()


@pytest.mark.parametrize(
    ("code", "answer"),
    [("400, invalidValue", Refused(400, "invalidValue")), ("500", Lost(500)), ("409", Conflict(409))],
)
def test_value_that_was_refused_is_refused_again(code: str, answer: object) -> None:
    """Another value of the same field is taken."""
    field = RefusedField(path="title", code=code, value=hash_value("Head"), mapping_version=1, tried_at=NOW)
    refused = {"title": field}

    again = write(Rehearsal(), ({"op": "replace", "path": "title", "value": "Head"},), {}, refused=refused)
    other = write(Rehearsal(), ({"op": "replace", "path": "title", "value": "Chief"},), {}, refused=refused)

    assert again == answer
    assert isinstance(other, Written)


def test_value_that_was_not_stored_is_not_stored_again() -> None:
    """The server confirms the write, and keeps the value that it has."""
    field = RefusedField(path="title", code=NOT_STORED, value=hash_value("Head"), mapping_version=1, tried_at=NOW)
    both = {"op": "replace", "value": {"title": "Head", "nickName": "Nick"}}

    answer = write(Rehearsal(), (both,), {"title": "Old"}, refused={"title": field})

    assert isinstance(answer, Written)
    assert answer.resource is not None
    assert answer.resource.body == {"title": "Old", "nickName": "Nick"}


def test_renamed_manager_is_shown_with_the_new_external_id() -> None:
    """A server that shows managers by external id shows the new one for every report."""
    rehearsal = Rehearsal()
    operation = {"op": "replace", "path": "externalId", "value": "nl-1"}
    write(rehearsal, (operation,), {"externalId": "1"})
    report = Resource(AccountId("u2"), paths.write({}, MANAGER_BY_EXTERNAL_ID, "1"))

    shown = rehearsal.show_managers(Found((report,)))

    assert isinstance(shown, Found)
    assert paths.read(shown.resources[0].body, MANAGER_BY_EXTERNAL_ID) == "nl-1"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "value": {"userName": "eva@x.example"}},
        {"op": "replace", "path": "USERNAME", "value": "eva@x.example"},
        {"op": "replace", "path": "emails[email.type eq 'work']", "value": "eva@x.example"},
        {
            "op": "replace",
            "path": 'urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value',
            "value": "eva@x.example",
        },
    ],
)
def test_address_in_any_form_is_new(operation: Body) -> None:
    """A write without an address is not carried out to find its addresses."""
    title: Body = {"op": "replace", "path": "title", "value": "eva@x.example"}
    live = {"userName": "ada@x.example", "emails": [{"value": "ada@x.example", "type": "work"}]}

    assert list_new_addresses(PatchAccount(ACCOUNT, (title, operation)), live) == ("eva@x.example",)
    assert list_new_addresses(PatchAccount(ACCOUNT, (title,)), live) == ()


def test_only_other_addresses_are_new() -> None:
    """Another spelling of the same address conflicts with no account."""
    operations: tuple[Body, ...] = (
        {"op": "replace", "path": "userName", "value": "ADA@x.example"},
        {"op": "add", "path": "emails", "value": [{"value": "eva@x.example", "type": "work"}]},
    )

    new = list_new_addresses(PatchAccount(ACCOUNT, operations), {"userName": "ada@x.example"})

    assert new == ("eva@x.example",)
    assert paths.read(apply_write(PatchAccount(ACCOUNT, operations), {}), WORK_EMAIL) == "eva@x.example"
