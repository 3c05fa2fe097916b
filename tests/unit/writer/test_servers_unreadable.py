"""Accounts that a server cannot show: each lookup is answered with an error, and the server works for all others."""

import pytest

from services.clients.declaree.errors import DeclareeUnavailableError, DeclareeWrongAddressError
from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.provisioning.calls import Call, FindAccounts, ListAccounts, ReadAccount
from tests.support.builders import CONNECTION
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.servers import FULL, PLAIN, find_user, hire

UNREADABLE = [str(number) for number in range(100, 128)]
LEAVERS = ["900", "901", "902"]
REST = [str(number) for number in range(200, 240)]
ERRORS = [
    DeclareeUnavailableError("Declaree answers a lookup with an error (500)"),
    DeclareeWrongAddressError("the answer is not a SCIM user"),
]


async def break_lookups(company: Company, error: TransientError, *, is_new: bool = False) -> None:
    """Lets each lookup of an unreadable account fail from now on: by its id, or by its marks. With ``is_new``, lists fail, too."""
    server = await company.stage.get_server()
    names = {name for employee in UNREADABLE for name in (employee, f"eva.king.{employee}@nordlicht.example")}
    ids = set[str]() if is_new else {str((await company.stage.get_entry(name)).account_id) for name in UNREADABLE}

    async def fail(call: Call) -> None:
        match call:
            case ListAccounts() if is_new:
                raise error
            case ReadAccount(id=name) if name in ids:
                raise error
            case FindAccounts(value=name) if name in names:
                raise error

    server.before = fail


@pytest.mark.promise("P9")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
async def test_unreadable_accounts_are_parked_alone(company: Company, error: TransientError) -> None:
    """The others are written in the same batch and in later ones, and leavers lose access although the others are resent before."""
    stage = company.stage
    await hire(company)
    await company.settle(*(PLAIN.make_request(employee, 1_000) for employee in (*UNREADABLE, *REST, *LEAVERS)))
    await break_lookups(company, error)
    failing = [FULL.make_request(employee, 2_000) for employee in UNREADABLE]

    outcomes = await stage.handle(*failing, *(FULL.make_request(employee, 2_000) for employee in REST))
    for leaver in LEAVERS:
        for _ in range(2):
            await stage.handle(*failing, reason=SendReason.RESENT)
        await stage.handle(make_leaver(leaver))

    assert {outcome.employee_id for outcome in outcomes} == set(REST)
    assert {await stage.get_cause(employee) for employee in UNREADABLE} == {WaitingCause.FAILING_ACCOUNT}
    assert [(await find_user(stage, leaver))["active"] for leaver in LEAVERS] == [False] * len(LEAVERS)
    assert not (await stage.get_endpoints())[CONNECTION].breaker.is_open


async def test_new_people_that_cannot_be_looked_up_are_parked_alone(company: Company) -> None:
    """A server that fails for some values of a filter still gets the accounts of all others."""
    stage = company.stage
    await hire(company)
    await break_lookups(company, ERRORS[0], is_new=True)
    failing = [FULL.make_request(employee, 2_000) for employee in UNREADABLE[:15]]
    await stage.handle(*failing)

    outcomes = await stage.handle(*failing, *(FULL.make_request(employee, 2_000) for employee in REST[:15]))

    assert {outcome.employee_id for outcome in outcomes} == set(REST[:15])
    assert {await stage.get_cause(employee) for employee in UNREADABLE[:15]} == {WaitingCause.FAILING_ACCOUNT}
