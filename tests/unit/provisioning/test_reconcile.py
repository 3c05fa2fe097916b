"""The rules of the reconciliation, each run through the state machine with a server's answers."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, WORK_EMAIL
from services.contracts.outcomes import Outcome
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    FindOwner,
    Found,
    Gone,
    Lost,
    Outdated,
    Owner,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Unsupported,
    Written,
)
from services.provisioning.desired import DISABLED, DesiredState, build_enabled_state
from services.provisioning.reconcile import (
    MAX_EMPTY_LOOKUPS,
    MAX_ROUNDS,
    Goal,
    Inconclusive,
    Reconciliation,
    Rejected,
    Settled,
    begin,
)
from tests.support.builders import make_desired_account

EMAIL = "e7@nordlicht.example"
TAKEN = "has this e-mail address and does not belong to this employee: give one of the two another address in Personio"
CONFLICT = "another account has this user name, e-mail address or external id (409): look for it in Declaree"
REMEMBERED = AccountId("u1")
BY_EXTERNAL_ID, BY_USER_NAME = FindAccounts("externalId", "7"), FindAccounts("userName", EMAIL)
NOTHING, LOST = Found(), Lost("ReadTimeout")
DESIRED = build_enabled_state(make_desired_account(fields={"name.givenName": "Ada"}, manager=None), None)


def build_goal(account: AccountId | None = None, state: DesiredState = DESIRED) -> Goal:
    """Returns the goal of an employee with this account in the ledger."""
    return Goal(state, account_id=account, external_id="7", user_name=EMAIL)


def build_account(uid: str = "u1", etag: str | None = None, /, **changes: Any) -> Resource:
    """Returns an account with the desired content, except for the changes; None removes an attribute."""
    body: dict[str, Any] = {
        "id": uid,
        "externalId": "7",
        "userName": EMAIL,
        "active": True,
        "name": {"givenName": "Ada"},
        "emails": [{"type": "work", "value": EMAIL, "primary": True}],
    }
    return Resource(AccountId(uid), {k: v for k, v in (body | changes).items() if v is not None}, etag)


def find(*accounts: Resource) -> Found:
    """Returns the answer of a lookup that finds these accounts."""
    return Found(accounts)


@dataclass(frozen=True)
class Story:
    """The calls of a finished reconciliation, in order, and its last state."""

    calls: tuple[Call, ...]
    end: Reconciliation

    @property
    def result(self) -> Any:
        """How the reconciliation ended."""
        return self.end.result

    @property
    def writes(self) -> tuple[Call, ...]:
        """The calls that may change an account."""
        return tuple(call for call in self.calls if not isinstance(call, ReadAccount | FindAccounts))


def run(
    start: Goal, *answers: Answer, verb: Literal["patch", "put"] = "patch", is_another_owner: bool = False
) -> Story:
    """Runs a reconciliation with these answers. It must end exactly with the last of them.

    The ledger's answer about the owner of an account is given in between. It is not a call to the server.
    """
    state, calls = begin(start, verb), list[Call]()
    for answer in answers:
        assert state.result is None, f"finished before {answer}: {state.result}"
        call = state.next_call
        assert not isinstance(call, FindOwner)
        calls.append(call)
        state = state.receive(answer)
        if state.result is None and isinstance(state.next_call, FindOwner):
            state = state.receive(Owner(is_another=is_another_owner))
    assert state.result is not None, f"not finished: the next call is {state.next_call}"
    return Story(tuple(calls), state)


def get_patched(call: Call) -> dict[str, Any]:
    """Returns the values that a PATCH sends, by path."""
    assert isinstance(call, PatchAccount)
    return {operation["path"]: operation.get("value") for operation in call.operations}


OLD_NAME = build_account(name={"givenName": "A."})


# ---------------------------------------------------------------- lookups


@pytest.mark.promise("W1")
def test_lookup_order_is_id_external_id_user_name_create() -> None:
    """The account is looked up by id, external id and user name, and created if all three find nothing."""
    story = run(build_goal(REMEMBERED), NOTHING, NOTHING, NOTHING, Written(build_account("u9")))

    assert story.calls[:3] == (ReadAccount(REMEMBERED), BY_EXTERNAL_ID, BY_USER_NAME)
    assert isinstance(story.calls[3], CreateAccount)
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


@pytest.mark.promise("W1")
def test_lookup_ends_with_first_hit() -> None:
    """The first hit ends the lookups."""
    assert run(build_goal(REMEMBERED), find(build_account())).calls == (ReadAccount(REMEMBERED),)
    assert run(build_goal(), find(build_account())).calls == (BY_EXTERNAL_ID,)
    assert run(build_goal(), NOTHING, find(build_account(externalId=None)), Written()).calls[:2] == (
        BY_EXTERNAL_ID,
        BY_USER_NAME,
    )


@pytest.mark.promise("W1")
def test_lookup_with_ignored_filter_finds_no_account() -> None:
    """A server that ignores the filter returns other employees' accounts, which do not count as hits."""
    others = find(build_account("u2", externalId="8", userName="b@x.example"), build_account("u3", externalId="70"))
    story = run(
        build_goal(),
        others,
        find(build_account("u2", externalId="8", userName="b@x.example")),
        Written(build_account("u9")),
    )

    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W2")
