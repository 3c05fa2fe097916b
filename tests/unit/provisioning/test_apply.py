"""The apply rule: what a request means for a ledger entry, and what the entry is afterwards."""

from datetime import timedelta
from typing import Any

import pytest

from services.contracts.accounts import Account, Manager, Waiting
from services.contracts.events import AccountRequested, Intent, Outcome, Version
from services.contracts.ids import AccountId, EmployeeId
from services.provisioning import apply
from services.provisioning.apply import Decision
from services.provisioning.reconcile import Goal, Rejected, Settled
from services.provisioning.target import DISABLED, Target
from tests.builders import NOBODY, asked, requested, submits_to
from tests.stored import CONNECTION, NOW

ACCOUNT, BOSS = AccountId("u1"), AccountId("u9")
LATER = NOW + timedelta(minutes=5)


def target(request: AccountRequested, manager: AccountId | None = None) -> Target:
    found = apply.target_of(request, manager)
    assert found is not None
    return found


def entry(**changes: Any) -> Account:
    return Account.model_validate({"connection_id": CONNECTION, "employee_id": EmployeeId("7")} | changes)


def after(request: AccountRequested, how: Outcome = Outcome.CREATED, manager: AccountId | None = None) -> Account:
    """The entry of somebody new after the request was settled."""
    return apply.settled(request, entry(), target(request, manager), Settled(how, ACCOUNT), manager, NOW)


def decided(request: AccountRequested, held: Account, manager: AccountId | None = None) -> Decision:
    return apply.decide(request, held, apply.target_of(request, manager))


def refused(
    request: AccountRequested,
    held: Account,
    result: Rejected,
    known: AccountId | None = ACCOUNT,
    *,
    create_attempted: bool = False,
) -> Account:
    return apply.rejected(request, held, result, LATER, known=known, create_attempted=create_attempted)


NOW_WAITING = Waiting(cause="down", since=NOW, version=Version(2_000, 3))
OTHER_NAME: dict[str, Any] = {"fields": {"name.givenName": "Eva"}}


# ---------------------------------------------------------------- the five rules


@pytest.mark.parametrize(("revision", "version"), [(999, 3), (1_000, 2), (999, 9)])
@pytest.mark.parametrize("intent", [Intent.PROVISION, Intent.DISABLE, Intent.IGNORE, Intent.REJECT])
def test_rule_1_what_is_older_than_decided_is_superseded(revision: int, version: int, intent: Intent) -> None:
    request = (
        requested(revision=revision, version=version, **OTHER_NAME)
        if intent is Intent.PROVISION
        else asked(intent, revision=revision, version=version)
    )
    assert decided(request, after(requested())) is Decision.SUPERSEDE


def test_rule_1_what_is_older_than_a_waiting_change_is_superseded_although_it_is_newer_than_decided() -> None:
    held = apply.waits(requested(revision=2_000), after(requested()), "down", NOW)
    assert decided(requested(revision=1_500), held) is Decision.SUPERSEDE
    assert decided(requested(revision=2_000), held) is Decision.RECONCILE


def test_rule_2_what_is_decided_and_at_rest_is_repeated() -> None:
    assert decided(requested(), after(requested())) is Decision.REPEAT


@pytest.mark.parametrize(
    "unrest", [{"waiting": NOW_WAITING}, {"verify": True}, {"manager": Manager(employee_id=EmployeeId("9"))}]
)
def test_rule_2_an_equal_request_is_worked_on_while_something_is_open(unrest: dict[str, Any]) -> None:
    request = requested(revision=2_000, manager=submits_to("9"))
    held = after(request, manager=BOSS).model_copy(update=unrest)
    assert decided(request, held, BOSS) is not Decision.REPEAT


def test_rule_2_an_equal_request_is_looked_at_when_what_the_account_holds_is_not_known() -> None:
    assert decided(requested(), after(requested()).model_copy(update={"applied": None})) is Decision.RECONCILE


