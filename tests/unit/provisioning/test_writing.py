"""Updates: the difference, until a lookup shows it, after lost answers, other versions and accounts that no longer exist."""

from typing import Any

import pytest

from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, WORK_EMAIL
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.attempts import NOT_CHANGEABLE
from services.provisioning.calls import (
    Answer,
    Lost,
    Missing,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Unsupported,
    Written,
)
from services.provisioning.server import ServerMemory
from services.provisioning.states import Inconclusive
from tests.unit.provisioning.accounts import MARKED, OLD_NAME, build_account, build_state, find
from tests.unit.provisioning.driver import (
    CREATED,
    NOTHING,
    REMEMBERED,
    build_goal,
    build_leaver,
    prove,
    run,
    run_update,
)
from tests.unit.provisioning.fields_server import FieldsServer

# ---------------------------------------------------------------- the difference


@pytest.mark.promise("W9")
def test_account_with_desired_content_is_unchanged() -> None:
    """An account that has the desired content is not written."""
    story = run(build_goal(REMEMBERED), find(build_account(title="not mapped")))

    assert story.writes == ()
    assert story.result.outcome is Outcome.UNCHANGED


@pytest.mark.promise("W9")
def test_update_sends_difference_only() -> None:
    """Only the fields that differ are sent."""
    story = run_update(MARKED)

    assert story.patched == [{"name.givenName": "Ada"}]
    assert story.trail.written == ["name.givenName"]
    assert story.result.outcome is Outcome.UPDATED


@pytest.mark.promise("W10")
def test_put_sends_read_content_with_difference() -> None:
    """A PUT has everything that was read, with the difference in it."""
    live = build_account("u1", 'W/"4"', name={"givenName": "A.", "x": 1}, unknown={"deep": [1]}, meta={}, groups=[])

    story = run(build_goal(REMEMBERED), find(live), MARKED, memory=ServerMemory(prefers_put=True))

    (put,) = story.writes
    assert isinstance(put, ReplaceAccount)
    assert put.version == 'W/"4"'
    expected = {name: value for name, value in live.body.items() if name not in {"id", "meta", "groups"}}
    assert put.body == expected | {"name": {"givenName": "Ada", "x": 1}}


@pytest.mark.promise("W11")
def test_manager_without_account_clears_nothing() -> None:
    """A manager without an account does not clear the manager that is written."""
    live: dict[str, Any] = {ENTERPRISE: {"manager": {"value": "u8"}}}

    assert run(build_goal(REMEMBERED), find(build_account(**live))).writes == ()


@pytest.mark.promise("W4")
def test_new_email_changes_user_name_and_work_email() -> None:
    """A new e-mail address changes user name and work e-mail of the same account in one request."""
    old = build_account(userName="old@x.example", emails=[{"type": "work", "value": "old@x.example"}])

    story = run(build_goal(REMEMBERED), find(old), MARKED)

    assert [list(patch) for patch in story.patched] == [["userName", WORK_EMAIL]]


@pytest.mark.promise("W4")
def test_address_in_another_case_is_not_written_again() -> None:
    """A server that keeps addresses in another case is not written to again and again."""
    address = "E7@NORDLICHT.EXAMPLE"
    other_case = build_account(userName=address, emails=[{"type": "work", "value": address, "primary": True}])

    assert run(build_goal(REMEMBERED, is_spelling_sent=True), find(other_case)).writes == ()
    assert len(run(build_goal(REMEMBERED), find(other_case), Written(other_case)).writes) == 1


@pytest.mark.promise("W6")
def test_returning_employee_gets_same_account_enabled() -> None:
    """A returning employee gets the same account, enabled."""
    story = run(build_goal(REMEMBERED), find(build_account(active=False)), MARKED)

    assert story.patched == [{"active": True}]
    assert story.result.outcome is Outcome.ENABLED


@pytest.mark.promise("W7")
def test_leaver_is_disabled_and_nothing_else() -> None:
    """To disable an account writes ``active`` only, even if other fields differ."""
    story = run(build_leaver(), find(OLD_NAME), Written(build_account(active=False, name={"givenName": "A."})))

    assert story.patched == [{"active": False}]
    assert story.result.outcome is Outcome.DISABLED


# ---------------------------------------------------------------- confirmation


