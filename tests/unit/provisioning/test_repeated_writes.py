"""Updates that are repeated: after a lost answer and after a failed condition, a limited number of times."""

import pytest

from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.attempts import MAX_ATTEMPTS
from services.provisioning.calls import (
    Answer,
    Outdated,
    PatchAccount,
    Pause,
    ReplaceAccount,
)
from services.provisioning.server import ServerMemory
from services.provisioning.states import Inconclusive
from tests.unit.provisioning.accounts import MARKED, OLD_NAME, build_account, find
from tests.unit.provisioning.driver import (
    LOST,
    REMEMBERED,
    Story,
    build_goal,
    run,
    run_update,
)


def list_versions(story: Story) -> list[str | None]:
    """Returns the condition of each update."""
    return [call.version for call in story.writes if isinstance(call, PatchAccount | ReplaceAccount)]


# ---------------------------------------------------------------- lost answers


@pytest.mark.promise("W13")
@pytest.mark.parametrize("has_happened", [True, False], ids=["written", "not written"])
def test_lost_update_is_read_and_repeated_if_needed(*, has_happened: bool) -> None:
    """After an update without an answer, the account is read, and written again only if it still differs."""
    later: list[Answer] = [find(build_account())] if has_happened else [find(OLD_NAME), MARKED]

    story = run_update(LOST, *later)

    assert len(story.writes) == 2 - has_happened
    assert story.result.outcome is Outcome.UPDATED
    assert Pause(0) in story.steps


@pytest.mark.promise("W13")
def test_lost_update_of_disabled_account_is_enabled() -> None:
    """An update without an answer that enabled the account still has the outcome ``enabled``."""
    story = run(build_goal(REMEMBERED), find(build_account(active=False)), LOST, find(build_account()))

    assert story.result.outcome is Outcome.ENABLED


@pytest.mark.promise("W14")
@pytest.mark.parametrize("answer", [Outdated(), LOST], ids=str)
def test_account_that_keeps_changing_is_inconclusive(answer: Answer) -> None:
    """The number of attempts is limited: an account that keeps changing makes the change wait."""
    attempts: list[Answer] = [answer, find(OLD_NAME)] * MAX_ATTEMPTS

    assert run_update(*attempts).result == Inconclusive(WaitingCause.INCONCLUSIVE)


@pytest.mark.promise("P5")
def test_read_that_shows_another_account_is_not_believed() -> None:
    """An answer with another id than the one that was asked for says nothing about the account."""
    assert run_update(LOST, find(build_account("u7"))).result == Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)


# ---------------------------------------------------------------- versions


@pytest.mark.promise("W14")
def test_changed_version_is_read_and_compared_again() -> None:
    """After a 412 the account is read and the difference computed again."""
    first, second = (build_account("u1", tag, name={"givenName": tag}) for tag in "12")

    story = run(build_goal(REMEMBERED), find(first), Outdated(), find(second), MARKED)

    assert list_versions(story) == ["1", "2"]
    assert story.result.outcome is Outcome.UPDATED


@pytest.mark.promise("W14")
def test_changed_version_with_desired_content_is_unchanged() -> None:
    """Another writer may have written the desired content already."""
    assert run_update(Outdated(), find(build_account())).result.outcome is Outcome.UNCHANGED


@pytest.mark.promise("W14")
def test_condition_that_never_holds_is_left_out() -> None:
    """After two 412 without a change of the account, the write has no condition, and neither has a later one."""
    memory, live = ServerMemory(), build_account("u1", "1", name={"givenName": "A."})

    story = run(
        build_goal(REMEMBERED), find(live), Outdated(), find(live), Outdated(), find(live), MARKED, memory=memory
    )

    assert list_versions(story) == ["1", "1", None]
    assert not memory.uses_etags
    assert list_versions(run(build_goal(REMEMBERED), find(live), MARKED, memory=memory)) == [None]
