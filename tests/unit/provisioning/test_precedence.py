"""What a request means for a ledger entry: the five rules of the precedence."""

from typing import Any

import pytest

from services.contracts.ids import EmployeeId
from services.contracts.ledger import ManagerLink
from services.contracts.outcomes import Intent, Outcome
from services.provisioning import records
from services.provisioning.precedence import Decision
from services.provisioning.states import Rejected, Trail
from tests.support.builders import NOW, make_request, make_request_with_intent, reports_to
from tests.unit.provisioning.accounts import BOSS
from tests.unit.provisioning.entries import (
    OTHER_NAME,
    WAITING,
    build_entry,
    build_refused,
    decide,
    reject,
    settle,
    wait,
)

# ---------------------------------------------------------------- rule 1: older requests are superseded


@pytest.mark.promise("P2")
@pytest.mark.parametrize(("revision", "version"), [(999, 3), (1_000, 2), (999, 9)])
@pytest.mark.parametrize("intent", [Intent.PROVISION, Intent.DISABLE, Intent.IGNORE, Intent.REJECT])
def test_request_older_than_decided_is_superseded(revision: int, version: int, intent: Intent) -> None:
    """A request of any intent that is older than the decided one changes nothing."""
    request = (
        make_request(revision=revision, version=version, **OTHER_NAME)
        if intent is Intent.PROVISION
        else make_request_with_intent(intent, revision=revision, version=version)
    )

    assert decide(request, settle(make_request())) is Decision.SUPERSEDE


def test_request_older_than_waiting_is_superseded() -> None:
    """A waiting change supersedes older requests, even those that are newer than the decided one."""
    entry = wait(make_request(revision=2_000), settle(make_request()))

    assert decide(make_request(revision=1_500), entry) is Decision.SUPERSEDE
    assert decide(make_request(revision=2_000), entry) is Decision.RECONCILE


# ---------------------------------------------------------------- rule 2: a decided request is repeated


def test_request_decided_before_is_repeated() -> None:
    """The same request again gives the stored outcome if nothing is open."""
    assert decide(make_request(), settle(make_request())) is Decision.REPEAT


@pytest.mark.parametrize(
    "open_point", [{"waiting": WAITING}, {"verify": True}, {"manager": ManagerLink(employee_id=EmployeeId("9"))}]
)
def test_request_with_open_point_is_not_repeated(open_point: dict[str, Any]) -> None:
    """The same request is processed while it waits, while the entry asks for a lookup, or without the manager."""
    request = make_request(revision=2_000, manager=reports_to("9"))
    entry = settle(request, manager=BOSS).model_copy(update=open_point)

    assert decide(request, entry, BOSS) is not Decision.REPEAT


def test_request_with_unknown_content_is_reconciled() -> None:
    """The same request is looked up if the content of the account is not known."""
    entry = settle(make_request()).model_copy(update={"applied": None})

    assert decide(make_request(), entry) is Decision.RECONCILE


@pytest.mark.parametrize("intent", [Intent.REJECT, Intent.IGNORE])
def test_request_without_account_is_repeated(intent: Intent) -> None:
    """A request that needed no account gives the stored outcome again."""
    request = make_request_with_intent(intent)
    decision = decide(request, build_entry())

    entry = records.record_without_call(request, build_entry(), decision, NOW)

    assert decide(request, entry) is Decision.REPEAT


@pytest.mark.promise("P9")
def test_leaver_without_account_is_looked_up_once() -> None:
    """The ledger may be lost or restored, so a leaver that it does not know is looked up, once for each request."""
    leaver = make_request_with_intent(Intent.DISABLE)

    assert decide(leaver, build_entry()) is Decision.RECONCILE

    entry = settle(leaver, how=Outcome.OUT_OF_SCOPE, exists=False)

    assert decide(leaver, entry) is Decision.REPEAT
    assert decide(make_request_with_intent(Intent.DISABLE, revision=2_000), entry) is Decision.RECONCILE


