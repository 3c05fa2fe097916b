"""Companies do not wait for each other: hours of polling in virtual time, with the default settings."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

import pytest

from services.contracts.cloudevents import Record
from services.contracts.employees import EmployeePage
from services.contracts.ids import ConnectionId
from services.contracts.leases import ProcessIdentity
from services.contracts.runs import RunState
from services.contracts.tasks import Resend, TaskState
from services.poller.ports import Personio, PollPlan
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.poller.verification_ports import AccountSource
from services.runtime.metrics import Metrics
from tests.support.builders import ADA, NOW, make_connection, make_snapshot
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakePersonio, FakePublisher, make_employee
from tests.support.schedule_stage import SELF
from tests.support.virtual_time import VirtualClock, run_in_virtual_time

SETTINGS = PollerSettings(
    kafka_bootstrap_servers="nowhere:1",
    mongodb_url="mongodb://nowhere",
    encryption_keys="-",
    poll_verify=False,
    poll_tasks_every_seconds=5,
)
"""The default settings, without the daily verification, which needs a Declaree, and with fewer steps to simulate."""
INTERVAL = SETTINGS.poll_interval_seconds
PEOPLE: dict[str, dict[str, Any]] = {str(number): {} for number in range(4)}
PAGE_SECONDS = 0.5
"""Seconds until a sound Personio answers a page."""
WORK_SECONDS = 0.2
"""Seconds that Kafka takes for a page."""


class SlowPublisher(FakePublisher):
    """A Kafka that takes time, so that places matter."""

    working = 0
    """Number of pages that are published now."""
    most_working = 0
    """Maximum number of pages that were published at the same time."""

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Publishes the records after a time."""
        self.working += 1
        self.most_working = max(self.working, self.most_working)
        await asyncio.sleep(WORK_SECONDS)
        self.working -= 1
        return await super().publish(records)


class Company(FakePersonio):
    """A company's Personio that answers after half a second."""

    def __init__(self) -> None:
        """The company has four employees, on two pages."""
        super().__init__(PEOPLE)
        self.before_page = self.answer
        self.polled_at: list[float] = []
        """When each poll has opened this Personio, in seconds."""

    async def answer(self, _: int) -> None:
        """Takes the time of an answer."""
        await asyncio.sleep(PAGE_SECONDS)


class Hanging(Company):
    """A Personio that never answers."""

    async def answer(self, _: int) -> None:
        """Waits for ever."""
        await asyncio.Event().wait()


class Dripping(Company):
    """A Personio that answers a page every 15 s, without end."""

    seconds = 15.0
    """Seconds until a page is answered."""

    async def iterate_pages(self, _: Collection[str], since: datetime | None = None) -> AsyncIterator[EmployeePage]:
        """Yields pages of two new employees each."""
        number = 0
        while True:
            await asyncio.sleep(self.seconds)
            number += 2
            employees = tuple(make_employee(str(key), ADA) for key in (number, number + 1))
            yield EmployeePage(employees, number, 10**12)


class Endless(Dripping):
    """A Personio that claims 10^12 employees, and answers as quickly as the others."""

    seconds = PAGE_SECONDS


class Installation:
    """Companies, and pollers in virtual time."""

    def __init__(self, settings: PollerSettings = SETTINGS) -> None:
        """``settings`` are those of the pollers."""
        self.store = FakeStore()
        self.clock = VirtualClock()
        self.publisher = SlowPublisher()
        self.companies: dict[ConnectionId, Company] = {}
        self.settings = settings
        self.opened: dict[ConnectionId, list[float]] = defaultdict(list)
        """When each connection was polled."""
        self._pollers: list[Schedule] = []

    def add(self, company: Company) -> ConnectionId:
        """Adds an active connection of this company."""
        connection = ConnectionId(f"c{len(self.companies):04}")
        self.companies[connection] = company
        self.store.connections.content[connection] = make_connection(connection)
        return connection

    @asynccontextmanager
    async def source(self, plan: PollPlan) -> AsyncIterator[Personio]:
        """Opens the Personio of a connection."""
        self.opened[plan.connection_id].append(self.clock.monotonic())
        yield self.companies[plan.connection_id]

    async def start_poller(self, owner: ProcessIdentity = SELF) -> None:
        """Starts a poller."""
        store: Any = self.store
        schedule = Schedule(
            settings=self.settings,
            repositories=store,
            source=self.source,
            accounts=cast("AccountSource", None),  # no verification is carried out
            publisher=self.publisher,
            clock=self.clock,
            metrics=Metrics(),
            fatal=pytest.fail,
            owner=owner,
        )
        await schedule.start()
        self._pollers.append(schedule)

    async def stop(self) -> None:
        """Stops all pollers."""
        await asyncio.gather(*(poller.stop() for poller in self._pollers))

    def measure_gaps(self, connections: Sequence[ConnectionId]) -> list[float]:
        """Returns the seconds between two polls of a connection, for all of these."""
        return [later - earlier for key in connections for earlier, later in pairwise(self.opened[key])]


def simulate(work: Callable[[Installation], Awaitable[None]], settings: PollerSettings = SETTINGS) -> None:
    """Runs the work with an installation that is stopped at its end."""

    async def run() -> None:
        installation = Installation(settings)
        try:
            await work(installation)
        finally:
            await installation.stop()

    run_in_virtual_time(run)


# ---------------------------------------------------------------- broken Personios


