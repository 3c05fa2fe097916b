"""Verifications: their steps in order, the report of the last finished one, and nothing of abandoned ones."""

from typing import Any

from services.contracts.drift import Drift, DriftKind
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.verifications import ListedAccount, VerificationReport, VerificationStep
from services.store.database import Store
from tests.support.builders import BERLIN, CONNECTION, NOW, OTHER, make_entry

DRIFT = Drift(
    connection_id=CONNECTION,
    kind=DriftKind.DIFFERENT,
    employee_id=EmployeeId("7"),
    account_id=AccountId("a/7"),
    fields=('emails[type eq "work"].value', "name.givenName"),
    is_repaired=True,
)
COUNTS = {"listed": 2, "different": 1, "repaired": 1}


def make_step(number: int = 0, **changes: Any) -> VerificationStep:
    """Returns a step with these fields."""
    return VerificationStep.model_validate({"number": number, "kind": "page", "taken_at": NOW, **changes})


async def read_steps(store: Store, run: str = "r1") -> list[VerificationStep]:
    """Returns the stored steps of a verification."""
    return [step async for step in store.verifications.iterate_steps(CONNECTION, run)]


async def test_steps_come_back_as_they_were_stored(store: Store) -> None:
    """With accounts without an employee, and with ids of any form."""
    page = make_step(
        next_start=3,
        total=2,
        listed=(
            ListedAccount(id=AccountId("a/7"), employee_id=EmployeeId("7"), is_enabled=False),
            ListedAccount(id=AccountId("$x.y")),
        ),
        has_repeated=True,
        drifts=(DRIFT, Drift(connection_id=CONNECTION, kind=DriftKind.UNKNOWN_EMPLOYEE)),
        counts={"read": 1},
        to_repair=(EmployeeId("7"),),
        taken_at=NOW.astimezone(BERLIN),
    )
    end = make_step(1, kind="list-end", is_list_complete=True)

    await store.verifications.save_step(CONNECTION, "r1", page)
    await store.verifications.save_step(CONNECTION, "r1", end)

    assert await read_steps(store) == [page, end]


async def test_steps_come_in_the_order_of_their_numbers(store: Store) -> None:
    """Ten comes after nine. A repeated call replaces the step."""
    for number in (10, 9, 100, 0, 9):
        await store.verifications.save_step(CONNECTION, "r1", make_step(number))

    assert [step.number for step in await read_steps(store)] == [0, 9, 10, 100]


async def test_repair_is_noted_in_its_step_alone(store: Store) -> None:
    """A missing step is not created."""
    for number in range(2):
        await store.verifications.save_step(CONNECTION, "r1", make_step(number, to_repair=("7", "8")))

    await store.verifications.note_repaired(CONNECTION, "r1", 1)
    await store.verifications.note_repaired(CONNECTION, "r1", 2)

    assert [step.to_repair for step in await read_steps(store)] == [("7", "8"), ()]


async def test_beginning_removes_an_abandoned_verification(store: Store) -> None:
    """The one that begins again keeps its steps, and so do those of other connections."""
    for run in ("r1", "r2"):
        await store.verifications.save_step(CONNECTION, run, make_step())
    await store.verifications.save_step(OTHER, "r1", make_step())

    await store.verifications.begin(CONNECTION, "r2")

    assert await read_steps(store, "r1") == []
    assert await read_steps(store, "r2") == [make_step()]
    assert [step async for step in store.verifications.iterate_steps(OTHER, "r1")] == [make_step()]


async def test_last_report_stays_until_the_next_one(store: Store) -> None:
    """Its findings stay as well, while another verification is in progress."""
    await store.verifications.save_step(CONNECTION, "r1", make_step(drifts=(DRIFT,)))
    await store.verifications.save_step(CONNECTION, "r1", make_step(1))
    await store.verifications.finish(CONNECTION, "r1", COUNTS, now=NOW)
    await store.verifications.begin(CONNECTION, "r2")
    await store.verifications.save_step(CONNECTION, "r2", make_step())

    report = await store.verifications.get_report(CONNECTION)

    assert report == VerificationReport(run="r1", finished_at=NOW, counts=COUNTS)
    assert [drift async for drift in store.verifications.iterate_drifts(CONNECTION, "r1")] == [DRIFT]

    await store.verifications.finish(CONNECTION, "r2", {"listed": 0}, now=NOW)

    report = await store.verifications.get_report(CONNECTION)
    assert report == VerificationReport(run="r2", finished_at=NOW, counts={"listed": 0})
    assert await read_steps(store, "r1") == []
    assert await read_steps(store, "r2") == [make_step()]


async def test_connection_without_verification_has_no_report(store: Store) -> None:
    """Steps alone do not make a report."""
    await store.verifications.save_step(CONNECTION, "r1", make_step())

    assert await store.verifications.get_report(CONNECTION) is None


async def test_employees_are_found_by_their_accounts(store: Store) -> None:
    """Those of one connection, and no account that the ledger does not know."""
    await store.ledger.write(
        [
            make_entry("1", account_id="a-1"),
            make_entry("2", account_id="a-2"),
            make_entry("3"),
            make_entry("4", connection_id=OTHER, account_id="a-4"),
        ]
    )

    found = await store.ledger.find_by_accounts(CONNECTION, [AccountId(f"a-{number}") for number in (1, 3, 4, 5)])

    assert found == {"a-1": "1"}
    assert await store.ledger.find_by_accounts(CONNECTION, []) == {}
