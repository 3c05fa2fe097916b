"""The comparison of an account with what it should be. The tests of the verifier have the whole way."""

from datetime import timedelta
from typing import Any

import pytest

from services.contracts.drift import DriftKind
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import ManagerLink, RefusedField
from services.contracts.mappings import ENTERPRISE, MANAGER
from services.contracts.outcomes import Intent, Outcome
from services.provisioning.calls import Resource
from services.provisioning.drift import (
    LOOKUP_LAG,
    KnownPerson,
    Stage,
    compare_account,
    find_employee_id,
    find_shown,
    judge_accounts,
    judge_unknown,
    list_judged_fields,
)
from services.provisioning.manager import ManagerAccount
from tests.support.builders import (
    CONNECTION,
    NOW,
    make_entry,
    make_outcome,
    make_request,
    make_request_with_intent,
    reports_to,
)

HOUR = timedelta(hours=1)
SEEN = NOW + timedelta(days=1)
"""When the accounts are asked for."""
ACCOUNT = AccountId("a-7")


def make_known(request: AccountRequested | None = None, **entry: Any) -> KnownPerson:
    """Returns an employee with a settled change, and with these fields of the ledger entry."""
    content = {"account_id": ACCOUNT, "decided": make_outcome("7"), **entry}
    return KnownPerson(request or make_request(), make_entry("7", **content), NOW)


def make_leaver(**entry: Any) -> KnownPerson:
    """Returns an employee that has left."""
    return make_known(make_request_with_intent(Intent.DISABLE), **entry)


def make_live(**changes: Any) -> Resource:
    """Returns the right account of the active employee, with these attributes."""
    body = {
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        "emails": [{"type": "work", "value": "e7@nordlicht.example"}],
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "active": True,
    }
    return Resource(ACCOUNT, {name: value for name, value in (body | changes).items() if value is not None})


# ---------------------------------------------------------------- how far the change is


@pytest.mark.parametrize(
    ("entry", "stage"),
    [
        ({}, Stage.SETTLED),
        ({"decided": make_outcome("7", how=Outcome.REJECTED)}, Stage.REJECTED),
        ({"decided": make_outcome("7", 999)}, Stage.UNSETTLED),
        ({"decided": None}, Stage.UNSETTLED),
        ({"decided": make_outcome("7", 1_001)}, Stage.UNDER_WAY),
        ({"verify": True}, Stage.UNDER_WAY),
        ({"look_at": SEEN}, Stage.UNDER_WAY),
    ],
)
def test_stage_follows_from_the_entry(entry: dict[str, Any], stage: Stage) -> None:
    """A change that waits or is marked is retried without a verification."""
    assert make_known(**entry).find_stage(SEEN, HOUR) is stage


def test_missing_entry_is_unsettled_after_the_patience() -> None:
    """An event may be on its way until then."""
    person = KnownPerson(make_request(), None, NOW)

    assert person.find_stage(NOW + HOUR - timedelta(seconds=1), HOUR) is Stage.UNDER_WAY
    assert person.find_stage(NOW + HOUR, HOUR) is Stage.UNSETTLED


def test_settlement_just_before_the_lookup_is_under_way() -> None:
    """The clocks of two machines differ, and lookups lag behind writes."""
    decided = make_outcome("7").model_copy(update={"settled_at": SEEN - LOOKUP_LAG})
    person = make_known(decided=decided)

    assert person.find_stage(SEEN, HOUR) is Stage.SETTLED
    assert person.find_stage(SEEN - timedelta(seconds=1), HOUR) is Stage.UNDER_WAY


def test_own_mark_of_the_verification_does_not_count() -> None:
    """The writer has not looked the account up yet, but another finding may follow."""
    assert make_known(verify=True).find_stage(SEEN, HOUR, is_marked_here=True) is Stage.SETTLED


