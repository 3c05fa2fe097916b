"""Accounts that a server always fails to write: they are parked alone, and keep no other employee waiting."""

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import Answer, Call, Write
from services.writer.breaker import FAILURES_IN_A_ROW
from tests.support.builders import CONNECTION
from tests.support.fakes import WatchedServer
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.servers import FULL, PLAIN, count_requests, find_user, hire

PEOPLE = [str(number) for number in range(100, 293)]
"""The employees of one poll."""
FAILING = PEOPLE[:28]
"""Those with an account that cannot be written, the first of the poll."""
LEAVERS = PEOPLE[-7:]
"""Those that have left."""
REST = [employee for employee in PEOPLE if employee not in {*FAILING, *LEAVERS}]
"""Those with a change that can be written."""


async def is_open(stage: WriterStage) -> bool:
    """Returns whether the circuit breaker blocks requests."""
    return (await stage.get_endpoints())[CONNECTION].breaker.is_open


def fail_writes(stage: WriterStage, status: int) -> None:
    """Lets the server answer every change of an account with this status from now on. Lookups work."""
    for method in ("PATCH", "PUT"):
        stage.declaree.faults.order(Fault(kind="status", method=method, status=status, count=None))


async def count_disabled(stage: WriterStage) -> int:
    """Returns the number of leavers with a disabled account."""
    users = [await find_user(stage, employee) for employee in LEAVERS]
    return sum(not user["active"] for user in users)


@pytest.mark.promise("P9")
async def test_failing_accounts_are_parked_alone(company: Company) -> None:
    """28 of 193 people cannot be written: the leavers are disabled in the same batch, and all others are written."""
    stage = company.stage
    await hire(company)
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in PEOPLE))
    stage.change_behaviour(failing_accounts=tuple(FAILING))
    changes = [FULL.make_request(employee, 2_000) for employee in PEOPLE if employee not in LEAVERS]

    outcomes = await stage.handle(*changes, *(make_leaver(employee) for employee in LEAVERS))

    assert await count_disabled(stage) == len(LEAVERS)
    assert {outcome.employee_id for outcome in outcomes} == {*REST, *LEAVERS}
    assert {await stage.get_cause(employee) for employee in FAILING} == {WaitingCause.FAILING_ACCOUNT}
    assert not await is_open(stage)


@pytest.mark.promise("P9")
async def test_parked_accounts_delay_no_later_poll(company: Company) -> None:
    """In the next polls the parked people fail again, and the breaker stays closed for the leavers of these polls."""
    stage = company.stage
    await hire(company)
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in (*FAILING, *LEAVERS)))
    stage.change_behaviour(failing_accounts=tuple(FAILING))
    failing = [FULL.make_request(employee, 2_000) for employee in FAILING]
    await stage.handle(*failing)
    for leaver in LEAVERS[:3]:
        for _ in range(2):
            await stage.handle(*failing, reason=SendReason.RESENT)
        await stage.handle(make_leaver(leaver))

        assert (await find_user(stage, leaver))["active"] is False
        assert not await is_open(stage)

    stage.change_behaviour(failing_accounts=())
    await company.settle(*failing)

    assert {await stage.get_cause(employee) for employee in FAILING} == {None}


async def test_failing_account_costs_few_requests(company: Company) -> None:
    """An account that fails once is told from a field that fails by two more writes, not by one for each field."""
    stage = company.stage
    await hire(company, "7", "6")
    await company.settle(FULL.make_request("6", 2_000))
    stage.change_behaviour(failing_accounts=("7",))

    _, requests = await count_requests(stage, stage.handle(FULL.make_request("7", 2_000)))

    assert await stage.get_cause("7") is WaitingCause.FAILING_ACCOUNT
    assert requests <= 8


async def test_new_account_that_fails_is_parked(company: Company) -> None:
    """A create that is always answered 500 makes the employee wait, is not repeated at once, and no second one is made."""
    stage = company.stage
    await hire(company)
    stage.change_behaviour(failing_accounts=("7",))
    server = await stage.get_server()
    before = len(server.writes)

    assert await company.settle(FULL.make_request("7", 1_000)) == {}

    assert await stage.get_cause("7") is WaitingCause.FAILING_ACCOUNT
    assert len(server.writes) == before + 2

    stage.change_behaviour(failing_accounts=())

    assert await company.resend("7") == {"7": Outcome.CREATED}


