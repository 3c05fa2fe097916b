"""The engine returns exactly one request for every event, for any values of the attributes."""

import math
from itertools import chain, count, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.cloudevents import read_event, to_record
from services.contracts.events import AccountIdentity, AccountRequested, ChangeKind, ManagerReference
from services.contracts.mappings import LIFE_CYCLE, MANAGER, ConstantSource, ExpressionSource, PublishedMapping, Rule
from services.contracts.outcomes import Intent
from services.contracts.transforms import DateFormat, Default, Lower, Trim, ValueTable
from services.contracts.values import Value
from services.mapping.engine import NO_MAPPING, Engine
from services.mapping.time_limit import MAX_SECONDS
from tests.support.builders import (
    CONNECTION,
    NO_MANAGER,
    make_attributes,
    make_change,
    make_published_mapping,
    make_rule,
)


def map_event(*rules: Rule, kind: ChangeKind = ChangeKind.CHANGED, **values: Value) -> AccountRequested:
    """Returns the request of these rules, or of the default mapping, for Ada with these attribute values."""
    return Engine(make_published_mapping(*rules)).map(make_change(values, kind=kind))


def map_fields(*rules: Rule, **values: Value) -> dict[str, Value]:
    """Returns the fields of the desired account."""
    request = Engine(make_published_mapping(*rules)).map(make_change(values))
    assert request.desired is not None, request.reason
    return request.desired.fields


# ---------------------------------------------------------------- the request


def test_request_names_the_change_and_the_mapping_version() -> None:
    """The writer orders requests by these numbers."""
    event = make_change(revision=42)

    request = Engine(make_published_mapping(version=9)).map(event)

    assert request.person == event.person
    assert request.version == (42, 9)
    assert request.detected_at == event.detected_at
    assert request.intent == Intent.PROVISION
    assert request.reason is None
    assert request.field is None
    assert request.trace_id == event.trace_id


@pytest.mark.promise("W22")
def test_default_mapping_gives_the_minimal_account() -> None:
    """Names, e-mail and external id are enough for an account."""
    desired = map_event(first_name=" Ada ").desired

    assert desired is not None
    assert desired.fields == {"name.givenName": "Ada", "name.familyName": "Lovelace"}
    assert desired.external_id == "7"
    assert desired.user_name == "ada@nordlicht.example"
    assert desired.manager == ManagerReference(employee_id=None)


def test_external_id_begins_with_the_prefix() -> None:
    """Several companies may share one Declaree administration."""
    desired = Engine(make_published_mapping(external_id_prefix="muster-")).map(make_change()).desired

    assert desired is not None
    assert desired.external_id == "muster-7"


def test_missing_mapping_rejects_all_employees() -> None:
    """Without a mapping the product must not touch an account, not even a leaver's."""
    for event in (make_change(), make_change(kind=ChangeKind.REMOVED), make_change({"status": "inactive"})):
        request = Engine(None).map(event)
        assert request.intent == Intent.REJECT
        assert request.reason == NO_MAPPING
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
def test_status_decides_the_intent(status: Value, intent: Intent) -> None:
    """An unknown or empty status leaves the account unchanged."""
    assert map_event(status=status).intent is intent


def test_employee_without_a_status_is_ignored() -> None:
    """A missing attribute must not disable an account."""
    visible = {key: value for key, value in make_attributes().items() if key != "status"}
    event = make_change().model_copy(update={"attributes": visible})

    assert Engine(make_published_mapping()).map(event).intent is Intent.IGNORE


@pytest.mark.parametrize("status", ["active", "onboarding", None])
def test_deleted_employee_is_disabled_with_any_status(status: Value) -> None:
    """The last status of a deleted employee may still be active."""
    assert map_event(kind=ChangeKind.REMOVED, status=status).intent is Intent.DISABLE


def test_mapping_changes_the_intent_of_a_status() -> None:
    """A company decides which statuses have an account."""
    life_cycle = {
        "active": Intent.PROVISION,
        "leave": Intent.DISABLE,
        "inactive": Intent.IGNORE,
        "sabbatical": Intent.PROVISION,
    }
    engine = Engine(make_published_mapping(life_cycle=life_cycle))

    assert {status: engine.map(make_change({"status": status})).intent for status in life_cycle} == life_cycle
    assert engine.map(make_change({"status": " Sabbatical"})).intent is Intent.PROVISION


@pytest.mark.parametrize("status", ["inactive", "leave", "onboarding"])
def test_invalid_data_rejects_provisioned_employees_only(status: str) -> None:
    """To disable or ignore an employee needs no data."""
    request = map_event(status=status, email=None, first_name=None)

    assert request.intent is LIFE_CYCLE[status]
    assert request.desired is None


