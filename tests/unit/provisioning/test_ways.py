"""Ways of writing: which changes go together, and what later writes of the same account start from."""

import pytest

from services.provisioning.calls import PatchAccount, ReplaceAccount, Resource, Written
from services.provisioning.desired import Change
from services.provisioning.server import ServerMemory, Way
from tests.unit.provisioning.accounts import EMAIL, OLD_NAME, build_account, build_state, find
from tests.unit.provisioning.driver import REMEMBERED, build_goal, run

NAME, TITLE = Change("name.givenName", "replace"), Change("title", "add")


def build_memory() -> ServerMemory:
    """Returns the memory of a server that takes the name by PATCH alone, and the title by PUT alone."""
    return ServerMemory(
        proven={Way.PATHS: {NAME}, Way.PUT: {TITLE}},
        failed={*((way, TITLE) for way in Way if way is not Way.PUT), (Way.PUT, NAME)},
    )


def test_changes_without_common_way_are_grouped() -> None:
    """Each change goes by its own way; a change that failed in every way goes alone, after the others."""
    memory = build_memory()
    department, phone = Change("department", "add"), Change("phone", "add")
    memory.doubted.add(phone)

    assert memory.group([phone, NAME, department]) == [(NAME, department), (phone,)]
    assert memory.group([NAME, TITLE, department]) == [(NAME, department), (TITLE,)]
    assert memory.group([]) == []


def test_answer_without_all_attributes_loses_none() -> None:
    """A PUT after a PATCH keeps what the answer to the PATCH did not show."""
    goal = build_goal(REMEMBERED, build_state({"name.givenName": "Ada", "title": "Dr."}, reference=None))
    body = {"id": REMEMBERED, "userName": EMAIL, "name": {"givenName": "Ada"}}

    story = run(
        goal,
        find(OLD_NAME),
        Written(Resource(REMEMBERED, body)),
        Written(build_account(name={"givenName": "Ada"}, title="Dr.")),
        memory=build_memory(),
    )

    patch, put = story.writes
    assert isinstance(patch, PatchAccount)
    assert isinstance(put, ReplaceAccount)
    assert put.body["emails"] == OLD_NAME.body["emails"]
    assert put.body["title"] == "Dr."


@pytest.mark.parametrize("etag", ["v1", None])
def test_put_after_a_write_without_answer_is_conditional(etag: str | None) -> None:
    """A write that is answered without a body leaves the version unknown. Without versions, nothing is read again."""
    goal = build_goal(REMEMBERED, build_state({"name.givenName": "Ada", "title": "Dr."}, reference=None))
    first = Resource(REMEMBERED, OLD_NAME.body, etag)
    shown = build_account("u1", "v2", nickName="by hand")
    put = Written(build_account("u1", "v3", nickName="by hand", title="Dr."))

    story = run(goal, find(first), Written(None), *([find(shown)] if etag else []), put, memory=build_memory())

    sent = [(call.version, call.body.get("nickName")) for call in story.writes if isinstance(call, ReplaceAccount)]
    assert sent == [("v2", "by hand") if etag else (None, None)]