@pytest.mark.promise("P10")
@pytest.mark.parametrize("broken", [Hanging, Dripping, Endless])
def test_broken_personios_delay_no_other_company(broken: type[Company]) -> None:
    """Sixteen of twenty companies are polled in their interval, and four are broken, as many as there are places."""

    async def work(installation: Installation) -> None:
        bad = [installation.add(broken()) for _ in range(SETTINGS.poll_concurrency)]
        sound = [installation.add(Company()) for _ in range(16)]

        await installation.start_poller()
        await asyncio.sleep(3 * INTERVAL)

        assert all(len(installation.opened[connection]) >= 3 for connection in sound)
        gaps = installation.measure_gaps(sound)
        assert min(gaps) > 0.9 * INTERVAL
        assert max(gaps) < 1.1 * INTERVAL
        assert all(len(installation.opened[connection]) <= 4 for connection in bad)

    simulate(work, SETTINGS.model_copy(update={"poll_scan_pages": 100}))


@pytest.mark.parametrize(("deadline", "gap"), [(600, INTERVAL), (1200, 1200 + INTERVAL)])
def test_stopped_scan_is_repeated_after_the_interval(deadline: float, gap: float) -> None:
    """A Personio that never answers is not asked in a tight loop. After a long scan, an interval passes from its end."""

    async def work(installation: Installation) -> None:
        connection = installation.add(Hanging())

        await installation.start_poller()
        await asyncio.sleep(3.5 * gap)

        gaps = installation.measure_gaps([connection])
        (_, *ended) = await installation.store.runs.list_newest(connection)
        assert gaps == [pytest.approx(gap, rel=0.05)] * 3
        assert {run.state for run in ended} == {RunState.INCOMPLETE}
        assert all(f"waited {deadline} s for Personio" in (run.error or "") for run in ended)

    simulate(work, SETTINGS.model_copy(update={"poll_scan_seconds": deadline}))


def test_polls_of_a_large_company_keep_their_interval() -> None:
    """The interval counts from the start of a poll, not from its end."""

    async def work(installation: Installation) -> None:
        company = Company()
        company.people = {str(number): dict(ADA) for number in range(600)}
        connection = installation.add(company)

        await installation.start_poller()
        await asyncio.sleep(4 * INTERVAL)

        run = await installation.store.runs.get_last_finished(connection)
        assert run is not None
        assert run.finished_at is not None
        assert (run.finished_at - run.started_at).total_seconds() >= 150
        assert max(installation.measure_gaps([connection])) < 1.1 * INTERVAL

    simulate(work, SETTINGS.model_copy(update={"poll_full_scan_seconds": 0}))


def test_number_of_pages_in_work_is_limited() -> None:
    """Fifty companies are polled at the same time, and four of their pages are worked on."""

    async def work(installation: Installation) -> None:
        connections = [installation.add(Company()) for _ in range(50)]

        await installation.start_poller()
        await asyncio.sleep(60)

        assert {len(installation.opened[connection]) for connection in connections} == {1}
        assert {installation.opened[connection][0] for connection in connections} == {0.0}
        assert installation.publisher.most_working == SETTINGS.poll_concurrency

    simulate(work)


# ---------------------------------------------------------------- tasks


@pytest.mark.promise("P10")
def test_tasks_do_not_wait_for_slow_scans() -> None:
    """A resend needs no Personio. It is carried out although all polls at once hang."""

    async def work(installation: Installation) -> None:
        for _ in range(5):
            installation.add(Hanging())
        await installation.start_poller()
        await asyncio.sleep(1)
        paused = installation.add(Company())
        await installation.store.schedule.set_next_poll(paused, installation.clock.now().replace(year=2100))
        task = await installation.store.tasks.file(paused, Resend(scope="all", reason="x"), now=NOW)

        await asyncio.sleep(10)

        stored = await installation.store.tasks.get(task.id)
        assert stored is not None
        assert stored.state is TaskState.DONE

    simulate(work, SETTINGS.model_copy(update={"poll_open_connections": 3}))


def test_number_of_resends_in_work_is_limited() -> None:
    """A published mapping resends many companies at once."""

    async def work(installation: Installation) -> None:
        store, later = installation.store, installation.clock.now().replace(year=2100)
        connections = [installation.add(Company()) for _ in range(20)]
        for connection in connections:
            await store.schedule.set_next_poll(connection, later)
            await store.snapshots.save([(make_snapshot(connection_id=connection), None)])
            await store.tasks.file(connection, Resend(scope="all", reason="x"), now=NOW)

        await installation.start_poller()
        await asyncio.sleep(10)

        assert len(installation.publisher.log) == len(connections)
        assert installation.publisher.most_working == SETTINGS.poll_concurrency

    simulate(work)


@pytest.mark.promise("P10")
def test_resends_of_companies_take_turns() -> None:
    """The resend of a large company gives its place back after each batch."""

    async def work(installation: Installation) -> None:
        large, small = installation.add(Company()), installation.add(Company())
        store, later = installation.store, installation.clock.now().replace(year=2100)
        for connection, number in ((large, 6_000), (small, 1)):
            await store.schedule.set_next_poll(connection, later)
            people = [make_snapshot(str(key), connection_id=connection) for key in range(number)]
            await store.snapshots.save([(snapshot, None) for snapshot in people])
        long = await store.tasks.file(large, Resend(scope="all", reason="x"), now=NOW)
        await installation.start_poller()
        await asyncio.sleep(0.3)
        short = await store.tasks.file(small, Resend(scope="all", reason="x"), now=NOW)

        await asyncio.sleep(1.7)

        states = [task.state for task in (await store.tasks.get(long.id), await store.tasks.get(short.id)) if task]
        assert states == [TaskState.RUNNING, TaskState.DONE]

    simulate(work, SETTINGS.model_copy(update={"poll_concurrency": 1, "poll_tasks_every_seconds": 1}))