@pytest.mark.parametrize("intent", [Intent.REJECT, Intent.IGNORE, Intent.DISABLE])
def test_rule_2_what_needed_no_account_is_repeated_without_one(intent: Intent) -> None:
    request = asked(intent)
    decision = decided(request, entry())
    assert decided(request, apply.without_call(request, entry(), decision, NOW)) is Decision.REPEAT


def test_rule_2_a_rejection_by_the_server_is_tried_again_when_the_person_is_sent_again() -> None:
    held = refused(requested(), entry(), Rejected("taken"))
    assert decided(requested(), held) is Decision.REPEAT
    assert apply.decide(requested(), held, apply.target_of(requested(), None), resent=True) is Decision.RECONCILE


@pytest.mark.parametrize(
    ("intent", "decision"),
    [
        (Intent.REJECT, Decision.REJECT),
        (Intent.IGNORE, Decision.OUT_OF_SCOPE),
        (Intent.DISABLE, Decision.OUT_OF_SCOPE),
    ],
)
def test_rule_3_nothing_is_asked_for_what_needs_no_account(intent: Intent, decision: Decision) -> None:
    assert decided(asked(intent), entry()) is decision


def test_rule_3_a_managed_account_or_one_that_may_exist_is_disabled() -> None:
    leaver = asked(Intent.DISABLE, revision=2_000)
    assert decided(leaver, after(requested())) is Decision.RECONCILE
    assert decided(leaver, entry(attempted="7")) is Decision.RECONCILE


def test_rule_4_what_the_account_was_confirmed_to_hold_needs_no_call() -> None:
    assert decided(requested(revision=2_000), after(requested())) is Decision.UNCHANGED
    assert decided(requested(version=4), after(requested())) is Decision.UNCHANGED


def test_rule_4_holds_for_somebody_whose_manager_is_written() -> None:
    held = after(requested(manager=submits_to("9")), manager=BOSS)
    assert decided(requested(revision=2_000, manager=submits_to("9")), held, BOSS) is Decision.UNCHANGED


@pytest.mark.parametrize("unrest", [{"verify": True}, {"applied": None}])
def test_rule_4_needs_a_confirmed_content_and_nobody_asking_for_a_look(unrest: dict[str, Any]) -> None:
    assert decided(requested(revision=2_000), after(requested()).model_copy(update=unrest)) is Decision.RECONCILE


def test_rule_5_everything_else_asks_the_server() -> None:
    assert decided(requested(), entry()) is Decision.RECONCILE
    assert decided(requested(revision=2_000, **OTHER_NAME), after(requested())) is Decision.RECONCILE


def test_a_rejection_by_the_server_is_repeated_until_somebody_asks_for_another_try() -> None:
    held = refused(requested(), entry(), Rejected("taken"))
    target = apply.target_of(requested(), None)
    assert apply.decide(requested(), held, target) is Decision.REPEAT
    assert apply.decide(requested(), held, target, resent=True) is Decision.RECONCILE
    assert apply.decide(requested(revision=2_000), held, target) is Decision.RECONCILE


def test_an_entry_that_asks_for_a_look_and_gets_none_knows_nothing_of_the_account_any_more() -> None:
    held = after(requested()).model_copy(update={"verify": True})
    ignored = asked(Intent.IGNORE, revision=2_000)
    now = apply.without_call(ignored, held, decided(ignored, held), NOW)
    assert (now.verify, now.applied, now.account_id) == (False, None, ACCOUNT)


