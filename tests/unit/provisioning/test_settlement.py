"""The ledger entry and the goal after each way to settle a request."""

import pytest

from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry, ManagerLink, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import settlement
from services.provisioning.calls import Found, Resource
from services.provisioning.desired import DISABLED
from services.provisioning.precedence import Decision
from services.provisioning.reconcile import Goal, Rejected, Settled
from tests.support.builders import NOW, make_request, make_request_with_intent
from tests.unit.provisioning.accounts import build_live
from tests.unit.provisioning.entries import (
    ACCOUNT,
    BOSS,
    DOWN,
    LATER,
    OTHER_NAME,
    WAITING,
    build_desired,
    build_entry,
    decide,
    reject,
    resolve,
    settle,
)

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
    entry = settle(make_request()).model_copy(update={"blocked_by": BOSS})

    after = settlement.record_without_call(request_, entry, decide(request_, entry), LATER)

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

    after = settlement.record_without_call(request, entry, decide(request, entry), NOW)

    assert after.verify is False
    assert after.applied is None
    assert after.account_id == ACCOUNT


def test_decision_with_call_is_an_error() -> None:
    """A decision that does not change the ledger entry cannot be recorded."""
    with pytest.raises(ValueError, match="supersede does not change the ledger entry"):
        settlement.record_without_call(make_request(), build_entry(), Decision.SUPERSEDE, NOW)


# ---------------------------------------------------------------- confirmed accounts


def test_confirmed_account_closes_every_open_point() -> None:
    """A confirmed account clears waiting, verification, conflict, attempted create and open manager."""
    entry = build_entry(
        waiting=WAITING,
        verify=True,
        blocked_by=BOSS,
        attempted="7",
        manager=ManagerLink(employee_id=EmployeeId("5")),
    )
    request = make_request(revision=2_000)
    result = Settled(Outcome.LINKED, ACCOUNT, ("title",))

    after = settlement.record_settled(request, entry, build_desired(request), result, resolve(request), NOW)

    assert after.decided is not None
    assert after.decided.outcome == Outcome.LINKED
    assert after.decided.account_id == ACCOUNT
    assert after.decided.written == ("title",)
    assert after.applied == build_desired(request).hash
    assert after.enabled is True
    assert after.user_name == "e7@nordlicht.example"
    assert after.waiting is None
    assert after.verify is False
    assert after.blocked_by is None
    assert after.attempted is None
    assert after.manager is None


def test_leaver_keeps_user_name_and_is_enabled_on_return() -> None:
    """A disabled account keeps its user name, and a returning employee is reconciled."""
    leaver = make_request_with_intent(Intent.DISABLE, revision=2_000)

    after = settlement.record_settled(
        leaver, settle(make_request()), DISABLED, Settled(Outcome.DISABLED, ACCOUNT), resolve(leaver), NOW
    )

    assert after.enabled is False
    assert after.user_name == "e7@nordlicht.example"
    assert after.applied == DISABLED.hash
    assert decide(make_request_with_intent(Intent.DISABLE, revision=3_000), after) is Decision.UNCHANGED
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_missing_account_is_forgotten() -> None:
    """An account that turned out not to exist leaves nothing in the entry."""
    leaver = make_request_with_intent(Intent.DISABLE, revision=2_000)

    after = settlement.record_settled(
        leaver, settle(make_request()), DISABLED, Settled(Outcome.OUT_OF_SCOPE, None), resolve(leaver), NOW
    )

    assert after.account_id is None
    assert after.applied is None
    assert after.enabled is None


# ---------------------------------------------------------------- waiting changes


