"""Two pollers that work on one company in turn. One of them is suspended before one of its writes, past its lease."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from sandbox.declaree.app import create_app
from sandbox.declaree.state import Declaree
from services.contracts.cloudevents import Record
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.leases import Fence, ProcessIdentity
from services.contracts.runs import Run, RunState
from services.contracts.snapshots import Snapshot, attributes_to_json
from services.contracts.tasks import Action, DecideRun, Disable, Poll, Resend, Verify
from services.contracts.verifications import VerificationStep
from services.errors import TransientError
from services.poller.lease import LeaseKeeper
from services.poller.work import ConnectionWork
from services.runtime.metrics import Metrics
from tests.support.builders import CONNECTION, DECLAREE, NOW, make_connection, make_observation
from tests.support.fake_accounts import FakeAccounts
from tests.support.fake_store import FakeStore
from tests.support.fake_store.fenced import FencedFakeStore
from tests.support.fakes import FakePersonio, FakePublisher, StillClock
from tests.support.run_stage import make_limits
from tests.support.schedule_stage import SETTINGS

BeforeWrite = Callable[[str], Awaitable[None]]
STOPPED, OTHER = ProcessIdentity("a", 1, "stopped"), ProcessIdentity("b", 1, "other")
"""The poller that is suspended, and the next lease owner."""
MANY = 30
"""Number of employees."""
EVERYTHING = SETTINGS.model_copy(update={"poll_full_scan_seconds": 0})
"""Settings with full scans alone."""
OLD = NOW - timedelta(days=1)
TRIMMED = "15"
"""An employee with a stored attribute that the mapping no longer reads."""


async def ignore(_: str) -> None:
    """Suspends nothing."""


class StoppingPublisher(FakePublisher):
    """A publisher of one poller, which may be suspended before it sends."""

    def __init__(self, log: list[Record], before_write: BeforeWrite) -> None:
        """``log`` is Kafka's."""
        super().__init__(log)
        self._before_write = before_write

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Publishes the records."""
        await self._before_write("publish")
        return await super().publish(records)


class Rivals:
    """A company with something to do for every kind of write, and what both pollers share."""

    def __init__(self) -> None:
        """No employee is known yet."""
        self.store = FakeStore()
        self.clock = StillClock()
        self.store.leases.now = self.clock.now
        self.store.connections.content[CONNECTION] = make_connection()
        self.people = FakePersonio(
            {str(n): {"email": f"e{n}@x.example", "last_name": f"N{n}"} for n in range(MANY)}
        ).people
        """The employees in Personio."""
        self.accounts = FakeAccounts(create_app(Declaree(api_key=DECLAREE.key.get_secret_value())), self.clock)
        self.page = 10
        """Number of employees on a page."""
        self.log: list[Record] = []
        """The records in Kafka."""

    async def work(self, owner: ProcessIdentity, before_write: BeforeWrite = ignore) -> None:
        """Lets a poller carry out all tasks and a poll. ``before_write`` is awaited before each write and publication."""
        keeper = LeaseKeeper(self.store.leases, owner, self.clock, 30)
        async with keeper.hold(CONNECTION) as guard:
            assert guard is not None
            personio = FakePersonio(page=self.page)
            personio.people = self.people
            work = ConnectionWork(
                settings=EVERYTHING,
                repositories=self._fence(guard, before_write),
                source=personio.source,
                accounts=self.accounts.source,
                publisher=StoppingPublisher(self.log, before_write),
                limits=make_limits(self.clock),
                clock=self.clock,
                metrics=Metrics(),
            )
            await work.carry_out(CONNECTION, guard, is_due=True)

    def _fence(self, guard: Fence, before_write: BeforeWrite) -> Any:
        return FencedFakeStore(self.store, guard, before_write)

    async def prepare(self) -> None:
        """Imports all employees, and leaves something to do for every kind of write."""
        await self.work(OTHER)
        self.clock.seconds += 86_400
        await self._leave_tasks()
        self._leave_runs()
        self._leave_snapshots()
        people = self.people
        for number in (1, 2, 3):
            people[str(number)]["last_name"] = "Changed"
        for number in (9, 10, 11, 13):
            del people[str(number)]
        people["new"] = dict(people["1"]) | {"email": "new@x.example"}

    async def _leave_tasks(self) -> None:
        """Files a task of each kind, and an invalid decision. A former owner has left the first one."""
        tasks = self.store.tasks
        actions: tuple[Action, ...] = (
            Resend(scope="all", reason="x"),
            DecideRun(run="released", is_released=True),
            DecideRun(run="rejected", is_released=False),
            DecideRun(run="unknown", is_released=False),
            Disable(people=(EmployeeId("13"),)),
            Poll(people=(EmployeeId("12"),)),
            Poll(),
            Verify(repair=True, is_patient=False),
        )
        for seconds, action in enumerate(actions):
            task = await tasks.file(CONNECTION, action, now=self.clock.now() + timedelta(seconds=seconds))
            if not seconds:
                await tasks.start(task.id)
        self.store.verifications.content[CONNECTION, "abandoned", 0] = VerificationStep(
            number=0, kind="list-end", taken_at=OLD
        )

    def _leave_runs(self) -> None:
        """An unfinished run, held ones, and observations of each and of a run that has crashed."""
        states = {
            "unfinished": RunState.RUNNING,
            "released": RunState.HELD,
            "rejected": RunState.HELD,
            "held": RunState.HELD,
        }
        for run, state in states.items():
            self.store.runs.content[run] = Run(id=run, connection_id=CONNECTION, state=state, started_at=OLD)
        for run in (*states, "crashed"):
            seen = make_observation("12", run)
            self.store.observations.content[run, seen.employee_id] = seen

    def _leave_snapshots(self) -> None:
        """Employees that are absent in every state, an unwanted attribute, and a pending event."""
        absent: dict[str, Any] = {"absent_since": OLD}
        changed: dict[str, dict[str, Any]] = {
            "8": absent,
            "9": absent,
            "11": {**absent, "unknown_since": OLD},
            "13": absent,
            "14": {"emitted_revision": 0},
            TRIMMED: {"attributes_json": attributes_to_json({"status": "active", "salary": 1})},
        }
        for employee, changes in changed.items():
            person = PersonKey(CONNECTION, EmployeeId(employee))
            content = self.store.snapshots.content
            content[person] = Snapshot.model_validate(content[person].model_dump() | changes)
        catalogue = self.store.catalogues.content[CONNECTION]
        self.store.catalogues.content[CONNECTION] = catalogue.model_copy(
            update={"stored": (*catalogue.stored, "salary")}
        )

    async def suspend(self, at: int, take_over: Callable[[], Awaitable[None]]) -> str | None:
        """Lets a poller work, suspended before one of its writes past its lease. Returns the write; None if there are fewer.

        ``take_over`` is what happens until the poller continues.
        """
        reached: list[str] = []

        async def stop(write: str) -> None:
            reached.append(write)
            if len(reached) == at + 1:
                self.clock.seconds += 31
                await take_over()

        with suppress(TransientError):
            await self.work(STOPPED, stop)
        return reached[at] if len(reached) > at else None

    def dump(self) -> dict[str, Any]:
        """Returns what is stored of the company. Observations count while their run is held."""
        store = cast("Any", self.store)
        undecided = {run.id for run in store.runs.content.values() if run.state is RunState.HELD}
        return {
            "snapshots": dict(store.snapshots.content),
            "attributes": {key: snapshot.attributes_json for key, snapshot in store.snapshots.content.items()},
            "catalogue": store.catalogues.content.get(CONNECTION),
            "runs": dict(store.runs.content),
            "observations": {key for key in store.observations.content if key[0] in undecided},
            "tasks": {key: (task.state, task.counts) for key, task in store.tasks.content.items()},
            "steps": dict(store.verifications.content),
            "reports": dict(store.verifications.reports),
            "schedule": (dict(store.schedule.rejected_resent_on), dict(store.schedule.verified_on)),
        }
