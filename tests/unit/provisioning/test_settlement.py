"""One request from its beginning to entry and outcome: what is asked, what is remembered, and when to look the account up again."""

from datetime import timedelta

import pytest

from services.contracts.events import AccountIdentity, AccountRequested
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning.calls import (
    Answer,
    CreateAccount,
    FindAccounts,
    Found,
    Missing,
    PatchAccount,
    ReadAccount,
    Refused,
    Written,
)
from services.provisioning.manager import MANAGER_PATIENCE
from services.provisioning.records import EXTERNAL_ID_TAKEN
from tests.support.builders import NOW, make_request, make_request_with_intent, reports_to
from tests.unit.provisioning.accounts import BOSS, EMAIL, build_account, find
from tests.unit.provisioning.driver import BY_EXTERNAL_ID, CREATED, NOTHING, prove
from tests.unit.provisioning.entries import (
    ACCOUNT,
    ADA,
    ENTRY,
    LATER,
    LEAVER,
    RENAMED,
    STRANGER,
    begin,
    build_entry,
    conclude,
    play,
)

REPORT = make_request(manager=reports_to("9"))
TAKEN = build_account("u9", externalId="another system's", name={"givenName": "Eva"})


# ---------------------------------------------------------------- without a call


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (make_request(revision=999), Outcome.SUPERSEDED),
        (ADA, Outcome.CREATED),
        (make_request_with_intent(Intent.IGNORE, revision=2_000), Outcome.OUT_OF_SCOPE),
        (make_request(revision=2_000, fields={"name.givenName": "Ada"}, manager=None), Outcome.UNCHANGED),
    ],
    ids=["older", "repeated", "ignored", "same content"],
)
def test_request_is_settled_without_a_call(request_: AccountRequested, outcome: Outcome) -> None:
    """A request that needs no lookup is settled at once, and to conclude it changes nothing."""
    settlement = begin(request_, ENTRY)
    entry = settlement.entry

    assert settlement.step is None
    assert settlement.outcome is not None
    assert settlement.outcome.outcome is outcome
    assert settlement.outcome.version == request_.version
    assert conclude(settlement) == entry


def test_older_and_repeated_request_change_no_entry() -> None:
    """Neither an older request nor a repeated one touches the entry."""
    assert begin(make_request(revision=999), ENTRY).entry == ENTRY
    assert begin(ADA, ENTRY).entry == ENTRY
    assert begin(ADA, ENTRY).outcome == ENTRY.decided


@pytest.mark.promise("P5")
def test_external_id_of_another_connection_rejects() -> None:
    """Two connections with the same prefix on one Declaree: the second one gets no request through."""
    settlement = begin(ADA, is_external_id_taken=True)

    assert settlement.step is None
    assert settlement.result == EXTERNAL_ID_TAKEN
    assert conclude(settlement).decided == settlement.outcome
    assert settlement.outcome is not None
    assert settlement.outcome.outcome is Outcome.REJECTED


def test_reply_without_a_question_is_an_error() -> None:
    """A settlement that asked for nothing takes no reply."""
    with pytest.raises(RuntimeError, match="has no reconciliation"):
        begin(ADA, ENTRY).receive(NOTHING)


# ---------------------------------------------------------------- with calls


@pytest.mark.promise("P3")
def test_settlement_leads_to_entry_and_outcome() -> None:
    """Each reply leads to the next step, and the last one to an entry with the outcome."""
    assert begin(ADA).step == BY_EXTERNAL_ID
    assert isinstance(play(begin(ADA), NOTHING, NOTHING).step, CreateAccount)

    settlement = play(begin(ADA), NOTHING, NOTHING, CREATED)
    entry = conclude(settlement)

    assert settlement.step is None
    assert settlement.outcome == entry.decided
    assert settlement.outcome is not None
    assert settlement.outcome.outcome is Outcome.CREATED
    assert settlement.outcome.settled_at == NOW
    assert entry.account_id == STRANGER
    assert entry.look_at is None
    assert entry.applied is not None


