"""The poller beside a company to which anything may happen, and what has to be right at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx

from sandbox.personio.app import create_app
from sandbox.personio.employee import Employee
from services.clients.personio.auth import TokenCache
from services.clients.personio.v1 import PersonioClient
from services.contracts.cloudevents import read_event
from services.contracts.connections import Guard
from services.contracts.employees import EmploymentPhase
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.runs import RunNotHeldError, RunState
from services.contracts.tasks import DecideRun
from services.errors import ConnectorError
from services.poller.cursor import Cursor
from services.poller.decisions import Decider
from services.poller.ports import PollPlan
from services.store.database import Store
from tests.support.builders import CONNECTION, make_connection
from tests.support.fake_store import FakeStore
from tests.support.fakes import CrashError, Crashes, FakePublisher
from tests.support.run_stage import DEPARTURE_SECONDS, build_crashing_runner
from tests.unit.clients.transports import InProcessTransport
from tests.unit.poller.history_company import ACCESS, Company

GUARD = Guard(share=0.3, people=2)
"""Thresholds that a company of this size exceeds often."""
NARROW = Cursor(overlap=timedelta(seconds=1), full_scan_every=timedelta(days=1), morning=timedelta(hours=5))
"""An overlap that hides no mistake about the time from which changes are asked for."""


HIDEABLE = frozenset({"supervisor", "supervisor.id", "hire_date"})
"""Keys of the attributes that the credential hides at times."""


class World(Company):
    """A company with the poller beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        connection = make_connection(personio=ACCESS).model_copy(update={"guard": GUARD})
        self.store.connections.content[CONNECTION] = connection
        self.publisher = FakePublisher()
        self.tokens = TokenCache()

    # ------------------------------------------------------------ what the poller does

    @asynccontextmanager
    async def open_personio(self, crashes: Crashes, _: PollPlan) -> AsyncIterator[PersonioClient]:
        """Opens the client of one run, which can crash before each of its requests."""
        transport = _CrashingTransport(create_app(self.state), crashes)
        async with PersonioClient(
            ACCESS, clock=self.clock, tokens=self.tokens, transport=transport, allow_private=True
        ) as client:
            yield client

    def build_runner(self, crashes: Crashes) -> Any:
        """Returns the work of a poller that can crash before each of its effects and requests."""

        class Source:
            def source(source, plan: PollPlan) -> Any:  # noqa: N805
                return self.open_personio(crashes, plan)

        return build_crashing_runner(
            cast("Store", self.store), cast("Any", Source()), self.publisher, crashes, self.clock, NARROW
        )

    async def poll(self, _: int = 0, crashes: Crashes | None = None, *, is_full: bool = False) -> RunState | None:
        """Polls. Checks that no employee is reported as deleted that exists. Returns the state; None after a crash."""
        self.clock.seconds += 60
        before = len(self.publisher.log)
        try:
            run = await self.build_runner(crashes or Crashes()).poll(CONNECTION, is_full=is_full)
        except CrashError:
            run = None
        self.check_departures(before)
        return run.state if run else None

    async def poll_all(self, _: int = 0) -> RunState | None:
        """An administrator asks for a poll of all employees."""
        return await self.poll(is_full=True)

    async def crash(self, number: int) -> None:
        """Polls, and crashes before one of the effects and requests."""
        await self.poll(crashes=Crashes(number))

    async def look_up(self, number: int) -> None:
        """An administrator does not wait for a held run."""
        if employee := self.choose(number):
            try:
                await self.build_runner(Crashes()).look_up(CONNECTION, [EmployeeId(str(employee.id))])
            except ConnectorError:
                return

    def check_departures(self, first: int) -> None:
        """Checks that no event from this number on reports an employee as deleted that is listed.

        An employee may come back after the poll that a person decides about: then the next poll says so.
        """
        existing = {str(employee.id) for employee in self.company.list_employees()}
        for record in self.publisher.log[first:]:
            event = read_event(EmployeeChanged, record.value)
            if event.kind is ChangeKind.REMOVED:
                assert event.employee_id not in existing, "a departure that did not happen"

    async def release(self, number: int) -> None:
        """Releases the newest held run, with a crash on the way."""
        await self.decide(number, is_released=True)

    async def reject(self, number: int) -> None:
        """Rejects the newest held run, with a crash on the way."""
        await self.decide(number, is_released=False)

    async def decide(self, number: int, *, is_released: bool) -> None:
        """Decides, with a crash on the way, and once more."""
        held = [run for run in await self.store.runs.list_newest(CONNECTION) if run.state is RunState.HELD]
        for crashes in (Crashes(number % 8), Crashes()):
            runner = self.build_runner(crashes)
            repositories = runner._repositories
            decider = Decider(
                self.store.polls,
                repositories.runs,
                repositories.observations,
                repositories.ledger,
                runner.build_releaser,
            )
            for run in held[:1]:
                try:
                    await decider.decide(CONNECTION, DecideRun(run=run.id, is_released=is_released))
                except (CrashError, RunNotHeldError):
                    continue

    # ------------------------------------------------------------ the end

    async def settle(self, *, is_shown: bool) -> None:
        """Lets the poller come to rest: Personio's answers are right, and held runs are released.

        If the filter by time has shown every change (``is_shown``), only deleted employees need full scans.
        """
        self.heal(0)
        quiet = 0
        for _ in range(20):
            self.clock.seconds += DEPARTURE_SECONDS
            before = len(self.publisher.log)
            state = await self.poll(is_full=not is_shown)
            if state is RunState.HELD:
                await self.decide(99, is_released=True)
            quiet = quiet + 1 if state is RunState.SUCCEEDED and len(self.publisher.log) == before else 0
            if quiet == 3:  # a lookup without a result publishes nothing, and the one after it does
                return
        raise AssertionError("the poller does not come to rest")

    def check(self) -> None:
        """Checks what a reader of the events knows at the end."""
        newest: dict[str, EmployeeChanged] = {}
        contents: dict[str, set[str]] = {}
        for record in self.publisher.log:
            event = read_event(EmployeeChanged, record.value)
            # an attribute that the credential no longer shows is removed from the snapshot, and from later resends
            shown = {key: value for key, value in event.attributes.items() if key not in HIDEABLE}
            contents.setdefault(event.event_id, set()).add(
                event.model_copy(update={"attributes": shown}).model_dump_json()
            )
            known = newest.get(event.employee_id)
            assert known is None or known.revision <= event.revision, "an older revision after a newer one"
            newest[event.employee_id] = event
        assert all(len(values) == 1 for values in contents.values()), "one revision with two contents"
        employees = {str(employee.id): employee for employee in self.company.list_employees()}
        for key, employee in employees.items():
            assert key in newest, f"{key} was never sent"
            self.check_state(newest[key], employee)
        for key in newest.keys() - employees.keys():
            assert newest[key].kind is ChangeKind.REMOVED, f"{key} was deleted and keeps the account"
        assert self.store.observations.content == {}

    def check_state(self, event: EmployeeChanged, employee: Employee) -> None:
        """Checks the newest event of an employee of Personio."""
        assert event.kind is not ChangeKind.REMOVED, f"{employee.id} works here"
        for key in ("last_name", "email", "status"):
            assert event.attributes[key] == employee.values[key], f"{key} of {employee.id}"
        if "hire_date" in self.state.credentials.get().whitelist:
            today = self.clock.now().astimezone(ZoneInfo("Europe/Berlin")).date()
            is_upcoming = str(employee.values["hire_date"])[:10] > f"{today}"
            expected = EmploymentPhase.UPCOMING if is_upcoming else EmploymentPhase.CURRENT
            assert event.phase is expected, f"phase of {employee.id}"


class _CrashingTransport(InProcessTransport):
    """Sends requests to the sandbox, and can crash before each."""

    def __init__(self, app: Any, crashes: Crashes) -> None:
        super().__init__(app)
        self._crashes = crashes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the sandbox's response."""
        self._crashes.record("request")
        return await super().handle_async_request(request)