@pytest.mark.parametrize("step", ["external id", "user name"])
def test_lookup_with_several_hits_rejects(step: str) -> None:
    """Several hits reject the employee, name the account ids and write nothing."""
    twice = find(build_account("u2", externalId="7"), build_account("u1", externalId="7"))
    story = run(build_goal(), twice) if step == "external id" else run(build_goal(), NOTHING, twice)

    assert (
        story.result.reason
        == f"several accounts have this {step} (u1, u2): correct them in Declaree so that only one has it"
    )
    assert story.result.blocked_by in {"u1", "u2"}
    assert story.writes == ()


@pytest.mark.promise("W3")
@pytest.mark.parametrize("external_id", [None, "", "7"])
def test_account_by_user_name_without_owner_is_linked(external_id: str | None) -> None:
    """An account with the user name is linked if its external id is empty or ours."""
    story = run(build_goal(), NOTHING, find(build_account(externalId=external_id, name={"givenName": "A."})), Written())

    assert story.result.outcome is Outcome.LINKED
    assert story.result.account_id == "u1"
    assert get_patched(story.writes[0])["name.givenName"] == "Ada"

    if external_id != "7":
        assert get_patched(story.writes[0])["externalId"] == "7"


@pytest.mark.promise("W3")
def test_account_owned_by_another_employee_is_not_linked() -> None:
    """An account that the ledger gives to another employee is never linked."""
    story = run(build_goal(), NOTHING, find(build_account("u5", externalId=None)), is_another_owner=True)

    assert story.result.blocked_by == "u5"
    assert story.writes == ()


@pytest.mark.promise("P5")
def test_remembered_id_of_another_account_is_forgotten() -> None:
    """A remembered id is forgotten if its account has another external id than ours."""
    goal = replace(build_goal(REMEMBERED), our_external_ids=frozenset({"7"}))
    story = run(goal, find(build_account(externalId="other-system-99")), NOTHING, NOTHING, Written(build_account("u9")))

    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


LEAVER = Goal(DISABLED, account_id=REMEMBERED, external_id="7", our_external_ids=frozenset({"7"}))


@pytest.mark.promise("P5")
def test_leaver_with_id_of_another_account_is_out_of_scope() -> None:
    """An account with another external id is not disabled for a leaver."""
    story = run(LEAVER, find(build_account(externalId="99")), NOTHING)

    assert story.result == Settled(Outcome.OUT_OF_SCOPE, None)
    assert story.writes == ()


@pytest.mark.promise("W17")
def test_leaver_with_changed_account_id_is_disabled() -> None:
    """A leaver's account that has another id after a restore is found by our external id and disabled."""
    story = run(LEAVER, NOTHING, find(build_account("u2")), Written())

    assert story.calls[1] == BY_EXTERNAL_ID
    assert get_patched(story.writes[0]) == {"active": False}
    assert story.result == Settled(Outcome.DISABLED, AccountId("u2"), ("active",))


