"""Values that a server keeps in its own form, ignores, or never changes again."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.declaree.faults import Fault
from sandbox.declaree.values import Resource
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, Written
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.servers import (
    FULL,
    PLAIN,
    STEADY,
    count_requests,
    find_user,
    hire,
    leave,
    live_through,
    read_content,
    write,
)


async def normalise(company: Company, change: Callable[[Resource], Resource]) -> None:
    """Lets the server store each account in its own form from now on, and answer writes without content."""
    stage = company.stage
    server = await stage.get_server()

    async def store_changed(_: Call, answer: Answer) -> Answer:
        if not isinstance(answer, Written) or answer.resource is None:
            return answer
        entry = stage.declaree.directory.users[answer.resource.id]
        stage.declaree.registry.replace(entry, change(entry.resource), stage.declaree.behaviour)
        return Written()

    server.after = store_changed


def capitalise_name(user: Resource) -> Resource:
    """Returns the account with the family name in capitals."""
    return user | {"name": user["name"] | {"familyName": user["name"]["familyName"].upper()}}


def shorten_title(user: Resource) -> Resource:
    """Returns the account with at most four characters of the title."""
    return user | {"title": user["title"][:4]} if "title" in user else user


def drop_title(user: Resource) -> Resource:
    """Returns the account without its title."""
    return {name: value for name, value in user.items() if name != "title"}


async def test_name_in_capitals_counts_as_stored(company: Company) -> None:
    """A server that keeps family names in capitals has stored the name: the employee is not rejected for it."""
    await hire(company, "7")
    await normalise(company, capitalise_name)

    outcome, requests = await write(company, "7", FULL)

    assert outcome.outcome is Outcome.UPDATED
    assert requests == STEADY + 1
    assert await read_content(company.stage, "7") == replace(FULL, family="KING")


async def test_shortened_value_is_named_and_not_tried_in_every_way(company: Company) -> None:
    """A value that the server cuts off is reported, one request was enough to know, and others' values are still sent."""
    await hire(company, "7", "6")
    await normalise(company, shorten_title)

    outcome, requests = await write(company, "7", replace(FULL, title="Professor"))

    assert outcome.outcome is Outcome.INCOMPLETE
    assert "title (stored differently)" in (outcome.reason or "")
    assert requests == STEADY + 1
    assert await live_through(company, "6", (FULL,)) == [STEADY]


# ---------------------------------------------------------------- what is ignored or stays as it is


async def test_external_id_that_is_not_kept_costs_little(company: Company) -> None:
    """A server need not keep the external id: no employee is incomplete for it, and it is tried once in all."""
    stage = company.stage
    stage.change_behaviour(external_id="ignored")
    _, first = await count_requests(stage, company.settle(PLAIN.make_request("9", 1_000)))

    outcomes, requests = await count_requests(stage, company.settle(PLAIN.make_request("7", 1_000)))

    assert outcomes == {"7": Outcome.CREATED}
    assert [first, requests] == [2 + 2 + 4, 2 + 1]  # discovery, lookups, and the writes with their looks
    assert await live_through(company, "7", (replace(PLAIN, given="Eva"),)) == [STEADY]


async def test_external_id_that_is_refused_keeps_no_account_out(company: Company) -> None:
    """A server that answers every external id with 400 gets accounts without one."""
    stage = company.stage
    stage.change_behaviour(refused_attributes=("externalId",))

    outcomes = await company.settle(PLAIN.make_request("7", 1_000))

    assert outcomes == {"7": Outcome.CREATED}
    assert await read_content(stage, "7") == PLAIN


async def test_field_that_is_passed_over_is_named(company: Company) -> None:
    """A server accepts titles and stores none: two employees show it, and no title is sent again."""
    await hire(company, "7", "5", "6")
    await normalise(company, drop_title)
    await write(company, "7", FULL)
    await write(company, "5", FULL)

    outcome, requests = await write(company, "6", FULL)

    assert outcome.refused == ("title",)
    assert requests <= STEADY + 1
    assert await read_content(company.stage, "6") == replace(FULL, title=None)


