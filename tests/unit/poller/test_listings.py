"""Employees that Personio lists as before: when they are recognised."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import services.clients.personio.v1_attributes
import services.contracts.employees
import services.mapping.employment
import services.mapping.observe
import services.mapping.wanted
from services.contracts.employees import Employee, EmploymentPhase
from services.contracts.ids import EmployeeId
from services.contracts.mappings import EmploymentDates
from services.contracts.polls import ScanBasis
from services.contracts.snapshots import UNKNOWN_LISTING, Listing, SnapshotState
from services.poller.listings import READING, Recogniser, find_unfilled
from tests.support.fakes import Listed, make_employee

BASIS = ScanBasis(attributes=("email", "status"), employment=EmploymentDates(), source="credential")
BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 3, 9)
EVA = make_employee("1", {"email": "eva@x.example"})
STATE = SnapshotState("hash", EmploymentPhase.CURRENT, None, "active")


def list_employee(employee: Employee = EVA) -> Listed:
    """Returns the employee as Personio lists it."""
    return Listed(employee, lambda _: None)


def note(recogniser: Recogniser, **changes: Any) -> SnapshotState:
    """Returns the state of an employee that was compared by a scan."""
    state = STATE._replace(**changes)
    return state._replace(listing=recogniser.build_listing(list_employee(), state, ("email",)))


def test_same_bytes_under_the_same_conditions_are_recognised() -> None:
    """On a later day and in another process too."""
    state = note(Recogniser(BASIS, BERLIN, TODAY))

    assert Recogniser(BASIS, BERLIN, date(2026, 3, 10)).recognises(state, list_employee())


@pytest.mark.parametrize(
    "other",
    [
        Recogniser(BASIS.model_copy(update={"attributes": ("email",)}), BERLIN, TODAY),
        Recogniser(BASIS.model_copy(update={"employment": EmploymentDates(days_before_start=3)}), BERLIN, TODAY),
        Recogniser(BASIS.model_copy(update={"source": "another"}), BERLIN, TODAY),
        Recogniser(BASIS, ZoneInfo("Europe/Lisbon"), TODAY),
        Recogniser(BASIS, BERLIN, TODAY, reading=READING + 1),
    ],
    ids=["attributes", "rules", "credential", "time zone", "reading"],
)
def test_other_conditions_recognise_no_employee(other: Recogniser) -> None:
    """Each of them can lead to another result with the same bytes."""
    assert not other.recognises(note(Recogniser(BASIS, BERLIN, TODAY)), list_employee())


def test_other_bytes_are_not_recognised() -> None:
    """The employee is read and compared."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)

    assert not recogniser.recognises(note(recogniser), list_employee(EVA._replace(attributes={})))


@pytest.mark.parametrize(
    "changes",
    [
        {"content_hash": "another"},
        {"phase": EmploymentPhase.ENDED},
        {"next_day": date(2026, 4, 1)},
        {"status": "inactive"},
    ],
)
def test_other_content_is_not_recognised(changes: dict[str, Any]) -> None:
    """The snapshot was changed by something that knows of no digest: an older version, or damage."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)

    assert not recogniser.recognises(note(recogniser)._replace(**changes), list_employee())


def test_damaged_keys_are_not_recognised() -> None:
    """The source catalogue would count them."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)
    state = note(recogniser)

    assert not recogniser.recognises(state._replace(listing=state.listing._replace(unfilled=())), list_employee())


@pytest.mark.parametrize(("next_day", "is_recognised"), [(date(2026, 3, 10), True), (TODAY, False)])
def test_employee_is_read_from_the_next_day_on(next_day: date, is_recognised: bool) -> None:
    """An employment begins or ends on it without a change in Personio."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)

    assert recogniser.recognises(note(recogniser, next_day=next_day), list_employee()) is is_recognised


def test_employee_that_was_compared_tomorrow_is_read() -> None:
    """The clock was ahead: the employment has ended too early."""
    state = note(Recogniser(BASIS, BERLIN, date(2026, 3, 10)), phase=EmploymentPhase.ENDED)

    assert not Recogniser(BASIS, BERLIN, TODAY).recognises(state, list_employee())


@pytest.mark.parametrize("digest", ["", "@", "hash", "hash@2026-03-09"])
def test_employee_with_another_digest_is_read(digest: str) -> None:
    """The document is damaged, or of another version."""
    assert not Recogniser(BASIS, BERLIN, TODAY).recognises(STATE._replace(listing=Listing(digest)), list_employee())


def test_employee_without_a_digest_is_not_recognised() -> None:
    """Neither one that was read at once, nor one with a snapshot of a lookup."""
    recogniser = Recogniser(BASIS, BERLIN, TODAY)

    assert not recogniser.recognises(STATE, list_employee())
    assert not recogniser.recognises(note(recogniser), EVA)
    assert recogniser.build_listing(EVA, STATE, ("email",)) == UNKNOWN_LISTING


def test_unfilled_attributes_are_those_without_a_value() -> None:
    """A nested attribute has a value if one of its parts has one."""
    employee = Employee(
        EmployeeId("1"),
        {"email": None, "office.id": 4, "office.name": None, "team.name": None, "status": "active"},
        None,
    )

    unfilled = find_unfilled(employee, frozenset({"email", "office", "team", "status", "gone"}))

    assert unfilled == ("email", "gone", "team")


MODULES: tuple[ModuleType, ...] = (
    services.clients.personio.v1_attributes,
    services.contracts.employees,
    services.mapping.employment,
    services.mapping.wanted,
    services.mapping.observe,
)
"""The modules that decide what an employee is read as, and whether that is a change."""
READINGS = {1: "6403cadacfbf12894e2d6a9256ffabc6af8027c88e57b06a422587c6598f7845"}
"""The hash of these modules by ``READING``."""


def test_another_way_of_reading_has_another_number() -> None:
    """If the change of a module can lead to another result with the same bytes, raise ``READING``. Then store the new hash."""
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in MODULES)

    assert {READING: sha256(sources).hexdigest()} == READINGS