def test_old_external_id_is_ours_and_is_replaced() -> None:
    """An external id with an old prefix still proves the owner, and is replaced by the new one."""
    goal = replace(build_goal(REMEMBERED), our_external_ids=frozenset({"7", "old-7"}))
    story = run(goal, find(build_account(externalId="old-7")), Written())

    assert get_patched(story.writes[0]) == {"externalId": "7"}


@pytest.mark.promise("W4")
def test_address_in_another_case_is_not_written_again() -> None:
    """A server that keeps addresses in another case is not written to again and again."""
    other_case = build_account(
        userName=EMAIL.upper(), emails=[{"type": "work", "value": EMAIL.upper(), "primary": True}]
    )

    assert run(replace(build_goal(REMEMBERED), is_spelling_sent=True), find(other_case)).writes == ()
    assert len(run(build_goal(REMEMBERED), find(other_case), Written()).writes) == 1


@pytest.mark.promise("W3")
def test_account_with_other_external_id_is_not_linked() -> None:
    """An account with another external id is never linked, and the rejection names it."""
    story = run(build_goal(), NOTHING, find(build_account("u5", externalId="8")))

    assert story.result == Rejected(f"account u5 {TAKEN}", "userName", AccountId("u5"))
    assert story.writes == ()


@pytest.mark.promise("W3")
def test_account_with_desired_content_is_linked_unwritten() -> None:
    """An account that already has the desired content is linked without a write."""
    story = run(build_goal(), find(build_account()))

    assert story.result == Settled(Outcome.LINKED, REMEMBERED)
    assert story.writes == ()


# ---------------------------------------------------------------- identity over time


@pytest.mark.promise("W4")
def test_new_email_changes_user_name_and_work_email() -> None:
    """A new e-mail address changes user name and work e-mail of the same account in one request."""
    old = build_account(userName="old@x.example", emails=[{"type": "work", "value": "old@x.example"}])
    story = run(build_goal(REMEMBERED), find(old), Written())

    assert [get_patched(call) for call in story.writes] == [{"userName": EMAIL, WORK_EMAIL: EMAIL}]
    assert story.result == Settled(Outcome.UPDATED, REMEMBERED, ("userName", WORK_EMAIL))


@pytest.mark.promise("W4")
def test_user_name_in_another_case_is_linked() -> None:
    """Another case of the user name is the same employee."""
    story = run(build_goal(), NOTHING, find(build_account(externalId=None, userName=EMAIL.upper())), Written())

    assert story.result.outcome is Outcome.LINKED
    assert get_patched(story.writes[0])["userName"] == EMAIL


@pytest.mark.promise("W5")
def test_email_of_another_account_rejects_and_names_it() -> None:
    """A new e-mail address that another account has rejects the employee and names that account."""
    old = build_account(userName="old@x.example")
    story = run(build_goal(REMEMBERED), find(old), Conflict(), find(build_account("u2", externalId="8")))

    assert story.calls[-1] == BY_USER_NAME
    assert story.result == Rejected(f"account u2 {TAKEN}", "userName", AccountId("u2"))


@pytest.mark.promise("W5")
@pytest.mark.parametrize("answer", [NOTHING, find(build_account("u1"))], ids=["none", "only the own account"])
def test_conflict_with_unknown_account_rejects(answer: Found) -> None:
    """A conflict rejects the employee even if the other account cannot be found."""
    story = run(build_goal(REMEMBERED), find(build_account(userName="old@x.example")), Conflict(), answer)

    assert story.result.reason == CONFLICT
    assert story.result.blocked_by is None


@pytest.mark.promise("W6")
def test_returning_employee_gets_same_account_enabled() -> None:
    """A returning employee gets the same account, enabled."""
    story = run(build_goal(REMEMBERED), find(build_account(active=False)), Written())

    assert get_patched(story.writes[0]) == {"active": True}
    assert story.result == Settled(Outcome.ENABLED, REMEMBERED, ("active",))


