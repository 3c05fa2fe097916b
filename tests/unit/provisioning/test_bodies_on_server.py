"""The bodies of POST, PUT and PATCH, carried out by a SCIM server: each way to write reaches the same account."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.registry import Registry
from services.clients.declaree.client import PATCH_OP
from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE
from services.contracts.values import Value
from services.provisioning.bodies import build_post_body, build_update
from services.provisioning.calls import PatchAccount, ReplaceAccount, Resource
from services.provisioning.desired import DesiredState, build_enabled_state
from services.provisioning.manager import ManagerAccount
from services.provisioning.server import ServerMemory, Way
from tests.support.builders import NO_MANAGER, make_desired_account, reports_to

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
MOBILE = 'phoneNumbers[type eq "mobile"].value'
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
    manager = ManagerAccount(account) if account else None
    return build_enabled_state(
        make_desired_account("7", fields=fields, user_name=f"{name}@x.example", manager=reference), manager
    )


WAYS = (Way.PATHS, Way.WHOLE, Way.PATHLESS, Way.PUT, Way.PUT_WITH_ID)
"""The ways of the RFC."""


@given(
    before=FIELDS,
    after=FIELDS,
    names=st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
    managers=st.tuples(MANAGERS, MANAGERS),
)
def test_each_way_reaches_the_desired_state(
    before: dict[str, Value], after: dict[str, Value], names: tuple[str, str], managers: tuple[int | None, int | None]
) -> None:
    """Each way of the RFC leads from any state to any other, to the same account, and changes no unmapped attribute."""
    registry, memory = Registry(Directory(), lambda: datetime(2026, 1, 1, tzinfo=UTC)), ServerMemory()
    bosses = [create_manager(registry, f"boss{number}@x.example") for number in range(2)]
    old, new = (None if number is None else bosses[number] for number in managers)
    first, second = build_named_state(before, names[0], old), build_named_state(after, names[1], new)
    created = registry.create("User", build_post_body(first, memory) | {"displayName": "not mapped"}, BEHAVIOUR)

    assert first.find_difference(created.resource).fields == ()

    difference = second.find_difference(created.resource)
    live = Resource(
        AccountId(created.id), created.resource | {"id": created.id, "meta": {"version": "1"}, "groups": []}
    )
    results = [created.resource]
    if difference.fields:
        results = [send(registry, created, build_update(way, live, difference, memory)) for way in WAYS]

    for result in results:
        assert second.find_difference(result).fields == ()
        assert result == results[0] | {"displayName": "not mapped"}


def send(registry: Registry, entry: Entry, call: PatchAccount | ReplaceAccount) -> dict[str, Any]:
    """Returns the account after the call, which starts from the same entry each time."""
    if isinstance(call, PatchAccount):
        body = {"schemas": [PATCH_OP], "Operations": list(call.operations)}
        return registry.patch(entry, body, BEHAVIOUR).resource
    return registry.replace(entry, call.body, BEHAVIOUR).resource