# ---------------------------------------------------------------- the known account


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, ()),
        ({"nickName": "Ada"}, ()),
        ({"userName": "E7@Nordlicht.example"}, ()),
        ({"userName": "other@nordlicht.example"}, ("userName",)),
        ({"externalId": None}, ("externalId",)),
        ({"name": {"givenName": "Eve"}}, ("name.familyName", "name.givenName")),
        ({"emails": []}, ('emails[type eq "work"].value',)),
    ],
)
def test_mapped_fields_alone_are_compared(changes: dict[str, Any], fields: tuple[str, ...]) -> None:
    """The case of an address makes no difference."""
    found = compare_account(make_known(), make_live(**changes), Stage.SETTLED)

    assert tuple(sorted(found.fields)) == fields if found else fields == ()
    assert found is None or found.kind is DriftKind.DIFFERENT


def test_account_without_active_is_enabled() -> None:
    """A server need not have this attribute."""
    assert compare_account(make_known(), make_live(active=None), Stage.SETTLED) is None
    assert compare_account(make_leaver(), make_live(active=None), Stage.SETTLED) is not None


@pytest.mark.parametrize("stage", [Stage.SETTLED, Stage.REJECTED, Stage.UNSETTLED])
@pytest.mark.promise("P9")
def test_enabled_leaver_is_found_in_every_stage(stage: Stage) -> None:
    """Only while the change is under way, the account may be enabled."""
    live = make_live()

    found = compare_account(make_leaver(), live, stage)

    assert found is not None
    assert found.kind is DriftKind.LEAVER_ENABLED
    assert compare_account(make_leaver(), live, Stage.UNDER_WAY) is None


def test_refused_field_is_not_compared() -> None:
    """The server does not take it, and the employee is listed as incomplete."""
    refused = RefusedField(path="name.givenName", code="400", value="h", mapping_version=3, tried_at=NOW)

    found = compare_account(make_known(refused=(refused,)), make_live(name={"familyName": "Lovelace"}), Stage.SETTLED)

    assert found is None


@pytest.mark.parametrize(("written", "fields"), [("a-1", (MANAGER,)), ("a-0", ()), (None, ())])
def test_manager_is_compared_once_it_was_written(written: str | None, fields: tuple[str, ...]) -> None:
    """A manager with a new account is written to the report in its own time."""
    link = ManagerLink(employee_id=EmployeeId("1"), account_id=AccountId(written) if written else None)
    entry = make_entry("7", account_id=ACCOUNT, decided=make_outcome("7"), manager=link)
    person = KnownPerson(make_request(manager=reports_to("1")), entry, NOW, ManagerAccount(AccountId("a-1"), "1"))

    found = compare_account(person, make_live(), Stage.SETTLED)

    assert (found.fields if found else ()) == fields
    assert compare_account(person, make_live(**{ENTERPRISE: {"manager": {"value": "a-1"}}}), Stage.SETTLED) is None
    assert compare_account(person, make_live(**{ENTERPRISE: {"manager": {"managerId": "1"}}}), Stage.SETTLED) is None


# ---------------------------------------------------------------- other accounts


ACTIVE, LEAVER = make_known(), make_leaver()
UNLINKED, UNLINKED_LEAVER = make_known(account_id=None), make_leaver(account_id=None)
IGNORED = make_known(make_request_with_intent(Intent.IGNORE), account_id=None)


