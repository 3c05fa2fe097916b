"""Resends: which employees, and which state of them."""

from dataclasses import replace

import pytest

from services.contracts.cloudevents import SendReason, read_event
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome
from services.contracts.tasks import Resend
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, make_entry, make_outcome, make_snapshot
from tests.support.run_stage import WAITING, RunStage, store_open_changes


@pytest.fixture
def stage(store: Store) -> RunStage:
    """An empty connection."""
    return RunStage(store)


async def test_report_of_a_manager_with_an_account_is_resent(stage: RunStage) -> None:
    """Employees that wait, or are marked for verification, are left to the writers."""
    await store_open_changes(stage.store)

    assert await stage.resender.resend_unblocked(await stage.plan()) == 1
    assert stage.list_sent(SendReason.RESENT) == ["3"]


async def test_settled_connection_is_asked_for_nothing(stage: RunStage) -> None:
    """The plan tells of neither an open reference nor a conflict, so that an idle poll sends no query."""
    await store_open_changes(stage.store)
    plan = replace(await stage.plan(), needs=frozenset())

    assert await stage.resender.resend_unblocked(plan) == 0


async def test_employees_that_exchange_addresses_are_resent(stage: RunStage) -> None:
    """A writer resends a conflict once only. What is left of an exchange continues with the next poll."""
    await stage.store.snapshots.save([(make_snapshot(number), None) for number in "12"])
    for employee, other in ("12", "21"):
        rejected = make_outcome(employee, how=Outcome.REJECTED)
        entry = make_entry(employee, account_id=f"a-{employee}", blocked_by=f"a-{other}", decided=rejected)
        await stage.store.ledger.write([entry])

    assert await stage.resender.resend_unblocked(await stage.plan()) == 2
    assert stage.list_sent(SendReason.RESENT) == ["1", "2"]


async def test_employee_covered_by_an_open_task_is_resent_once(stage: RunStage) -> None:
    """A writer files a task for each report of a new manager, so the poll need not resend them too."""
    await store_open_changes(stage.store)
    report = Resend(scope="people", people=(EmployeeId("3"),), reason="the manager has an account")
    await stage.store.tasks.file(CONNECTION, report, now=NOW)

    assert await stage.resender.resend_unblocked(await stage.plan()) == 0

    await stage.tasks.run_open(CONNECTION)

    assert stage.list_sent(SendReason.RESENT) == ["3"]


async def test_rejected_employees_are_resent(stage: RunStage) -> None:
    """A change in the mapping or in Declaree may make them valid."""
    await store_open_changes(stage.store)

    assert await stage.resender.resend_rejected(CONNECTION) == 1
    assert stage.list_sent(SendReason.RESENT) == ["5"]


async def test_resend_publishes_the_newest_snapshot(stage: RunStage) -> None:
    """An employee with an older outcome gets the present one."""
    await stage.store.snapshots.save([(make_snapshot("1", 2_000, emitted_revision=2_000), None)])
    await stage.store.ledger.write([make_entry("1", waiting=WAITING)])

    await stage.resender.resend_people(CONNECTION, [EmployeeId("1")])

    (record,) = stage.publisher.log
    assert read_event(EmployeeChanged, record.value).revision == 2_000
