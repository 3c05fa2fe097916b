"""Writes that may still be carried out: what is remembered of them, and when the account is looked up again."""

import pytest

from services.contracts.connections import LinkPolicy
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning.calls import (
    Answer,
    Lost,
    Missing,
    ReadAccount,
    Resource,
    Written,
)
from services.provisioning.goal import build_goal
from tests.support.builders import NOW, make_request, make_request_with_intent
from tests.unit.provisioning.accounts import build_account, find
from tests.unit.provisioning.driver import EMPTY_LOOKUPS, NOTHING
from tests.unit.provisioning.entries import (
    ACCOUNT,
    ADA,
    ENTRY,
    LATE,
    LATER,
    RENAMED,
    STRANGER,
    begin,
    build_desired,
    conclude,
    play,
)

# ---------------------------------------------------------------- writes without an answer


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("answer", "look_at"), [(Lost(), LATER), (Lost(504), LATER), (Lost(500), None)], ids=["none", "504", "500"]
)
def test_unanswered_write_is_looked_for_again(answer: Lost, look_at: object) -> None:
    """A write without an answer may still be carried out, even after a lookup has shown the wanted content."""
    live = build_account(name={"givenName": "Eva"})
    settlement = play(begin(RENAMED, ENTRY), find(build_account()), answer, find(live))

    entry = conclude(settlement)

    assert entry.decided is not None
    assert entry.decided.outcome is Outcome.UPDATED
    assert entry.look_at == look_at


@pytest.mark.promise("P4")
def test_unanswered_create_is_remembered() -> None:
    """A create that no lookup shows waits, with everything by which the account can be found."""
    entry = conclude(play(begin(ADA), NOTHING, NOTHING, Lost(), *EMPTY_LOOKUPS))

    assert entry.waiting is not None
    assert entry.waiting.cause is WaitingCause.UNANSWERED_CREATE
    assert entry.attempted == "7"
    assert entry.attempted_names == ("e7@nordlicht.example",)
    assert entry.look_at == LATER
    assert begin(ADA, entry).step is not None


@pytest.mark.promise("P4")
def test_write_in_flight_at_the_end_is_looked_for() -> None:
    """A batch that ends while a write is in flight cannot know whether the write happened."""
    settlement = play(begin(ADA), NOTHING, NOTHING)
    settlement.note_sent()

    settlement.wait(WaitingCause.SETTLE_TIMEOUT, NOW)

    assert settlement.step is None
    assert settlement.entry.attempted == "7"
    assert settlement.entry.look_at == LATER


@pytest.mark.promise("P5")
@pytest.mark.parametrize("is_noted", [False, True], ids=["not sent", "not carried out"])
def test_write_that_did_not_leave_is_not_remembered(*, is_noted: bool) -> None:
    """Without a connection, or with a refused key, the user name was never sent and may be any employee's."""
    settlement = play(begin(ADA), NOTHING, NOTHING)
    if is_noted:
        settlement.note_sent()
        settlement.note_unsent()

    settlement.wait(WaitingCause.KEY_REFUSED, NOW)

    assert settlement.entry.attempted is None
    assert settlement.entry.attempted_names == ()
    assert settlement.entry.look_at is None


def test_lookup_in_flight_leaves_no_doubt() -> None:
    """A lookup changes nothing, so its missing answer leaves nothing to look for."""
    settlement = begin(ADA)
    settlement.note_sent()

    settlement.wait(WaitingCause.SETTLE_TIMEOUT, NOW)

    assert settlement.entry.look_at is None


@pytest.mark.promise("P4")
def test_new_account_that_is_not_shown_allows_no_second_create() -> None:
    """The server has confirmed a create, and its lookups lag behind: no further attempt creates again before they catch up."""
    forgotten = Written(Resource(STRANGER, {}))
    entry = conclude(play(begin(ADA), NOTHING, NOTHING, forgotten, Missing()))

    assert entry.account_id == STRANGER
    assert entry.created_at == NOW

    again = play(begin(ADA, entry), Missing())

    assert again.step is None
    assert again.cause is WaitingCause.ACCOUNT_NOT_SHOWN
    assert play(begin(ADA, entry, now=LATER), Missing()).step is not None