def test_waiting_change_clears_account_content() -> None:
    """A waiting change has no outcome, and a later change back to the old content must not count as unchanged."""
    request = make_request(revision=2_000, **OTHER_NAME)

    after = settlement.record_waiting(request, settle(make_request()), DOWN, NOW)

    assert after.decided == settle(make_request()).decided
    assert after.applied is None
    assert after.account_id == ACCOUNT
    assert after.waiting == Waiting(cause=DOWN, since=NOW, version=request.version)
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_waiting_since_is_kept_for_the_same_change() -> None:
    """The start of the wait stays for the same change, and a newer change begins another wait."""
    first = settlement.record_waiting(make_request(), build_entry(), DOWN, NOW)

    again = settlement.record_waiting(make_request(), first, WaitingCause.FORBIDDEN, LATER)
    newer = settlement.record_waiting(make_request(revision=2_000), first, DOWN, LATER)

    assert again.waiting == Waiting(cause=WaitingCause.FORBIDDEN, since=NOW, version=make_request().version)
    assert newer.waiting is not None
    assert newer.waiting.since == LATER


# ---------------------------------------------------------------- creates without an answer


@pytest.mark.promise("P9")
def test_attempted_create_is_found_for_a_leaver() -> None:
    """A leaver's account that a create may have made is looked up by our external id only."""
    waiting = settlement.record_waiting(make_request(), build_entry(), DOWN, NOW)
    leaver = make_request_with_intent(Intent.DISABLE, revision=2_000)

    assert waiting.attempted == "7"
    assert decide(leaver, waiting) is Decision.RECONCILE
    assert settlement.build_goal(leaver, waiting, DISABLED).external_id == "7"
    assert settlement.build_goal(leaver, waiting, DISABLED).user_name is None


@pytest.mark.promise("P4")
def test_attempted_names_are_kept_until_account_is_known() -> None:
    """The newest user names of unanswered creates are looked up until the account is confirmed."""

    def send(request: AccountRequested, entry: LedgerEntry) -> LedgerEntry:
        return settlement.record_waiting(request, entry, DOWN, NOW, is_create_sent=True)

    entry = send(make_request(), build_entry())
    entry = send(make_request(revision=2_000, user_name="right@x.example"), entry)

    assert entry.attempted_names == ("e7@nordlicht.example", "right@x.example")
    goal = settlement.build_goal(make_request(revision=3_000), entry, build_desired(make_request()))
    assert goal.attempted_names == ("right@x.example",)

    for number in range(9):
        entry = send(make_request(revision=3_000 + number, user_name=f"{number}@x.example"), entry)

    assert entry.attempted_names == tuple(f"{number}@x.example" for number in range(4, 9))

    result = Settled(Outcome.CREATED, ACCOUNT)
    entry = settlement.record_settled(
        make_request(revision=9_000), entry, build_desired(make_request()), result, resolve(make_request()), NOW
    )

    assert entry.attempted_names == ()


@pytest.mark.promise("P5")
def test_unsent_user_name_is_not_looked_up() -> None:
    """A user name that was never sent may belong to a colleague or a department."""
    request = make_request(revision=2_000, user_name="info@x.example")

    for entry in (build_entry(), settle(make_request())):
        after = settlement.record_waiting(request, entry, WaitingCause.KEY_REFUSED, NOW)

        assert after.attempted_names == ()


def test_create_after_known_account_was_gone_is_remembered() -> None:
    """A create that replaces a known account is remembered as attempted, too."""
    waiting = settlement.record_waiting(
        make_request(revision=2_000), settle(make_request()), DOWN, NOW, is_create_sent=True
    )

    assert waiting.attempted == "7"
    assert waiting.attempted_names == ("e7@nordlicht.example",)


# ---------------------------------------------------------------- rejections


def test_rejection_clears_account_content() -> None:
    """A later change back to the old content must not count as unchanged after a rejection."""
    entry = settle(make_request()).model_copy(update={"waiting": WAITING, "verify": True})
    request = make_request(revision=2_000, **OTHER_NAME)

    after = reject(request, entry, Rejected("taken", "userName", BOSS))

    assert after.decided is not None
    assert after.decided.outcome == Outcome.REJECTED
    assert after.decided.reason == "taken"
    assert after.decided.field == "userName"
    assert after.applied is None
    assert after.account_id == ACCOUNT
    assert after.blocked_by == BOSS
    assert after.waiting is None
    assert after.verify is False
    assert after.attempted is None
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_rejection_after_lost_create_keeps_attempted() -> None:
    """After a rejection the account of an unanswered create may still exist."""
    assert reject(make_request(), build_entry(), Rejected("no"), is_create_attempted=True).attempted == "7"
    assert reject(make_request(), build_entry(attempted="7"), Rejected("no")).attempted == "7"


