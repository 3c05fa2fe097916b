"""The ledger entry of a change that waits or is rejected: nothing unconfirmed is remembered as content."""

import pytest

from services.contracts.events import AccountIdentity, AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry, ManagerLink, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning.precedence import Decision
from services.provisioning.states import Rejected, Trail
from services.provisioning.waiting import DEFAULT_RETRY_PAUSES, build_waiting
from tests.support.builders import NOW, make_request, make_request_with_intent, reports_to
from tests.unit.provisioning.entries import (
    ACCOUNT,
    DOWN,
    LATER,
    LEAVER,
    OTHER_NAME,
    STRANGER,
    WAITING,
    build_entry,
    decide,
    reject,
    settle,
    wait,
)

OWNED = Trail(owned_id=ACCOUNT)

# ---------------------------------------------------------------- waiting changes


def test_waiting_change_clears_account_content() -> None:
    """A waiting change has no outcome, and a later change back to the old content must not count as unchanged."""
    request = make_request(revision=2_000, **OTHER_NAME)

    after = wait(request, settle(make_request()))

    assert after.decided == settle(make_request()).decided
    assert after.applied is None
    assert after.account_id == ACCOUNT
    assert after.waiting == Waiting(
        cause=DOWN,
        since=NOW,
        version=request.version,
        detected_at=request.detected_at,
        retry_at=NOW + DEFAULT_RETRY_PAUSES[0],
    )
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_waiting_since_is_kept_for_the_same_change() -> None:
    """The start of the wait stays for the same change, and a newer change begins another wait."""
    first = wait(make_request(), build_entry())

    again = wait(make_request(), first, WaitingCause.FORBIDDEN, now=LATER)
    newer = wait(make_request(revision=2_000), first, now=LATER)

    assert again.waiting is not None
    assert again.waiting.cause is WaitingCause.FORBIDDEN
    assert again.waiting.since == NOW
    assert again.waiting.version == make_request().version
    assert newer.waiting is not None
    assert newer.waiting.since == LATER


def test_pauses_between_attempts_double() -> None:
    """Up to a limit, so that a change that can never be written does not keep the server busy."""
    entry, pauses = build_entry(), list[float]()
    for _ in range(10):
        entry = wait(make_request(), entry)
        assert entry.waiting is not None
        assert entry.waiting.retry_at is not None
        pauses.append((entry.waiting.retry_at - NOW).total_seconds())

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_change_without_room_is_due_at_once() -> None:
    """It is resent as soon as there is room, and nothing was tried before."""
    waiting = build_waiting(make_request(), WaitingCause.BACKLOG, NOW)

    again = build_waiting(make_request(), DOWN, LATER, waiting)

    assert waiting.retry_at == NOW
    assert again.since == NOW
    assert again.attempts == 0


def test_waiting_change_remembers_its_new_account() -> None:
    """An account that was created before the change had to wait is known from then on."""
    after = wait(make_request(), build_entry(), trail=Trail(is_created=True, owned_id=ACCOUNT), is_create_sent=True)

    assert after.account_id == ACCOUNT
    assert after.external_id == "7"
    assert after.user_name == "e7@nordlicht.example"
    assert after.attempted is None


@pytest.mark.parametrize("name", ["exchange.7.e8@nordlicht.example", None])
def test_temporary_address_is_the_last_user_name(name: str | None) -> None:
    """The employee that waits for the address of an account that has stepped aside is found by the entry's user name."""
    trail = Trail(has_stepped_aside=True, temporary_name=name)

    after = wait(make_request(), settle(make_request()), WaitingCause.ADDRESS_EXCHANGE, trail)

    assert after.user_name == name


@pytest.mark.promise("W11")
def test_report_that_waits_for_its_manager_names_it() -> None:
    """The writer that creates the manager's account finds the waiting reports by the manager."""
    request = make_request(manager=reports_to("9"))

    assert wait(request, build_entry(), WaitingCause.MANAGER_PENDING).manager == ManagerLink(
        employee_id=EmployeeId("9")
    )
    assert wait(request, build_entry()).manager is None


# ---------------------------------------------------------------- creates without an answer


