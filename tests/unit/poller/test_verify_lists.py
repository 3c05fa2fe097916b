"""Lists of servers: they shift, repeat accounts, hide fields or accounts, or do not exist."""

from typing import cast

import pytest

from sandbox.declaree.behaviour import Behaviour
from services.clients.declaree.errors import DeclareeUnavailableError
from services.contracts.drift import DriftKind
from services.poller.account_reader import VerificationInterruptedError
from services.provisioning.calls import Call, ListAccounts, ReadAccount
from services.store.database import Store
from tests.support.fake_store import FakeStore
from tests.support.verify_stage import Finding, VerifyStage

PEOPLE = [str(number) for number in range(1, 31)]
"""The active employees; 31 and 32 have left."""
LEAVERS = ["31", "32"]


async def make_company(**behaviour: object) -> VerifyStage:
    """Returns a company with right accounts on pages of ten, and a server that then begins to behave this way."""
    stage = VerifyStage(cast("Store", FakeStore()))
    await stage.add_employees(range(1, 33))
    await stage.store_snapshots(LEAVERS, revision=2_000, status="inactive")
    await stage.settle(LEAVERS)
    stage.pass_time()
    changed = Behaviour.model_validate({"max_page_size": 10, **behaviour})
    stage.declaree.behaviour = changed
    return stage


def plant(stage: VerifyStage) -> list[Finding]:
    """Makes a difference of each kind that does not need the external ids of the list."""
    leaver = stage.change_account("31", active=True)
    disabled = stage.change_account("5", active=False)
    changed = stage.change_account("6", title=None)
    deleted = stage.delete_account("7")
    return sorted(
        [
            Finding(DriftKind.LEAVER_ENABLED, "31", leaver),
            Finding(DriftKind.EMPLOYEE_DISABLED, "5", disabled, ("active",)),
            Finding(DriftKind.DIFFERENT, "6", changed, ("title",)),
            Finding(DriftKind.MISSING, "7", deleted),
        ]
    )


def list_order(stage: VerifyStage) -> list[str]:
    """Returns the employees in the order of the list."""
    return [str(user.resource["externalId"]) for user in stage.declaree.directory.users.values()]


def count_reads(stage: VerifyStage) -> int:
    """Returns the number of requests for single accounts."""
    return sum(isinstance(call, ReadAccount) for call in stage.accounts.calls)


# ---------------------------------------------------------------- lists that change or repeat


async def test_account_that_a_shift_hides_is_not_missing() -> None:
    """An account on the first page is deleted before the second one is listed, so that no page shows the eleventh."""
    stage = await make_company()
    first, *_, eleventh = list_order(stage)[:11]
    skipped = stage.change_account(eleventh, title="Boss")

    async def shift(call: Call) -> None:
        if isinstance(call, ListAccounts) and call.start == 11:
            stage.delete_account(first)

    stage.accounts.before = shift

    report = await stage.verify()

    assert await stage.list_findings() == [Finding(DriftKind.DIFFERENT, eleventh, skipped, ("title",))]
    assert report.counts["read"] == 1


async def test_account_that_is_listed_twice_is_reported_once() -> None:
    """An account is added before all others, so that the second page shows the last one of the first page again."""
    stage = await make_company()
    planted = plant(stage)
    tenth = list_order(stage)[9]
    repeated = stage.change_account(tenth, title="Boss")
    users = stage.declaree.directory.users

    async def shift(call: Call) -> None:
        if isinstance(call, ListAccounts) and call.start == 11:
            stage.writing.add_account("new@x.example")
            last = list(users)[-1]
            moved = {last: users.pop(last), **users}
            users.clear()
            users.update(moved)

    stage.accounts.before = shift

    report = await stage.verify()

    assert await stage.list_findings() == sorted([*planted, Finding(DriftKind.DIFFERENT, tenth, repeated, ("title",))])
    assert report.counts["different"] == 2


async def test_list_that_repeats_its_first_account_is_not_complete() -> None:
    """The accounts that it leaves out are read one by one."""
    stage = await make_company(repeat_first=True)
    planted = plant(stage)

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert report.counts["read"] == count_reads(stage) < 10


