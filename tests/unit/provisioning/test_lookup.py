"""How an employee's account is found: in which order, and which answers are believed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.contracts.claims import Decision
from services.contracts.events import AccountIdentity
from services.contracts.ids import AccountId
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import (
    CreateAccount,
    FindAccounts,
    Missing,
    Ownership,
    ReadAccount,
    Refused,
    Resource,
    Unsupported,
    Written,
)
from services.provisioning.states import Goal, Inconclusive
from tests.support.builders import NOW
from tests.unit.provisioning.accounts import EMAIL, build_account, find, find_listed
from tests.unit.provisioning.driver import (
    BY_EXTERNAL_ID,
    BY_USER_NAME,
    CREATED,
    DESIRED,
    NOTHING,
    REMEMBERED,
    build_goal,
    build_leaver,
    run,
)

GATEWAY = Missing(is_certain=False)
MARKED_FOR_OTHER = Ownership("self", is_marked_for_other=True)
NOT_SHOWN = Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)

# ---------------------------------------------------------------- the order


@pytest.mark.promise("W1")
def test_lookup_order_is_id_external_id_user_name_create() -> None:
    """The account is looked up by id, external id and user name, and created if all three find nothing."""
    story = run(build_goal(REMEMBERED), Missing(), NOTHING, NOTHING, CREATED)

    assert story.calls[:3] == (ReadAccount(REMEMBERED), BY_EXTERNAL_ID, BY_USER_NAME)
    assert isinstance(story.calls[3], CreateAccount)
    assert story.result.outcome is Outcome.CREATED
    assert story.result.account_id == "u9"
    assert tuple(story.trail.written) == DESIRED.paths


@pytest.mark.promise("W1")
def test_lookup_ends_with_first_hit() -> None:
    """The first hit ends the lookups."""
    assert run(build_goal(REMEMBERED), find(build_account())).calls == (ReadAccount(REMEMBERED),)
    assert run(build_goal(), find(build_account())).calls == (BY_EXTERNAL_ID,)
    assert run(build_goal(), NOTHING, find(build_account())).calls == (BY_EXTERNAL_ID, BY_USER_NAME)


@pytest.mark.promise("W17")
def test_filter_that_is_unsupported_is_passed_over() -> None:
    """A server that cannot filter by external id is asked by user name."""
    story = run(build_goal(), Unsupported(), find(build_account()))

    assert story.calls == (BY_EXTERNAL_ID, BY_USER_NAME)
    assert story.result.outcome is Outcome.LINKED


def test_user_name_that_no_lookup_takes_rejects() -> None:
    """A user name that the server refuses in a lookup rejects the employee with the server's code."""
    story = run(build_goal(), NOTHING, Refused(400, "invalidFilter"))

    assert story.result.reason == (
        "Declaree does not accept the user name in a lookup (400, invalidFilter): correct the e-mail address in Personio"
    )
    assert story.result.field == "userName"


# ---------------------------------------------------------------- hits


@pytest.mark.promise("W1")
def test_lookup_with_ignored_filter_finds_no_account() -> None:
    """A server that ignores the filter returns other employees' accounts, which do not count as hits."""
    others = find(build_account("u2", externalId="8", userName="b@x.example"), build_account("u3", externalId="70"))

    story = run(build_goal(), others, find(build_account("u2", externalId="8", userName="b@x.example")), CREATED)

    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W2")
@pytest.mark.parametrize("step", ["external id", "user name"])
def test_lookup_with_several_hits_rejects(step: str) -> None:
    """Several hits reject the employee, name the account ids and write nothing."""
    twice = find(build_account("u2"), build_account("u1"))

    story = run(build_goal(), twice) if step == "external id" else run(build_goal(), NOTHING, twice)

    fact = f"several accounts have this {step} (u1, u2)"
    assert story.result.reason == f"{fact}: correct them in Declaree so that only one has it"
    assert story.result.blocked_by == "u1"
    assert story.writes == ()


def test_account_that_is_listed_twice_is_one_hit() -> None:
    """The same id twice in an answer is one account."""
    assert run(build_goal(), find(build_account(), build_account())).result.account_id == REMEMBERED


def test_account_listed_without_its_marks_is_read() -> None:
    """A list may show less of an account than a read, so the account is read before it is judged."""
    short = Resource(REMEMBERED, {"id": "u1", "userName": EMAIL})

    story = run(build_goal(), NOTHING, find_listed(short), find(build_account()))

    assert story.calls[2] == ReadAccount(REMEMBERED)
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("W4")
def test_user_name_in_another_case_is_a_hit() -> None:
    """Another case of the user name is the same employee."""
    other_case = build_account(userName=EMAIL.upper())

    story = run(build_goal(), NOTHING, find(other_case), Written(build_account()))

    assert story.result.outcome is Outcome.LINKED
    assert story.patched == [{"userName": EMAIL}]