@pytest.mark.promise("W6")
def test_returning_employee_with_new_id_is_rejected() -> None:
    """Under a new employee id, the account of the old id counts as another employee's."""
    story = run(build_goal(), NOTHING, find(build_account("u3", externalId="old employee", active=False)))

    assert story.result.blocked_by == "u3"


@pytest.mark.promise("W7")
def test_disable_writes_active_only() -> None:
    """To disable an account writes ``active`` and nothing else."""
    story = run(build_goal(REMEMBERED, DISABLED), find(build_account(name={"givenName": "wrong"})), Written())

    assert [get_patched(call) for call in story.writes] == [{"active": False}]
    assert story.result == Settled(Outcome.DISABLED, REMEMBERED, ("active",))
    assert run(build_goal(REMEMBERED, DISABLED), find(build_account(active=False))).writes == ()


@pytest.mark.promise("W8")
def test_disable_without_own_account_is_out_of_scope() -> None:
    """To disable, the account is looked up by the remembered id and by our external id only."""
    without_id = Goal(DISABLED, account_id=REMEMBERED)

    assert run(without_id, NOTHING).result == Settled(Outcome.OUT_OF_SCOPE, None)

    by_external_id = Goal(DISABLED, external_id="7")
    story = run(by_external_id, NOTHING)

    assert story.calls == (BY_EXTERNAL_ID,)
    assert story.result == Settled(Outcome.OUT_OF_SCOPE, None)
    assert run(by_external_id, find(build_account()), Written()).result.outcome is Outcome.DISABLED


# ---------------------------------------------------------------- the difference


@pytest.mark.promise("W9")
def test_account_with_desired_content_is_unchanged() -> None:
    """An account that has the desired content is not written."""
    assert run(build_goal(REMEMBERED), find(build_account(title="not mapped"))).result == Settled(
        Outcome.UNCHANGED, REMEMBERED
    )


@pytest.mark.promise("W9")
def test_update_sends_difference_only() -> None:
    """Only the fields that differ are sent."""
    story = run(build_goal(REMEMBERED), find(OLD_NAME), Written())

    assert get_patched(story.writes[0]) == {"name.givenName": "Ada"}
    assert story.result.written == ("name.givenName",)


@pytest.mark.promise("W10")
def test_put_sends_read_content_with_difference() -> None:
    """A PUT has everything that was read, with the difference in it."""
    live = build_account("u1", 'W/"4"', name={"givenName": "A.", "x": 1}, unknown={"deep": [1]}, meta={}, groups=[])
    story = run(build_goal(REMEMBERED), find(live), Written(), verb="put")

    (put,) = story.writes

    assert isinstance(put, ReplaceAccount)
    assert put.version == 'W/"4"'

    expected = {key: value for key, value in live.body.items() if key not in {"id", "meta", "groups"}}

    assert put.body == expected | {"name": {"givenName": "Ada", "x": 1}}


@pytest.mark.promise("W11")
def test_manager_without_account_clears_nothing() -> None:
    """A manager without an account does not clear the manager that is written."""
    live: dict[str, Any] = {ENTERPRISE: {"manager": {"value": "u8"}}}

    assert run(build_goal(REMEMBERED), find(build_account(**live))).writes == ()


# ---------------------------------------------------------------- lost answers


@pytest.mark.promise("W12")
def test_lost_create_is_looked_up_before_a_second() -> None:
    """After a create without an answer, the account is looked up before a second create."""
    story = run(build_goal(), NOTHING, NOTHING, LOST, find(build_account("u9")))

    assert len(story.writes) == 1
    assert story.calls[-1] == BY_EXTERNAL_ID
    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


