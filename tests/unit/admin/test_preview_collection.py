"""The mapped employees of a preview: their order, and their limit."""

import pytest

from services.admin.preview.collection import CollectedEmployees, PreviewTooLargeError
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Intent
from tests.support.builders import make_request, make_request_with_intent, reports_to
from tests.support.collected import collect


def add(employees: CollectedEmployees, employee: str, manager: str | None = None) -> None:
    """Adds an employee that reports to this manager."""
    reference = reports_to(manager) if manager else None
    request = make_request(employee, manager=reference)
    employees.add(collect(request))


def test_managers_come_before_their_reports() -> None:
    """A report that is settled first would be settled twice."""
    employees = CollectedEmployees()
    for employee, manager in [("1", "2"), ("2", "3"), ("3", None), ("4", "2")]:
        add(employees, employee, manager)

    assert employees.order() == ["3", "2", "1", "4"]


def test_leavers_come_first() -> None:
    """Their addresses become free for others."""
    employees = CollectedEmployees()
    add(employees, "1")
    leaver = make_request_with_intent(Intent.DISABLE, "2")
    employees.add(collect(leaver))

    assert employees.order() == ["2", "1"]


def test_cycle_of_managers_has_each_employee_once() -> None:
    """Employees that report to each other are settled in any order."""
    employees = CollectedEmployees()
    for employee, manager in [("1", "2"), ("2", "3"), ("3", "1"), ("4", "4")]:
        add(employees, employee, manager)

    assert sorted(employees.order()) == ["1", "2", "3", "4"]


def test_request_is_the_same_after_it_was_packed() -> None:
    """Cleared fields stay cleared."""
    employees = CollectedEmployees()
    request = make_request("7", fields={"title": None, "nickName": "Zoë"})

    employees.add(collect(request, is_absent=True))

    assert employees.get(EmployeeId("7")) == request
    assert employees.absent == {"7"}


def test_too_large_company_is_an_error() -> None:
    """The memory of the command is limited."""
    employees = CollectedEmployees(max_bytes=10)

    with pytest.raises(PreviewTooLargeError, match="--employee"):
        add(employees, "1")
