"""The verification of one employee, and what a report means for an administrator."""

import asyncio
from typing import Any

import pytest

from services.admin.tasks import UnknownEmployeesError
from services.admin.verify import AbsentEmployeeError, NewerDecisionError, NoOutcomeError, Verified, verify_employee
from services.contracts.connections import Connection
from services.contracts.events import AccountSynced, ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome
from services.contracts.verifications import VerificationReport
from services.runtime.clock import SystemClock
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, make_entry, make_outcome, make_person, make_snapshot
from tests.support.run_stage import WAITING


async def store_employee(store: Store, connection: Connection, **changes: Any) -> None:
    """Stores a settled employee with these fields of the snapshot."""
    await store.snapshots.save([(make_snapshot("7", connection_id=connection.id, **changes), None)])
    await store.ledger.write([make_entry("7", connection_id=connection.id, decided=make_outcome("7"))])


async def verify(store: Store, connection: Connection, seconds: float = 10) -> AccountSynced:
    """Verifies the employee."""
    return await verify_employee(
        store, SystemClock(), connection.id, EmployeeId("7"), seconds=seconds, progress=lambda _: None
    )


async def finish_task(store: Store, connection: Connection) -> None:
    """Carries out the open task, as a poller does."""
    async with asyncio.timeout(10):
        while not (tasks := await store.tasks.list_open(connection.id)):  # noqa: ASYNC110 - another task files it
            await asyncio.sleep(0)
    await store.tasks.start(tasks[0].id)
    await store.tasks.finish(tasks[0].id, {"sent": 1}, now=NOW)


async def change_entry(store: Store, connection: Connection, **changes: Any) -> None:
    """Changes the ledger entry, as the writer does."""
    entry = await store.ledger.get(make_person("7", connection.id))
    assert entry is not None
    assert not await store.ledger.write([entry.model_copy(update={"seq": entry.seq + 1, **changes})])


async def test_new_outcome_is_returned(store: Store, connection: Connection) -> None:
    """The outcome before the resend is not enough."""
    await store_employee(store, connection)
    waiting = asyncio.create_task(verify(store, connection))
    await finish_task(store, connection)
    outcome = make_outcome("7", how=Outcome.UPDATED)
    await change_entry(store, connection, verify=False, decided=outcome)

    assert await waiting == outcome


async def test_waiting_change_names_its_cause(store: Store, connection: Connection) -> None:
    """Declaree does not answer the writer."""
    await store_employee(store, connection)
    waiting = asyncio.create_task(verify(store, connection, seconds=1))
    await finish_task(store, connection)
    await change_entry(store, connection, waiting=WAITING)

    with pytest.raises(NoOutcomeError, match="no outcome after 1 s: Declaree does not answer"):
        await waiting


async def test_absent_employee_is_not_resent(store: Store, connection: Connection) -> None:
    """The last snapshot would enable the account. A removed employee's disables it."""
    await store_employee(store, connection, absent_since=NOW)

    with pytest.raises(AbsentEmployeeError, match="people disable"):
        await verify(store, connection)

    assert await store.tasks.list_open(connection.id) == ()


async def test_removed_employee_is_resent(store: Store, connection: Connection) -> None:
    """An administrator has confirmed the departure."""
    await store_employee(store, connection, absent_since=NOW, kind=ChangeKind.REMOVED)
    waiting = asyncio.create_task(verify(store, connection))
    await finish_task(store, connection)
    await change_entry(store, connection, verify=False)

    assert (await waiting).outcome is Outcome.CREATED


async def test_decision_from_the_future_names_the_way_out(store: Store, connection: Connection) -> None:
    """No resend would have an outcome, and the command would wait for one until its time is over."""
    await store_employee(store, connection, revision=999)

    with pytest.raises(NewerDecisionError, match=f"people reset {connection.id} 7"):
        await verify(store, connection)

    assert await store.tasks.list_open(connection.id) == ()


async def test_unknown_employee_is_named(store: Store, connection: Connection) -> None:
    """The ledger gets no entry for it."""
    with pytest.raises(UnknownEmployeesError, match="unknown employee 7"):
        await verify(store, connection)

    assert await store.ledger.get(make_person("7", connection.id)) is None


@pytest.mark.parametrize(
    ("counts", "needs_person"),
    [
        ({"listed": 9}, False),
        ({"listed": 9, "missing": 2, "repaired": 2}, False),
        ({"listed": 9, "missing": 2, "different": 1, "repaired": 2}, True),
        ({"listed": 9, "read": 9, "unreadable": 1}, True),
    ],
)
def test_open_findings_need_a_person(counts: dict[str, int], needs_person: bool) -> None:
    """An account without a usable answer may be that of an enabled leaver."""
    report = VerificationReport(run="r1", finished_at=NOW, counts=counts)

    assert Verified(CONNECTION, report).needs_person is needs_person


def test_late_verification_needs_nothing_but_time() -> None:
    """One that has failed needs a person."""
    assert not Verified(CONNECTION, None, error="late", is_late=True).needs_person
    assert Verified(CONNECTION, None, error="failed").needs_person
