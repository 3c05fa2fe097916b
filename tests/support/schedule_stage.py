"""Pollers with a clock that only the test moves, on any store. Used by unit and component tests."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from sandbox.declaree.app import create_app
from sandbox.declaree.state import Declaree
from services.contracts.connections import PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.leases import ProcessIdentity
from services.contracts.tasks import Action, Task
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.runtime.metrics import Metrics
from services.store.database import Store
from tests.support.builders import DECLAREE, PERSONIO
from tests.support.fake_accounts import FakeAccounts
from tests.support.fake_store import FakeLeases
from tests.support.fakes import FakePersonio, FakePublisher, StillClock
from tests.support.leases import age_leases, set_lease_clock
from tests.support.run_stage import PEOPLE
from tests.support.waiting import wait_until

SETTINGS = PollerSettings(
    kafka_bootstrap_servers="nowhere:1",
    mongodb_url="mongodb://nowhere",
    encryption_keys="-",
    poll_interval_seconds=900,
    poll_lease_seconds=30,
    poll_tasks_every_seconds=1,
)
SELF = ProcessIdentity("here", 1, "self")
"""The process of the poller."""
OTHER_HOST = ProcessIdentity("elsewhere", 1, "other")
"""A live poller on another host."""


class ScheduleStage:
    """A store, a still clock, and any number of pollers."""

    def __init__(self, store: Store, pollers: AsyncExitStack) -> None:
        """``pollers`` stops the pollers after the test."""
        self.store = store
        self.clock = StillClock()
        set_lease_clock(store, self.clock)
        self.personio = FakePersonio(PEOPLE)
        self.declaree = Declaree(api_key=DECLAREE.key.get_secret_value())
        self.accounts = FakeAccounts(create_app(self.declaree), self.clock)
        self.publisher = FakePublisher()
        self.fatal: list[str] = []
        """The reasons for which a poller wanted to end its process."""
        self._pollers = pollers
        self._started = 0

    # ------------------------------------------------------------ connections

    async def connect(self, name: str = "one") -> ConnectionId:
        """Adds and starts a connection, which is due at once."""
        access = PersonioAccess(client_id=name, client_secret=PERSONIO.client_secret)
        connection = (await self.store.connections.add(name, access, DECLAREE, now=self.clock.now())).id
        await self.store.connections.start(connection, now=self.clock.now())
        return connection

    async def file_task(self, connection: ConnectionId, action: Action) -> Task:
        """Files a task for the lease owner."""
        return await self.store.tasks.file(connection, action, now=self.clock.now())

    async def read_task(self, task: Task) -> Task:
        """Returns the present state of a task."""
        stored = await self.store.tasks.get(task.id)
        assert stored is not None
        return stored

    async def count_runs(self, connection: ConnectionId) -> int:
        """Returns the number of runs."""
        return len(await self.store.runs.list_newest(connection))

    async def take_lease(self, connection: ConnectionId, owner: ProcessIdentity, seconds: float = 30) -> None:
        """Takes the lease for another process. Fails the test if a live process owns it."""
        assert await self.store.leases.acquire(f"connection/{connection}", owner, seconds=seconds)

    async def is_renewed(self, connection: ConnectionId) -> bool:
        """Returns whether the lease has its full time left."""
        lease = await self.store.leases.find(f"connection/{connection}")
        return lease is not None and lease.expires_at >= self.clock.now() + timedelta(seconds=30)

    # ------------------------------------------------------------ pollers

    def build_schedule(self, owner: ProcessIdentity = SELF, settings: PollerSettings = SETTINGS) -> Schedule:
        """Returns a schedule that is not started."""
        return Schedule(
            settings=settings,
            repositories=self.store,
            source=self.personio.source,
            accounts=self.accounts.source,
            publisher=self.publisher,
            clock=self.clock,
            metrics=Metrics(),
            fatal=self.fatal.append,
            owner=owner,
        )

    async def start_poller(
        self, owner: ProcessIdentity = SELF, settings: PollerSettings = SETTINGS, *, wait: bool = True
    ) -> Schedule:
        """Starts a poller, and waits until it is idle."""
        schedule = self.build_schedule(owner, settings)
        await schedule.start()
        self._started += 1
        self._pollers.push_async_callback(schedule.stop)
        if wait:
            await self.wait_until_idle()
        return schedule

    async def pass_time(self, seconds: float) -> None:
        """Moves the clock, and waits until all pollers are idle."""
        await self._let_leases_age(seconds)
        self.clock.advance(seconds)
        await self.wait_until_idle()

    async def _let_leases_age(self, seconds: float) -> None:
        """Lets time pass for a real database, which has a clock of its own."""
        if not isinstance(self.store.leases, FakeLeases):
            await age_leases(self.store, seconds)

    async def wait_until_idle(self) -> None:
        """Waits until every schedule sleeps and no connection is worked on."""

        def is_idle() -> bool:
            is_working = any(task.get_name().startswith("poll ") for task in asyncio.all_tasks())
            return self.clock.sleepers == self._started and not is_working

        await wait_until(is_idle)

    # ------------------------------------------------------------ long polls

    async def start_long_poll(self) -> asyncio.Event:
        """Starts a poll that stops before its second page. Returns the event that lets it continue."""
        resume = asyncio.Event()

        async def wait_before_second(number: int) -> None:
            if number == 2:
                await resume.wait()

        self.personio.before_page = wait_before_second
        await self.start_poller(wait=False)
        await wait_until(lambda: len(self.publisher.log) >= self.personio.page)
        await self.wait_until_renewal_sleeps()
        return resume

    async def wait_until_renewal_sleeps(self) -> None:
        """Waits until the schedule and the renewal of the lease both sleep."""
        await wait_until(lambda: self.clock.sleepers == 2)

    async def wait_until_renewal_ends(self, connection: ConnectionId) -> None:
        """Waits until the lease is no longer renewed."""
        await wait_until(lambda: not any(task.get_name() == f"lease {connection}" for task in asyncio.all_tasks()))

    async def lose_lease(self, connection: ConnectionId) -> None:
        """Starts a long poll, suspends it until its lease has ended, and gives the lease to another process."""
        resume = await self.start_long_poll()
        self.clock.seconds += 31
        await self._let_leases_age(31)
        await self.take_lease(connection, OTHER_HOST)
        self.clock.advance(0)
        await self.wait_until_renewal_ends(connection)
        resume.set()
        await self.wait_until_idle()