def test_request_with_refused_field_is_repeated_until_due() -> None:
    """The same request is reconciled if a refused field is due for another attempt."""
    entry = settle(make_request(), how=Outcome.INCOMPLETE).model_copy(update={"refused": (build_refused(),)})

    assert decide(make_request(), entry) is Decision.REPEAT
    assert decide(make_request(), entry, is_refusal_due=True) is Decision.RECONCILE


def test_rejection_is_retried_for_resend_or_new_request() -> None:
    """A rejection by the server is retried on demand and for a newer request, and otherwise repeated."""
    entry = reject(make_request(), build_entry(), Rejected("taken"), Trail())

    assert decide(make_request(), entry) is Decision.REPEAT
    assert decide(make_request(), entry, is_resent=True) is Decision.RECONCILE
    assert decide(make_request(revision=2_000), entry) is Decision.RECONCILE


# ---------------------------------------------------------------- rule 3: no lookup without an account


@pytest.mark.parametrize(
    ("intent", "decision"),
    [
        (Intent.REJECT, Decision.REJECT),
        (Intent.IGNORE, Decision.OUT_OF_SCOPE),
    ],
)
def test_request_without_account_needs_no_lookup(intent: Intent, decision: Decision) -> None:
    """A request that needs no account is decided without a request to the server."""
    assert decide(make_request_with_intent(intent), build_entry()) is decision


@pytest.mark.promise("P9")
def test_disable_of_managed_or_attempted_account_is_reconciled() -> None:
    """A leaver's account is looked up if it is known or if an unanswered create may have made it."""
    leaver = make_request_with_intent(Intent.DISABLE, revision=2_000)

    assert decide(leaver, settle(make_request())) is Decision.RECONCILE
    assert decide(leaver, build_entry(attempted="7")) is Decision.RECONCILE


# ---------------------------------------------------------------- rule 4: confirmed content needs no call


def test_confirmed_content_is_unchanged() -> None:
    """A newer revision or mapping with the confirmed content sends no request."""
    assert decide(make_request(revision=2_000), settle(make_request())) is Decision.UNCHANGED
    assert decide(make_request(version=4), settle(make_request())) is Decision.UNCHANGED


def test_confirmed_content_with_manager_is_unchanged() -> None:
    """A written manager is part of the confirmed content."""
    entry = settle(make_request(manager=reports_to("9")), manager=BOSS)

    assert decide(make_request(revision=2_000, manager=reports_to("9")), entry, BOSS) is Decision.UNCHANGED


@pytest.mark.parametrize("doubt", [{"verify": True}, {"applied": None}])
def test_unconfirmed_content_is_reconciled(doubt: dict[str, Any]) -> None:
    """The account is looked up if its content is not known or if the entry asks for a lookup."""
    entry = settle(make_request()).model_copy(update=doubt)

    assert decide(make_request(revision=2_000), entry) is Decision.RECONCILE


# ---------------------------------------------------------------- rule 5: the rest is reconciled


@pytest.mark.promise("P2")
def test_suspect_request_is_reconciled() -> None:
    """An earlier writer may have sent the request without noting it, so the account is looked up even if nothing is new."""
    entry = settle(make_request())

    assert decide(make_request(revision=2_000), entry, is_suspect=True) is Decision.RECONCILE
    assert decide(make_request(), entry, is_suspect=True) is Decision.REPEAT, "a decided request has left no such write"


def test_due_refusal_is_reconciled() -> None:
    """A refused field that is due is tried again although the content is confirmed."""
    assert decide(make_request(revision=2_000), settle(make_request()), is_refusal_due=True) is Decision.RECONCILE


def test_new_employee_and_new_content_are_reconciled() -> None:
    """A request for an unknown account, or for other content, is looked up on the server."""
    assert decide(make_request(), build_entry()) is Decision.RECONCILE
    assert decide(make_request(revision=2_000, **OTHER_NAME), settle(make_request())) is Decision.RECONCILE
