"""Employees of a company with accounts, for the tests of the brake."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.admin import brake as admin_brake
from services.contracts.connections import Guard
from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, EmployeeId
from tests.support.builders import CONNECTION, make_request, make_snapshot
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver

PEOPLE = [str(number) for number in range(101, 141)]
"""The employees of the company. With the thresholds of a new connection, 10 of these 40 may be disabled within an hour."""
HOUR = 3_660.0
"""Seconds after which an account no longer counts. Accounts are counted by minute."""


async def hire(company: Company, people: Iterable[str] = PEOPLE, connection: ConnectionId = CONNECTION) -> None:
    """Gives these employees snapshots and accounts."""
    requests = [make_request(name, connection=connection) for name in people]
    snapshots = [(make_snapshot(request.employee_id, connection_id=connection), None) for request in requests]
    await company.stage.store.snapshots.save(snapshots)
    await company.settle(*requests)


def make_leavers(people: Sequence[str] = PEOPLE, version: int = 3, revision: int = 2_000) -> list[AccountRequested]:
    """Returns the requests of a mapping of this version that disables these employees."""
    return [make_leaver(name, revision).model_copy(update={"mapping_version": version}) for name in people]


def set_guard(stage: WriterStage, guard: Guard) -> None:
    """Changes the thresholds of the connection."""
    known = stage.connections.connections
    known[CONNECTION] = known[CONNECTION].model_copy(update={"guard": guard})


def count_enabled(stage: WriterStage, people: Iterable[str] = PEOPLE) -> int:
    """Returns the number of these employees with an enabled account."""
    return sum(stage.get_account(name)["active"] for name in people)


async def list_held(stage: WriterStage) -> list[EmployeeId]:
    """Returns the employees with a change that the brake holds."""
    return [employee async for page in stage.store.followups.page_held_disablings(CONNECTION) for employee in page]


async def release(stage: WriterStage, people: Iterable[EmployeeId]) -> int:
    """Releases held changes, as the command of an administrator does. Returns their number."""
    store: Any = stage.store
    store.connections.content.update(stage.connections.connections)
    return await admin_brake.release(stage.store, CONNECTION, tuple(people))
