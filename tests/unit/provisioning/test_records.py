"""The ledger entry after each way to settle a request."""

from datetime import timedelta

import pytest

from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.ledger import ManagerLink
from services.contracts.outcomes import Intent, Outcome
from services.provisioning import records
from services.provisioning.desired import DISABLED
from services.provisioning.precedence import Decision
from services.provisioning.states import NOT_STORED, Trail
from tests.support.builders import NOW, make_request, make_request_with_intent
from tests.unit.provisioning.entries import (
    ACCOUNT,
    LATER,
    LEAVER,
    STRANGER,
    WAITING,
    build_desired,
    build_entry,
    build_refused,
    decide,
    settle,
)

TITLED = make_request(revision=2_000, fields={"name.givenName": "Ada", "title": "Dr."})

# ---------------------------------------------------------------- decisions without a call


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (make_request_with_intent(Intent.REJECT, revision=2_000, reason="no e-mail", field="email"), Outcome.REJECTED),
        (make_request_with_intent(Intent.IGNORE, revision=2_000), Outcome.OUT_OF_SCOPE),
        (make_request(revision=2_000), Outcome.UNCHANGED),
    ],
)
def test_decision_without_call_keeps_account_content(request_: AccountRequested, outcome: Outcome) -> None:
    """A decision without a call moves ``decided`` and keeps what is known of the account."""
    entry = settle(make_request()).model_copy(update={"blocked_by": STRANGER})

    after = records.record_without_call(request_, entry, decide(request_, entry), LATER)

    assert after.decided is not None
    assert after.decided.outcome == outcome
    assert after.decided.version == request_.version
    assert after.decided.settled_at == LATER
    assert after.decided.reason == request_.reason
    assert after.decided.field == request_.field
    assert after.applied == entry.applied
    assert after.account_id == ACCOUNT
    assert after.enabled is True
    assert after.blocked_by is None


def test_decision_without_call_clears_unverified_content() -> None:
    """An entry that is marked for verification and gets no lookup no longer knows the account's content."""
    entry = settle(make_request()).model_copy(update={"verify": True})
    request = make_request_with_intent(Intent.IGNORE, revision=2_000)

    after = records.record_without_call(request, entry, decide(request, entry), NOW)

    assert after.verify is False
    assert after.applied is None
    assert after.account_id == ACCOUNT


def test_decision_without_call_keeps_a_due_look() -> None:
    """A write that may still be carried out is looked up after any decision."""
    entry = settle(make_request(), look_at=LATER)

    after = records.record_without_call(make_request(revision=2_000), entry, Decision.UNCHANGED, NOW)

    assert after.look_at == LATER


def test_unchanged_request_names_refused_fields() -> None:
    """A person with a refused field is incomplete until the field is written; a missing external id does not count."""
    entry = settle(make_request()).model_copy(
        update={"refused": (build_refused(), build_refused("externalId", code=NOT_STORED))}
    )

    after = records.record_without_call(make_request(revision=2_000), entry, Decision.UNCHANGED, NOW)

    assert after.decided is not None
    assert after.decided.outcome is Outcome.INCOMPLETE
    assert after.decided.refused == ("title",)
    assert after.decided.reason == (
        "Declaree does not take the fields title (400): correct their values in Personio, or change the mapping"
    )


def test_decision_with_call_is_an_error() -> None:
    """A decision that does not change the ledger entry cannot be recorded."""
    with pytest.raises(ValueError, match="supersede does not change the ledger entry"):
        records.record_without_call(make_request(), build_entry(), Decision.SUPERSEDE, NOW)


# ---------------------------------------------------------------- confirmed accounts