# ---------------------------------------------------------------- rules


@pytest.mark.promise("W22")
def test_field_without_a_rule_is_not_desired() -> None:
    """An employee is not invited and gets no role unless a rule says so."""
    attribute_values: dict[str, Value] = {"position": "Countess", "roles": ("admin",), "invite": True}

    assert map_fields(make_rule("title", "position"), **attribute_values) == {"title": "Countess"}


def test_empty_value_leaves_clears_or_rejects() -> None:
    """The rule decides what happens to an empty value."""
    for empty in (None, "", ()):
        assert map_fields(make_rule("title", "position"), position=empty) == {}
        assert map_fields(make_rule("title", "position", on_missing="clear"), position=empty) == {"title": None}
        request = map_event(make_rule("title", "position", on_missing="reject"), position=empty)
        assert request.intent == Intent.REJECT
        assert request.field == "title"
        assert request.reason == "title has no value: enter one in Personio, or change the rule"


@pytest.mark.promise("P6")
def test_unknown_attribute_leaves_the_field_unchanged() -> None:
    """An attribute that is not in the event is unknown: not released, too large, or not yet requested."""
    assert map_fields(make_rule("title", "no_such", on_missing="clear")) == {}
    assert map_fields(make_rule("title", "no_such", transforms=(Default(value="-"),))) == {}


@pytest.mark.promise("P6")
def test_unknown_attribute_rejects_if_the_rule_says_so() -> None:
    """The administrator does not want accounts without it. The account of a leaver is disabled without it."""
    request = map_event(make_rule("title", "no_such", on_missing="reject"))

    assert request.intent == Intent.REJECT
    assert request.field == "title"
    assert request.reason == (
        "the attribute no_such for title is unknown: release it for the credential in Personio, or change the rule"
    )
    leaver = map_event(make_rule("title", "no_such", on_missing="reject"), status="inactive")
    assert leaver.intent == Intent.DISABLE


@pytest.mark.promise("P9")
def test_leaver_with_nothing_but_a_status_is_disabled() -> None:
    """The account is found by its external id."""
    event = make_change().model_copy(update={"attributes": {"status": "inactive"}})

    request = Engine(make_published_mapping()).map(event)

    assert request.intent == Intent.DISABLE
    assert request.identity == AccountIdentity(external_id="7")


def test_unknown_address_rejects_the_employee() -> None:
    """An account needs a user name."""
    values = {key: value for key, value in make_attributes().items() if key != "email"}

    request = Engine(make_published_mapping()).map(make_change().model_copy(update={"attributes": values}))

    assert request.intent == Intent.REJECT
    assert request.field == "email"


@pytest.mark.promise("P6")
def test_invisible_supervisor_leaves_the_manager_unchanged() -> None:
    """A company may enter its managers in Declaree by hand."""
    event = make_change()
    visible = {key: event.attributes[key] for key in ("first_name", "last_name", "email", "status")}

    desired = Engine(make_published_mapping()).map(event.model_copy(update={"attributes": visible})).desired

    assert desired is not None
    assert desired.manager is None


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_zero_and_false_are_values(value: Value) -> None:
    """Only null, empty strings and empty lists are empty."""
    assert map_fields(make_rule("title", "position", on_missing="reject"), position=value) == {"title": value}


def test_constant_needs_no_attribute() -> None:
    """A constant is the same for all employees."""
    assert map_fields(Rule(target="locale", source=ConstantSource(value="de-DE"))) == {"locale": "de-DE"}


def test_transforms_are_applied_in_order() -> None:
    """Another order gives another result."""
    table = ValueTable(table={"ja": True}, otherwise="missing")
    steps = (Trim(), Lower(), table, Default(value=False))

    assert map_fields(make_rule("x", "card", transforms=steps), card=" JA ") == {"x": True}
    assert map_fields(make_rule("x", "card", transforms=steps), card="Nein") == {"x": False}
    assert map_fields(make_rule("x", "card", transforms=(table, Trim(), Lower())), card=" JA ") == {}


def test_empty_entries_of_a_list_are_removed() -> None:
    """A list without other entries is empty."""
    assert map_fields(make_rule("tags", "teams"), teams=("a", None, "", "b")) == {"tags": ("a", "b")}
    assert map_fields(make_rule("tags", "teams", on_missing="clear"), teams=(None, None)) == {"tags": None}


def test_unfit_value_rejects_without_quoting_it() -> None:
    """The reason is in an event, which must not contain personal data."""
    request = map_event(make_rule("x", "hired", transforms=(DateFormat(),)), hired="secret-text")

    assert request.intent == Intent.REJECT
    assert request.field == "x"
    assert request.reason == "the value for x is not a date: correct it in Personio, or change the rule"