@pytest.mark.promise("W12")
def test_lost_create_is_looked_up_several_times() -> None:
    """Reads may lag behind writes, so several lookups without a hit come before a second create."""
    lookups = [NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS
    story = run(build_goal(), NOTHING, NOTHING, LOST, *lookups, Written(build_account("u9")))

    assert [type(call) for call in story.calls].count(CreateAccount) == 2
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W12")
def test_lookups_after_lost_answer_are_delayed() -> None:
    """Each lookup after a lost answer waits first, because reads may lag behind writes."""
    state = begin(build_goal()).receive(NOTHING)

    assert not state.needs_delay

    state = state.receive(NOTHING).receive(LOST)
    for _ in range(2 * MAX_EMPTY_LOOKUPS):
        assert state.needs_delay
        state = state.receive(NOTHING)

    assert isinstance(state.next_call, CreateAccount)
    assert not state.needs_delay


@pytest.mark.promise("W12")
def test_conflict_after_lost_create_links_account() -> None:
    """A conflict after a create without an answer is a success: the create had reached the server."""
    lookups = [NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS
    story = run(build_goal(), NOTHING, NOTHING, LOST, *lookups, Conflict(), find(build_account("u9")))

    assert story.result.account_id == "u9"
    assert story.result.outcome == Outcome.LINKED


@pytest.mark.promise("W21")
def test_field_missing_in_answer_is_named() -> None:
    """A written field that the server's answer does not show is named."""
    wanted = build_enabled_state(
        make_desired_account(fields={"name.givenName": "Ada", "title": "Engineer"}, manager=None), None
    )
    story = run(build_goal(state=wanted), NOTHING, NOTHING, Written(build_account("u9", userName=EMAIL.upper())))

    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), wanted.paths, ("title",))

    story = run(build_goal(REMEMBERED, wanted), find(OLD_NAME), Written(build_account()))

    assert story.result.written == ("name.givenName", "title")
    assert story.result.not_shown == ("title",)

    for silent in (Written(), Written(build_account(userName=None))):
        assert run(build_goal(REMEMBERED, wanted), find(OLD_NAME), silent).result.not_shown == ()


@pytest.mark.promise("W12")
def test_create_confirmed_without_body_is_looked_up() -> None:
    """An answer without a body does not tell the id, so the account is looked up."""
    story = run(build_goal(), NOTHING, NOTHING, Written(None), find(build_account("u9")))

    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


MISTYPED = "typo@nordlicht.example"
BY_OLDER_NAME = FindAccounts("userName", MISTYPED)


@pytest.mark.promise("P4")
def test_lost_create_is_found_by_attempted_name() -> None:
    """Without external ids, only the attempted user name leads to the account of a corrected address."""
    start = replace(build_goal(), attempted_names=(MISTYPED,))
    story = run(start, NOTHING, NOTHING, find(build_account("u5", externalId=None, userName=MISTYPED)), Written())

    assert story.calls[:3] == (BY_EXTERNAL_ID, BY_USER_NAME, BY_OLDER_NAME)
    assert get_patched(story.writes[0])["userName"] == EMAIL
    assert story.result.account_id == "u5"
    assert story.result.outcome == Outcome.LINKED


@pytest.mark.promise("P4")
def test_account_by_attempted_name_gets_wanted_name() -> None:
    """After an account was found by an attempted name, lookups use the wanted user name again."""
    start = replace(build_goal(), attempted_names=(MISTYPED,))
    by_attempted_name = find(build_account("u5", externalId=None, userName=MISTYPED))

    blocked = run(start, NOTHING, NOTHING, by_attempted_name, Conflict(), find(build_account("u6", externalId="8")))

    assert blocked.calls[-1] == BY_USER_NAME
    assert blocked.result.blocked_by == "u6"

    gone = run(
        start,
        NOTHING,
        NOTHING,
        by_attempted_name,
        LOST,
        NOTHING,
        NOTHING,
        find(build_account("u5", externalId=None)),
        Written(),
    )

    assert gone.calls[-2] == BY_USER_NAME
    assert gone.result.account_id == "u5"


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "other", [build_account("u5", externalId="8", userName=MISTYPED), None], ids=["other external id", "other owner"]
)
def test_attempted_name_of_another_account_is_skipped(other: Resource | None) -> None:
    """Another account with an attempted user name is not changed and does not reject the employee."""
    account = other or build_account("u5", externalId=None, userName=MISTYPED)
    start = replace(build_goal(), attempted_names=(MISTYPED,))

    story = run(start, NOTHING, NOTHING, find(account), Written(build_account("u9")), is_another_owner=other is None)

    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


