"""Employees that Personio lists as before: when they are recognised."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from services.contracts.employees import Employee, EmploymentPhase
from services.contracts.ids import EmployeeId
from services.contracts.mappings import EmploymentDates
from services.contracts.polls import ScanBasis
from services.contracts.snapshots import UNKNOWN_LISTING, SnapshotState
from services.poller.listings import Recogniser, find_unfilled
from tests.support.fakes import Listed, make_employee

BASIS = ScanBasis(attributes=("email", "status"), employment=EmploymentDates(), source="credential")
BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 3, 9)
EVA = make_employee("1", {"email": "eva@x.example"})


def list_employee(employee: Employee = EVA) -> Listed:
    """Returns the employee as Personio lists it."""
    return Listed(employee, lambda _: None)


def build_state(recogniser: Recogniser, listed: Listed, next_day: date | None = None) -> SnapshotState:
    """Returns the state of an employee that was compared under the conditions of a scan."""
    return SnapshotState("hash", EmploymentPhase.CURRENT, next_day, "active", recogniser.build_listing(listed, ()))


def test_same_bytes_under_the_same_conditions_are_recognised() -> None:
    """In another process too."""
    state = build_state(Recogniser(BASIS, BERLIN, TODAY), list_employee())

    assert Recogniser(BASIS, BERLIN, date(2026, 3, 10)).recognises(state, list_employee())


@pytest.mark.parametrize(
    "other",
    [
        Recogniser(BASIS.model_copy(update={"attributes": ("email",)}), BERLIN, TODAY),
        Recogniser(BASIS.model_copy(update={"employment": EmploymentDates(days_before_start=3)}), BERLIN, TODAY),
        Recogniser(BASIS.model_copy(update={"source": "another"}), BERLIN, TODAY),
        Recogniser(BASIS, ZoneInfo("Europe/Lisbon"), TODAY),
        Recogniser(BASIS, BERLIN, TODAY, version="9.9.9"),
    ],
    ids=["attributes", "rules", "credential", "time zone", "version"],
)
def test_other_conditions_recognise_no_employee(other: Recogniser) -> None:
    """Each of them can lead to another result with the same bytes."""
    state = build_state(Recogniser(BASIS, BERLIN, TODAY), list_employee())

    assert not other.recognises(state, list_employee())


def test_other_bytes_are_not_recognised() -> None:
    """The employee is read and compared."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)

    assert not recogniser.recognises(
        build_state(recogniser, list_employee()), list_employee(EVA._replace(attributes={}))
    )


@pytest.mark.parametrize(("next_day", "is_recognised"), [(date(2026, 3, 10), True), (TODAY, False)])
def test_employee_is_read_from_the_next_day_on(next_day: date, is_recognised: bool) -> None:
    """An employment begins or ends on it without a change in Personio."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)
    state = build_state(recogniser, list_employee(), next_day)

    assert recogniser.recognises(state, list_employee()) is is_recognised


def test_employee_without_a_digest_is_not_recognised() -> None:
    """Neither one that was read at once, nor one with a snapshot of a lookup."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)
    unknown = SnapshotState("hash", EmploymentPhase.CURRENT, None, "active")

    assert not recogniser.recognises(unknown, list_employee())
    assert not recogniser.recognises(build_state(recogniser, list_employee()), EVA)
    assert recogniser.build_listing(EVA, ("email",)) == UNKNOWN_LISTING


def test_unfilled_attributes_are_those_without_a_value() -> None:
    """A nested attribute has a value if one of its parts has one."""
    employee = Employee(
        EmployeeId("1"),
        {"email": None, "office.id": 4, "office.name": None, "team.name": None, "status": "active"},
        None,
    )

    assert find_unfilled(employee, frozenset({"email", "office", "team", "status", "gone"})) == (
        "email",
        "gone",
        "team",
    )
