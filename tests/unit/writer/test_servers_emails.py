"""Servers that keep e-mail addresses without type, or in lower case: no entry is added twice, no address is written twice."""

from dataclasses import replace

import pytest

from services.contracts.events import AccountRequested
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, CreateAccount, Lost
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    FULL,
    HOME,
    LIFE,
    OTHER,
    PLAIN,
    STEADY,
    Content,
    find_user,
    hire,
    live_through,
    write,
)


def make_home_request(company: Company, content: Content, home: str | None, employee: str = "7") -> AccountRequested:
    """Returns a request with a private e-mail address beside the work address."""
    request = content.make_request(employee, 2_000 + company.stage.offset)
    assert request.desired is not None
    fields = {**request.desired.fields, HOME: home}
    return request.model_copy(update={"desired": request.desired.model_copy(update={"fields": fields})})


async def list_emails(company: Company, employee: str = "7") -> list[tuple[str, bool]]:
    """Returns the e-mail addresses of an account, each with whether it is the primary one."""
    emails = (await find_user(company.stage, employee))["emails"]
    return [(email["value"], email.get("primary", False)) for email in emails]


@pytest.mark.parametrize("patch_routed", [True, False], ids=["patch", "put"])
async def test_emails_without_type_get_no_further_entry(company: Company, patch_routed: bool) -> None:
    """A server that drops the type of e-mails has one address after each change."""
    company.stage.change_behaviour(email_types=False, patch_routed=patch_routed)
    await hire(company, "7", "6")
    await live_through(company, "7")

    assert await live_through(company, "6") == [STEADY] * len(LIFE)


@pytest.mark.parametrize("email_types", [True, False])
@pytest.mark.parametrize("patch_routed", [True, False], ids=["patch", "put"])
async def test_private_address_is_never_primary(company: Company, patch_routed: bool, email_types: bool) -> None:
    """A rule for the private address adds one entry, changes it, clears it, and leaves the work address the primary one."""
    company.stage.change_behaviour(email_types=email_types, patch_routed=patch_routed)
    await hire(company, "6")
    work = FULL.get_address("7")
    await company.settle(make_home_request(company, FULL, "eva@home.example"))

    assert await list_emails(company) == [(work, True), ("eva@home.example", False)]

    await company.settle(make_home_request(company, OTHER, "king@home.example"))

    assert await list_emails(company) == [(OTHER.get_address("7"), True), ("king@home.example", False)]

    outcomes = await company.settle(make_home_request(company, OTHER, None))

    assert outcomes == {"7": Outcome.UPDATED}
    assert await list_emails(company) == [(OTHER.get_address("7"), True)]


@pytest.mark.parametrize("patch_routed", [True, False], ids=["patch", "put"])
async def test_private_address_joins_account_made_by_hand(company: Company, patch_routed: bool) -> None:
    """The private address was the primary one: the work address takes its place and the private one stays."""
    stage = company.stage
    stage.change_behaviour(patch_routed=patch_routed)
    await hire(company, "7")
    entry = stage.declaree.directory.users[str((await stage.get_entry("7")).account_id)]
    emails = [{"value": "eva@home.example", "type": "home", "primary": True}]
    stage.declaree.registry.replace(entry, entry.resource | {"emails": emails}, stage.declaree.behaviour)

    await company.settle(make_home_request(company, FULL, "eva@home.example"))

    assert sorted(await list_emails(company)) == [(FULL.get_address("7"), True), ("eva@home.example", False)]


async def test_addresses_in_lower_case_are_written_once(company: Company) -> None:
    """A server that stores addresses in lower case gets no second write for the spelling of one."""
    stage = company.stage
    stage.change_behaviour(lower_case_emails=True, lower_case_user_names=True)
    await hire(company, "7")
    content = replace(FULL, prefix="Eva.")
    await write(company, "7", content)

    outcome, requests = await write(company, "7", replace(content, family="Kong"))

    assert outcome.written == ("name.familyName",)
    assert requests == STEADY
    assert (await find_user(stage, "7"))["userName"] == "eva.7@nordlicht.example"


async def test_lost_create_in_lower_case_needs_no_write(company: Company) -> None:
    """The answer to the create is lost, and the account has its address in lower case: nothing is written again."""
    stage = company.stage
    stage.change_behaviour(lower_case_emails=True, lower_case_user_names=True)
    server = await stage.get_server()

    async def lose_create(call: Call, answer: Answer) -> Answer:
        return Lost() if isinstance(call, CreateAccount) else answer

    server.after = lose_create
    outcomes = await company.settle(replace(PLAIN, prefix="Ada.").make_request("7", 1_000))

    assert outcomes == {"7": Outcome.CREATED}
    assert len(server.writes) == 1