async def test_server_that_fails_at_every_write_is_left_alone(company: Company) -> None:
    """Every write is answered 500 and every lookup is answered: after many people the breaker opens."""
    stage = company.stage
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in PEOPLE))
    fail_writes(stage, 500)

    await stage.handle(*(FULL.make_request(employee, 2_000) for employee in PEOPLE))

    assert await is_open(stage)


# ---------------------------------------------------------------- writes that fail while lookups work


def watch_writes(server: WatchedServer) -> list[int]:
    """Returns a list that gets, for each write, the number of writes on their way."""
    in_flight: list[int] = []
    count = 0

    async def begin(call: Call) -> None:
        nonlocal count
        if isinstance(call, Write):
            count += 1
            in_flight.append(count)

    async def end(call: Call, answer: Answer) -> Answer:
        nonlocal count
        count -= isinstance(call, Write)
        return answer

    server.before, server.after = begin, end
    return in_flight


async def test_one_write_tests_a_server_that_failed_at_writes(company: Company) -> None:
    """Lookups work and writes have no answer: after each pause one write is sent, and all others wait."""
    stage = company.stage
    people = PEOPLE[:40]
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in people))
    changes = [FULL.make_request(employee, 2_000) for employee in people]
    fail_writes(stage, 503)
    await stage.handle(*changes)
    server = await stage.get_server()

    assert await is_open(stage)

    for _ in range(5):
        stage.clock.seconds += 100
        assert await (await stage.get_endpoints())[CONNECTION].breaker.close_if_due()
        before = len(server.writes)
        await stage.handle(*changes, reason=SendReason.RESENT)

        assert len(server.writes) == before + 1
        assert await is_open(stage)


async def test_all_writes_follow_one_that_is_answered(company: Company) -> None:
    """The server works again: the first write is answered, and the others follow in the same batch."""
    stage = company.stage
    people = PEOPLE[:40]
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in ("8", "9", *people)))
    changes = [FULL.make_request(employee, 2_000) for employee in people]
    fail_writes(stage, 503)
    await stage.handle(*changes)
    stage.declaree.faults.clear()
    stage.clock.seconds += 100
    in_flight = watch_writes(await stage.get_server())
    await (await stage.get_endpoints())[CONNECTION].breaker.close_if_due()

    outcomes = await stage.handle(*changes, reason=SendReason.RESENT)

    assert len(outcomes) == len(people)
    assert in_flight[:2] == [1, 1]
    assert max(in_flight) > 1


@pytest.mark.promise("P9")
async def test_failing_account_fails_no_test_of_the_server(company: Company) -> None:
    """The write that tests the server is for a failing account: the next one tests it again, without a pause."""
    stage = company.stage
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in ("8", "9", *PEOPLE[:20])))
    stage.change_behaviour(failing_accounts=("100", "101"))
    endpoint = (await stage.get_endpoints())[CONNECTION]
    endpoint.breaker.open(WaitingCause.SERVER_UNAVAILABLE)
    stage.clock.seconds += 100
    await endpoint.breaker.close_if_due()

    outcomes = await stage.handle(*(FULL.make_request(employee, 2_000) for employee in PEOPLE[:20]))

    assert len(outcomes) == 18
    assert not await is_open(stage)


async def test_looks_alone_do_not_reset_failures(company: Company) -> None:
    """People with right accounts say nothing about writes: the failures of others count in a row."""
    stage = company.stage
    people = PEOPLE[:FAILURES_IN_A_ROW]
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in ("8", "9", "7", *people)))
    fail_writes(stage, 503)
    for employee in people:
        await stage.store.ledger.mark_verify([PLAIN.make_request("7", 1_000).person])
        await stage.handle(FULL.make_request(employee, 2_000), PLAIN.make_request("7", 1_000))

    assert await is_open(stage)
