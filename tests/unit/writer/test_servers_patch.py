"""Servers that support only some forms of PATCH: the account ends right, and the form that works is remembered."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.outcomes import Outcome
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    DEPARTMENT,
    FULL,
    LIFE,
    MOBILE,
    OTHER,
    STEADY,
    STEADY_LIFE,
    Content,
    hire,
    learn_and_repeat,
    leave,
    live_through,
    read_content,
    write,
)

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "replace of an absent part is answered noTarget": {"replace_of_absent_part": "no_target"},
    "replace of an absent part is answered 500": {"replace_of_absent_part": "error"},
    "replace of an entry by its type is answered noTarget": {"replace_by_value_path": "no_target"},
    "replace of an entry by its type is answered 500": {"replace_by_value_path": "error"},
    "every replace of a part is answered 500": {"replace_by_value_path": "error", "replace_of_absent_part": "error"},
    "every add is answered 501": {"refused_operators": ("add",)},
    "every remove is answered 501": {"refused_operators": ("remove",)},
    "every replace is answered 501": {"refused_operators": ("replace",)},
    "add and remove are answered 501": {"refused_operators": ("add", "remove")},
    "a path of an extension alone is refused": {"bare_extension_path": False},
    "no part can be written alone": {
        "refused_operators": ("add",),
        "replace_by_value_path": "error",
        "replace_of_absent_part": "error",
    },
    "unknown attributes are refused": {"unknown_attributes": "refuse"},
    "an entry that no filter matches is added": {"unmatched_value_path": "create"},
    "errors are web pages": {"error_body": "html", "replace_by_value_path": "no_target"},
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_account_is_right_and_the_form_is_remembered(company: Company, behaviour: dict[str, Any]) -> None:
    """Every kind of field is set, changed and cleared. The next employee needs no request that failed before."""
    company.stage.change_behaviour(**behaviour)

    assert await learn_and_repeat(company) == STEADY_LIFE


async def test_answer_without_content_is_read_back_once(company: Company) -> None:
    """After 204, a form that works is trusted, but the end of access is seen each time."""
    company.stage.change_behaviour(patch_answer=204)
    await hire(company, "7", "6")

    assert await live_through(company, "7") == [STEADY + 1, STEADY + 1, STEADY + 1, STEADY]
    assert await live_through(company, "6") == [STEADY] * len(LIFE)
    assert await leave(company, "6") == STEADY + 1


async def test_fields_that_need_different_ways_are_written_apart(company: Company) -> None:
    """No single way takes both fields: each gets its own, and the next employee needs no request that fails."""
    stage = company.stage
    await hire(company, "7", "6")
    await live_through(company, "7", (FULL,))
    await live_through(company, "6", (FULL,))
    refused = ("phoneNumbers[type", '"path": "name"', '"path": "familyName"', '"op": "replace", "value": {')
    for body in refused:
        fault = Fault(
            kind="status", method="PATCH", body_contains=body, status=400, scim_type="invalidPath", count=None
        )
        stage.declaree.faults.order(fault)
    stage.declaree.faults.order(Fault(kind="status", method="PUT", status=405, count=None))
    content = replace(FULL, family="Kong", title="Dr", mobile="+49 3")

    await live_through(company, "7", (content,))

    assert await live_through(company, "6", (content,)) == [STEADY + 1]


async def test_server_that_takes_one_operation_gets_one(company: Company) -> None:
    """A server that refuses several changes at once gets them one after another, and the next employee at once."""
    stage = company.stage
    await hire(company, "7", "6")
    for body in ('}, {"op"', '"value": {', '"title"'):
        method = "PUT" if body == '"title"' else "PATCH"
        stage.declaree.faults.order(Fault(kind="status", method=method, body_contains=body, status=400, count=None))
    content = Content(title="Prof", department="IT")

    await write(company, "7", content)
    _, requests = await write(company, "6", content)

    assert [(await read_content(stage, employee)).department for employee in "76"] == ["IT", "IT"]
    assert requests == 1 + 2


@pytest.mark.parametrize("status", [400, 404, 405, 500, 501])
async def test_refusal_that_ends_is_forgotten(company: Company, status: int) -> None:
    """A server that refuses every PATCH for a while gets its changes by PUT, and any way is taken again later."""
    stage = company.stage
    await hire(company, "7")
    await live_through(company, "7", (FULL, OTHER, FULL))
    stage.declaree.faults.order(Fault(kind="status", method="PATCH", status=status, body="html", count=None))

    await live_through(company, "7", (OTHER,))
    stage.declaree.faults.clear()
    stage.declaree.faults.order(Fault(kind="status", method="PUT", status=status, body="html", count=None))
    outcome, _ = await write(company, "7", FULL)

    assert outcome.outcome is Outcome.UPDATED, outcome.reason
    assert await read_content(stage, "7") == FULL


async def test_error_that_ends_at_once_refuses_no_field(company: Company) -> None:
    """One answer 500 to a change of one field is not the end of it."""
    stage = company.stage
    await hire(company, "7")
    await live_through(company, "7", (FULL, replace(FULL, title="Sir"), FULL))
    stage.declaree.faults.order(Fault(kind="status", method="PATCH", status=500))

    outcome, _ = await write(company, "7", replace(FULL, title="Dr"))

    assert outcome.outcome is Outcome.UPDATED
    assert outcome.written == ("title",)


async def test_fields_are_named_by_their_paths(company: Company) -> None:
    """The outcome of an update names the fields that were written."""
    await hire(company, "7")

    outcome, _ = await write(company, "7", FULL)

    assert {DEPARTMENT, MOBILE, "title"} <= set(outcome.written)