def test_confirmed_account_closes_every_open_point() -> None:
    """A confirmed account clears waiting, verification, conflict, attempted create and open manager."""
    entry = build_entry(
        waiting=WAITING,
        verify=True,
        blocked_by=STRANGER,
        blocked_name="e7@nordlicht.example",
        attempted="7",
        attempted_names=("typo@x.example",),
        manager=ManagerLink(employee_id=EmployeeId("5")),
    )
    request = make_request(revision=2_000)

    after = settle(request, entry, Outcome.LINKED, trail=Trail(written=["title"], notes=["a note"]))

    assert after.decided is not None
    assert after.decided.outcome == Outcome.LINKED
    assert after.decided.account_id == ACCOUNT
    assert after.decided.written == ("title",)
    assert after.decided.reason == "a note"
    assert after.applied == build_desired(request).hash
    assert after.enabled is True
    assert after.external_id == "7"
    assert after.user_name == "e7@nordlicht.example"
    assert after.waiting is None
    assert after.verify is False
    assert after.blocked_by is None
    assert after.blocked_name is None
    assert after.attempted is None
    assert after.attempted_names == ()
    assert after.manager is None


def test_leaver_keeps_user_name_and_is_enabled_on_return() -> None:
    """A disabled account keeps its user name, and a returning employee is reconciled."""
    after = settle(LEAVER, settle(make_request()), Outcome.DISABLED)

    assert after.enabled is False
    assert after.user_name == "e7@nordlicht.example"
    assert after.applied == DISABLED.hash
    assert decide(make_request_with_intent(Intent.DISABLE, revision=3_000), after) is Decision.UNCHANGED
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_leaver_found_by_external_id_keeps_it() -> None:
    """The external id proves at the next lookup that the account is the leaver's."""
    after = settle(LEAVER, build_entry(attempted="7"), Outcome.DISABLED)

    assert after.account_id == ACCOUNT
    assert after.external_id == "7"
    assert after.attempted is None


def test_missing_account_is_forgotten() -> None:
    """An account that turned out not to exist leaves nothing in the entry."""
    after = settle(LEAVER, settle(make_request()), Outcome.OUT_OF_SCOPE, exists=False)

    assert after.account_id is None
    assert after.applied is None
    assert after.enabled is None


@pytest.mark.promise("P9")
def test_attempted_create_is_remembered_until_the_look() -> None:
    """A leaver without an account may still get one by a create without an answer: the due lookup must find it."""
    entry = build_entry(attempted="7", attempted_names=("typo@x.example",))

    after = settle(LEAVER, entry, Outcome.OUT_OF_SCOPE, exists=False, look_at=LATER)

    assert after.attempted == "7"
    assert after.attempted_names == ("typo@x.example",)
    assert after.look_at == LATER
    assert settle(LEAVER, entry, Outcome.OUT_OF_SCOPE, exists=False).attempted is None


# ---------------------------------------------------------------- refused fields


@pytest.mark.promise("W21")
@pytest.mark.promise("P7")
def test_refused_fields_are_recorded_without_their_value() -> None:
    """The entry knows when and for which value, mapping and schema a field was refused. The outcome names it."""
    trail = Trail(refused={"title": "400, invalidValue", "externalId": NOT_STORED})

    after = settle(TITLED, how=Outcome.INCOMPLETE, trail=trail, schema="schema-1")

    title, external_id = after.refused
    assert title == build_refused(code="400, invalidValue", schema_hash="schema-1")
    assert external_id.path == "externalId"
    assert after.decided is not None
    assert after.decided.refused == ("title",)
    assert after.decided.reason == (
        "Declaree does not take the fields title (400, invalidValue): "
        "correct their values in Personio, or change the mapping"
    )
    assert after.applied == build_desired(TITLED).hash


def test_skipped_field_keeps_the_time_of_its_refusal() -> None:
    """A field that was not due stays refused as it was; one that was written is refused no longer."""
    old = build_refused(tried_at=NOW - timedelta(days=2))
    entry = settle(make_request()).model_copy(update={"refused": (old, build_refused("nickName"))})

    after = settle(TITLED, entry, Outcome.INCOMPLETE, skipped=frozenset({"title"}))

    assert after.refused == (old,)


def test_leaver_keeps_refused_fields() -> None:
    """To disable an account says nothing about its other fields."""
    entry = settle(make_request()).model_copy(update={"refused": (build_refused(),)})

    assert settle(LEAVER, entry, Outcome.DISABLED).refused == entry.refused
