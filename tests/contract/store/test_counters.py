"""The numbers of ``status``: waiting employees, outcomes, accounts and the balance."""

from typing import Any

from services.contracts.events import Version
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person, make_snapshot

WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(2_000, 3))


def build_enabled(employee: str, **changes: Any) -> LedgerEntry:
    """Returns an entry with an enabled account."""
    return make_entry(employee, account_id=f"a-{employee}", enabled=True, **changes)


async def save_listed(store: Store, *employees: str, **changes: Any) -> None:
    """Stores a first snapshot of these employees, which Personio lists as active."""
    await store.snapshots.save([(make_snapshot(employee, **changes), None) for employee in employees])


async def test_waiting_employees_are_counted_by_connection(store: Store) -> None:
    """An entry that is marked for verification does not wait."""
    await store.ledger.write(
        [make_entry("1", waiting=WAITING), make_entry("2"), make_entry("3"), make_entry("4", waiting=WAITING)]
    )
    await store.ledger.write([make_entry("5", connection_id=OTHER, waiting=WAITING)])
    await store.ledger.mark_verify([make_person("3")])

    numbers = await store.counters.read([CONNECTION, OTHER])

    assert [numbers[one].waiting for one in (CONNECTION, OTHER)] == [2, 1]
    assert (await store.counters.read_one(CONNECTION)).waiting == 2


async def test_waiting_employees_are_counted_by_cause(store: Store) -> None:
    """All connections count together."""
    limited = WAITING.model_copy(update={"cause": WaitingCause.RATE_LIMITED})
    await store.ledger.write([make_entry("1", waiting=WAITING), make_entry("2", waiting=limited), make_entry("3")])
    await store.ledger.write([make_entry("4", connection_id=OTHER, waiting=WAITING)])

    counts = await store.counters.count_waiting_by_cause()

    assert counts == {WaitingCause.SERVER_UNAVAILABLE: 2, WaitingCause.RATE_LIMITED: 1}


async def test_employee_with_a_newer_entry_waits_no_longer(store: Store) -> None:
    """The next entry of an employee ends the wait."""
    await store.ledger.write([make_entry("1", waiting=WAITING)])

    await store.ledger.write([make_entry("1", 2)])

    assert await store.counters.count_waiting_by_cause() == {}
    assert (await store.counters.read_one(CONNECTION)).waiting == 0


async def test_outcomes_of_the_connection_are_counted(store: Store) -> None:
    """An entry without an outcome, and an outcome of another connection, are left out."""
    outcomes = [Outcome.CREATED, Outcome.REJECTED, Outcome.CREATED, Outcome.INCOMPLETE]
    await store.ledger.write(
        [make_entry(str(n), decided=make_outcome(str(n), how=how)) for n, how in enumerate(outcomes)]
    )
    await store.ledger.write([make_entry("9"), make_entry("8", connection_id=OTHER, decided=make_outcome("8"))])

    assert (await store.counters.read_one(CONNECTION)).outcomes == {"created": 2, "incomplete": 1, "rejected": 1}


async def test_active_employees_with_an_enabled_account_are_counted(store: Store) -> None:
    """Employees on leave, absent employees, and accounts not confirmed to be enabled are left out."""
    await save_listed(store, "1", "2", "3", "6", "7")
    await save_listed(store, "5", attributes={"status": "leave"})
    await save_listed(store, "4", connection_id=OTHER)
    await store.snapshots.mark_absent(CONNECTION, [EmployeeId("6")], NOW)
    await store.ledger.write(
        [
            build_enabled("1"),
            make_entry("2", account_id="a-2", enabled=False),
            make_entry("3", account_id="a-3"),
            build_enabled("4", connection_id=OTHER),
            build_enabled("5"),
            build_enabled("6"),
            build_enabled("8"),
        ]
    )

    numbers = (await store.counters.read([CONNECTION]))[CONNECTION]
    assert numbers.accounts == 1
    assert numbers.active == 4


async def test_absent_employees_with_an_enabled_account_are_found(store: Store) -> None:
    """A disabled account of an absent employee needs no attention."""
    await save_listed(store, "1", "2", "6")
    await store.ledger.write(
        [build_enabled("1"), make_entry("2", account_id="a-2", enabled=False), build_enabled("6"), build_enabled("8")]
    )

    await store.snapshots.mark_absent(CONNECTION, [EmployeeId("2"), EmployeeId("6")], NOW)

    assert await store.counters.find_absent_with_account(CONNECTION) == ("6",)


async def test_employees_with_an_undecided_snapshot_are_behind(store: Store) -> None:
    """A snapshot is behind if its decision is older, if the employee waits, or if the entry is missing."""
    await save_listed(store, "1", "2", "3", "4", "5")
    await save_listed(store, "6", connection_id=OTHER)
    await store.ledger.write(
        [
            make_entry("1", decided=make_outcome("1", 1_000)),
            make_entry("2", decided=make_outcome("2", 999)),
            make_entry("3", waiting=WAITING),
            make_entry("7", decided=make_outcome("7", 1_000)),
        ]
    )

    await store.snapshots.mark_oversized(CONNECTION, [(EmployeeId("5"), 1_000)])

    assert await store.counters.count_behind(CONNECTION) == 3, "2, 3 and 4; the event of 5 is never published"


async def test_balance_is_zero_once_every_snapshot_is_decided(store: Store) -> None:
    """The balance counts the employees with work left, and no others."""
    await save_listed(store, "1", "2", "3")
    await save_listed(store, "4", connection_id=OTHER)
    await store.ledger.write([make_entry("1", waiting=WAITING)])
    await store.snapshots.mark_oversized(CONNECTION, [(EmployeeId("3"), 1_000)])

    await store.ledger.write(
        [make_entry("1", 2, decided=make_outcome("1")), make_entry("2", decided=make_outcome("2"))]
    )

    assert await store.counters.count_behind(CONNECTION) == 0