@pytest.mark.promise("W21")
def test_answer_without_account_is_read_back() -> None:
    """An update is confirmed by a read if the answer does not show the account."""
    story = run_update(Written(), find(build_account()))

    assert story.calls[-1] == ReadAccount(REMEMBERED)
    assert story.result.outcome is Outcome.UPDATED


def test_proven_field_is_not_read_back() -> None:
    """A field that was seen before after a write in the same way is trusted, so each update costs one request."""
    memory = prove("name.givenName")

    assert len(run_update(Written(), memory=memory).calls) == 2


@pytest.mark.promise("P9")
def test_end_of_access_is_always_read_back() -> None:
    """A leaver's account must be seen to be disabled, even if the way to write it was proven before."""
    memory = prove("active")
    disabled = find(build_account(active=False))

    story = run(build_leaver(), find(build_account()), Written(), disabled, memory=memory)

    assert story.result.outcome is Outcome.DISABLED


def test_id_in_answer_to_write_counts_from_then_on() -> None:
    """A server may give an account another id when it is renamed: the account is read by it, and remembered."""
    story = run_update(Written(build_account("u2")), find(build_account("u2")))

    assert story.calls[-1] == ReadAccount(AccountId("u2"))
    assert story.result.account_id == "u2"
    assert story.trail.owned_id == "u2"


# ---------------------------------------------------------------- accounts and methods that are gone


@pytest.mark.promise("W17")
def test_account_gone_on_update_is_looked_up_again() -> None:
    """A remembered account that is gone is looked up again, and created if nothing is found."""
    story = run_update(Missing(), Missing(), NOTHING, NOTHING, CREATED)

    assert story.result.outcome is Outcome.CREATED
    assert story.result.account_id == "u9"


@pytest.mark.promise("W17")
def test_account_found_after_remembered_one_is_linked() -> None:
    """Another account with our external id, found after the remembered one is gone, is linked."""
    story = run(build_goal(REMEMBERED), Missing(), find(build_account("u5")))

    assert story.result.account_id == "u5"
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("W17")
@pytest.mark.parametrize("answer", [Unsupported(), Missing(is_certain=False)], ids=str)
@pytest.mark.parametrize("prefers_put", [False, True], ids=["patch", "put"])
def test_method_that_is_not_routed_is_not_tried_again(answer: Answer, *, prefers_put: bool) -> None:
    """A method that the server does not support, or answers with a 404 page, is replaced for later updates as well."""
    memory = ServerMemory(prefers_put=prefers_put)
    reads: list[Answer] = [find(OLD_NAME)] if isinstance(answer, Missing) else []
    refusals = [answer, *reads] * (3 if prefers_put else 1)  # there are three forms of PUT

    story = run_update(*refusals, MARKED, memory=memory)

    assert isinstance(story.writes[-1], PatchAccount if prefers_put else ReplaceAccount)
    assert story.result.outcome is Outcome.UPDATED
    assert len(run_update(MARKED, memory=memory).writes) == 1


@pytest.mark.promise("W17")
def test_unsupported_addition_keeps_the_method() -> None:
    """A server that implements ``replace`` only is asked for whole values, and PATCH stays usable."""
    memory, mobile = ServerMemory(), 'phoneNumbers[type eq "mobile"].value'
    goal = build_goal(REMEMBERED, build_state({"name.givenName": "Ada", mobile: "1"}, reference=None))
    stored = build_account(phoneNumbers=[{"type": "mobile", "value": "1"}])

    story = run(goal, find(build_account()), Unsupported(), Written(stored), memory=memory)

    assert all(isinstance(call, PatchAccount) for call in story.writes)
    assert memory.unusable == set()


@pytest.mark.promise("W17")
def test_server_without_patch_and_put_rejects() -> None:
    """A server that supports neither PATCH nor PUT rejects the employee, and the reason names the server."""
    story = run_update(*[Unsupported()] * 4)

    assert story.result == NOT_CHANGEABLE


@pytest.mark.promise("W16")
def test_forbidden_update_rejects() -> None:
    """A 403 is not answered by another way of writing."""
    story = run_update(Refused(403))

    assert len(story.writes) == 1
    assert story.result.is_forbidden


def test_account_with_failing_updates_waits_alone() -> None:
    """An account for which every update is answered with 500 waits with its own cause."""
    story = FieldsServer(OLD_NAME, refused={"name.givenName": Lost(500)}).run(build_goal(REMEMBERED))

    assert story.result == Inconclusive(WaitingCause.FAILING_ACCOUNT)