# ---------------------------------------------------------------- user name and manager


@pytest.mark.parametrize(
    "address", ["ada@nordlicht.example", "  ada@nordlicht.example\n", "ada+card@sub.nordlicht.example", "ÄDA@x.example"]
)
def test_email_address_becomes_the_user_name(address: str) -> None:
    """Its case is kept. Space around it and invisible characters are removed."""
    desired = map_event(email=f"\u202a{address}\u200b").desired

    assert desired is not None
    assert desired.user_name == address.strip()


@pytest.mark.parametrize("address", [None, "", "   ", "\u200b", 7, True, ("ada@nordlicht.example",)])
def test_employee_without_an_email_address_is_rejected(address: Value) -> None:
    """Declaree needs an e-mail address for each account."""
    request = map_event(email=address)

    assert request.intent == Intent.REJECT
    assert request.field == "email"
    assert request.desired is None
    assert request.reason == "the attribute email does not contain an e-mail address: enter one in Personio"


def test_invalid_email_address_is_rejected_with_its_reason() -> None:
    """HR sees which attribute is wrong, and how; the reason does not contain the value."""
    request = map_event(email="Ada <ada@nordlicht.example>")

    assert request.intent == Intent.REJECT
    assert request.field == "email"
    assert request.reason == (
        "the attribute email contains angle brackets: enter the e-mail address alone in Personio, without a name"
    )


def test_user_name_comes_from_the_configured_attribute() -> None:
    """A company may keep the e-mail address in an attribute of its own."""
    engine = Engine(make_published_mapping(user_name_attribute="dynamic_1"))

    desired = engine.map(make_change({"dynamic_1": "other@nordlicht.example"})).desired

    assert desired is not None
    assert desired.user_name == "other@nordlicht.example"
    assert engine.map(make_change()).field == "dynamic_1"


@pytest.mark.parametrize("supervisor", [12, "12"])
def test_manager_is_referred_to_by_employee_id(supervisor: Value) -> None:
    """The writer replaces the id by the manager's account."""
    desired = map_event(supervisor__id=supervisor).desired

    assert desired is not None
    assert desired.manager == ManagerReference(employee_id="12")
    assert MANAGER not in desired.fields


def test_empty_manager_is_left_or_cleared() -> None:
    """The rule decides what happens to an empty supervisor."""
    left = map_event(make_rule(MANAGER, "supervisor.id"))
    cleared = map_event(make_rule(MANAGER, "supervisor.id", on_missing="clear"))

    assert left.desired is not None
    assert cleared.desired is not None
    assert left.desired.manager is None
    assert cleared.desired.manager == ManagerReference(employee_id=None)


@pytest.mark.parametrize("supervisor", [(12, 13), 1.5, True])
def test_manager_must_be_one_employee_id(supervisor: Value) -> None:
    """A list or a fraction cannot be an employee id."""
    request = map_event(supervisor__id=supervisor)

    assert request.intent == Intent.REJECT
    assert request.field == MANAGER


# ---------------------------------------------------------------- withdrawn rules


def withdraw(*rules: Rule) -> PublishedMapping:
    """Returns a published mapping that withdraws these rules."""
    published = make_published_mapping()
    return published.model_copy(update={"mapping": published.mapping.model_copy(update={"withdrawn": rules})})


def test_withdrawn_rule_gives_the_value_to_remove() -> None:
    """It is computed as the rule computed it."""
    engine = Engine(withdraw(make_rule("title", "position", transforms=(Lower(),)), make_rule("nickName", "dynamic_7")))

    request = engine.map(make_change({"position": "Countess"}))

    assert request.desired is not None
    assert request.desired.withdrawn == {"title": "countess"}


@pytest.mark.parametrize("value", [None, "x"])
def test_withdrawn_rule_rejects_and_clears_nothing(value: Value) -> None:
    """Without a value, or with one that does not fit, nothing of ours is in the field."""
    table = make_rule("title", "position", transforms=(ValueTable(table={"y": 1}),), on_missing="reject")

    request = Engine(withdraw(table)).map(make_change({"position": value}))

    assert request.desired is not None
    assert request.desired.withdrawn == {}


def test_withdrawn_manager_is_cleared() -> None:
    """The manager of an account cannot be compared by value."""
    request = Engine(withdraw(make_rule(MANAGER, "supervisor.id"))).map(make_change({"supervisor.id": 5}))

    assert request.desired is not None
    assert request.desired.manager == NO_MANAGER


