"""Employees that exchange their e-mail addresses, and reports that wait for the account of their manager."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.contracts.events import Version
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry, ManagerLink, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.conflicts import LONGEST_EXCHANGE
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome


def block(employee: str, blocker: str, how: Outcome = Outcome.REJECTED, **changes: Any) -> LedgerEntry:
    """Returns the entry of an employee with an account, which the account of another employee blocks."""
    content: dict[str, Any] = {
        "account_id": f"a-{employee}",
        "blocked_by": f"a-{blocker}",
        "blocked_name": "x@example.com",
        "decided": make_outcome(employee, how=how),
    }
    return make_entry(employee, **content | changes)


def block_in_cycle(size: int) -> list[LedgerEntry]:
    """Returns the entries of employees that each block the one before, the first one blocks the last one."""
    return [block(f"{number:02}", f"{(number + 1) % size:02}") for number in range(size)]


async def find_exchanging(store: Store, *among: str) -> Sequence[EmployeeId]:
    """Returns those of these employees that exchange their addresses."""
    return await store.followups.find_exchanging(CONNECTION, map(EmployeeId, among))


async def test_employees_that_block_each_other_exchange(store: Store) -> None:
    """The result is limited to the named employees; the other ones of the cycle need not be named."""
    await store.ledger.write([block("1", "2"), block("2", "1")])

    assert await find_exchanging(store, "2", "1", "2", "3") == ("1", "2")
    assert await find_exchanging(store, "2") == ("2",)
    assert await find_exchanging(store) == ()


async def test_employee_that_waits_for_a_cycle_is_not_part_of_it(store: Store) -> None:
    """A chain without an end in itself dissolves without an exchange, from its other end."""
    await store.ledger.write(
        [block("1", "2"), block("2", "3"), block("3", "2"), block("5", "6"), make_entry("6", account_id="a-6")]
    )

    assert await find_exchanging(store, "1", "2", "3", "5", "6") == ("2", "3")


@pytest.mark.parametrize("size", [3, 5, LONGEST_EXCHANGE])
async def test_exchange_of_several_employees_is_found(store: Store, size: int) -> None:
    """Each employee of the cycle is found."""
    entries = block_in_cycle(size)
    await store.ledger.write(entries)

    assert await find_exchanging(store, *(entry.employee_id for entry in entries)) == tuple(
        entry.employee_id for entry in entries
    )


async def test_longer_cycle_is_not_followed_to_its_end(store: Store) -> None:
    """The search is bounded."""
    entries = block_in_cycle(LONGEST_EXCHANGE + 1)
    await store.ledger.write(entries)

    assert await find_exchanging(store, *(entry.employee_id for entry in entries)) == ()


@pytest.mark.parametrize(
    "second",
    [
        block("2", "1", Outcome.UPDATED),
        block("2", "1", decided=None),
        block("2", "1", account_id="another"),
        block("2", "1", account_id=None),
        block("2", "1", blocked_by=None),
        block("2", "1", connection_id=OTHER),
    ],
    ids=["not rejected", "not decided", "other account", "no account", "not blocked", "other connection"],
)
async def test_blocker_that_wants_no_exchange_breaks_the_cycle(store: Store, second: LedgerEntry) -> None:
    """All employees of a cycle own the account that blocks the one before, and are rejected."""
    await store.ledger.write([block("1", "2"), second])

    assert await find_exchanging(store, "1", "2") == ()


# ------------------------------------------------------------ reports


def wait_for(cause: WaitingCause, manager: str | None, employee: str, **changes: Any) -> LedgerEntry:
    """Returns the entry of a report that waits."""
    waiting = Waiting(cause=cause, since=NOW, version=Version(2_000, 3))
    link = ManagerLink(employee_id=EmployeeId(manager)) if manager else None
    return make_entry(employee, waiting=waiting, manager=link, **changes)


async def test_reports_of_a_pending_manager_are_found(store: Store) -> None:
    """Employees with another manager, another cause or another connection are left out."""
    pending = WaitingCause.MANAGER_PENDING
    await store.ledger.write(
        [
            wait_for(pending, "9", "1"),
            wait_for(pending, "8", "2"),
            wait_for(WaitingCause.RATE_LIMITED, "9", "3"),
            wait_for(pending, None, "4"),
            wait_for(pending, "9", "5", connection_id=OTHER),
            make_entry("6", manager=ManagerLink(employee_id=EmployeeId("9"))),
        ]
    )

    managers = [EmployeeId(name) for name in ("9", "7", "9")]

    assert await store.followups.find_pending_reports(CONNECTION, managers) == ("1",)
    assert await store.followups.find_pending_reports(CONNECTION, []) == ()