def test_later_look_counts() -> None:
    """A second write without an answer moves the due lookup, and an answered one does not bring it forward."""
    entry = ENTRY.model_copy(update={"look_at": LATER + LATE})
    live = build_account(name={"givenName": "Eva"})

    lost = conclude(play(begin(RENAMED, entry), find(build_account()), Lost(), find(live)))
    confirmed = conclude(play(begin(RENAMED, entry), find(live)))

    assert lost.look_at == LATER + LATE
    assert confirmed.look_at == LATER + LATE


# ---------------------------------------------------------------- records of an earlier writer


@pytest.mark.promise("P2")
def test_suspect_record_is_looked_at_now_and_later() -> None:
    """What an earlier writer may have sent can still be carried out after the lookup."""
    request = make_request(revision=2_000, fields={"name.givenName": "Ada"}, manager=None)
    settlement = begin(request, ENTRY, suspects=(request,))

    assert settlement.step == ReadAccount(ACCOUNT)

    entry = conclude(play(settlement, find(build_account())))

    assert entry.look_at == LATER
    assert entry.decided is not None
    assert entry.decided.outcome is Outcome.UNCHANGED


@pytest.mark.promise("P4")
def test_suspect_record_may_have_sent_a_create() -> None:
    """The create of an earlier writer may still land, so this writer waits and remembers the user name."""
    settlement = play(begin(ADA, suspects=(ADA,)), NOTHING, NOTHING)

    entry = conclude(settlement)

    assert settlement.cause is WaitingCause.UNANSWERED_CREATE
    assert entry.attempted_names == ("e7@nordlicht.example",)
    assert entry.suspected_since == ADA.detected_at
    assert entry.look_at == LATER


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    "answers",
    [(Written(None),), (Written(build_account("u7", externalId="9")), find(build_account("u7", externalId="9")))],
)
def test_create_that_no_lookup_shows_is_not_repeated(answers: tuple[Answer, ...]) -> None:
    """The server confirms a create without showing the account, and its lookups lag behind: no second create follows."""
    entry = conclude(play(begin(ADA), NOTHING, NOTHING, *answers, *EMPTY_LOOKUPS))

    assert entry.look_at == LATER

    again = play(begin(ADA, entry), NOTHING, NOTHING)

    assert again.cause is WaitingCause.UNANSWERED_CREATE


def list_sent_external_ids(entry: LedgerEntry) -> frozenset[str]:
    """Returns the external ids that prove that an account is the employee's."""
    goal = build_goal(
        ADA,
        entry,
        build_desired(ADA),
        skipped=frozenset(),
        policy=LinkPolicy.ASK,
        is_suspect=False,
        created_after=NOW,
    )
    return goal.sent_external_ids


@pytest.mark.promise("P5")
def test_suspicion_is_not_taken_for_a_sent_create() -> None:
    """That a create may have been sent gives no claim to an account with the external id, and a sent one is noted as such."""
    suspected = conclude(play(begin(ADA, suspects=(ADA,)), NOTHING, NOTHING))
    sent = conclude(
        play(begin(ADA, suspected.model_copy(update={"look_at": None})), NOTHING, NOTHING, Lost(), *EMPTY_LOOKUPS)
    )

    assert list_sent_external_ids(suspected) == frozenset()
    assert list_sent_external_ids(sent) == {"7"}


@pytest.mark.promise("P4")
@pytest.mark.promise("P9")
@pytest.mark.parametrize("intent", [Intent.REJECT, Intent.IGNORE])
def test_request_without_a_call_leaves_the_doubt(intent: Intent) -> None:
    """An earlier writer may have sent a create for an older request of the batch, and this one needs no account."""
    settlement = begin(make_request_with_intent(intent, revision=2_000), suspects=(ADA,))

    assert settlement.step is None
    assert settlement.entry.attempted_names == ("e7@nordlicht.example",)
    assert settlement.entry.suspected_since == ADA.detected_at
    assert settlement.entry.look_at == LATER