def test_inconclusive_settlement_waits_when_concluded() -> None:
    """A result that is not known has a cause and no outcome."""
    settlement = play(begin(RENAMED, ENTRY), Missing(is_certain=False), NOTHING, NOTHING)

    assert settlement.cause is WaitingCause.ACCOUNT_NOT_SHOWN

    entry = conclude(settlement)

    assert entry.waiting is not None
    assert entry.waiting.cause is WaitingCause.ACCOUNT_NOT_SHOWN
    assert settlement.outcome is None


@pytest.mark.promise("P9")
def test_account_that_is_gone_is_forgotten_by_a_rejection() -> None:
    """The remembered account is gone, and the address belongs to a stranger: no report may get the old account."""
    settlement = play(begin(RENAMED, ENTRY, now=LATER), Missing(), NOTHING, find(TAKEN), find(TAKEN))

    entry = conclude(settlement)

    assert settlement.outcome is not None
    assert settlement.outcome.outcome is Outcome.REJECTED
    assert "account u1 no longer exists in Declaree" in str(settlement.outcome.reason)
    assert entry.account_id is None
    assert entry.external_id == "7"


@pytest.mark.promise("P9")
def test_leaver_unknown_to_ledger_is_found_by_the_request() -> None:
    """A lost or restored ledger does not let a leaver keep access."""
    leaver = LEAVER.model_copy(update={"identity": AccountIdentity(external_id="7", user_name=EMAIL)})
    settlement = begin(leaver)

    assert settlement.step == FindAccounts("externalId", "7")

    entry = conclude(play(settlement, find(build_account()), Written(build_account(active=False))))

    assert entry.decided is not None
    assert entry.decided.outcome is Outcome.DISABLED
    assert entry.account_id == ACCOUNT
    assert entry.enabled is False


# ---------------------------------------------------------------- refused fields


def test_refused_field_is_retried_when_due_only() -> None:
    """A refused field costs no request until it is due, and is then sent again."""
    request = make_request(fields={"name.givenName": "Ada", "title": "Dr."}, manager=None)
    refusals: list[Answer] = [NOTHING, NOTHING, Refused(400), CREATED, Refused(400)]

    entry = conclude(play(begin(request, memory=prove("title")), *refusals))

    assert [field.path for field in entry.refused] == ["title"]
    assert begin(request, entry).outcome == entry.decided
    assert begin(request, entry).step is None

    later = begin(request, entry, now=NOW + timedelta(days=7))

    assert later.step == ReadAccount(STRANGER)
    assert isinstance(play(later, find(build_account("u9"))).step, PatchAccount)


# ---------------------------------------------------------------- managers first


@pytest.mark.promise("W11")
def test_new_account_waits_for_that_of_its_manager() -> None:
    """An account that is created after its manager's is written once instead of twice."""
    settlement = begin(REPORT, is_manager_pending=lambda _: True)

    assert settlement.step is None
    assert settlement.cause is WaitingCause.MANAGER_PENDING

    entry = conclude(settlement)

    assert entry.has_open_reference
    assert begin(REPORT, entry, manager=BOSS, is_manager_pending=lambda _: True).step is not None


@pytest.mark.promise("W11")
def test_wait_for_a_manager_is_limited() -> None:
    """A manager that is never settled does not keep an employee without an account."""
    entry = conclude(begin(REPORT, is_manager_pending=lambda _: True))

    def is_waiting(after: timedelta) -> bool:
        return begin(REPORT, entry, now=NOW + after, is_manager_pending=lambda _: True).step is None

    assert is_waiting(MANAGER_PATIENCE - timedelta(seconds=1))
    assert not is_waiting(MANAGER_PATIENCE)


def test_known_account_does_not_wait_for_a_manager() -> None:
    """Only a new account is cheaper after its manager's: changes of a known one are written at once."""
    later = make_request(revision=2_000, manager=reports_to("9"))

    assert begin(later, ENTRY, is_manager_pending=lambda _: True).step == ReadAccount(ACCOUNT)


def test_look_without_hit_settles_a_leaver() -> None:
    """A leaver with an attempted create that has made no account is out of scope."""
    entry = conclude(play(begin(LEAVER, build_entry(attempted="7")), Found()))

    assert entry.decided is not None
    assert entry.decided.outcome is Outcome.OUT_OF_SCOPE
    assert entry.account_id is None
