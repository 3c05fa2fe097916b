"""A Personio client with the sandbox or a scripted transport."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from sandbox.personio.app import create_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.faults import Fault
from sandbox.personio.state import State
from services.clients.personio.rate_limit import HostLimits
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.contracts.employees import Employee, EmployeePage
from tests.support.fakes import FakeClock
from tests.unit.clients.transports import InProcessTransport, Reply, ScriptedTransport, build_reply

SECRET = "personio-secret-value"
ACCESS = PersonioAccess(
    url="http://personio.test/", client_id="papi-client", client_secret=SecretStr(SECRET), insecure_http=True
)
GOLDEN = Path(__file__).parents[2] / "golden" / "personio"
LOGINS_PER_MINUTE = 50
LIST, AUTH = "/v1/company/employees", "/v1/auth"
TOKEN_BODY = {"success": True, "data": {"token": "papi-1", "expires_in": 86400}}
TOKEN = build_reply(200, TOKEN_BODY)
EMPTY_LIST = build_reply(200, {"success": True, "metadata": {"total_elements": 0}, "data": []})


def read_golden(name: str) -> Any:
    """Returns an example of the vendor's documentation."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def read_example(name: str, status: int = 200) -> Reply:
    """Returns an example of the vendor's documentation as a reply."""
    return Reply(status, (GOLDEN / f"{name}.json").read_bytes())


def build_page(ids: list[int], total: int | None) -> Reply:
    """Returns a page of employees with this announced total."""
    data = [{"type": "Employee", "attributes": {"id": {"value": number}}} for number in ids]
    return build_reply(200, {"success": True, "metadata": {"total_elements": total}, "data": data})


class PersonioStage:
    """A sandbox and a client of it, with one clock."""

    def __init__(self, state: State, client: PersonioClient, clock: FakeClock, transport: InProcessTransport) -> None:
        """The sandbox and the client share the clock."""
        self.state = state
        self.client = client
        self.clock = clock
        self.transport = transport

    @property
    def paths(self) -> list[str]:
        """The paths of all requests."""
        return [request.url.path for request in self.transport.requests]

    @property
    def statuses(self) -> list[int]:
        """The statuses of all responses."""
        return [entry["status"] for entry in self.state.journal.list_entries()]

    def add_fault(self, kind: str, path: str = f"{LIST}*", **options: Any) -> None:
        """Makes the sandbox fail."""
        self.state.faults.add(Fault.model_validate({"kind": kind, "path": path, **options}))

    async def read_pages(self) -> list[EmployeePage]:
        """Reads all pages of employees."""
        return [page async for page in self.client.iterate_pages()]


async def read_first_page(client: PersonioClient, requested: Collection[str] | None = None) -> EmployeePage:
    """Returns the first page of the list, with employees that are read."""
    async with aclosing(client.iterate_pages(requested)) as pages:
        page = await anext(pages)
    return replace(page, employees=tuple(read_employees(page)))


def read_employees(page: EmployeePage) -> list[Employee]:
    """Returns the employees of a page."""
    employees = [listed.read() for listed in page.employees]
    assert None not in employees
    return [employee for employee in employees if employee is not None]


@asynccontextmanager
async def open_stage(
    employees: int = 5, *, secret: str = SECRET, may_read: bool = True, per_minute: int | None = None, **behaviour: Any
) -> AsyncIterator[PersonioStage]:
    """Opens a sandbox with this behaviour, and a client of it. ``per_minute`` is the client's own rate limit."""
    clock = FakeClock()
    state = State.generate(
        seed=3,
        employees=employees,
        credential=Credential(ACCESS.client_id, secret, ALL_KEYS, may_read_employees=may_read),
        clock=Clock(clock.now),
        behaviour=Behaviour.model_validate({"rate_limits": False, **behaviour}),
    )
    transport = InProcessTransport(create_app(state))
    limits = None if per_minute is None else HostLimits(clock, per_minute, LOGINS_PER_MINUTE)
    async with PersonioClient(ACCESS, clock=clock, limits=limits, transport=transport, allow_private=False) as client:
        yield PersonioStage(state, client, clock, transport)


@asynccontextmanager
async def open_client(
    *replies: Reply | Exception, clock: FakeClock | None = None
) -> AsyncIterator[tuple[PersonioClient, ScriptedTransport]]:
    """Opens a client with these replies. The first request is the authentication."""
    transport = ScriptedTransport(*replies)
    async with PersonioClient(ACCESS, clock=clock or FakeClock(), transport=transport, allow_private=False) as client:
        yield client, transport