@pytest.mark.promise("P4")
def test_attempted_names_are_kept_until_account_is_known() -> None:
    """The newest user names of unanswered creates are looked up until the account is confirmed."""

    def send(request: AccountRequested, entry: LedgerEntry) -> LedgerEntry:
        return wait(request, entry, is_create_sent=True)

    entry = send(make_request(), build_entry())
    entry = send(make_request(revision=2_000, user_name="right@x.example"), entry)

    assert entry.attempted == "7"
    assert entry.attempted_names == ("e7@nordlicht.example", "right@x.example")

    for number in range(9):
        entry = send(make_request(revision=3_000 + number, user_name=f"{number}@x.example"), entry)

    assert entry.attempted_names == tuple(f"{number}@x.example" for number in range(4, 9))
    assert settle(make_request(revision=9_000), entry).attempted_names == ()


@pytest.mark.promise("P5")
@pytest.mark.parametrize("entry", [build_entry(), settle(make_request())], ids=["unknown", "known"])
def test_unsent_user_name_is_not_looked_up(entry: LedgerEntry) -> None:
    """A user name that was never sent may belong to a colleague or a department."""
    request = make_request(revision=2_000, user_name="info@x.example")

    after = wait(request, entry, WaitingCause.KEY_REFUSED)

    assert after.attempted_names == ()
    assert after.attempted is None


def test_create_after_known_account_was_gone_is_remembered() -> None:
    """A create that replaces a known account is remembered as attempted, too."""
    waiting = wait(make_request(revision=2_000), settle(make_request()), is_create_sent=True)

    assert waiting.attempted == "7"
    assert waiting.attempted_names == ("e7@nordlicht.example",)


# ---------------------------------------------------------------- rejections


def test_rejection_clears_account_content() -> None:
    """A later change back to the old content must not count as unchanged after a rejection."""
    entry = settle(make_request()).model_copy(update={"waiting": WAITING, "verify": True})
    request = make_request(revision=2_000, **OTHER_NAME)

    after = reject(request, entry, Rejected("taken", "userName", STRANGER), OWNED)

    assert after.decided is not None
    assert after.decided.outcome == Outcome.REJECTED
    assert after.decided.reason == "taken"
    assert after.decided.field == "userName"
    assert after.applied is None
    assert after.account_id == ACCOUNT
    assert after.blocked_by == STRANGER
    assert after.blocked_name == "e7@nordlicht.example"
    assert after.waiting is None
    assert after.verify is False
    assert after.attempted is None
    assert decide(make_request(revision=3_000), after) is Decision.RECONCILE


def test_rejection_after_lost_create_keeps_attempted() -> None:
    """After a rejection the account of an unanswered create may still exist."""
    assert reject(make_request(), build_entry(), Rejected("no"), Trail(), is_create_sent=True).attempted == "7"
    assert reject(make_request(), build_entry(attempted="7"), Rejected("no"), Trail()).attempted == "7"


@pytest.mark.promise("P9")
def test_rejection_without_known_account_forgets_it() -> None:
    """No report gets the lost account as manager, and a leaver is still looked up by our external id."""
    entry = settle(make_request())

    after = reject(
        make_request(revision=2_000),
        entry,
        Rejected("taken", "userName", STRANGER),
        Trail(notes=["account u1 is gone"]),
    )

    assert after.account_id is None
    assert after.enabled is None
    assert after.external_id == "7"
    assert after.decided is not None
    assert after.decided.account_id is None
    assert after.decided.reason == "taken; account u1 is gone"
    leaver = make_request_with_intent(Intent.DISABLE, revision=3_000, identity=AccountIdentity(external_id="7"))
    assert decide(leaver, after) is Decision.RECONCILE


@pytest.mark.promise("P9")
def test_rejected_update_leaves_account_to_be_disabled() -> None:
    """An account that was found but could not be updated is the one to disable when the employee leaves."""
    after = reject(make_request(), build_entry(), Rejected("a wrong department"), OWNED)

    assert after.account_id == ACCOUNT
    assert decide(LEAVER, after) is Decision.RECONCILE