# ---------------------------------------------------------------- afterwards


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (asked(Intent.REJECT, revision=2_000, reason="no e-mail", field="email"), Outcome.REJECTED),
        (asked(Intent.IGNORE, revision=2_000), Outcome.OUT_OF_SCOPE),
        (requested(revision=2_000), Outcome.UNCHANGED),
    ],
)
def test_a_decision_without_a_call_moves_decided_and_keeps_what_is_known(
    request_: AccountRequested, outcome: Outcome
) -> None:
    held = after(requested()).model_copy(update={"blocked_by": BOSS})
    now = apply.without_call(request_, held, decided(request_, held), LATER)
    assert now.decided is not None
    assert (now.decided.outcome, now.decided.version, now.decided.settled_at) == (outcome, request_.version, LATER)
    assert (now.decided.reason, now.decided.field) == (request_.reason, request_.field)
    assert (now.applied, now.account_id, now.enabled) == (held.applied, ACCOUNT, True)
    assert now.blocked_by is None


def test_a_confirmed_account_settles_everything_that_was_open() -> None:
    held = entry(
        waiting=NOW_WAITING, verify=True, blocked_by=BOSS, attempted="7", manager=Manager(employee_id=EmployeeId("5"))
    )
    request = requested(revision=2_000)
    now = apply.settled(request, held, target(request), Settled(Outcome.LINKED, ACCOUNT, ("title",)), None, NOW)
    assert now.decided is not None
    assert (now.decided.outcome, now.decided.account_id, now.decided.written) == (Outcome.LINKED, ACCOUNT, ("title",))
    assert (now.applied, now.enabled, now.user_name) == (target(request).hash, True, "e7@nordlicht.example")
    assert (now.waiting, now.verify, now.blocked_by, now.attempted, now.manager) == (None, False, None, None, None)


def test_who_left_has_a_disabled_account_with_the_user_name_it_had() -> None:
    leaver = asked(Intent.DISABLE, revision=2_000)
    now = apply.settled(leaver, after(requested()), DISABLED, Settled(Outcome.DISABLED, ACCOUNT), None, NOW)
    assert (now.enabled, now.user_name, now.applied) == (False, "e7@nordlicht.example", DISABLED.hash)
    assert decided(asked(Intent.DISABLE, revision=3_000), now) is Decision.UNCHANGED
    assert decided(requested(revision=3_000), now) is Decision.RECONCILE, "who comes back is enabled"


def test_an_account_that_turned_out_not_to_exist_is_forgotten() -> None:
    leaver = asked(Intent.DISABLE, revision=2_000)
    now = apply.settled(leaver, after(requested()), DISABLED, Settled(Outcome.OUT_OF_SCOPE, None), None, NOW)
    assert (now.account_id, now.applied, now.enabled) == (None, None, None)


# ---------------------------------------------------------------- the unconfirmed is forgotten


def test_what_waits_has_no_outcome_and_nothing_is_known_of_its_account() -> None:
    request = requested(revision=2_000, **OTHER_NAME)
    now = apply.waits(request, after(requested()), "down", NOW)
    assert now.decided == after(requested()).decided
    assert (now.applied, now.account_id) == (None, ACCOUNT)
    assert now.waiting == Waiting(cause="down", since=NOW, version=request.version)
    assert decided(requested(revision=3_000), now) is Decision.RECONCILE, "the old content must not pass for unchanged"


def test_since_when_somebody_waits_is_kept_for_the_same_change_alone() -> None:
    first = apply.waits(requested(), entry(), "down", NOW)
    again = apply.waits(requested(), first, "forbidden", LATER)
    newer = apply.waits(requested(revision=2_000), first, "down", LATER)
    assert again.waiting == Waiting(cause="forbidden", since=NOW, version=requested().version)
    assert newer.waiting is not None
    assert newer.waiting.since == LATER


def test_a_create_that_may_have_happened_is_remembered_so_that_a_leaver_is_looked_for() -> None:
    waiting = apply.waits(requested(), entry(), "down", NOW)
    assert waiting.attempted == "7"
    leaver = asked(Intent.DISABLE, revision=2_000)
    assert decided(leaver, waiting) is Decision.RECONCILE
    assert apply.goal(leaver, waiting, DISABLED).external_id == "7"
    assert apply.goal(leaver, waiting, DISABLED).user_name is None, "by our own mark and by nothing else"


