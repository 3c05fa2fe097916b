"""The brake in the whole flow: a mapping, a released run and a command that disable accounts."""

from typing import Any

import pytest

from services.admin import brake
from services.contracts.ids import EmployeeId
from services.contracts.mappings import MappingDocument, default_mapping
from services.contracts.outcomes import Intent
from services.contracts.runs import RunState
from services.contracts.tasks import DecideRun, Disable
from tests.system.pipeline import Pipeline

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P6")]


def count_enabled(pipeline: Pipeline) -> int:
    """Returns the number of enabled accounts."""
    return sum(bool(entry.resource["active"]) for entry in pipeline.declaree.directory.users.values())


def list_active(pipeline: Pipeline) -> list[int]:
    """Returns the ids of the employees that Personio lists as active."""
    return [person.id for person in pipeline.personio.company.list_employees() if person.status == "active"]


async def publish(pipeline: Pipeline, **changes: Any) -> None:
    """Publishes a mapping with these changes, and settles what follows."""
    mapping = MappingDocument.model_validate(default_mapping().model_dump() | changes)
    await pipeline.store.mappings.publish(pipeline.connection, mapping, now=pipeline.clock.now(), expected_version=None)
    await pipeline.resender.resend_all(pipeline.connection)
    await pipeline.settle()


async def test_wrong_life_cycle_disables_up_to_the_threshold(pipeline: Pipeline) -> None:
    """The corrected mapping enables those again that were disabled, and leaves nothing to decide."""
    await pipeline.sync()
    accounts = count_enabled(pipeline)

    await publish(pipeline, life_cycle={"active": Intent.DISABLE})
    await pipeline.wake_up_waiting(2 * 3600)

    held = await brake.list_held(pipeline.store, pipeline.connection, with_names=True)
    assert count_enabled(pipeline) == accounts - 10
    assert len(held) == accounts - 10
    assert all(one.name for one in held)

    await publish(pipeline)

    assert count_enabled(pipeline) == accounts
    assert await brake.list_held(pipeline.store, pipeline.connection, with_names=False) == ()
    assert pipeline.find_differences() == []


@pytest.mark.promise("P9")
async def test_released_run_is_not_held_again(pipeline: Pipeline) -> None:
    """The guard has held half of the company. All of them are disabled once an administrator has released the run."""
    await pipeline.sync()
    for employee in list_active(pipeline)[:20]:
        pipeline.change(employee, status="inactive")
    run = await pipeline.sync()
    assert run.state is RunState.HELD

    decision = DecideRun(run=run.id, is_released=True)
    await pipeline.store.tasks.file(pipeline.connection, decision, now=pipeline.clock.now())
    await pipeline.settle()

    assert pipeline.find_differences() == []
    assert await brake.list_held(pipeline.store, pipeline.connection, with_names=False) == ()


@pytest.mark.promise("P9")
async def test_disabled_absent_employees_are_not_held(pipeline: Pipeline) -> None:
    """An administrator has decided about each of them with `people disable`."""
    await pipeline.sync()
    people = [EmployeeId(str(employee)) for employee in list_active(pipeline)[:15]]
    await pipeline.store.snapshots.mark_absent(pipeline.connection, people, pipeline.clock.now())
    accounts = count_enabled(pipeline)

    await pipeline.store.tasks.file(pipeline.connection, Disable(people=tuple(people)), now=pipeline.clock.now())
    await pipeline.settle()

    assert count_enabled(pipeline) == accounts - 15


@pytest.mark.promise("P9")
async def test_released_disablings_are_carried_out(pipeline: Pipeline) -> None:
    """The writers take them up on their own."""
    await pipeline.sync()
    await publish(pipeline, life_cycle={"active": Intent.DISABLE})
    held = await brake.list_held(pipeline.store, pipeline.connection, with_names=False)

    await brake.release(pipeline.store, pipeline.connection, [one.employee for one in held])
    await pipeline.wake_up_waiting(1)

    assert count_enabled(pipeline) == 0
    assert await pipeline.count_balance() == 0
