"""Has the poller publish the events of a company, adds all other attributes to copies of them, and measures both."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from benchmarks import first_import, mapping
from benchmarks.bare.full_events import FullAttribute, FullEmployeeChanged
from benchmarks.full_events.report import FullEvents
from benchmarks.installing import install, open_store
from sandbox.installation import PERSONIO_ID, PERSONIO_SECRET, Installation
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.contracts.employees import get_parent
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.mappings import default_mapping
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import SystemClock

Attributes = Mapping[str, FullAttribute]
"""All released attributes of one employee, by key."""


async def measure_full_events(active: int, copies: int, report: Callable[[str], None]) -> FullEvents:
    """Returns the measurements. Raises ``StackError`` if a process fails, or the answers to both forms of events differ."""
    with tempfile.TemporaryDirectory(prefix="benchmark-events-") as name:
        folder = Path(name)
        report("mapper: starting an installation")
        async with install(folder / "data", active, 1, services=("poller",)) as installation:
            report("mapper: publishing the events of all employees")
            await _publish(installation)
            employees = await _read_employees(installation)
            report("mapper: the poller's events, and a bare loop on full events")
            compared = await mapping.run(
                installation, folder / "mapper", copies, enlarge=lambda value: enlarge(value, employees)
            )
    released, mapped = max(map(len, employees.values())), len(find_wanted_attributes(default_mapping()))
    return FullEvents(compared, released=released, mapped=mapped)


async def _publish(installation: Installation) -> None:
    with open_store(installation) as store:
        (summary,) = await store.connections.list_all()
        await installation.run_cli("connections", "start", summary.id, "--yes", "--links", "none")
        await first_import.wait_for_poll(store, summary.id)
    await installation.processes["poller"].stop()


async def _read_employees(installation: Installation) -> dict[EmployeeId, Attributes]:
    """Returns all attributes that the credential may read."""
    access = PersonioAccess(
        url=installation.personio,
        client_id=PERSONIO_ID,
        client_secret=SecretStr(PERSONIO_SECRET),
        insecure_http=True,
    )
    employees: dict[EmployeeId, Attributes] = {}
    async with PersonioClient(access, clock=SystemClock(), allow_private=True) as personio:
        catalogue = {definition.key: definition for definition in await personio.list_attributes()}
        async for page in personio.iterate_pages():
            for employee in filter(None, (listed.read() for listed in page.employees)):
                employees[employee.id] = {
                    key: FullAttribute(
                        value=value, label=catalogue[get_parent(key)].label, type=catalogue[get_parent(key)].type
                    )
                    for key, value in employee.attributes.items()
                }
    return employees


def enlarge(value: bytes, employees: Mapping[EmployeeId, Attributes]) -> bytes:
    """Returns the value of an event with all attributes of its employee."""
    event = EmployeeChanged.model_validate_json(value)
    attributes = employees[event.employee_id]
    content = {**event.model_dump(), "changed": tuple(sorted(attributes)), "attributes": attributes}
    return FullEmployeeChanged.model_validate(content).model_dump_json().encode()
