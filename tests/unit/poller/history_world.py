"""A company in the sandbox of Personio, with the poller beside it, to which anything may happen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx

from sandbox.personio.app import create_app
from sandbox.personio.clock import Clock
from sandbox.personio.company import EmailTakenError
from sandbox.personio.credentials import Credential
from sandbox.personio.employee import Employee
from sandbox.personio.faults import Fault
from sandbox.personio.hiring import generate_newcomer
from sandbox.personio.state import State
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
from tests.support.builders import CONNECTION, PERSONIO, make_connection
from tests.support.fake_store import FakeStore
from tests.support.fakes import CrashError, Crashes, FakeClock, FakePublisher
from tests.support.run_stage import DEPARTURE_SECONDS, build_crashing_runner
from tests.unit.clients.transports import InProcessTransport

GUARD = Guard(share=0.3, people=2)
"""Thresholds that a company of this size exceeds often."""
NARROW = Cursor(overlap=timedelta(seconds=1), full_scan_every=timedelta(days=1), morning=timedelta(hours=5))
"""An overlap that hides no mistake about the time from which changes are asked for."""
VISIBLE = frozenset({"first_name", "last_name", "email", "status", "supervisor", "hire_date", "last_modified_at"})
"""Keys that the credential shows at first."""
ACCESS = PERSONIO.model_copy(update={"insecure_http": True})
"""The access of the connection to the sandbox."""
LIST, SINGLE = "/v1/company/employees", "/v1/company/employees/[0-9]*"
"""Paths of the list and of single employees."""
LIST_FAULTS = (
    *("drop", "repeat", "reorder", "empty", "short", "shrink", "grow", "duplicate", "skip"),
    *("bad_gateway", "gateway_not_found", "not_json", "cut", "unauthorized", "expire_token", "server_error"),
)
"""What can happen to a list."""
SINGLE_FAULTS = ("bad_gateway", "gateway_not_found", "not_json", "cut", "server_error", "expire_token", "forbidden")
"""What can happen to the look-up of an employee. Its 404 by the API itself is believed, after the second one."""
FILTERS = ("apply", "ignore", "empty", "refuse", "refuse_with_attributes")
"""What Personio can do with its filter by time."""


class World:
    """A company, what it has in Personio, and the poller."""

    def __init__(self) -> None:
        self.store = FakeStore()
        connection = make_connection(personio=ACCESS).model_copy(update={"guard": GUARD})
        self.store.connections.content[CONNECTION] = connection
        self.clock = FakeClock()
        self.state = State.generate(
            seed=4,
            employees=4,
            credential=Credential(ACCESS.client_id, ACCESS.client_secret.get_secret_value(), VISIBLE),
            clock=Clock(self.clock.now),
        )
        self.set_behaviour(rate_limits=False, time_zone="Europe/Berlin")
        self.publisher = FakePublisher()
        self.tokens = TokenCache()
        self.deleted: list[Employee] = []
        self.addresses = 0

    @property
    def company(self) -> Any:
        """The company in the sandbox."""
        return self.state.company

    def set_behaviour(self, **switches: object) -> None:
        """Changes what the sandbox does."""
        self.state.behaviour = self.state.behaviour.copy_with(switches)

    def choose(self, number: int) -> Employee | None:
        """Returns an employee of Personio; None without any."""
        people = sorted(self.company.list_employees(), key=lambda employee: employee.id)
        return people[number % len(people)] if people else None

    def change(self, employee: Employee | None, **values: object) -> None:
        """Changes an employee in Personio."""
        if employee is not None:
            self.company.change(employee.id, values, self.clock.now())

    # ------------------------------------------------------------ what happens in Personio

    def hire(self, number: int) -> None:
        """An employee begins today, or some days later."""
        day = (self.clock.now() + timedelta(days=number % 4)).date()
        today = self.clock.now().astimezone(ZoneInfo("Europe/Berlin")).date()
        values = generate_newcomer(self.company, {"hire_date": f"{day}"}, today)
        self.company.hire(values, self.clock.now())

    def hire_many(self, number: int) -> None:
        """Several begin at once."""
        for _ in range(2 + number % 6):
            self.hire(0)

    def rename(self, number: int) -> None:
        """The last name changes."""
        self.change(self.choose(number), last_name=f"New{number}")

    def rename_all(self, number: int) -> None:
        """A mistake changes many at once."""
        for employee in self.company.list_employees():
            self.change(employee, last_name=f"All{number}")

    def hand_email_on(self, number: int) -> None:
        """An employee gets the address of another one, which gets a new one."""
        first, second = self.choose(number), self.choose(number + 1)
        if first and second and first.id != second.id:
            self.addresses += 1
            self.change(second, email=f"new{self.addresses}@x.example")
            self.change(first, email=second.email)

    def leave(self, number: int) -> None:
        """An employee is inactive at once."""
        self.change(self.choose(number), status="inactive")

    def plan_to_leave(self, number: int) -> None:
        """The status of an employee changes some days later, without a mark."""
        day = (self.clock.now() + timedelta(days=number % 4)).date()
        self.change(self.choose(number), termination_date=f"{day}")

    def leave_all(self, _: int) -> None:
        """A mistake makes all of them inactive."""
        for employee in self.company.list_employees():
            self.change(employee, status="inactive")

    def come_back(self, number: int) -> None:
        """An employee is active again."""
        self.change(self.choose(number), status="active", termination_date=None)

    def delete(self, number: int) -> None:
        """An employee is deleted, and listed nowhere."""
        if employee := self.choose(number):
            self.company.delete(employee.id, self.clock.now())
            self.deleted.append(employee)

    def return_same(self, number: int) -> None:
        """A deleted employee comes back under the same id."""
        if self.deleted:
            employee = self.deleted.pop(number % len(self.deleted))
            try:
                self.company.restore(employee, self.clock.now())
            except EmailTakenError:
                self.deleted.append(employee)

    def return_new(self, number: int) -> None:
        """A deleted employee is hired again under another id."""
        if self.deleted:
            values = self.deleted[number % len(self.deleted)].values
            if self.company.find_by_email(values["email"]) is None:
                self.company.hire(values, self.clock.now())

    def hide_attribute(self, number: int) -> None:
        """The credential no longer shows an attribute."""
        hidden = ("supervisor", "hire_date")[number % 2]
        self.state.credentials.set_whitelist(ACCESS.client_id, VISIBLE - {hidden})

    def show_attributes(self, _: int) -> None:
        """The credential shows all of them again."""
        self.state.credentials.set_whitelist(ACCESS.client_id, VISIBLE)

    def move_on(self, number: int) -> None:
        """Minutes pass."""
        self.clock.seconds += 60 * number

    def sleep(self, number: int) -> None:
        """Hours pass, perhaps midnight."""
        self.clock.seconds += 3600 * (1 + number % 30)

    # ------------------------------------------------------------ what Personio's API does

    def spoil_list(self, number: int) -> None:
        """A page of the next lists is wrong, or does not come."""
        kind = LIST_FAULTS[number % len(LIST_FAULTS)]
        self.state.faults.add(Fault(kind=kind, path=LIST, after=number % 3, count=1 + number % 2))

    def spoil_lookups(self, number: int) -> None:
        """The next look-ups fail."""
        kind = SINGLE_FAULTS[number % len(SINGLE_FAULTS)]
        self.state.faults.add(Fault(kind=kind, path=SINGLE, after=number % 2, count=1 + number % 5))

    def end_lists_early(self, number: int) -> None:
        """Every list ends below its total."""
        self.set_behaviour(list_ends_after=number % 5)

    def change_filter(self, number: int) -> None:
        """The filter by time is passed over, answers nothing, or is refused."""
        self.set_behaviour(updated_since=FILTERS[number % len(FILTERS)])

    def delay_filter(self, number: int) -> None:
        """The filter by time lags, repeats, and misses some employees."""
        delay, repeats, misses = 300 * (number % 20), 600 * (number % 3), number % 4
        self.set_behaviour(visibility_delay_seconds=delay, repeats_seconds=repeats, misses_every=misses)

    def delay_flips(self, number: int) -> None:
        """Statuses change some hours after midnight."""
        self.set_behaviour(flip_hour=number % 6, flips_leave_a_mark=number % 2 == 0)

    def heal(self, _: int) -> None:
        """Personio is as its documents say."""
        self.state.faults.clear()
        self.set_behaviour(
            list_ends_after=None,
            updated_since="apply",
            visibility_delay_seconds=0,
            repeats_seconds=0,
            misses_every=0,
        )

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
        contents: dict[str, set[bytes]] = {}
        for record in self.publisher.log:
            event = read_event(EmployeeChanged, record.value)
            contents.setdefault(event.event_id, set()).add(record.value or b"")
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