@pytest.mark.promise("W12")
def test_conflict_on_first_create_is_looked_up() -> None:
    """After a conflict on the first create, the account is looked up again and linked."""
    story = run(
        build_goal(), NOTHING, NOTHING, Conflict(), NOTHING, find(build_account("u2", externalId=None)), Written()
    )

    assert story.result.account_id == "u2"
    assert story.result.outcome == Outcome.LINKED


@pytest.mark.promise("W12")
def test_lookups_after_conflict_are_delayed() -> None:
    """The conflicting account may be our own that reads do not show yet, so the lookups wait."""
    state = begin(build_goal()).receive(NOTHING).receive(NOTHING).receive(Conflict())
    for _ in range(2 * MAX_EMPTY_LOOKUPS - 1):
        assert state.needs_delay
        state = state.receive(NOTHING)

    state = state.receive(find(build_account("u2", externalId="7")))

    assert state.result == Settled(Outcome.LINKED, AccountId("u2"))


@pytest.mark.promise("W12")
def test_repeated_conflict_rejects() -> None:
    """A conflict that remains after the lookups rejects the employee."""
    lookups = [NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS
    story = run(build_goal(), NOTHING, NOTHING, Conflict(), *lookups, Conflict())

    assert story.result.reason == CONFLICT


@pytest.mark.promise("W12")
def test_attempted_create_is_remembered_after_refusal() -> None:
    """A create without an answer is remembered even if the change is then refused."""
    lookups = [NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS

    assert run(build_goal(), NOTHING, NOTHING, LOST, *lookups, Refused("no")).end.is_create_attempted
    assert not run(build_goal(), NOTHING, NOTHING, Refused("no")).end.is_create_attempted


@pytest.mark.promise("W13")
@pytest.mark.parametrize("happened", [True, False], ids=["written", "not written"])
def test_lost_update_is_read_and_repeated_if_needed(
    happened: bool,
) -> None:
    """After an update without an answer, the account is read, and written again only if it still differs."""
    if happened:
        story = run(build_goal(REMEMBERED), find(OLD_NAME), LOST, find(build_account()))
    else:
        story = run(build_goal(REMEMBERED), find(OLD_NAME), LOST, find(OLD_NAME), Written())

    assert len(story.writes) == (1 if happened else 2)
    assert story.result == Settled(Outcome.UPDATED, REMEMBERED, ("name.givenName",))


@pytest.mark.promise("W13")
def test_lost_update_of_disabled_account_is_enabled() -> None:
    """An update without an answer that enabled the account still has the outcome ``enabled``."""
    story = run(build_goal(REMEMBERED), find(build_account(active=False)), LOST, find(build_account()))

    assert story.result == Settled(Outcome.ENABLED, REMEMBERED, ("active",))


@pytest.mark.promise("W14")
def test_changed_version_is_read_and_compared_again() -> None:
    """After a 412 the account is read and the difference computed again."""
    first, second = (
        build_account("u1", "1", name={"givenName": "A."}),
        build_account("u1", "2", name={"givenName": "B."}),
    )
    story = run(build_goal(REMEMBERED), find(first), Outdated(), find(second), Written())

    assert [call.version for call in story.writes if isinstance(call, PatchAccount)] == ["1", "2"]
    assert story.result.outcome is Outcome.UPDATED


@pytest.mark.promise("W14")
def test_changed_version_with_desired_content_is_unchanged() -> None:
    """Another writer may have written the desired content already."""
    story = run(build_goal(REMEMBERED), find(OLD_NAME), Outdated(), find(build_account()))

    assert story.result == Settled(Outcome.UNCHANGED, REMEMBERED)


@pytest.mark.promise("W14")
@pytest.mark.parametrize("answer", [Outdated(), LOST, Gone()], ids=lambda answer: type(answer).__name__)
def test_account_that_keeps_changing_is_inconclusive(answer: Answer) -> None:
    """The number of rounds is limited: an account that keeps changing makes the change wait."""
    rounds: list[Answer] = [find(OLD_NAME), answer] * MAX_ROUNDS

    assert isinstance(run(build_goal(REMEMBERED), *rounds).result, Inconclusive)


@pytest.mark.promise("W14")
def test_creates_without_answers_are_inconclusive() -> None:
    """Creates that never have an answer make the change wait."""
    lost_create: list[Answer] = [LOST, *[NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS]
    story = run(build_goal(), NOTHING, NOTHING, *(lost_create * MAX_ROUNDS)[: 7 * (MAX_ROUNDS - 1) + 1])

    assert isinstance(story.result, Inconclusive)
    assert story.end.is_create_attempted


# ---------------------------------------------------------------- refusals


@pytest.mark.promise("W16")
def test_refused_value_rejects_with_servers_reason() -> None:
    """A value that the server does not accept rejects the employee with the server's reason."""
    refused = Refused("Declaree does not accept the account (400, invalidValue)", "name.familyName")
    for story in (run(build_goal(REMEMBERED), find(OLD_NAME), refused), run(build_goal(), NOTHING, NOTHING, refused)):
        assert story.result == Rejected(refused.reason, "name.familyName")


@pytest.mark.promise("W17")
def test_account_gone_on_update_is_looked_up_again() -> None:
    """A remembered account that is gone is looked up again, and created if nothing is found."""
    story = run(build_goal(REMEMBERED), find(OLD_NAME), Gone(), NOTHING, NOTHING, NOTHING, Written(build_account("u9")))

    assert story.result == Settled(Outcome.CREATED, AccountId("u9"), DESIRED.paths)


@pytest.mark.promise("W17")
def test_account_found_after_remembered_one_is_linked() -> None:
    """Another account that is found after the remembered one is gone is linked."""
    story = run(build_goal(REMEMBERED), NOTHING, NOTHING, find(build_account("u5", externalId=None)), Written())

    assert story.result.account_id == "u5"
    assert story.result.outcome == Outcome.LINKED


@pytest.mark.promise("W17")
@pytest.mark.parametrize(("first", "second"), [("patch", ReplaceAccount), ("put", PatchAccount)])
def test_unsupported_verb_is_replaced_by_the_other(first: Literal["patch", "put"], second: type[Call]) -> None:
    """A verb that the server does not support is replaced by the other one, for later updates as well."""
    story = run(build_goal(REMEMBERED), find(OLD_NAME), Unsupported(), Written(), verb=first)

    assert isinstance(story.writes[1], second)
    assert story.result.outcome is Outcome.UPDATED
    assert story.end.verb != first


@pytest.mark.promise("W17")
def test_server_without_patch_and_put_rejects() -> None:
    """A server that supports neither PATCH nor PUT rejects the employee."""
    story = run(build_goal(REMEMBERED), find(OLD_NAME), Unsupported(), Unsupported())

    assert story.result == Rejected(
        "the server does not change accounts over SCIM: ask its operator to support PATCH or PUT"
    )


@pytest.mark.promise("W17")
@pytest.mark.parametrize("answer", [Unsupported(), Gone(), Outdated()], ids=lambda answer: type(answer).__name__)
def test_server_without_create_rejects(answer: Answer) -> None:
    """A server that does not create accounts rejects the employee."""
    story = run(build_goal(), NOTHING, NOTHING, answer)

    assert story.result == Rejected("the server does not create accounts over SCIM: ask its operator to support POST")


def test_answer_that_does_not_fit_raises() -> None:
    """An answer that does not fit the call is an error in the program."""
    with pytest.raises(RuntimeError, match="does not answer step"):
        begin(build_goal(REMEMBERED)).receive(Written())