@pytest.mark.parametrize(
    ("person", "stage", "listed", "kinds"),
    [
        (ACTIVE, Stage.SETTLED, {ACCOUNT: True}, []),
        (ACTIVE, Stage.SETTLED, {}, [DriftKind.MISSING]),
        (ACTIVE, Stage.UNSETTLED, {}, [DriftKind.MISSING]),
        (ACTIVE, Stage.REJECTED, {}, []),
        (ACTIVE, Stage.SETTLED, {"x": True}, [DriftKind.MISSING]),
        (ACTIVE, Stage.SETTLED, {ACCOUNT: True, "x": False, "y": True}, [DriftKind.DUPLICATE] * 2),
        (ACTIVE, Stage.SETTLED, {"x": False, "y": True}, [DriftKind.DUPLICATE] * 2 + [DriftKind.MISSING]),
        (ACTIVE, Stage.UNDER_WAY, {"x": False, "y": True}, []),
        (LEAVER, Stage.SETTLED, {}, []),
        (LEAVER, Stage.UNSETTLED, {}, [DriftKind.UNSETTLED]),
        (LEAVER, Stage.SETTLED, {"x": True}, [DriftKind.LEAVER_ENABLED]),
        (LEAVER, Stage.SETTLED, {"x": False}, []),
        (UNLINKED, Stage.SETTLED, {}, [DriftKind.UNCREATED]),
        (UNLINKED, Stage.UNSETTLED, {}, [DriftKind.UNSETTLED]),
        (UNLINKED, Stage.SETTLED, {"x": False}, [DriftKind.UNKNOWN_TO_LEDGER]),
        (UNLINKED, Stage.REJECTED, {"x": True}, []),
        (UNLINKED, Stage.UNDER_WAY, {"x": True}, []),
        (UNLINKED_LEAVER, Stage.SETTLED, {"x": True}, [DriftKind.LEAVER_ENABLED]),
        (UNLINKED_LEAVER, Stage.UNSETTLED, {"x": True}, [DriftKind.LEAVER_ENABLED]),
        (UNLINKED_LEAVER, Stage.UNSETTLED, {"x": False}, [DriftKind.UNKNOWN_TO_LEDGER]),
        (UNLINKED_LEAVER, Stage.REJECTED, {"x": True}, []),
        (UNLINKED_LEAVER, Stage.SETTLED, {}, []),
        (IGNORED, Stage.SETTLED, {"x": True}, []),
        (IGNORED, Stage.UNSETTLED, {"x": True}, [DriftKind.UNSETTLED]),
    ],
)
def test_accounts_beside_the_known_one_are_judged(
    person: KnownPerson, stage: Stage, listed: dict[AccountId, bool], kinds: list[DriftKind]
) -> None:
    """By what the ledger knows, the intent, and how far the change is."""
    assert [drift.kind for drift in judge_accounts(person, listed, stage)] == kinds


def test_disabled_account_of_an_unknown_employee_is_right() -> None:
    """Its owner has no access."""
    assert judge_unknown(CONNECTION, make_live()) is not None
    assert judge_unknown(CONNECTION, make_live(active=False)) is None


@pytest.mark.parametrize(
    ("external_id", "prefix", "employee"),
    [
        ("7", "", "7"),
        (7, "", "7"),
        ("a-7", "a-", "7"),
        ("7", "a-", None),
        ("a-7", "", None),
        ("a-", "a-", None),
        ("", "", None),
        (None, "", None),
        ("\u0667", "", None),
        ("payroll-7", "", None),
    ],
)
def test_external_id_names_an_employee(external_id: object, prefix: str, employee: str | None) -> None:
    """The ids of employees are numbers, so that most ids of other systems are told apart."""
    assert find_employee_id(make_live(externalId=external_id), prefix) == employee


# ---------------------------------------------------------------- fields that a list shows


def test_fields_with_a_value_must_be_shown() -> None:
    """A field that is to be cleared need not be shown, and of a leaver only whether the account is enabled."""
    request = make_request(fields={"name.givenName": "Ada", "title": None})

    assert list_judged_fields(make_known(request)) == {
        "active", "externalId", "userName", 'emails[type eq "work"].value', "name.givenName"
    }  # fmt: skip
    assert list_judged_fields(make_leaver()) == {"active"}
    assert list_judged_fields(None) == {"active"}


def test_manager_may_be_shown_in_either_form() -> None:
    """By the id of the account, or by its external id."""
    fields = frozenset({MANAGER, "title"})

    assert find_shown({ENTERPRISE: {"manager": {"value": "a-1"}}}, fields) == {MANAGER}
    assert find_shown({ENTERPRISE: {"manager": {"managerId": "1"}}}, fields) == {MANAGER}
    assert find_shown({}, fields) == set()


def test_every_kind_has_a_text() -> None:
    """The texts are for administrators, and what a resend does not repair says what to do."""
    for kind in DriftKind:
        assert kind.text
        assert kind.is_repairable or any(word in kind.text for word in ("Declaree", "prefix", "people reset"))
        assert kind.is_repairable or not kind.is_repaired_always
