"""Servers with missing, wrong or incomplete lists and filters: the right account is found, and none is made twice."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Outcome
from services.provisioning.calls import FindAccounts, ListAccounts
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.servers import FULL, LIFE, PLAIN, count_requests, find_user, hire, live_through

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "a plain list is answered 400": {"plain_list_status": 400},
    "a plain list is answered 500": {"plain_list_status": 500},
    "a filter without a hit is answered 404": {"no_match_status": 404},
    "filters are answered 400": {"filters": "none"},
    "filters are answered 501": {"filters": "not_implemented"},
    "filters are ignored": {"filters": "ignored"},
    "filters are ignored, and pages are small": {"filters": "ignored", "max_page_size": 7},
    "external ids cannot be searched": {"external_id_filter": False},
    "lists show id, user name and meta alone": {"list_attributes": ("userName", "meta")},
    "lists show ids alone": {"list_attributes": ("meta",)},
    "filters are ignored, and lists hide external ids": {"filters": "ignored", "list_attributes": ("userName",)},
    "each list has its first account twice": {"repeat_first": True},
}
FOREIGN = 25
"""Number of accounts of others on the server."""


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_accounts_are_found_after_the_ledger_was_lost(company: Company, behaviour: dict[str, Any]) -> None:
    """Without a ledger, each employee gets the same account again, and a leaver is disabled."""
    stage = company.stage
    stage.change_behaviour(**behaviour)
    for number in range(FOREIGN):
        stage.add_account(f"foreign{number}@x.example")
    people = [str(number) for number in range(10, 32)]
    requests = [PLAIN.make_request(employee, 1_000) for employee in people]
    await company.settle(*requests)
    accounts = {employee: (await stage.get_entry(employee)).account_id for employee in people}
    await company.lose_ledger()
    await stage.reset_endpoints()

    await company.settle(*requests[1:], make_leaver("10", 1_000))

    assert len(stage.declaree.directory.users) == FOREIGN + len(people)
    found = {employee: (await stage.get_entry(employee)).account_id for employee in people}
    assert found == accounts
    assert (await find_user(stage, "10"))["active"] is False


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_account_that_exists_is_linked_and_kept(company: Company, behaviour: dict[str, Any]) -> None:
    """One employee's account by hand is found among others, and gets what is wanted."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    stage.change_behaviour(**behaviour)
    for number in range(FOREIGN):
        stage.add_account(f"foreign{number}@x.example")
    account = stage.add_account(FULL.get_address("7"), name={"givenName": "Eva", "familyName": "Noel"})
    await hire(company)

    outcomes = await company.settle(FULL.make_request("7", 1_000))

    assert outcomes == {"7": Outcome.LINKED}
    assert (await stage.get_entry("7")).account_id == account
    await live_through(company, "7", LIFE[1:])


async def test_filter_that_is_passed_over_is_asked_once(company: Company) -> None:
    """The answer to a filter has accounts that do not match: from then on, one list answers for all."""
    stage = company.stage
    stage.change_behaviour(filters="ignored")
    for number in range(FOREIGN):
        stage.add_account(f"foreign{number}@x.example")
    await hire(company)
    server = await stage.get_server()
    before = len(server.calls)

    await company.settle(*(PLAIN.make_request(str(number), 1_000) for number in range(10, 20)))

    calls = server.calls[before:]
    assert not [call for call in calls if isinstance(call, FindAccounts)]
    assert len([call for call in calls if isinstance(call, ListAccounts)]) <= 1


async def test_list_that_ignores_the_start_is_not_believed(company: Company) -> None:
    """Every page is the first one: the accounts beyond it are unknown, so each employee is looked up by a filter."""
    stage = company.stage
    stage.change_behaviour(ignore_start_index=True, max_page_size=5)
    for number in range(FOREIGN):
        stage.add_account(f"foreign{number}@x.example")
    own = [stage.add_account(f"e{number}@nordlicht.example", externalId=str(number)) for number in range(10, 35)]

    await company.settle(
        *(
            PLAIN.make_request(
                str(number),
                1_000,
            )
            for number in range(10, 35)
        )
    )

    assert [(await stage.get_entry(str(number))).account_id for number in range(10, 35)] == own


@pytest.mark.parametrize(
    "behaviour",
    [
        {"filters": "not_implemented", "plain_list_status": 400},
        {"filters": "ignored", "list_attributes": ("meta",)},
        {"filters": "ignored", "ignore_start_index": True, "max_page_size": 2},
    ],
    ids=["neither", "ids alone", "first page alone"],
)
async def test_server_without_lists_and_filters_creates_each_once(company: Company, behaviour: dict[str, Any]) -> None:
    """Nothing can be looked up but ids: a conflict tells that an account exists, and none is taken."""
    stage = company.stage
    for number in range(FOREIGN):
        stage.add_account(f"foreign{number}@x.example")
    stage.change_behaviour(**behaviour)
    stage.add_account(PLAIN.get_address("7"))

    outcomes = await company.settle(PLAIN.make_request("7", 1_000), PLAIN.make_request("6", 1_000))

    assert outcomes == {"7": Outcome.REJECTED, "6": Outcome.CREATED}
    await live_through(company, "6", (replace(PLAIN, given="Eva"),))


async def test_lists_are_asked_for_again_after_a_while(company: Company) -> None:
    """An account that another hand has made since the list was read is found by the next list."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    await company.settle(*(PLAIN.make_request(str(number), 1_000) for number in range(10, 40)))
    account = stage.add_account(PLAIN.get_address("50"), name={"givenName": "Ada", "familyName": "Lovelace"})
    stage.clock.seconds += 1_000

    people = [PLAIN.make_request(str(number), 1_000) for number in range(50, 80)]
    outcomes, requests = await count_requests(stage, company.settle(*people))

    assert outcomes["50"] is Outcome.LINKED
    assert (await stage.get_entry("50")).account_id == account
    assert requests <= 1.2 * len(people)
