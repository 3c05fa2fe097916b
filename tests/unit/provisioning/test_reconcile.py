"""The rules of an idempotent writer, each driven through the pure state machine with a server's answers."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from services.contracts.events import Outcome
from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, WORK_EMAIL
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    FindHolder,
    Gone,
    Held,
    Lost,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Seen,
    Unsupported,
    Written,
)
from services.provisioning.reconcile import (
    MAX_EMPTY_LOOKS,
    MAX_ROUNDS,
    Goal,
    Reconciliation,
    Rejected,
    Settled,
    Unsettled,
    begin,
)
from services.provisioning.target import DISABLED, Target, provisioned
from tests.builders import desired

EMAIL = "e7@nordlicht.example"
TAKEN = "has this e-mail and belongs to somebody else: give one of the two another in Personio"
KNOWN = AccountId("u1")
BY_EXTERNAL_ID, BY_USER_NAME = FindAccounts("externalId", "7"), FindAccounts("userName", EMAIL)
NOTHING, LOST = Seen(), Lost("ReadTimeout")
TARGET = provisioned(desired(fields={"name.givenName": "Ada"}, manager=None), None)


def goal(known: AccountId | None = None, target: Target = TARGET) -> Goal:
    return Goal(target, known=known, external_id="7", user_name=EMAIL)


def account(uid: str = "u1", etag: str | None = None, /, **changes: Any) -> Resource:
    """An account that holds just what is wanted, but for the changes; None takes an attribute away."""
    body: dict[str, Any] = {
        "id": uid,
        "externalId": "7",
        "userName": EMAIL,
        "active": True,
        "name": {"givenName": "Ada"},
        "emails": [{"type": "work", "value": EMAIL, "primary": True}],
    }
    return Resource(AccountId(uid), {k: v for k, v in (body | changes).items() if v is not None}, etag)


def seen(*accounts: Resource) -> Seen:
    return Seen(accounts)


@dataclass(frozen=True)
class Story:
    """What was asked, in order, and how it ended."""

    calls: tuple[Call, ...]
    end: Reconciliation

    @property
    def result(self) -> Any:
        return self.end.result

    @property
    def writes(self) -> tuple[Call, ...]:
        return tuple(call for call in self.calls if not isinstance(call, ReadAccount | FindAccounts))


def told(
    start: Goal, *answers: Answer, verb: Literal["patch", "put"] = "patch", held_by_another: bool = False
) -> Story:
    """The reconciliation through these answers; it may end neither before the last of them nor later.

    The ledger's answer to whose an account is comes by itself, and is no call to the server.
    """
    state, calls = begin(start, verb), list[Call]()
    for answer in answers:
        assert state.result is None, f"finished before {answer}: {state.result}"
        call = state.next
        assert not isinstance(call, FindHolder)
        calls.append(call)
        state = state.answered(answer)
        if state.result is None and isinstance(state.next, FindHolder):
            state = state.answered(Held(by_another=held_by_another))
    assert state.result is not None, f"not finished: would go on with {state.next}"
    return Story(tuple(calls), state)


def patched(call: Call) -> dict[str, Any]:
    assert isinstance(call, PatchAccount)
    return {operation["path"]: operation.get("value") for operation in call.operations}


OLD_NAME = account(name={"givenName": "A."})


# ---------------------------------------------------------------- matching


def test_w1_the_account_is_looked_for_by_id_then_external_id_then_user_name_then_created() -> None:
    story = told(goal(KNOWN), NOTHING, NOTHING, NOTHING, Written(account("u9")))
    assert story.calls[:3] == (ReadAccount(KNOWN), BY_EXTERNAL_ID, BY_USER_NAME)
    assert isinstance(story.calls[3], CreateAccount)
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


def test_w1_a_hit_ends_the_search() -> None:
    assert told(goal(KNOWN), seen(account())).calls == (ReadAccount(KNOWN),)
    assert told(goal(), seen(account())).calls == (BY_EXTERNAL_ID,)
    assert told(goal(), NOTHING, seen(account(externalId=None)), Written()).calls[:2] == (BY_EXTERNAL_ID, BY_USER_NAME)


def test_w1_a_server_that_ignores_the_filter_finds_nobody_of_ours() -> None:
    others = seen(account("u2", externalId="8", userName="b@x.example"), account("u3", externalId="70"))
    story = told(goal(), others, seen(account("u2", externalId="8", userName="b@x.example")), Written(account("u9")))
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.parametrize("step", ["external id", "user name"])
def test_w2_several_hits_reject_naming_the_ids_and_write_nothing(step: str) -> None:
    twice = seen(account("u2", externalId="7"), account("u1", externalId="7"))
    story = told(goal(), twice) if step == "external id" else told(goal(), NOTHING, twice)
    assert story.result.reason == f"several accounts have this {step}: u1, u2"
    assert story.result.blocked_by in {"u1", "u2"}
    assert story.writes == ()


@pytest.mark.parametrize("external_id", [None, "", "7"])
def test_w3_an_account_found_by_user_name_without_a_foreign_external_id_is_adopted(external_id: str | None) -> None:
    story = told(goal(), NOTHING, seen(account(externalId=external_id, name={"givenName": "A."})), Written())
    assert story.result.outcome is Outcome.LINKED
    assert story.result.account_id == "u1"
    assert patched(story.writes[0])["name.givenName"] == "Ada"
    if external_id != "7":
        assert patched(story.writes[0])["externalId"] == "7"


def test_w3_an_account_that_another_employee_has_by_the_ledger_is_never_adopted() -> None:
    story = told(goal(), NOTHING, seen(account("u5", externalId=None)), held_by_another=True)
    assert story.result.blocked_by == "u5"
    assert story.writes == ()


def test_p5_a_known_id_that_leads_to_somebody_elses_account_is_forgotten() -> None:
    known = replace(goal(KNOWN), ours=frozenset({"7"}))
    story = told(known, seen(account(externalId="other-system-99")), NOTHING, NOTHING, Written(account("u9")))
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


LEAVER = Goal(DISABLED, known=KNOWN, external_id="7", ours=frozenset({"7"}))


def test_p5_a_leavers_known_id_that_leads_to_somebody_elses_account_is_left_alone() -> None:
    story = told(LEAVER, seen(account(externalId="99")), NOTHING)
    assert (story.result, story.writes) == (Settled(Outcome.OUT_OF_SCOPE, None), ())


def test_w17_a_leaver_whose_account_has_another_id_now_is_found_by_our_mark_and_disabled() -> None:
    """As after a restore that gave ids anew: access has to end all the same."""
    story = told(LEAVER, NOTHING, seen(account("u2")), Written())
    assert story.calls[1] == BY_EXTERNAL_ID
    assert patched(story.writes[0]) == {"active": False}
    assert story.result == Settled(Outcome.DISABLED, AccountId("u2"), ("active",))


def test_an_old_prefix_of_the_external_id_is_still_ours_and_is_replaced() -> None:
    known = replace(goal(KNOWN), ours=frozenset({"7", "old-7"}))
    story = told(known, seen(account(externalId="old-7")), Written())
    assert patched(story.writes[0]) == {"externalId": "7"}


def test_w4_a_server_that_keeps_addresses_in_another_case_is_not_written_to_again() -> None:
    kept = account(userName=EMAIL.upper(), emails=[{"type": "work", "value": EMAIL.upper(), "primary": True}])
    assert told(replace(goal(KNOWN), spelling_sent=True), seen(kept)).writes == ()
    assert len(told(goal(KNOWN), seen(kept), Written()).writes) == 1


def test_w3_an_account_of_somebody_else_is_never_adopted() -> None:
    story = told(goal(), NOTHING, seen(account("u5", externalId="8")))
    assert story.result == Rejected(f"account u5 {TAKEN}", "userName", AccountId("u5"))
    assert story.writes == ()


def test_w3_an_account_that_is_right_already_is_linked_without_a_write() -> None:
    story = told(goal(), seen(account()))
    assert (story.result, story.writes) == (Settled(Outcome.LINKED, KNOWN), ())


# ---------------------------------------------------------------- identity over time


def test_w4_a_new_email_changes_user_name_and_work_address_of_the_same_account_in_one_request() -> None:
    old = account(userName="old@x.example", emails=[{"type": "work", "value": "old@x.example"}])
    story = told(goal(KNOWN), seen(old), Written())
    assert [patched(call) for call in story.writes] == [{"userName": EMAIL, WORK_EMAIL: EMAIL}]
    assert story.result == Settled(Outcome.UPDATED, KNOWN, ("userName", WORK_EMAIL))


def test_w4_another_case_of_the_user_name_is_the_same_person() -> None:
    story = told(goal(), NOTHING, seen(account(externalId=None, userName=EMAIL.upper())), Written())
    assert story.result.outcome is Outcome.LINKED
    assert patched(story.writes[0])["userName"] == EMAIL


def test_w5_an_email_that_another_account_has_rejects_and_names_that_account() -> None:
    old = account(userName="old@x.example")
    story = told(goal(KNOWN), seen(old), Conflict(), seen(account("u2", externalId="8")))
    assert story.calls[-1] == BY_USER_NAME
    assert story.result == Rejected(f"account u2 {TAKEN}", "userName", AccountId("u2"))


@pytest.mark.parametrize("found", [NOTHING, seen(account("u1"))], ids=["nobody", "only ourselves"])
def test_w5_a_conflict_whose_account_cannot_be_found_rejects_all_the_same(found: Seen) -> None:
    story = told(goal(KNOWN), seen(account(userName="old@x.example")), Conflict(), found)
    assert (
        story.result.reason
        == "another account has this user name, e-mail or external id (409): look for it in Declaree"
    )
    assert story.result.blocked_by is None


def test_w6_who_comes_back_gets_the_same_account_enabled() -> None:
    story = told(goal(KNOWN), seen(account(active=False)), Written())
    assert patched(story.writes[0]) == {"active": True}
    assert story.result == Settled(Outcome.ENABLED, KNOWN, ("active",))


def test_w6_who_comes_back_under_a_new_employee_id_finds_the_account_of_the_old_one_taken() -> None:
    story = told(goal(), NOTHING, seen(account("u3", externalId="old employee", active=False)))
    assert story.result.blocked_by == "u3"


def test_w7_to_disable_writes_active_and_nothing_else() -> None:
    story = told(goal(KNOWN, DISABLED), seen(account(name={"givenName": "wrong"})), Written())
    assert [patched(call) for call in story.writes] == [{"active": False}]
    assert story.result == Settled(Outcome.DISABLED, KNOWN, ("active",))
    assert told(goal(KNOWN, DISABLED), seen(account(active=False))).writes == ()


def test_w8_who_has_no_account_of_ours_is_not_looked_for_to_be_disabled() -> None:
    nobody = Goal(DISABLED, known=KNOWN)
    assert told(nobody, NOTHING).result == Settled(Outcome.OUT_OF_SCOPE, None)
    by_mark = Goal(DISABLED, external_id="7")
    story = told(by_mark, NOTHING)
    assert (story.calls, story.result) == ((BY_EXTERNAL_ID,), Settled(Outcome.OUT_OF_SCOPE, None))
    assert told(by_mark, seen(account()), Written()).result.outcome is Outcome.DISABLED


# ---------------------------------------------------------------- the difference


def test_w9_an_account_that_holds_everything_is_not_written() -> None:
    assert told(goal(KNOWN), seen(account(title="not mapped"))).result == Settled(Outcome.UNCHANGED, KNOWN)


def test_w9_only_what_differs_is_sent() -> None:
    story = told(goal(KNOWN), seen(OLD_NAME), Written())
    assert patched(story.writes[0]) == {"name.givenName": "Ada"}
    assert story.result.written == ("name.givenName",)


def test_w10_a_put_carries_what_was_read_with_the_difference_in_it() -> None:
    live = account("u1", 'W/"4"', name={"givenName": "A.", "x": 1}, unknown={"deep": [1]}, meta={}, groups=[])
    story = told(goal(KNOWN), seen(live), Written(), verb="put")
    (put,) = story.writes
    assert isinstance(put, ReplaceAccount)
    assert put.version == 'W/"4"'
    expected = {key: value for key, value in live.body.items() if key not in {"id", "meta", "groups"}}
    assert put.body == expected | {"name": {"givenName": "Ada", "x": 1}}


def test_w11_a_manager_without_an_account_yet_clears_nothing() -> None:
    held: dict[str, Any] = {ENTERPRISE: {"manager": {"value": "u8"}}}
    assert told(goal(KNOWN), seen(account(**held))).writes == ()


# ---------------------------------------------------------------- lost answers


def test_w12_after_a_lost_create_the_account_is_looked_for_before_a_second_one() -> None:
    story = told(goal(), NOTHING, NOTHING, LOST, seen(account("u9")))
    assert len(story.writes) == 1
    assert story.calls[-1] == BY_EXTERNAL_ID
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


def test_w12_reading_may_lag_so_several_looks_in_vain_come_before_a_second_create() -> None:
    looks = [NOTHING, NOTHING] * MAX_EMPTY_LOOKS
    story = told(goal(), NOTHING, NOTHING, LOST, *looks, Written(account("u9")))
    assert [type(call) for call in story.calls].count(CreateAccount) == 2
    assert story.result.outcome is Outcome.CREATED


def test_w12_while_an_answer_is_lost_every_look_waits_a_little_first() -> None:
    state = begin(goal()).answered(NOTHING)
    assert not state.looks_again
    state = state.answered(NOTHING).answered(LOST)
    for _ in range(2 * MAX_EMPTY_LOOKS):
        assert state.looks_again
        state = state.answered(NOTHING)
    assert isinstance(state.next, CreateAccount)
    assert not state.looks_again


def test_w12_a_conflict_after_ones_own_lost_create_is_a_success() -> None:
    looks = [NOTHING, NOTHING] * MAX_EMPTY_LOOKS
    story = told(goal(), NOTHING, NOTHING, LOST, *looks, Conflict(), seen(account("u9")))
    assert (story.result.account_id, story.result.outcome) == ("u9", Outcome.LINKED)


def test_w21_what_the_answer_to_a_write_does_not_show_is_named() -> None:
    wish = provisioned(desired(fields={"name.givenName": "Ada", "title": "Engineer"}, manager=None), None)
    story = told(goal(target=wish), NOTHING, NOTHING, Written(account("u9", userName=EMAIL.upper())))
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), wish.paths, ("title",))
    story = told(goal(KNOWN, wish), seen(OLD_NAME), Written(account()))
    assert (story.result.written, story.result.not_shown) == (("name.givenName", "title"), ("title",))
    for silent in (Written(), Written(account(userName=None))):
        assert told(goal(KNOWN, wish), seen(OLD_NAME), silent).result.not_shown == ()


def test_w12_a_create_confirmed_without_a_body_is_looked_up() -> None:
    story = told(goal(), NOTHING, NOTHING, Written(None), seen(account("u9")))
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


MISTYPED = "typo@nordlicht.example"
BY_OLDER_NAME = FindAccounts("userName", MISTYPED)


def test_p4_a_lost_create_is_found_by_the_name_that_it_had_where_external_ids_are_not_kept() -> None:
    """The e-mail was corrected meanwhile: nothing else leads to the account that may have been created."""
    start = replace(goal(), attempted_names=(MISTYPED,))
    story = told(start, NOTHING, NOTHING, seen(account("u5", externalId=None, userName=MISTYPED)), Written())
    assert story.calls[:3] == (BY_EXTERNAL_ID, BY_USER_NAME, BY_OLDER_NAME)
    assert patched(story.writes[0])["userName"] == EMAIL
    assert (story.result.account_id, story.result.outcome) == ("u5", Outcome.LINKED)


def test_p4_after_an_adoption_by_an_older_name_it_is_the_wanted_one_that_is_looked_for() -> None:
    start = replace(goal(), attempted_names=(MISTYPED,))
    adopted = seen(account("u5", externalId=None, userName=MISTYPED))
    blocked = told(start, NOTHING, NOTHING, adopted, Conflict(), seen(account("u6", externalId="8")))
    assert (blocked.calls[-1], blocked.result.blocked_by) == (BY_USER_NAME, "u6")
    gone = told(
        start, NOTHING, NOTHING, adopted, LOST, NOTHING, NOTHING, seen(account("u5", externalId=None)), Written()
    )
    assert gone.calls[-2] == BY_USER_NAME
    assert gone.result.account_id == "u5"


@pytest.mark.parametrize("other", [account("u5", externalId="8", userName=MISTYPED), None], ids=["marked", "held"])
def test_p5_whoever_else_has_the_older_name_is_left_alone_and_in_nobodys_way(other: Resource | None) -> None:
    found = other or account("u5", externalId=None, userName=MISTYPED)
    start = replace(goal(), attempted_names=(MISTYPED,))
    story = told(start, NOTHING, NOTHING, seen(found), Written(account("u9")), held_by_another=other is None)
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


def test_w12_a_conflict_on_a_first_create_means_look_again_and_link() -> None:
    story = told(goal(), NOTHING, NOTHING, Conflict(), NOTHING, seen(account("u2", externalId=None)), Written())
    assert (story.result.account_id, story.result.outcome) == ("u2", Outcome.LINKED)


def test_w12_what_is_in_the_way_may_be_our_own_and_not_yet_shown_so_the_looks_after_a_conflict_wait() -> None:
    state = begin(goal()).answered(NOTHING).answered(NOTHING).answered(Conflict())
    for _ in range(2 * MAX_EMPTY_LOOKS - 1):
        assert state.looks_again
        state = state.answered(NOTHING)
    state = state.answered(seen(account("u2", externalId="7")))
    assert state.result == Settled(Outcome.LINKED, AccountId("u2"))


def test_w12_a_conflict_that_stays_rejects() -> None:
    looks = [NOTHING, NOTHING] * MAX_EMPTY_LOOKS
    story = told(goal(), NOTHING, NOTHING, Conflict(), *looks, Conflict())
    assert (
        story.result.reason
        == "another account has this user name, e-mail or external id (409): look for it in Declaree"
    )


def test_w12_whether_a_create_may_have_happened_is_remembered_whatever_comes_of_it() -> None:
    looks = [NOTHING, NOTHING] * MAX_EMPTY_LOOKS
    assert told(goal(), NOTHING, NOTHING, LOST, *looks, Refused("no")).end.create_attempted
    assert not told(goal(), NOTHING, NOTHING, Refused("no")).end.create_attempted


@pytest.mark.parametrize("happened", [True, False], ids=["it was written", "it was not"])
def test_w13_after_a_lost_update_the_account_is_read_and_written_again_only_if_it_still_differs(
    happened: bool,
) -> None:
    if happened:
        story = told(goal(KNOWN), seen(OLD_NAME), LOST, seen(account()))
    else:
        story = told(goal(KNOWN), seen(OLD_NAME), LOST, seen(OLD_NAME), Written())
    assert len(story.writes) == (1 if happened else 2)
    assert story.result == Settled(Outcome.UPDATED, KNOWN, ("name.givenName",))


def test_w13_a_lost_update_of_a_disabled_account_still_counts_as_enabled() -> None:
    story = told(goal(KNOWN), seen(account(active=False)), LOST, seen(account()))
    assert story.result == Settled(Outcome.ENABLED, KNOWN, ("active",))


def test_w14_a_changed_version_means_read_and_compute_again() -> None:
    first, second = account("u1", "1", name={"givenName": "A."}), account("u1", "2", name={"givenName": "B."})
    story = told(goal(KNOWN), seen(first), Outdated(), seen(second), Written())
    assert [call.version for call in story.writes if isinstance(call, PatchAccount)] == ["1", "2"]
    assert story.result.outcome is Outcome.UPDATED


def test_w14_somebody_elses_write_may_have_made_ours_needless() -> None:
    story = told(goal(KNOWN), seen(OLD_NAME), Outdated(), seen(account()))
    assert story.result == Settled(Outcome.UNCHANGED, KNOWN)


@pytest.mark.parametrize("answer", [Outdated(), LOST, Gone()], ids=lambda answer: type(answer).__name__)
def test_w14_an_account_that_keeps_changing_is_left_for_later(answer: Answer) -> None:
    rounds: list[Answer] = [seen(OLD_NAME), answer] * MAX_ROUNDS
    assert isinstance(told(goal(KNOWN), *rounds).result, Unsettled)


def test_w14_creates_whose_answers_are_always_lost_are_left_for_later() -> None:
    vain: list[Answer] = [LOST, *[NOTHING, NOTHING] * MAX_EMPTY_LOOKS]
    story = told(goal(), NOTHING, NOTHING, *(vain * MAX_ROUNDS)[: 7 * (MAX_ROUNDS - 1) + 1])
    assert isinstance(story.result, Unsettled)
    assert story.end.create_attempted


# ---------------------------------------------------------------- refusals


def test_w16_what_an_account_may_not_hold_rejects_the_person_with_the_servers_reason() -> None:
    refused = Refused("Declaree does not accept the account (400, invalidValue)", "name.familyName")
    for story in (told(goal(KNOWN), seen(OLD_NAME), refused), told(goal(), NOTHING, NOTHING, refused)):
        assert story.result == Rejected(refused.reason, "name.familyName")


def test_w17_a_known_account_that_is_gone_is_forgotten_and_looked_for_anew() -> None:
    story = told(goal(KNOWN), seen(OLD_NAME), Gone(), NOTHING, NOTHING, NOTHING, Written(account("u9")))
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), TARGET.paths)


def test_w17_an_account_found_anew_after_the_known_one_went_is_linked() -> None:
    story = told(goal(KNOWN), NOTHING, NOTHING, seen(account("u5", externalId=None)), Written())
    assert (story.result.account_id, story.result.outcome) == ("u5", Outcome.LINKED)


@pytest.mark.parametrize(("first", "second"), [("patch", ReplaceAccount), ("put", PatchAccount)])
def test_w17_a_verb_the_server_does_not_know_is_replaced_by_the_other_and_remembered(
    first: Literal["patch", "put"], second: type[Call]
) -> None:
    story = told(goal(KNOWN), seen(OLD_NAME), Unsupported(), Written(), verb=first)
    assert isinstance(story.writes[1], second)
    assert story.result.outcome is Outcome.UPDATED
    assert story.end.verb != first


def test_w17_a_server_that_knows_neither_verb_rejects() -> None:
    story = told(goal(KNOWN), seen(OLD_NAME), Unsupported(), Unsupported())
    assert story.result == Rejected("the server does not let accounts be changed over SCIM")


@pytest.mark.parametrize("answer", [Unsupported(), Gone(), Outdated()], ids=lambda answer: type(answer).__name__)
def test_w17_a_server_that_does_not_create_rejects(answer: Answer) -> None:
    story = told(goal(), NOTHING, NOTHING, answer)
    assert story.result == Rejected("the server does not let accounts be created over SCIM")


def test_an_answer_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="no answer to"):
        begin(goal(KNOWN)).answered(Written())