@pytest.mark.promise("P5")
def test_user_name_with_another_letter_is_not_a_hit() -> None:
    """A letter that some servers take for another one does not make an account the employee's."""
    stranger = build_account("u2", externalId=None, userName="boſs@x.example")

    story = run(build_goal(user_name="boss@x.example"), NOTHING, find(stranger), CREATED)

    assert isinstance(story.writes[0], CreateAccount)


# ---------------------------------------------------------------- the remembered id


@pytest.mark.promise("P5")
def test_remembered_id_of_another_account_is_forgotten() -> None:
    """A remembered id is forgotten if its account has the external id of another employee."""
    colleague = build_account(externalId="8")

    story = run(build_goal(REMEMBERED), find(colleague), NOTHING, NOTHING, CREATED, own=MARKED_FOR_OTHER)

    assert story.result.account_id == "u9"
    assert story.trail.notes == ["account u1 has the external id of another employee now"]


def build_later(external_id: str | None) -> Resource:
    """Returns an account of another person with the remembered id, created two hours after the employee's."""
    created = (NOW + timedelta(hours=2)).isoformat()
    return build_account(
        externalId=external_id, userName="o@x.example", name={"givenName": "Eva"}, meta={"created": created}
    )


@pytest.mark.promise("P5")
@pytest.mark.parametrize("external_id", ["99", None], ids=["foreign", "none"])
def test_remembered_id_that_was_given_out_again_is_forgotten(external_id: str | None) -> None:
    """After a restore, the server gives the id to an account that was created later: it is not the employee's."""
    story = run(build_goal(REMEMBERED, created_at=NOW), find(build_later(external_id)), NOTHING, NOTHING, CREATED)

    assert story.result.account_id == "u9"
    assert story.trail.notes == ["another account has the id u1 now"]


@pytest.mark.promise("P9")
def test_leaver_with_an_id_that_was_given_out_again_asks() -> None:
    """The server's clock may be wrong, so a leaver's account is not given up because of its age."""
    stranger = build_later(None)

    story = run(build_leaver(created_at=NOW), find(stranger), NOTHING, find(stranger))

    assert story.result.asks_about == "u1"
    assert story.writes == ()


@pytest.mark.promise("P9")
def test_wrong_clock_gives_no_account_up() -> None:
    """A server without external ids names local times as UTC: the account with the address is the leaver's."""
    live = build_account(externalId=None, meta={"created": (NOW + timedelta(hours=2)).isoformat()})
    disabled = Written(replace(live, body=live.body | {"active": False}))

    story = run(build_leaver(created_at=NOW, last_user_name=EMAIL), find(live), disabled)

    assert story.result.outcome is Outcome.DISABLED


@pytest.mark.promise("P4")
def test_external_id_changed_by_hand_is_replaced() -> None:
    """An administrator or another system changed the external id: the account with the address stays the employee's."""
    live = build_account(externalId="payroll-99")

    story = run(build_goal(REMEMBERED), find(live), Written(build_account()))

    assert story.patched == [{"externalId": "7"}]


@pytest.mark.promise("P4")
@pytest.mark.promise("P9")
@pytest.mark.parametrize("goal", [build_goal(REMEMBERED), build_leaver()], ids=["employee", "leaver"])
def test_remembered_account_of_unknown_person_asks(goal: Goal) -> None:
    """External id, address and names were changed by hand: neither a second account nor a leaver with access follows."""
    changed = build_account(externalId="99", userName="o@x.example", name={"givenName": "Eva"})
    empty = [NOTHING] if goal.is_disable else [NOTHING, NOTHING]

    story = run(goal, find(changed), *empty, find(changed))

    assert story.result.asks_about == "u1"
    assert "has another external id, name and address now" in story.result.reason
    assert story.writes == ()


@pytest.mark.promise("P9")
def test_accepted_remembered_account_of_leaver_is_disabled() -> None:
    """An administrator decides that a changed account is still the leaver's."""
    changed = build_account(externalId="99", userName="o@x.example", name={"givenName": "Eva"})
    accepted = Ownership("self", decision=Decision.LINK)

    story = run(
        build_leaver(),
        find(changed),
        NOTHING,
        Written(replace(changed, body=changed.body | {"active": False})),
        own=accepted,
    )

    assert story.result.outcome is Outcome.DISABLED