def test_a_rejection_by_the_server_forgets_what_the_account_holds() -> None:
    held = after(requested()).model_copy(update={"waiting": NOW_WAITING, "verify": True})
    request = requested(revision=2_000, **OTHER_NAME)
    now = refused(request, held, Rejected("taken", "userName", BOSS))
    assert now.decided is not None
    assert (now.decided.outcome, now.decided.reason, now.decided.field) == (Outcome.REJECTED, "taken", "userName")
    assert (now.applied, now.account_id, now.blocked_by) == (None, ACCOUNT, BOSS)
    assert (now.waiting, now.verify, now.attempted) == (None, False, None)
    assert decided(requested(revision=3_000), now) is Decision.RECONCILE, "the old content must not pass for unchanged"


def test_a_rejection_after_a_lost_create_remembers_that_the_account_may_exist() -> None:
    assert refused(requested(), entry(), Rejected("no"), create_attempted=True).attempted == "7"
    assert refused(requested(), entry(attempted="7"), Rejected("no")).attempted == "7"


def test_a_rejection_after_the_known_account_turned_out_not_to_be_ours_leaves_it_to_nobody() -> None:
    """Nobody is to submit to it from now on; a leaver is still looked for by our mark."""
    now = refused(requested(revision=2_000), after(requested()), Rejected("taken", "userName", BOSS), known=None)
    assert (now.account_id, now.enabled, now.attempted) == (None, None, "7")
    assert now.decided is not None
    assert now.decided.account_id is None
    leaver = asked(Intent.DISABLE, revision=3_000)
    assert decided(leaver, now) is Decision.RECONCILE
    assert apply.goal(leaver, now, DISABLED) == Goal(DISABLED, external_id="7", ours=frozenset({"7"}))


def test_the_names_that_a_create_may_have_used_are_remembered_until_the_account_is_known() -> None:
    def sent(request: AccountRequested, held: Account) -> Account:
        return apply.waits(request, held, "down", NOW, create_sent=True)

    first = sent(requested(), entry())
    second = sent(requested(revision=2_000, user_name="right@x.example"), first)
    assert second.attempted_names == ("e7@nordlicht.example", "right@x.example")
    assert apply.goal(requested(revision=3_000), second, target(requested())).attempted_names == ("right@x.example",)
    for number in range(9):
        second = sent(requested(revision=3_000 + number, user_name=f"{number}@x.example"), second)
    assert second.attempted_names == tuple(f"{number}@x.example" for number in range(4, 9))
    settled = Settled(Outcome.CREATED, ACCOUNT)
    assert (
        apply.settled(requested(revision=9_000), second, target(requested()), settled, None, NOW).attempted_names == ()
    )


def test_a_name_with_which_nothing_was_sent_is_not_looked_for() -> None:
    """It may be a colleague's, or a department's: whoever has it is none of ours."""
    for held in (entry(), after(requested())):
        assert (
            apply.waits(requested(revision=2_000, user_name="info@x.example"), held, "401", NOW).attempted_names == ()
        )


def test_a_create_after_the_known_account_was_gone_is_remembered_too() -> None:
    waiting = apply.waits(requested(revision=2_000), after(requested()), "down", NOW, create_sent=True)
    assert (waiting.attempted, waiting.attempted_names) == ("7", ("e7@nordlicht.example",))


def test_an_account_of_theirs_that_could_not_be_updated_is_still_found_when_they_leave() -> None:
    now = refused(requested(), entry(), Rejected("a wrong department"), known=ACCOUNT)
    assert (now.account_id, now.attempted) == (None, "7")
    assert decided(asked(Intent.DISABLE, revision=2_000), now) is Decision.RECONCILE


# ---------------------------------------------------------------- by what an account is found


