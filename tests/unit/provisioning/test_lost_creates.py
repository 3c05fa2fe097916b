"""Creates without an answer: they are looked up, and repeated only if the first one can no longer land."""

from typing import Any

import pytest

from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import (
    FindAccounts,
    Ownership,
    Pause,
    Written,
)
from services.provisioning.lookup import MAX_EMPTY_LOOKUPS
from services.provisioning.server import ServerDescription, ServerMemory
from services.provisioning.states import Inconclusive
from tests.support.builders import NOW
from tests.unit.provisioning.accounts import EMAIL, build_account, find, find_listed
from tests.unit.provisioning.driver import (
    CREATED,
    EMPTY_LOOKUPS,
    FRESH_EXTERNAL_ID,
    FRESH_USER_NAME,
    LOST,
    build_goal,
    run_create,
)

UNANSWERED = Inconclusive(WaitingCause.UNANSWERED_CREATE)
UNIQUE = ServerDescription(unique_user_names=True)
MISTYPED = "typo@nordlicht.example"

# ---------------------------------------------------------------- lost answers


@pytest.mark.promise("W12")
@pytest.mark.promise("P4")
def test_lost_create_is_looked_up() -> None:
    """After a create without an answer, the account is looked up without an index."""
    story = run_create(LOST, find(build_account("u9")))

    assert len(story.writes) == 1
    assert story.calls[-1] == FRESH_EXTERNAL_ID
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W12")
@pytest.mark.promise("P4")
def test_lost_create_that_no_lookup_shows_waits() -> None:
    """The server may still carry the create out, so a second one is not sent."""
    story = run_create(LOST, *EMPTY_LOOKUPS)

    assert len(story.writes) == 1
    assert story.calls[-2:] == (FRESH_EXTERNAL_ID, FRESH_USER_NAME)
    assert story.result == UNANSWERED


@pytest.mark.promise("W12")
def test_lookups_after_lost_answer_are_delayed() -> None:
    """Each round of lookups after a lost answer waits first, longer each time."""
    story = run_create(LOST, *EMPTY_LOOKUPS)

    after = story.steps[3:]
    assert after[::3] == tuple(Pause(number) for number in range(MAX_EMPTY_LOOKUPS))
    assert Pause not in map(type, story.steps[:3])


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    ("changes", "memory", "is_sent"),
    [
        ({"is_create_outstanding": True, "is_name_attempted": True}, ServerMemory(), False),
        ({"is_create_outstanding": True, "is_name_attempted": True}, ServerMemory(UNIQUE), False),
        ({"is_create_suspected": True, "suspected_since": NOW}, ServerMemory(), False),
        ({"is_create_suspected": True, "suspected_since": NOW}, ServerMemory(UNIQUE), True),
        ({"is_create_suspected": True}, ServerMemory(UNIQUE), False),
        ({"is_name_attempted": True}, ServerMemory(), True),
    ],
    ids=[
        "unanswered",
        "unanswered and unique names",
        "suspected",
        "suspected and unique names",
        "suspected after another name",
        "the time is over",
    ],
)
def test_outstanding_create_is_repeated_only_if_safe(
    changes: dict[str, Any], memory: ServerMemory, is_sent: bool
) -> None:
    """A second create is sent if the first can no longer land, or if the server would refuse it then."""
    story = run_create(*[CREATED] * is_sent, goal=build_goal(**changes), memory=memory)

    assert len(story.writes) == is_sent
    assert is_sent or story.result == UNANSWERED


@pytest.mark.promise("P4")
def test_lost_create_is_found_by_attempted_name() -> None:
    """Without external ids, only the attempted user name leads to the account of a corrected address."""
    live = build_account("u5", externalId=None, userName=MISTYPED)

    story = run_create(
        find_listed(live), find(live), Written(build_account("u5")), goal=build_goal(attempted_names=(MISTYPED,))
    )

    assert story.calls[2] == FindAccounts("userName", MISTYPED)
    assert story.patched[0]["userName"] == EMAIL
    assert story.result.account_id == "u5"


@pytest.mark.promise("P5")
@pytest.mark.parametrize("owner", ["other", "other-connection"])
def test_attempted_name_of_another_account_is_skipped(owner: Any) -> None:
    """Another employee's account with an attempted user name is not changed and does not reject the employee."""
    live = build_account("u5", externalId="8", userName=MISTYPED)

    story = run_create(find(live), CREATED, goal=build_goal(attempted_names=(MISTYPED,)), ownership=Ownership(owner))

    assert len(story.writes) == 1
    assert story.claims == ()
    assert story.result.account_id == "u9"