@pytest.mark.parametrize("patch", [True, False], ids=["patch", "put"])
async def test_immutable_user_name_keeps_nothing_else_out(company: Company, patch: bool) -> None:
    """The user name cannot be changed: everything else is, the employee is listed, and it is tried in one way only."""
    stage = company.stage
    stage.change_behaviour(immutable_attributes=("userName",), patch=patch)
    await hire(company, "7", "6")
    await write(company, "7", FULL)

    outcome, requests = await write(company, "6", FULL)

    user = await find_user(stage, "6")
    assert outcome.outcome is Outcome.REJECTED
    assert outcome.field == "userName"
    assert "keeps its user name, Declaree allows no change of it (400, mutability)" in (outcome.reason or "")
    assert "change it in Declaree by hand" in (outcome.reason or "")
    assert [user["userName"], user["emails"][0]["value"]] == [PLAIN.get_address("6"), FULL.get_address("6")]
    assert [user["title"], user["name"]["familyName"]] == [FULL.title, FULL.family]
    assert requests == STEADY + (1 if patch else 2)  # a PUT may repeat what has changed, so the account is read again
    assert await leave(company, "6") == STEADY


async def test_immutable_external_id_is_left_as_it_is(company: Company) -> None:
    """The prefix of the external ids has changed, and the server changes none: the account stays the employee's."""
    stage = company.stage
    stage.change_behaviour(immutable_attributes=("externalId",))
    await hire(company, "7", "6")
    request = FULL.make_request("7", 2_000)
    assert request.desired is not None
    changed = request.desired.model_copy(update={"external_id": "new-7"})

    outcomes = await company.settle(request.model_copy(update={"desired": changed}))

    assert outcomes == {"7": Outcome.UPDATED}
    assert await read_content(stage, "7") == FULL
    assert (await find_user(stage, "7"))["externalId"] == "7"


# ---------------------------------------------------------------- access


@pytest.mark.promise("P9")
@pytest.mark.parametrize("patch_answer", [200, 204])
async def test_disabling_that_is_passed_over_is_never_confirmed(company: Company, patch_answer: int) -> None:
    """The server confirms ``active: false`` and does nothing: the leaver is listed, also after many that it has disabled."""
    stage = company.stage
    stage.change_behaviour(patch_answer=patch_answer)
    await hire(company, "7", "6")
    await leave(company, "6")
    stage.change_behaviour(ignore_disabling=True)

    outcomes = await company.settle_all(make_leaver("7"))

    assert [outcome.outcome for outcome in outcomes] == [Outcome.REJECTED]
    assert "confirms the change but does not make it" in (outcomes[0].reason or "")


@pytest.mark.promise("P9")
async def test_disabling_that_patch_passes_over_is_done_by_put(company: Company) -> None:
    """One way that worked before no longer ends access: every other way is tried."""
    stage = company.stage
    await hire(company, "7", "6")
    await leave(company, "6")
    stage.declaree.faults.order(Fault(kind="status", method="PATCH", disables=True, status=400, count=None))

    outcomes = await company.settle(make_leaver("7"))

    assert outcomes == {"7": Outcome.DISABLED}
    assert (await find_user(stage, "7"))["active"] is False


@pytest.mark.promise("P9")
@pytest.mark.parametrize("status", [409, 423])
async def test_busy_account_is_changed_a_moment_later(company: Company, status: int) -> None:
    """409 or 423 once, also for a change of the address: the second attempt counts, and no other account is suspected."""
    stage = company.stage
    await hire(company, "7")
    stage.declaree.faults.order(Fault(kind="status", method="PATCH", status=status))
    await live_through(company, "7", (FULL,))
    stage.declaree.faults.order(Fault(kind="status", method="PATCH", status=status))

    await leave(company, "7")

    assert await read_content(stage, "7") == replace(FULL, active=False)
