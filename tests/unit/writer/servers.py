"""One employee's account on a server that behaves in its own way: what is wanted, what it has, and what that costs."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome
from tests.support.builders import NO_MANAGER, make_request, reports_to
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver

DEPARTMENT = f"{ENTERPRISE}:department"
MANAGER = f"{ENTERPRISE}:manager.value"
MOBILE = 'phoneNumbers[type eq "mobile"].value'
HOME = 'emails[type eq "home"].value'
STEADY = 2
"""Maximum number of requests for a changed employee, once it is known how the server is written."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Content:
    """What an account must have. None stands for a field without a value."""

    given: str = "Ada"
    """First name."""
    family: str = "Lovelace"
    """Last name."""
    title: str | None = None
    """Title, a field with a single value."""
    department: str | None = None
    """Department, a field of the enterprise extension."""
    mobile: str | None = None
    """Mobile phone, an entry of a list."""
    manager: str | None = None
    """Employee id of the manager."""
    prefix: str = "e"
    """Beginning of user name and e-mail address, before the employee id."""
    active: bool = True
    """Whether the account is enabled."""

    def make_request(self, employee: str, revision: int) -> AccountRequested:
        """Returns the request for an account with this content."""
        fields = {
            "name.givenName": self.given,
            "name.familyName": self.family,
            "title": self.title,
            DEPARTMENT: self.department,
            MOBILE: self.mobile,
        }
        manager = reports_to(self.manager) if self.manager else NO_MANAGER
        return make_request(employee, revision, user_name=self.get_address(employee), fields=fields, manager=manager)

    def get_address(self, employee: str) -> str:
        """Returns the user name of the employee."""
        return f"{self.prefix}{employee}@nordlicht.example"


PLAIN = Content()
"""A new employee's account."""
FULL = Content("Eva", "King", "Prof", "IT", "+49 1", "9", "eva.king.")
"""An account with every field."""
OTHER = replace(FULL, family="Kong", department="HR", mobile="+49 2", manager="8", prefix="eva.")
"""Another account with every field: every kind of field changes."""
CLEARED = replace(OTHER, title=None, mobile=None, manager=None)
"""An account of which three kinds of fields were cleared."""
LIFE = (FULL, OTHER, CLEARED, FULL)
"""Contents of an account in order. Each kind of field is set, changed and cleared."""
STEADY_LIFE = [STEADY] * (len(LIFE) + 1)
"""Maximum numbers of requests for these contents and a departure, once it is known how the server is written."""


async def find_user(stage: WriterStage, employee: str) -> dict[str, Any]:
    """Returns the account of an employee by the ledger's id, as the server stores it."""
    entry = await stage.get_entry(employee)
    assert entry.account_id is not None
    return stage.declaree.directory.users[entry.account_id].resource


async def read_content(stage: WriterStage, employee: str) -> Content:
    """Returns what the account of an employee has. Fails for further e-mail addresses and phone numbers."""
    user = await find_user(stage, employee)
    enterprise = user.get(ENTERPRISE, {})
    (address,) = [email["value"] for email in user["emails"]]
    assert address == user["userName"]
    phones = [phone["value"] for phone in user.get("phoneNumbers", [])]
    assert len(phones) <= 1
    manager = enterprise.get("manager", {}).get("value")
    managers = {(await stage.get_entry(key)).account_id: key for key in ("8", "9") if manager}
    return Content(
        given=user["name"]["givenName"],
        family=user["name"]["familyName"],
        title=user.get("title"),
        department=enterprise.get("department"),
        mobile=phones[0] if phones else None,
        manager=managers[manager] if manager else None,
        prefix=address.removesuffix(f"{employee}@nordlicht.example"),
        active=user["active"],
    )


async def count_requests(stage: WriterStage, work: Awaitable[_Result]) -> tuple[_Result, int]:
    """Returns the result of some work and the number of requests that it sent to the server."""
    before = len(stage.list_calls())
    result = await work
    return result, len(stage.list_calls()) - before


async def hire(company: Company, *employees: str) -> None:
    """Creates accounts for employees, and for "8" and "9", the managers in the contents above."""
    requests = [PLAIN.make_request(employee, 1_000) for employee in ("8", "9", *employees)]
    outcomes = await company.settle(*requests)
    assert set(outcomes.values()) == {Outcome.CREATED}


async def write(company: Company, employee: str, content: Content) -> tuple[AccountSynced, int]:
    """Settles one change, newer than all before. Returns its last outcome, and the number of requests."""
    request = content.make_request(employee, 2_000 + company.stage.offset)
    outcomes, requests = await count_requests(company.stage, company.settle_all(request))
    return [outcome for outcome in outcomes if outcome.employee_id == employee][-1], requests


async def live_through(company: Company, employee: str, contents: tuple[Content, ...] = LIFE) -> list[int]:
    """Changes an account again and again, and checks it each time. Returns the number of requests of each change."""
    costs: list[int] = []
    for content in contents:
        outcome, requests = await write(company, employee, content)
        assert outcome.outcome is Outcome.UPDATED, outcome.reason
        assert await read_content(company.stage, employee) == content
        costs.append(requests)
    return costs


async def learn_and_repeat(company: Company) -> list[int]:
    """Lets two new employees live through all contents, and returns the numbers of requests of the second one.

    The first one teaches the writer how the server is written. The last number is that of the second one's departure.
    """
    await hire(company, "7", "6")
    await live_through(company, "7")
    return [*await live_through(company, "6"), await leave(company, "6")]


async def leave(company: Company, employee: str) -> int:
    """Disables the account of an employee that has left, and checks it. Returns the number of requests."""
    settling = company.settle_all(make_leaver(employee, 2_000 + company.stage.offset))
    outcomes, requests = await count_requests(company.stage, settling)
    assert [outcome.outcome for outcome in outcomes] == [Outcome.DISABLED]
    assert (await find_user(company.stage, employee))["active"] is False
    return requests