@pytest.mark.promise("P9")
def test_rejection_without_known_account_forgets_it() -> None:
    """No report gets the lost account as manager, and a leaver is still looked up by our external id."""
    leaver = make_request_with_intent(Intent.DISABLE, revision=3_000)

    after = reject(
        make_request(revision=2_000), settle(make_request()), Rejected("taken", "userName", BOSS), last_account=None
    )

    assert after.account_id is None
    assert after.enabled is None
    assert after.attempted == "7"
    assert after.decided is not None
    assert after.decided.account_id is None
    assert decide(leaver, after) is Decision.RECONCILE
    goal = settlement.build_goal(leaver, after, DISABLED)
    assert goal == Goal(DISABLED, external_id="7", our_external_ids=frozenset({"7"}))


@pytest.mark.promise("P9")
def test_rejected_update_leaves_account_to_be_disabled() -> None:
    """An account that was found but could not be updated is looked up when the employee leaves."""
    after = reject(make_request(), build_entry(), Rejected("a wrong department"), last_account=ACCOUNT)

    assert after.account_id is None
    assert after.attempted == "7"
    assert decide(make_request_with_intent(Intent.DISABLE, revision=2_000), after) is Decision.RECONCILE


# ---------------------------------------------------------------- goals


@pytest.mark.promise("W1")
def test_goal_names_what_the_account_is_found_by() -> None:
    """An employee is found by id, external id and user name, and a leaver by id and our external id."""
    entry = settle(make_request())

    hired = settlement.build_goal(make_request(), entry, build_desired(make_request()))
    left = settlement.build_goal(make_request_with_intent(Intent.DISABLE), entry, DISABLED)

    assert hired.account_id == ACCOUNT
    assert hired.external_id == "7"
    assert hired.user_name == "e7@nordlicht.example"
    assert left.account_id == ACCOUNT
    assert left.external_id == "7"
    assert left.user_name is None


def test_leaver_found_by_external_id_keeps_it() -> None:
    """The external id proves at the next lookup that the account is the leaver's."""
    leaver, result = make_request_with_intent(Intent.DISABLE, revision=2_000), Settled(Outcome.DISABLED, ACCOUNT)

    after = settlement.record_settled(leaver, build_entry(attempted="7"), DISABLED, result, resolve(leaver), NOW)

    assert after.account_id == ACCOUNT
    assert after.external_id == "7"
    assert after.attempted is None


# ---------------------------------------------------------------- from begin to finish


@pytest.mark.promise("P9")
def test_account_that_is_gone_is_forgotten_by_a_rejection() -> None:
    """The remembered account is gone, and the address belongs to a stranger: no report may get the old account."""
    begun = settlement.begin(
        make_request(revision=2_000, **OTHER_NAME),
        settle(make_request()),
        lambda _: None,
        "patch",
        LATER,
        is_resent=False,
    )
    stranger = Resource(BOSS, build_live(id=BOSS, externalId="another system's"))
    assert begun.state is not None

    state = begun.state
    for resources in ((), (), (stranger,)):  # the remembered id, the external id, the user name
        state = state.receive(Found(resources))
    finished = settlement.finish(begun, state, LATER)

    assert finished.outcome is not None
    assert finished.outcome.outcome is Outcome.REJECTED
    assert finished.entry.account_id is None
    assert finished.entry.attempted == "7"


def test_unfinished_reconciliation_gives_no_entry() -> None:
    """A reconciliation without a result must not settle a request."""
    begun = settlement.begin(make_request(), build_entry(), lambda _: None, "patch", NOW, is_resent=False)
    assert begun.state is not None

    with pytest.raises(ValueError, match="no conclusive result"):
        settlement.finish(begun, begun.state, NOW)