def test_refused_remembered_account_is_replaced() -> None:
    """An administrator decides that a changed account is not the employee's: a new one is created."""
    changed = build_account(externalId="99", userName="o@x.example", name={"givenName": "Eva"})
    refused = Ownership("self", decision=Decision.LEAVE)

    story = run(build_goal(REMEMBERED), find(changed), NOTHING, NOTHING, CREATED, own=refused)

    assert story.result.account_id == "u9"


def test_old_external_id_is_ours_and_is_replaced() -> None:
    """An external id with an old prefix still proves the owner, and is replaced by the new one."""
    goal = build_goal(REMEMBERED, our_external_ids=frozenset({"7", "old-7"}))

    story = run(goal, find(build_account(externalId="old-7")), Written(build_account()))

    assert story.patched == [{"externalId": "7"}]


@pytest.mark.promise("P5")
def test_answer_with_another_id_is_not_believed() -> None:
    """A read that shows another account than the one that was asked for makes the change wait."""
    assert run(build_goal(REMEMBERED), find(build_account("u7"))).result == NOT_SHOWN
    assert run(build_goal(REMEMBERED), NOTHING).result == NOT_SHOWN


def test_missing_account_shortly_after_creation_waits() -> None:
    """Reads may lag behind a create, so a 404 right after it does not lead to a second account."""
    story = run(build_goal(REMEMBERED, is_recently_created=True), Missing())

    assert story.result == NOT_SHOWN
    assert story.writes == ()


@pytest.mark.promise("P4")
def test_404_of_a_gateway_makes_no_second_account() -> None:
    """A 404 that is not the SCIM server's leads to other lookups, and to no create."""
    found = run(build_goal(REMEMBERED), GATEWAY, find(build_account()))
    lost = run(build_goal(REMEMBERED), GATEWAY, NOTHING, NOTHING)

    assert found.result.account_id == REMEMBERED
    assert lost.result == NOT_SHOWN
    assert lost.writes == ()


# ---------------------------------------------------------------- leavers


@pytest.mark.promise("P9")
def test_leaver_behind_gateway_is_found_or_waits() -> None:
    """A gateway's 404 does not end the search for a leaver's account, and settles nothing."""
    by_name = FindAccounts("userName", "old@x.example", is_fresh=True)
    live, goal = build_account(externalId=None), build_leaver(last_user_name="old@x.example")

    found = run(goal, GATEWAY, NOTHING, find(live), Written(build_account(externalId=None, active=False)))

    assert found.calls[2] == by_name
    assert found.result.outcome is Outcome.DISABLED
    assert run(goal, GATEWAY, NOTHING, NOTHING).result == NOT_SHOWN


@pytest.mark.promise("P5")
def test_leaver_with_id_of_another_account_is_out_of_scope() -> None:
    """An account with the external id of another employee is not disabled for a leaver."""
    story = run(build_leaver(), find(build_account(externalId="99")), NOTHING, own=MARKED_FOR_OTHER)

    assert story.result.outcome is Outcome.OUT_OF_SCOPE
    assert story.result.account_id is None
    assert story.writes == ()


@pytest.mark.promise("W17")
def test_leaver_with_changed_account_id_is_disabled() -> None:
    """A leaver's account that has another id after a restore is found by our external id and disabled."""
    story = run(build_leaver(), Missing(), find(build_account("u2")), Written(build_account("u2", active=False)))

    assert story.calls[1] == BY_EXTERNAL_ID
    assert story.patched == [{"active": False}]
    assert story.result.outcome is Outcome.DISABLED
    assert story.result.account_id == AccountId("u2")


@pytest.mark.promise("W8")
def test_leaver_without_account_is_out_of_scope() -> None:
    """A leaver without an account gets none, and is looked up by our external id only."""
    story = run(build_leaver(None), NOTHING)

    assert story.calls == (BY_EXTERNAL_ID,)
    assert story.result.outcome is Outcome.OUT_OF_SCOPE


@pytest.mark.promise("P5")
def test_leaver_with_an_empty_external_id_finds_no_account() -> None:
    """A forged event would disable the account of a stranger that has no external id."""
    identity = AccountIdentity(external_id="", user_name=EMAIL)

    story = run(build_leaver(None, identity=identity))

    assert story.steps == ()
    assert story.result.outcome is Outcome.OUT_OF_SCOPE
