"""Which employees share nothing with any other one, so that another process may settle them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.accounts.index import AccountIndex
from services.admin.preview.collection import CollectedEmployees
from services.admin.preview.independent import find_independent
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId
from services.contracts.outcomes import Intent, WaitingCause
from services.provisioning.calls import Resource
from services.provisioning.waiting import build_waiting
from tests.support.builders import make_entry, make_request, make_request_with_intent, reports_to
from tests.support.collected import collect

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_named_request(employee: str, **changes: Any) -> AccountRequested:
    """Returns a request with an address of the employee."""
    return make_request(employee, user_name=f"{employee}@nordlicht.example", **changes)


class Company:
    """The employees 1 and 2, and the accounts in Declaree."""

    def __init__(self) -> None:
        self.index = AccountIndex()
        self.employees = CollectedEmployees()
        for employee in ("1", "2"):
            self.add(make_named_request(employee))

    def add(self, request: AccountRequested, *, is_absent: bool = False) -> None:
        """Adds an employee, or replaces one."""
        self.employees.add(collect(request, is_absent=is_absent))

    def list_account(self, account: str, **body: Any) -> None:
        """Adds an account to the list."""
        self.index.add(Resource(AccountId(account), body))

    def find(self) -> set[str]:
        """Returns the independent employees."""
        return set(find_independent(self.index, self.employees))


@pytest.fixture
def company() -> Company:
    """A company without accounts."""
    return Company()


def test_employees_with_nothing_in_common_are_independent(company: Company) -> None:
    """Otherwise the other tests would prove nothing."""
    company.list_account("a-1", externalId="1", userName="1@nordlicht.example")
    company.employees.note_entry(make_entry("1", account_id="a-1", external_id="1"))

    assert company.find() == {"1", "2"}


@pytest.mark.parametrize(
    "changes",
    [
        {"user_name": "1@Nordlicht.EXAMPLE"},
        {"external_id": "1"},
        {"fields": {'emails[type eq "home"].value': "1@nordlicht.example"}},
        {"fields": {"tags": ("x", "1@nordlicht.example")}},
    ],
    ids=["user name in another case", "external id", "further address", "address in a list"],
)
def test_employees_with_one_mark_are_not(company: Company, changes: dict[str, Any]) -> None:
    """What is written for one of them is found for the other."""
    request = make_named_request("2")
    assert request.desired is not None
    desired = request.desired.model_copy(update=changes)
    company.add(request.model_copy(update={"desired": desired}))

    assert company.find() == set()


def test_employees_with_one_account_are_not(company: Company) -> None:
    """The account of employee 1 has the address of employee 2, which is to take another one."""
    company.list_account("a-1", externalId="1", userName="2@nordlicht.example")

    assert company.find() == set()


def test_remembered_account_of_another_is_shared(company: Company) -> None:
    """The ledger knows the account as that of employee 1, and its external id is the one of employee 2."""
    company.list_account("a-1", externalId="2")
    company.employees.note_entry(make_entry("1", account_id="a-1"))

    assert company.find() == set()


@pytest.mark.parametrize("remembered", [{"user_name": "2@nordlicht.example"}, {"external_id": "2"}, {"attempted": "2"}])
def test_what_the_ledger_remembers_is_shared(company: Company, remembered: dict[str, Any]) -> None:
    """An address that employee 1 is about to give up becomes free for employee 2."""
    company.employees.note_entry(make_entry("1", **remembered))

    assert company.find() == set()


def test_manager_is_settled_before_the_reports(company: Company) -> None:
    """So the manager is settled with all others, and the report apart from them."""
    company.add(make_named_request("2", manager=reports_to("1")))

    assert company.find() == {"2"}


def test_leavers_and_absent_employees_are_not(company: Company) -> None:
    """The brake counts all that are disabled."""
    company.add(make_request_with_intent(Intent.DISABLE, "1"))
    company.add(make_named_request("2"), is_absent=True)
    company.add(make_request_with_intent(Intent.REJECT, "3", reason="no address"))

    assert company.find() == set()


@pytest.mark.parametrize(
    "state",
    [
        {"verify": True},
        {"look_at": NOW},
        {"blocked_by": "a-9"},
        {"attempted_names": ("9@nordlicht.example",)},
        {"waiting": build_waiting(make_request("1"), WaitingCause.INCONCLUSIVE, NOW, None)},
    ],
    ids=["verify", "look", "blocked", "attempted", "waiting"],
)
def test_employee_with_something_under_way_is_not(company: Company, state: dict[str, Any]) -> None:
    """The settlement asks for more than an employee is given apart."""
    company.employees.note_entry(make_entry("1", **state))

    assert company.find() == {"2"}


def test_list_that_hides_addresses_is_of_no_use(company: Company) -> None:
    """An account that the list does not show may have any address."""
    company.index.answerable = frozenset({"externalId"})

    assert company.find() == set()