async def test_server_that_ignores_the_start_is_read_one_by_one() -> None:
    """It shows the first page again and again."""
    stage = await make_company(ignore_start_index=True)
    planted = plant(stage)

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert report.counts["listed"] == 10
    assert report.counts["read"] == 32 - 10


async def test_list_of_some_accounts_is_not_believed() -> None:
    """A server that lists only a few accounts would make all others missing."""
    stage = await make_company()
    shown = stage.find_account("1")
    users = stage.declaree.directory.users
    hidden = {**users}

    async def hide(call: Call) -> None:
        users.clear()
        users.update({key: user for key, user in hidden.items() if key == shown or not isinstance(call, ListAccounts)})

    stage.accounts.before = hide

    report = await stage.verify()

    assert await stage.list_findings() == []
    assert report.counts == {"listed": 1, "read": 1 + 31}


# ---------------------------------------------------------------- lists that hide fields


@pytest.mark.parametrize(
    "shown",
    [
        ("userName",),
        ("userName", "name", "emails", "active"),
        ("userName", "name", "emails", "title", "externalId"),
        ("userName", "active", "title", "externalId"),
    ],
    ids="+".join,
)
async def test_list_that_hides_fields_leads_to_single_reads(shown: tuple[str, ...]) -> None:
    """The report is right, and each known account costs one request. The sample is read twice."""
    stage = await make_company(list_attributes=shown)
    planted = plant(stage)

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert 31 <= report.counts["read"] == count_reads(stage) <= 31 + 4


async def test_field_that_no_account_has_costs_one_request() -> None:
    """A list shows no field that is cleared everywhere. One account tells that the list hides nothing."""
    stage = await make_company()
    found = [Finding(DriftKind.DIFFERENT, key, stage.change_account(key, title=None), ("title",)) for key in PEOPLE]

    report = await stage.verify()

    assert await stage.list_findings() == sorted(found)
    assert report.counts["read"] == count_reads(stage) == 1


async def test_refused_field_is_not_compared() -> None:
    """The server stores no title, which the ledger knows."""
    stage = VerifyStage(cast("Store", FakeStore()), Behaviour(refused_attributes=("title",)))
    await stage.add_employees(range(1, 4))
    stage.pass_time()

    report = await stage.verify(repair=True)

    assert report.counts == {"listed": 3}


# ---------------------------------------------------------------- servers without a list


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.promise("P9")
async def test_server_without_list_is_read_one_by_one(status: int) -> None:
    """Enabled leavers are found, too."""
    stage = await make_company(plain_list_status=status)
    planted = plant(stage)

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert report.counts["listed"] == 0
    assert report.counts["read"] == count_reads(stage) == 32


async def test_account_without_usable_answer_is_counted() -> None:
    """The answer of a gateway says nothing about the account, which needs a person."""
    stage = await make_company(plain_list_status=500)
    await stage.verify()
    stage.writing.change_behaviour(error_body="html")
    stage.delete_account("7")

    report = await stage.verify("r2")

    assert await stage.list_findings("r2") == []
    assert report.counts == {"listed": 0, "read": 32, "unreadable": 1}
    assert report.open_findings == 1


# ---------------------------------------------------------------- accounts that cannot be read


@pytest.mark.promise("P10")
async def test_account_that_cannot_be_read_hides_no_other() -> None:
    """The server fails at each lookup of one account. The verification ends, and the report counts the account."""
    stage = await make_company(list_attributes=("userName", "externalId", "active"))
    planted, broken = plant(stage), stage.find_account("9")

    async def fail(call: Call) -> None:
        if isinstance(call, ReadAccount) and call.id == broken:
            raise DeclareeUnavailableError("Declaree answers a lookup with an error (500)")

    stage.accounts.before = fail

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert report.counts["unreadable"] == 1


async def test_server_that_fails_at_every_lookup_is_waited_for() -> None:
    """The list works. After some failures in a row the verification goes on later, instead of ending without a comparison."""
    stage = await make_company(list_attributes=("userName", "externalId", "active"))

    async def fail(call: Call) -> None:
        if isinstance(call, ReadAccount):
            raise DeclareeUnavailableError("Declaree answers a lookup with an error (500)")

    stage.accounts.before = fail

    with pytest.raises(VerificationInterruptedError):
        await stage.verify()
