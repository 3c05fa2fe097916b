"""The goal of a reconciliation: by what an account is recognised, and which refused fields are due."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountIdentity, AccountRequested
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent
from services.provisioning import goal
from services.provisioning.desired import DISABLED
from services.provisioning.doubts import note_suspects
from services.provisioning.goal import REFUSAL_LIFETIME, build_desired_state, find_due_refusals
from services.provisioning.states import Goal
from tests.support.builders import NOW, make_request, make_request_with_intent
from tests.unit.provisioning.accounts import EMAIL
from tests.unit.provisioning.entries import ACCOUNT, LATE, build_entry, build_refused, settle, wait

HIRED = make_request(revision=2_000)
IDENTITY = AccountIdentity(external_id="new-7", user_name=EMAIL, given_name="Ada", family_name="Lovelace")
LEAVER = make_request_with_intent(Intent.DISABLE, revision=2_000, identity=IDENTITY)
TITLED = make_request(fields={"name.givenName": "Ada", "title": "Dr."})


def build_goal(request: AccountRequested, entry: LedgerEntry, *, is_suspect: bool = False, **more: Any) -> Goal:
    """Returns the goal of a request for this entry."""
    desired = build_desired_state(request, None)
    assert desired is not None
    content: dict[str, Any] = {"skipped": frozenset(), "policy": LinkPolicy.ASK, "created_after": NOW - LATE}
    return goal.build_goal(request, entry, desired, is_suspect=is_suspect, **content | more)


# ---------------------------------------------------------------- marks


@pytest.mark.promise("W1")
def test_goal_names_what_the_account_is_found_by() -> None:
    """An employee is found by id, external id and user name, and compared by address and names."""
    built = build_goal(HIRED, settle(make_request()))

    assert built.account_id == ACCOUNT
    assert built.external_id == "7"
    assert built.user_name == EMAIL
    assert built.last_user_name == EMAIL
    assert built.our_external_ids == {"7"}
    assert built.sent_external_ids == {"7"}
    assert built.is_spelling_sent
    assert built.identity == AccountIdentity(external_id="7", user_name=EMAIL, given_name="Ada", family_name="Lovelace")


@pytest.mark.promise("P5")
def test_new_employee_has_sent_no_external_id() -> None:
    """An external id that no write has sent proves nothing about a found account."""
    built = build_goal(make_request(), build_entry())

    assert built.our_external_ids == {"7"}
    assert built.sent_external_ids == frozenset()
    assert not built.is_spelling_sent


def test_old_and_attempted_external_ids_are_ours() -> None:
    """An external id with another prefix, and that of an unanswered create, are ours as well."""
    entry = build_entry(external_id="old-7", attempted="older-7")

    assert build_goal(HIRED, entry).our_external_ids == {"7", "old-7", "older-7"}


@pytest.mark.promise("P9")
def test_leaver_is_found_by_the_external_id_that_was_sent() -> None:
    """A leaver's account has the external id of the ledger, even if the mapping has another prefix now."""
    built = build_goal(LEAVER, settle(make_request()))

    assert built.desired == DISABLED
    assert built.account_id == ACCOUNT
    assert built.external_id == "7"
    assert built.user_name is None
    assert built.identity == IDENTITY.model_copy(update={"external_id": "7"})


@pytest.mark.promise("P9")
def test_leaver_without_entry_is_found_by_the_request() -> None:
    """After a loss of the ledger, the request says what identifies the account."""
    built = build_goal(LEAVER, build_entry())

    assert built.external_id == "new-7"
    assert built.our_external_ids == frozenset(), "the remembered id of a restored ledger is not checked against it"


@pytest.mark.promise("P9")
def test_attempted_create_is_found_for_a_leaver() -> None:
    """A leaver's account that a create may have made is looked up by our external id, without an identity as well."""
    entry = wait(make_request(), build_entry(), is_create_sent=True)

    built = build_goal(make_request_with_intent(Intent.DISABLE, revision=2_000), entry)

    assert built.external_id == "7"
    assert built.sent_external_ids == {"7"}


# ---------------------------------------------------------------- writes without an answer


@pytest.mark.promise("P4")
def test_attempted_names_are_looked_up() -> None:
    """The user names of unanswered creates lead to the account, and the wanted one is known to be sent or not."""
    entry = build_entry(attempted="7", attempted_names=("typo@x.example", EMAIL))

    assert build_goal(HIRED, entry).attempted_names == ("typo@x.example",)
    assert build_goal(HIRED, entry).is_name_attempted
    assert not build_goal(make_request(user_name="new@x.example"), entry).is_name_attempted


