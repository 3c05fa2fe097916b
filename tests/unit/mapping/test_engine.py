"""The engine: exactly one request for every event, whatever an employee's attributes hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import read_event, to_record
from services.contracts.events import AccountRequested, Attribute, Intent, Kind, ManagerReference
from services.contracts.mappings import (
    LIFE_CYCLE,
    MANAGER,
    ConstantSource,
    DateFormat,
    Default,
    Lower,
    Rule,
    Trim,
    ValueTable,
)
from services.contracts.model import Value
from services.mapping.engine import NO_MAPPING, Engine, FieldProvenance
from tests.builders import attributes, changed, published, rule
from tests.stored import CONNECTION


def mapped(*rules: Rule, kind: Kind = Kind.CHANGED, **values: Value) -> AccountRequested:
    """What these rules (else the default mapping) make of Ada with these attribute values."""
    return Engine(published(*rules)).map(changed(values, kind=kind))


def fields(*rules: Rule, **values: Value) -> dict[str, Value]:
    request = Engine(published(*rules)).map(changed(values))
    assert request.desired is not None, request.reason
    return request.desired.fields


# ---------------------------------------------------------------- the request


def test_the_request_is_about_the_same_change_and_names_the_mapping_version() -> None:
    event = changed(revision=42)
    request = Engine(published(version=9)).map(event)
    assert request.person == event.person
    assert (request.version, request.detected_at) == ((42, 9), event.detected_at)
    assert (request.intent, request.reason, request.field) == (Intent.PROVISION, None, None)
    assert request.trace_id == event.trace_id


def test_the_default_mapping_gives_names_email_external_id_and_no_manager() -> None:
    desired = mapped(first_name=" Ada ").desired
    assert desired is not None
    assert desired.fields == {"name.givenName": "Ada", "name.familyName": "Lovelace"}
    assert (desired.external_id, desired.user_name) == ("7", "ada@nordlicht.example")
    assert desired.manager == ManagerReference(employee_id=None)


def test_the_external_id_carries_the_prefix_of_the_connection() -> None:
    desired = Engine(published(external_id_prefix="muster-")).map(changed()).desired
    assert desired is not None
    assert desired.external_id == "muster-7"


def test_without_a_published_mapping_everybody_is_rejected_with_what_to_do() -> None:
    for event in (changed(), changed(kind=Kind.REMOVED), changed({"status": "inactive"})):
        request = Engine(None).map(event)
        assert (request.intent, request.reason) == (Intent.REJECT, NO_MAPPING)
        assert request.mapping_version == 0


# ---------------------------------------------------------------- life cycle


@pytest.mark.parametrize(
    ("status", "intent"),
    [
        *LIFE_CYCLE.items(),
        ("Active", Intent.PROVISION),
        (" active ", Intent.PROVISION),
        ("aktiv", Intent.IGNORE),
        ("", Intent.IGNORE),
        (None, Intent.IGNORE),
        (1, Intent.IGNORE),
        (True, Intent.IGNORE),
        (("active",), Intent.IGNORE),
    ],
)
def test_the_status_decides_what_is_asked_for_and_unknown_or_empty_ones_leave_the_account_alone(
    status: Value, intent: Intent
) -> None:
    assert mapped(status=status).intent is intent


def test_somebody_without_a_status_is_left_alone() -> None:
    without = {key: value for key, value in attributes().items() if key != "status"}
    event = changed().model_copy(update={"attributes": without})
    assert Engine(published()).map(event).intent is Intent.IGNORE


@pytest.mark.parametrize("status", ["active", "onboarding", None])
def test_who_is_removed_from_personio_is_disabled_whatever_the_last_status(status: Value) -> None:
    assert mapped(kind=Kind.REMOVED, status=status).intent is Intent.DISABLE


def test_a_mapping_gives_statuses_its_own_meaning() -> None:
    own = {
        "active": Intent.PROVISION,
        "leave": Intent.DISABLE,
        "inactive": Intent.IGNORE,
        "sabbatical": Intent.PROVISION,
    }
    engine = Engine(published(life_cycle=own))
    assert {status: engine.map(changed({"status": status})).intent for status in own} == own
    assert engine.map(changed({"status": " Sabbatical"})).intent is Intent.PROVISION


@pytest.mark.parametrize("status", ["inactive", "leave", "onboarding"])
def test_data_that_does_not_fit_matters_only_to_who_is_provisioned(status: str) -> None:
    request = mapped(status=status, email=None, first_name=None)
    assert request.intent is LIFE_CYCLE[status]
    assert request.desired is None


# ---------------------------------------------------------------- rules


def test_a_missing_value_leaves_or_clears_the_field_or_rejects_the_person() -> None:
    for nothing in (None, "", ()):
        assert fields(rule("title", "position"), position=nothing) == {}
        assert fields(rule("title", "position", on_missing="clear"), position=nothing) == {"title": None}
        request = mapped(rule("title", "position", on_missing="reject"), position=nothing)
        assert (request.intent, request.field) == (Intent.REJECT, "title")
        assert request.reason == "there is no value for title"


def test_an_attribute_that_was_never_seen_is_missing_yet_clears_nothing() -> None:
    assert fields(rule("title", "no_such", on_missing="clear")) == {}
    assert fields(rule("title", "no_such", transforms=(Default(value="-"),))) == {"title": "-"}
    assert fields(rule("title", "dynamic_9.name", on_missing="clear"), dynamic_9=None) == {"title": None}, "it is empty"
    request = mapped(rule("title", "no_such", on_missing="reject"))
    assert (request.intent, request.field) == (Intent.REJECT, "title")


def test_a_credential_with_the_minimum_alone_says_nothing_of_the_manager() -> None:
    """Whoever releases no supervisor has their managers entered in Declaree by hand: they stay."""
    event = changed()
    seen = {key: event.attributes[key] for key in ("first_name", "last_name", "email", "status")}
    desired = Engine(published()).map(event.model_copy(update={"attributes": seen})).desired
    assert desired is not None
    assert desired.manager is None


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_zero_and_false_are_values(value: Value) -> None:
    assert fields(rule("title", "position", on_missing="reject"), position=value) == {"title": value}


def test_a_constant_needs_no_attribute() -> None:
    assert fields(Rule(target="locale", source=ConstantSource(value="de-DE"))) == {"locale": "de-DE"}


def test_transforms_are_applied_in_their_order() -> None:
    table = ValueTable(table={"ja": True}, otherwise="missing")
    steps = (Trim(), Lower(), table, Default(value=False))
    assert fields(rule("x", "card", transforms=steps), card=" JA ") == {"x": True}
    assert fields(rule("x", "card", transforms=steps), card="Nein") == {"x": False}
    assert fields(rule("x", "card", transforms=(table, Trim(), Lower())), card=" JA ") == {}


def test_a_list_is_given_without_its_empty_places() -> None:
    assert fields(rule("roles", "teams"), teams=("a", None, "", "b")) == {"roles": ("a", "b")}
    assert fields(rule("roles", "teams", on_missing="clear"), teams=(None, None)) == {"roles": None}


def test_what_does_not_fit_a_transform_rejects_with_the_field_and_without_the_value() -> None:
    request = mapped(rule("x", "hired", transforms=(DateFormat(),)), hired="secret-text")
    assert (request.intent, request.field) == (Intent.REJECT, "x")
    assert request.reason == "the value for x is not a date"


# ---------------------------------------------------------------- user name and manager


@pytest.mark.parametrize(
    "address", ["ada@nordlicht.example", "  ada@nordlicht.example\n", "ada+card@sub.nordlicht.example", "ÄDA@x.example"]
)
def test_an_email_address_becomes_the_user_name_as_it_is_spelled(address: str) -> None:
    desired = mapped(email=address).desired
    assert desired is not None
    assert desired.user_name == address.strip()


@pytest.mark.parametrize(
    "address",
    [None, "", "   ", "ada", "@nordlicht.example", "ada@", "ada lovelace@x.example", "a@x.example, b@x.example",
     "a@@x.example", "a@b@x.example", 7, True, ("ada@nordlicht.example",)],
)  # fmt: skip
def test_who_has_no_email_address_is_rejected_with_what_to_do(address: Value) -> None:
    request = mapped(email=address)
    assert (request.intent, request.field, request.desired) == (Intent.REJECT, "email", None)
    assert request.reason == "the attribute email holds no e-mail address: enter one in Personio"


def test_the_user_name_may_come_from_another_attribute() -> None:
    engine = Engine(published(user_name_attribute="dynamic_1"))
    desired = engine.map(changed({"dynamic_1": "other@nordlicht.example"})).desired
    assert desired is not None
    assert desired.user_name == "other@nordlicht.example"
    assert engine.map(changed()).field == "dynamic_1"


@pytest.mark.parametrize("supervisor", [12, "12"])
def test_the_manager_is_referred_to_by_employee_and_is_no_plain_field(supervisor: Value) -> None:
    desired = mapped(supervisor__id=supervisor).desired
    assert desired is not None
    assert desired.manager == ManagerReference(employee_id="12")
    assert MANAGER not in desired.fields


def test_a_missing_manager_is_left_or_cleared() -> None:
    left, cleared = mapped(rule(MANAGER, "supervisor.id")), mapped(rule(MANAGER, "supervisor.id", on_missing="clear"))
    assert left.desired is not None
    assert cleared.desired is not None
    assert (left.desired.manager, cleared.desired.manager) == (None, ManagerReference(employee_id=None))


@pytest.mark.parametrize("supervisor", [(12, 13), 1.5, True])
def test_a_manager_that_is_not_one_employee_rejects(supervisor: Value) -> None:
    request = mapped(supervisor__id=supervisor)
    assert (request.intent, request.field) == (Intent.REJECT, MANAGER)


# ---------------------------------------------------------------- provenance


def test_provenance_names_attribute_and_transforms_of_each_field() -> None:
    constant = Rule(target="locale", source=ConstantSource(value="de-DE"))
    engine = Engine(published(rule("title", "position", transforms=(Trim(), Default(value="-"))), constant))
    assert engine.provenance() == (
        FieldProvenance("title", "position", ("trim", "default")),
        FieldProvenance("locale", None, ()),
    )


# ---------------------------------------------------------------- whatever comes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str)
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(tuple)
EVERYTHING = published(
    rule("name.givenName", "first_name", transforms=(Trim(),), on_missing="reject"),
    rule("a", "one", transforms=(Trim(), Lower(), Default(value="-"))),
    rule("b", "two", transforms=(DateFormat(format="%d.%m.%Y"),), on_missing="clear"),
    rule("c", "three", transforms=(ValueTable(table={"x": 1}, otherwise="missing"),)),
    rule("d", "four", transforms=(ValueTable(table={"x": 1}), DateFormat())),
    rule(MANAGER, "supervisor.id", on_missing="clear"),
)
KEYS = ("first_name", "email", "status", "one", "two", "three", "four", "supervisor.id")


@given(
    values=st.dictionaries(st.sampled_from(KEYS) | st.text(), VALUES),
    active=st.booleans(),
    kind=st.sampled_from(Kind),
)
def test_no_attribute_values_make_the_engine_raise_or_give_a_request_that_cannot_be_sent(
    values: dict[str, Value], active: bool, kind: Kind
) -> None:
    if active:
        values |= {"status": "active", "email": "ada@nordlicht.example", "first_name": "Ada"}
    event = changed(kind=kind).model_copy(
        update={"attributes": {key: Attribute(value=value) for key, value in values.items()}}
    )
    request = Engine(EVERYTHING).map(event)
    assert (request.desired is not None) == (request.intent is Intent.PROVISION)
    assert (request.reason is not None) == (request.intent is Intent.REJECT)
    assert request.connection_id == CONNECTION
    read = read_event(AccountRequested, to_record(request).value)
    assert (read.person, read.version, read.intent) == (request.person, request.version, request.intent)
