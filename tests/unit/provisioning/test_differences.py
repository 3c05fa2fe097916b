"""What an account lacks during its reconciliation. The comparison is kept, and what happened since counts as well."""

from typing import Any

import pytest

from services.contracts.ids import AccountId
from services.provisioning.calls import Resource
from services.provisioning.desired import DesiredState
from services.provisioning.server import ServerMemory
from services.provisioning.states import MAX_KNOWN, Goal, Trail, Work

DESIRED = DesiredState((("userName", "ada@x.example"), ("title", "Head"), ("nickName", "Ada")))


@pytest.fixture
def work() -> Work:
    """A reconciliation that has done nothing yet."""
    return Work(Goal(DESIRED), Trail(), ServerMemory())


def make_live(**body: Any) -> Resource:
    """Returns an account."""
    return Resource(AccountId("5"), body)


def test_refused_field_no_longer_remains(work: Work) -> None:
    """The comparison with the account is the same, and the field is not written again."""
    live = make_live(userName="ada@x.example")

    before = work.find_remaining(live).paths
    work.trail.refused["title"] = "400"

    assert before == ("title", "nickName")
    assert work.find_remaining(live).paths == ("nickName",)


def test_sent_spelling_of_the_user_name_counts(work: Work) -> None:
    """The server keeps the address in its own case."""
    live = make_live(userName="ADA@x.example", title="Head", nickName="Ada")

    before = work.find_remaining(live).paths
    work.trail.is_name_sent = True

    assert before == ("userName",)
    assert work.find_remaining(live).paths == ()


def test_field_that_the_server_does_not_store_is_noted(work: Work) -> None:
    """The server was found not to store it after the comparison."""
    live = make_live(userName="ada@x.example")

    work.find_remaining(live)
    work.memory.not_stored.add("title")

    assert work.find_remaining(live).paths == ("nickName",)
    assert work.trail.refused == {"title": "not stored"}


def test_each_account_has_its_own_difference(work: Work) -> None:
    """More accounts than are kept are compared again."""
    lives = [make_live(title="Head", nickName=f"Ada {number}") for number in range(MAX_KNOWN + 1)]
    same = make_live(userName="ada@x.example", title="Head", nickName="Ada")

    found = [work.find_remaining(live).paths for live in (*lives, *lives)]

    assert set(found) == {("userName", "nickName")}
    assert work.find_remaining(same).paths == ()


def test_whole_selection_is_the_same_state() -> None:
    """Nothing has to be copied."""
    assert DESIRED.select(DESIRED.paths) is DESIRED
    assert DESIRED.drop(()) is DESIRED
    assert DESIRED.select(["title"]).paths == ("title",)
    assert DESIRED.drop(["title"]).paths == ("userName", "nickName")