# ---------------------------------------------------------------- bounds


def test_mapping_that_takes_too_long_rejects_the_employee() -> None:
    """The others of all companies would wait. The reason names the rule at which the time was over."""
    computed = [
        Rule(target=f"urn:x:2.0:User:f{number}", source=ExpressionSource(expression="first_name"))
        for number in range(9)
    ]
    seconds = count(step=MAX_SECONDS / 4)

    request = Engine(make_published_mapping(*computed), lambda: next(seconds)).map(make_change())

    assert request.intent == Intent.REJECT
    assert request.field == "urn:x:2.0:User:f3"
    assert "simplify expressions and patterns" in (request.reason or "")


def test_leaver_is_disabled_in_any_time() -> None:
    """What the account looks like is then told as far as the time went."""
    named = Rule(target="name.givenName", source=ExpressionSource(expression="first_name"))
    seconds = count(step=MAX_SECONDS * 2)

    request = Engine(make_published_mapping(named), lambda: next(seconds)).map(make_change({"status": "inactive"}))

    assert request.intent == Intent.DISABLE
    assert request.identity is not None
    assert request.identity.given_name is None


def test_withdrawn_rules_have_the_same_time() -> None:
    """They are evaluated after the others."""
    rules = tuple(
        Rule(target=f"urn:x:2.0:User:f{number}", source=ExpressionSource(expression="first_name"))
        for number in range(9)
    )
    seconds = count(step=MAX_SECONDS / 4)

    request = Engine(withdraw(*rules), lambda: next(seconds)).map(make_change())

    assert request.intent == Intent.REJECT


def test_withdrawn_rule_without_time_rejects_the_employee() -> None:
    """Otherwise its value would stay in the account, as if it had none."""
    rule = Rule(target="title", source=ExpressionSource(expression="first_name"))
    seconds = chain([0.0, 0.0, 0.0], repeat(MAX_SECONDS * 2))

    request = Engine(withdraw(rule), lambda: next(seconds)).map(make_change())

    assert request.intent == Intent.REJECT
    assert request.field == "title"


@pytest.mark.parametrize("value", [math.inf, math.nan, (1, -math.inf)])
def test_number_that_is_not_finite_rejects_the_employee(value: Value) -> None:
    """As JSON it would be null, which clears the field."""
    rule = Rule(target="title", source=ConstantSource(value=value))

    assert Engine(make_published_mapping(rule)).map(make_change()).intent == Intent.REJECT


def test_account_that_is_too_large_rejects_the_employee() -> None:
    """It would not fit into a record, and its change would become a dead letter."""
    large = [
        Rule(target=f"urn:x:2.0:User:f{number}", source=ConstantSource(value="a" * 10_000)) for number in range(21)
    ]

    request = Engine(make_published_mapping(*large)).map(make_change())

    assert request.intent == Intent.REJECT
    assert request.field == "urn:x:2.0:User:f20"


# ---------------------------------------------------------------- any values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str)
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(tuple)
EVERYTHING = make_published_mapping(
    make_rule("name.givenName", "first_name", transforms=(Trim(),), on_missing="reject"),
    make_rule("a", "one", transforms=(Trim(), Lower(), Default(value="-"))),
    make_rule("b", "two", transforms=(DateFormat(format="dd.MM.yyyy"),), on_missing="clear"),
    make_rule("c", "three", transforms=(ValueTable(table={"x": 1}, otherwise="missing"),)),
    make_rule("d", "four", transforms=(ValueTable(table={"x": 1}), DateFormat())),
    make_rule(MANAGER, "supervisor.id", on_missing="clear"),
)
KEYS = ("first_name", "email", "status", "one", "two", "three", "four", "supervisor.id")


@given(
    values=st.dictionaries(st.sampled_from(KEYS) | st.text(), VALUES),
    active=st.booleans(),
    kind=st.sampled_from(ChangeKind),
)
def test_any_values_give_a_request_that_can_be_sent(values: dict[str, Value], active: bool, kind: ChangeKind) -> None:
    """Personio's data must never stop the mapper."""
    if active:
        values |= {"status": "active", "email": "ada@nordlicht.example", "first_name": "Ada"}
    event = make_change(kind=kind).model_copy(update={"attributes": values})

    request = Engine(EVERYTHING).map(event)

    assert (request.desired is not None) == (request.intent is Intent.PROVISION)
    assert (request.reason is not None) == (request.intent is Intent.REJECT)
    assert request.connection_id == CONNECTION

    copy = read_event(AccountRequested, to_record(request).value)

    assert copy.person == request.person
    assert copy.version == request.version
    assert copy.intent == request.intent
