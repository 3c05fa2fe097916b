"""What proxies and web servers do to requests and answers: each is understood from end to end."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.outcomes import WaitingCause
from tests.support.builders import CONNECTION, DECLAREE, make_connection
from tests.unit.writer.company import Company
from tests.unit.writer.servers import FULL, LIFE, PLAIN, STEADY, hire, leave, live_through

LOCAL = "http://localhost/SCIM/v2"
"""The address that the sandbox's redirects have in the process of the test."""

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "application/scim+json gets 415": {"scim_media_type": False},
    "a path without a slash gets 308": {"trailing_slash": "required"},
    "UTF-8 is named as content coding": {"answer_form": "utf8_encoding"},
    "answers are gzipped": {"answer_form": "gzip"},
    "answers are deflated unasked": {"answer_form": "deflate"},
    "a header has 9 KB": {"answer_form": "large_header"},
    "there are 150 headers": {"answer_form": "many_headers"},
    "answers are in ISO-8859-1": {"answer_form": "latin1"},
    "answers are in ISO-8859-1 and do not say so": {"answer_form": "undeclared_latin1"},
    "errors are empty": {"error_body": "empty", "replace_of_absent_part": "no_target"},
    "errors are web pages": {"error_body": "html", "replace_of_absent_part": "no_target"},
    "errors have a number as status": {"error_body": "numeric_status", "replace_of_absent_part": "no_target"},
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_account_is_right_behind_every_proxy(company: Company, behaviour: dict[str, Any]) -> None:
    """Every kind of field is set, changed and cleared, and the detour is made once."""
    stage = company.stage
    access = DECLAREE.model_copy(update={"url": LOCAL, "insecure_http": True})
    stage.connections.connections[CONNECTION] = make_connection(declaree=access)
    stage.change_behaviour(**behaviour)
    await hire(company, "7", "6")
    await live_through(company, "7")

    assert await live_through(company, "6") == [STEADY] * len(LIFE)
    assert await leave(company, "6") == STEADY


async def test_unknown_name_survives_every_character_set(company: Company) -> None:
    """A name with letters of several alphabets arrives as it is."""
    company.stage.change_behaviour(answer_form="gzip")
    await hire(company, "7")

    await live_through(company, "7", (replace(PLAIN, given="Zoë", family="Ångström-Đặng 王"),))


async def test_redirect_to_another_server_makes_the_change_wait(company: Company) -> None:
    """A key is never sent to another address: the change waits, and the cause is named."""
    stage = company.stage
    stage.change_behaviour(trailing_slash="required")

    assert await company.settle(FULL.make_request("7", 1_000)) == {}
    assert await stage.get_cause("7") is WaitingCause.WRONG_ADDRESS