def test_whom_we_know_is_found_by_id_external_id_and_user_name_and_a_leaver_by_id_and_our_mark() -> None:
    held = after(requested())
    hired = apply.goal(requested(), held, target(requested()))
    assert (hired.known, hired.external_id, hired.user_name) == (ACCOUNT, "7", "e7@nordlicht.example")
    left = apply.goal(asked(Intent.DISABLE), held, DISABLED)
    assert (left.known, left.external_id, left.user_name) == (ACCOUNT, "7", None)


def test_a_leaver_who_was_found_by_our_mark_keeps_it() -> None:
    """By it the account is known to be theirs the next time, too."""
    leaver, found = asked(Intent.DISABLE, revision=2_000), Settled(Outcome.DISABLED, ACCOUNT)
    now = apply.settled(leaver, entry(attempted="7"), DISABLED, found, None, NOW)
    assert (now.account_id, now.external_id, now.attempted) == (ACCOUNT, "7", None)


# ---------------------------------------------------------------- open references


def test_a_manager_who_has_got_another_account_is_written_anew_for_the_same_request() -> None:
    request = requested(manager=submits_to("9"))
    held = after(request, manager=BOSS)
    assert decided(request, held, BOSS) is Decision.REPEAT
    assert decided(request, held, AccountId("another")) is Decision.RECONCILE
    assert decided(request, held, None) is Decision.RECONCILE, "from now on the reference is open"


def test_a_manager_without_an_account_leaves_the_reference_open_and_the_entry_is_never_skipped() -> None:
    request = requested(manager=submits_to("9"))
    held = after(request)
    assert held.manager == Manager(employee_id=EmployeeId("9"))
    assert held.open_reference
    assert decided(request, held) is Decision.RECONCILE
    assert decided(requested(revision=2_000, manager=submits_to("9")), held) is Decision.RECONCILE


def test_the_reference_closes_when_the_managers_account_is_written() -> None:
    request = requested(manager=submits_to("9"))
    held = apply.settled(request, after(request), target(request, BOSS), Settled(Outcome.UPDATED, ACCOUNT), BOSS, NOW)
    assert held.manager == Manager(employee_id=EmployeeId("9"), account_id=BOSS)
    assert decided(request, held, BOSS) is Decision.REPEAT


@pytest.mark.parametrize("before", [None, NOBODY, submits_to("7"), submits_to("5")], ids=repr)
def test_a_new_manager_without_an_account_opens_the_reference_whatever_was_there_before(before: Any) -> None:
    held = after(requested(manager=before), manager=BOSS if before == submits_to("5") else None)
    request = requested(revision=2_000, manager=submits_to("9"))
    decision = decided(request, held)
    now = (
        apply.settled(request, held, target(request), Settled(Outcome.UNCHANGED, ACCOUNT), None, NOW)
        if decision is Decision.RECONCILE
        else apply.without_call(request, held, decision, NOW)
    )
    assert now.manager == Manager(employee_id=EmployeeId("9"))


@pytest.mark.parametrize("reference", [None, NOBODY, submits_to("7")], ids=["left alone", "nobody", "themselves"])
def test_nobody_waits_for_no_manager_or_for_themselves(reference: Any) -> None:
    request = requested(manager=reference)
    assert after(request).manager is None
    assert decided(request, after(request)) is Decision.REPEAT


def test_a_leaver_keeps_the_manager_and_waits_for_nobody() -> None:
    leaver, settled = asked(Intent.DISABLE, revision=2_000), Settled(Outcome.DISABLED, ACCOUNT)
    request = requested(manager=submits_to("9"))
    assert apply.settled(leaver, after(request), DISABLED, settled, None, NOW).manager is None
    known = after(request, manager=BOSS)
    assert apply.settled(leaver, known, DISABLED, settled, None, NOW).manager == known.manager


def test_a_decision_that_is_not_one_without_a_call_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="leaves the ledger"):
        apply.without_call(requested(), entry(), Decision.SUPERSEDE, NOW)
