"""E-mail addresses that pass from one employee to another: each account keeps its owner, and all end right."""

import asyncio
from typing import Any

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, FindAccounts
from tests.support.builders import make_request
from tests.support.fakes import CrashError, Crashes
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company


def request_addresses(revision: int, **addresses: str) -> list[AccountRequested]:
    """Returns a request for each employee, such as ``e7``, with this address."""
    return [
        make_request(employee.removeprefix("e"), revision, user_name=f"{address}@x.example")
        for employee, address in addresses.items()
    ]


def list_addresses(stage: WriterStage, *employees: str) -> list[str]:
    """Returns the local parts of user name and e-mail address, which must be equal, of these employees."""
    accounts = [stage.get_account(employee) for employee in employees]
    assert all([email["value"] for email in account["emails"]] == [account["userName"]] for account in accounts)
    return [account["userName"].removesuffix("@x.example") for account in accounts]


@pytest.mark.promise("P4")
@pytest.mark.parametrize("order", ["12345", "54321", "31524"])
@pytest.mark.parametrize("concurrency", [1, 32])
async def test_chain_of_addresses_in_one_poll(company: Company, order: str, concurrency: int) -> None:
    """Five employees get the address of the next one in one poll, in any order: all five are right at the end."""
    stage = company.stage
    stage.restart(concurrency=concurrency)
    await company.settle(*request_addresses(1_000, **{f"e{number}": number for number in order}))
    ids = {number: stage.get_account(number)["id"] for number in order}

    moved = {f"e{number}": str(int(number) + 1) for number in order}
    outcomes = await company.settle(*request_addresses(2_000, **moved))

    assert set(outcomes.values()) == {Outcome.UPDATED}
    assert list_addresses(stage, *"12345") == list("23456")
    assert {number: stage.get_account(number)["id"] for number in order} == ids


@pytest.mark.promise("P4")
@pytest.mark.parametrize("circle", ["78", "789", "6789"])
@pytest.mark.parametrize("concurrency", [1, 32])
async def test_exchange_of_addresses_in_one_poll(company: Company, circle: str, concurrency: int) -> None:
    """Employees that exchange their addresses in a circle end with the right ones, over a temporary address."""
    stage = company.stage
    stage.restart(concurrency=concurrency)
    await company.settle(*request_addresses(1_000, **{f"e{number}": number for number in circle}))
    ids = [stage.get_account(number)["id"] for number in circle]

    moved = dict(zip((f"e{number}" for number in circle), circle[1:] + circle[0], strict=True))
    await company.settle(*request_addresses(2_000, **moved))
    await company.pass_time()

    assert list_addresses(stage, *circle) == list(circle[1:] + circle[0])
    assert [stage.get_account(number)["id"] for number in circle] == ids
    assert [(await stage.get_entry(number)).waiting for number in circle] == [None] * len(circle)
    assert [(await stage.get_entry(number)).blocked_by for number in circle] == [None] * len(circle)


@pytest.mark.promise("P4")
async def test_exchange_at_the_same_time_ends_right(company: Company) -> None:
    """Both employees learn of the conflict before either is rejected, so that neither is known to wait for the other."""
    stage = company.stage
    await company.settle(*request_addresses(1_000, e7="a", e8="b"))
    server, looks = await stage.get_server(), asyncio.Barrier(2)

    async def wait_for_each_other(call: Call, answer: Answer) -> Answer:
        if isinstance(call, FindAccounts):
            server.after = _keep_answer if looks.n_waiting else wait_for_each_other
            await looks.wait()
        return answer

    server.after = wait_for_each_other
    await company.settle(*request_addresses(2_000, e7="b", e8="a"))
    await company.pass_time()

    assert list_addresses(stage, "7", "8") == ["b", "a"]


async def _keep_answer(_: Call, answer: Answer) -> Answer:
    return answer


@pytest.mark.promise("P4")
async def test_exchange_in_two_batches_ends_right(company: Company) -> None:
    """The two employees of an exchange come in two batches, as from two partitions."""
    stage = company.stage
    await company.settle(*request_addresses(1_000, e7="a", e8="b"))

    await company.settle(*request_addresses(2_000, e7="b"))
    await company.settle(*request_addresses(2_000, e8="a"))
    await company.pass_time()

    assert list_addresses(stage, "7", "8") == ["b", "a"]


@pytest.mark.promise("P4")
async def test_crash_in_exchange_leaves_no_temporary_address(company: Company) -> None:
    """The writer crashes after an account got its temporary address: the redelivered batch ends right."""
    stage = company.stage
    await company.settle(*request_addresses(1_000, e7="a", e8="b"))
    batch = request_addresses(2_000, e7="b", e8="a")
    await stage.handle(*batch)
    ledger: Any = stage.ledger
    stage.ledger = Crashes(at=0).wrap(ledger, ["write"])
    stage.restart()
    with pytest.raises(CrashError):
        await stage.handle(*batch, reason=SendReason.RESENT)
    temporary = [user.resource["userName"] for user in stage.declaree.directory.users.values()]
    stage.ledger = ledger
    stage.restart()
    stage.offset -= len(batch)

    await company.settle(*batch)
    await company.pass_time()

    assert any(name.startswith("exchange.") for name in temporary)
    assert list_addresses(stage, "7", "8") == ["b", "a"]


@pytest.mark.promise("P5")
async def test_address_of_active_colleague_is_not_given_up(company: Company) -> None:
    """An employee that enters a colleague's address takes nothing over, and the colleague keeps it, exchange or not."""
    stage = company.stage
    await company.settle(*request_addresses(1_000, e7="a", e8="b"))
    before = stage.get_account("8")

    (outcome,) = await company.settle_all(*request_addresses(2_000, e7="b"))
    await company.resend("7", "8")

    assert outcome.outcome is Outcome.REJECTED
    assert "belongs to employee 8" in (outcome.reason or "")
    assert stage.get_account("8") == before
    assert list_addresses(stage, "7") == ["a"]
    assert await company.list_open_decisions() == []


async def test_new_hire_gets_address_that_is_given_up(company: Company) -> None:
    """A new employee has the address that a colleague gives up in the same poll, in either order."""
    stage = company.stage
    await company.settle(*request_addresses(1_000, e7="info"))

    outcomes = await company.settle(*request_addresses(2_000, e8="info", e7="ada"))

    assert outcomes == {"7": Outcome.UPDATED, "8": Outcome.CREATED}
    assert list_addresses(stage, "7", "8") == ["ada", "info"]