@pytest.mark.promise("P4")
def test_create_is_outstanding_until_the_look() -> None:
    """A create that may still land blocks a second one until the account was looked up."""
    assert build_goal(HIRED, build_entry(look_at=NOW)).is_create_outstanding
    assert build_goal(HIRED, build_entry(), is_suspect=True).is_create_suspected
    assert not build_goal(HIRED, build_entry()).is_create_outstanding


@pytest.mark.promise("P4")
def test_suspect_request_may_have_sent_its_user_name() -> None:
    """An earlier writer may have sent the creates of the suspect requests, if no account is known."""
    typo = make_request(user_name="typo@x.example")
    unknown, known = (note_suspects(entry, (typo, HIRED)) for entry in (build_entry(), settle(make_request())))

    assert build_goal(HIRED, unknown).is_name_attempted
    assert build_goal(HIRED, unknown).attempted_names == ("typo@x.example",)
    assert build_goal(HIRED, unknown).suspected_since == HIRED.detected_at
    assert not build_goal(HIRED, known).is_name_attempted
    assert build_goal(HIRED, known).suspected_since is None


@pytest.mark.promise("P4")
def test_noted_create_is_not_suspected() -> None:
    """A create that is noted with its user name was sent: a suspect record says nothing more about it."""
    noted = build_entry(attempted="7", attempted_names=(EMAIL,))

    assert note_suspects(noted, (HIRED,)) == noted


@pytest.mark.promise("P4")
@pytest.mark.parametrize(("created_at", "is_recent"), [(NOW, True), (NOW - LATE, False), (None, False)])
def test_account_is_recent_while_lookups_may_lag(created_at: datetime | None, *, is_recent: bool) -> None:
    """A new account may not be shown by lookups yet."""
    entry = settle(make_request()).model_copy(update={"created_at": created_at})

    assert build_goal(HIRED, entry).is_recently_created is is_recent


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    "doubt",
    [{"verify": True}, {"attempted_names": ("a@x.example",)}, {"look_at": NOW}],
    ids=["verify", "create", "look"],
)
def test_account_that_may_be_new_is_looked_up_afresh(doubt: dict[str, Any]) -> None:
    """An index of the accounts may be older than the account of a create without an answer."""
    assert build_goal(HIRED, build_entry(**doubt)).needs_fresh_lookup
    assert not build_goal(HIRED, build_entry()).needs_fresh_lookup


# ---------------------------------------------------------------- refused fields


def find_due(entry: LedgerEntry, request: AccountRequested = TITLED, *, schema: str | None = None) -> frozenset[str]:
    """Returns the refused fields that are due."""
    return find_due_refusals(request, entry, build_desired_state(request, None), schema, NOW)


@pytest.mark.parametrize(
    ("changes", "request_", "schema", "is_due"),
    [
        ({}, TITLED, None, False),
        ({"schema_hash": "s1"}, TITLED, "s1", False),
        ({"schema_hash": "s1"}, TITLED, None, False),
        ({"schema_hash": "s1"}, TITLED, "s2", True),
        ({"mapping_version": 2}, TITLED, None, True),
        ({"value": "another hash"}, TITLED, None, True),
        ({"tried_at": NOW - REFUSAL_LIFETIME}, TITLED, None, True),
        ({"tried_at": NOW - REFUSAL_LIFETIME + timedelta(seconds=1)}, TITLED, None, False),
        ({"mapping_version": 2}, make_request(), None, False),
    ],
    ids=[
        "nothing changed",
        "same schema",
        "schema unknown now",
        "schema changed",
        "mapping changed",
        "value changed",
        "a week later",
        "less than a week",
        "not wanted any longer",
    ],
)
def test_refused_field_is_due_after_a_change_or_a_week(
    changes: dict[str, Any], request_: AccountRequested, schema: str | None, *, is_due: bool
) -> None:
    """A refused field is tried again if its value, the mapping or the server's schemas change, and weekly."""
    entry = build_entry(refused=(build_refused(**changes),))

    assert find_due(entry, request_, schema=schema) == ({"title"} if is_due else frozenset())


def test_field_that_is_not_due_is_skipped() -> None:
    """The goal names the refused fields that are left out, without those that no rule writes any longer."""
    built = build_goal(TITLED, build_entry(), skipped=frozenset({"title", "nickName"}))

    assert built.skipped == {"title"}


def test_request_without_account_wants_nothing() -> None:
    """A rejected or ignored employee has no desired state, and nothing is due."""
    request = make_request_with_intent(Intent.IGNORE)

    assert build_desired_state(request, None) is None
    assert find_due(build_entry(refused=(build_refused(mapping_version=1),)), request) == frozenset()
