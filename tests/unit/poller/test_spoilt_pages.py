"""Deleted employees lose their accounts within two full scans, and no account is lost while one page of every scan is spoilt."""

import pytest

from sandbox.personio.faults import Fault
from services.clients.personio import v1, v1_messages
from services.contracts.cloudevents import read_event
from services.contracts.connections import Guard
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.runs import RunState
from tests.support.builders import CONNECTION
from tests.unit.poller.history_company import LIST
from tests.unit.poller.history_world import World

pytestmark = [pytest.mark.promise("P6"), pytest.mark.promise("P9")]

PAGES = 11
"""Number of pages of the list."""
SCANS = 2
"""Number of full scans with a spoilt page."""


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (v1, v1_messages):
        monkeypatch.setattr(module, "PAGE_SIZE", 3)


@pytest.fixture
async def world() -> World:
    """An imported company with eleven pages of employees, two of which were deleted since."""
    world = World()
    connection = world.store.connections.content[CONNECTION]
    world.store.connections.content[CONNECTION] = connection.model_copy(update={"guard": Guard(is_on=False)})
    while len(world.company.list_employees()) < 3 * PAGES:
        world.hire(0)
    await world.poll_all()
    for number in (5, 20):
        world.delete(number)
    return world


def list_removed(world: World) -> list[str]:
    """Returns the employees that were reported as deleted."""
    events = [read_event(EmployeeChanged, record.value) for record in world.publisher.log]
    return sorted(event.employee_id for event in events if event.kind is ChangeKind.REMOVED)


async def test_deleted_employees_are_removed_within_two_scans(world: World) -> None:
    """The second scan comes after the pause between both lookups."""
    first = await world.poll_all()
    world.clock.seconds += 900
    second = await world.poll_all()

    assert first is RunState.SUCCEEDED
    assert second is RunState.SUCCEEDED
    assert list_removed(world) == sorted(str(employee.id) for employee in world.deleted)


@pytest.mark.parametrize("kind", ["drop", "repeat", "empty", "shrink", "duplicate", "skip", "not_json", "cut"])
async def test_spoilt_page_of_every_scan_removes_no_employee(world: World, kind: str) -> None:
    """The scan is not complete, and says so, for each of the pages."""
    for page in range(PAGES - 1):
        for _ in range(SCANS):
            world.state.faults.clear()
            world.state.faults.add(Fault.model_validate({"kind": kind, "path": LIST, "after": page, "count": 5}))
            world.clock.seconds += 900
            state = await world.poll_all()
            assert state in {RunState.INCOMPLETE, RunState.FAILED}, f"page {page + 1}"

    assert list_removed(world) == []
