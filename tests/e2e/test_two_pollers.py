"""Two pollers on one company: one is stopped in the middle of a release for longer than its lease, or has a wrong clock."""

import secrets
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from pydantic import SecretStr

from sandbox.personio.app import create_app
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from services.contracts.cloudevents import read_event
from services.contracts.connections import Guard, PersonioAccess
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import default_mapping
from services.contracts.runs import RunState
from services.contracts.snapshots import Snapshot
from services.contracts.tasks import Poll, Task, TaskState
from services.contracts.topics import Topic
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.support.builders import DECLAREE, NOW
from tests.support.keys import make_key
from tests.support.servers import KafkaServers, MongoServers
from tests.support.serving import serve_in_thread
from tests.support.world import QUICK, wait_until
from tests.system.pipeline import SECRET, make_personio

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo]

ACTIVE = 450
"""Number of active employees. With the others, a release has three pages."""
AGAIN = 50
"""Number of employees that change again while a poller is stopped."""
LEASE_SECONDS = 2
TEN_MINUTES = 600
LOST = "the lease on this connection was lost"
"""What a poller logs when it notices the loss of its lease."""


class Company:
    """A company with employees that change, its topics, its database, and pollers."""

    def __init__(self, kafka: KafkaServers, mongo: MongoServers, database: str, folder: Path) -> None:
        """Uses this database, and topics of its own."""
        prefix = f"t{secrets.token_hex(3)}-"
        key = SecretStr(make_key())
        self.personio = make_personio(ACTIVE)
        self.settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers, kafka_topic_prefix=prefix)
        self.store = Store.connect(SecretStr(mongo.url), database, [key], timeout_ms=30_000)
        self.connection = ConnectionId("")
        self.stop_when = folder / "stop"
        self.size = len(self.personio.company.list_employees())
        self._folder = folder
        self._environment = {
            **QUICK,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": prefix,
            "MONGODB_URL": mongo.url,
            "MONGODB_DATABASE": database,
            "ENCRYPTION_KEYS": key.get_secret_value(),
            "ALLOW_PRIVATE_ADDRESSES": "true",
            "POLL_INTERVAL_SECONDS": "7200",
            "POLL_LEASE_SECONDS": str(LEASE_SECONDS),
            "POLL_VERIFY": "false",
            "STOP_WHEN": str(self.stop_when),
        }

    async def connect(self, address: str) -> None:
        """Creates the topics and a connection with a guard that holds nothing."""
        await create_topics(self.settings)
        access = PersonioAccess(
            url=address, client_id="demo-client", client_secret=SecretStr(SECRET), insecure_http=True
        )
        self.connection = (await self.store.connections.add("one", access, DECLAREE, now=NOW)).id
        await self.store.connections.set_guard(self.connection, Guard(is_on=False))
        await self.store.mappings.publish(self.connection, default_mapping(), now=NOW, expected_version=None)
        await self.store.connections.start(self.connection, now=NOW)

    def build_poller(self, name: str, *, clock: float = 0, stop_at: str = "") -> Process:
        """Returns a poller. ``clock`` is how many seconds its clock is ahead. It stops itself at this point of a release."""
        port = reserve_port()
        return Process(
            name,
            [sys.executable, "-m", "tests.support.stopped_poller"],
            folder=self._folder,
            environment={
                **self._environment,
                "HTTP_PORT": str(port),
                "CLOCK_OFFSET_SECONDS": str(clock),
                "STOP_AT": stop_at,
            },
            ready=create_http_check(f"http://127.0.0.1:{port}/health/ready"),
        )

    def change(self, people: int, last_name: str) -> None:
        """Changes the names of the first employees."""
        for person in self.personio.company.list_employees()[:people]:
            self.personio.company.change(person.id, {"last_name": last_name}, self.personio.now())

    async def wait_for_import(self) -> None:
        """Waits until all employees are stored and published."""

        async def is_imported() -> bool:
            newest = await self.store.runs.list_newest(self.connection)
            return bool(newest) and newest[0].state is RunState.SUCCEEDED

        await wait_until("the import has succeeded", is_imported)

    async def file_poll(self) -> Task:
        """Asks for a poll."""
        return await self.store.tasks.file(self.connection, Poll(), now=NOW)

    async def wait_for(self, task: Task) -> None:
        """Waits until the task is done."""

        async def is_done() -> bool:
            stored = await self.store.tasks.get(task.id)
            assert stored is not None
            assert stored.state is not TaskState.FAILED, stored.error
            return stored.state is TaskState.DONE

        await wait_until("the poll is done", is_done)

    async def poll(self) -> None:
        """Asks for a poll, and waits for its end."""
        await self.wait_for(await self.file_poll())

    # ------------------------------------------------------------ observations

    async def read_records(self) -> list[ConsumerRecord[bytes, bytes]]:
        """Returns all events about employees, in the order of their partitions."""
        topic = self.settings.kafka_topic_prefix + Topic.EMPLOYEES_CHANGED.value
        consumer: AIOKafkaConsumer = AIOKafkaConsumer(
            topic, bootstrap_servers=self.settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
        )
        records: list[ConsumerRecord[bytes, bytes]] = []
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            while sum(ends.values()) > len(records):
                batches = await consumer.getmany(timeout_ms=1000)
                records += [record for batch in batches.values() for record in batch]
        finally:
            await consumer.stop()
        return records

    async def read_snapshots(self) -> dict[EmployeeId, Snapshot]:
        """Returns all snapshots."""
        pages = [page async for page in self.store.snapshots.stream(self.connection)]
        return {snapshot.employee_id: snapshot for page in pages for snapshot in page}

    async def check(self) -> None:
        """Checks that Kafka and MongoDB have every final state, and each revision in order and with the same bytes."""
        snapshots = await self.read_snapshots()
        events: dict[EmployeeId, list[bytes]] = defaultdict(list)
        for record in await self.read_records():
            events[PersonKey.parse((record.key or b"").decode()).employee_id].append(record.value or b"")
        names = {str(person.id): person.values["last_name"] for person in self.personio.company.list_employees()}

        assert snapshots.keys() == events.keys() == names.keys()
        for employee, values in events.items():
            check_person(values, snapshots[employee], names[employee])
        assert await self.store.snapshots.read_pending(self.connection, 1) == ()
        await self.check_runs()

    async def check_runs(self) -> None:
        """Checks that no run, task or observation is left over."""
        runs = await self.store.runs.list_newest(self.connection, 99)
        observations = self.store.observations._collection

        assert {run.state for run in runs} <= {RunState.SUCCEEDED, RunState.FAILED}
        assert sum(run.state is RunState.FAILED for run in runs) <= 1
        assert await self.store.tasks.list_open(self.connection) == ()
        assert await observations.count({}) == 0


def check_person(values: Sequence[bytes], snapshot: Snapshot, last_name: Any) -> None:
    """Checks the events of one employee."""
    bytes_of: dict[int, set[bytes]] = {}
    for value in values:
        bytes_of.setdefault(read_event(EmployeeChanged, value).revision, set()).add(value)

    revisions = list(bytes_of)
    assert revisions == sorted(revisions), "the first occurrences are in order"
    assert all(len(different) == 1 for different in bytes_of.values()), "a revision has the same bytes each time"
    assert snapshot.revision == revisions[-1]
    assert bytes_of[snapshot.revision] == {snapshot.to_record().value}
    assert snapshot.attributes["last_name"] == last_name


@pytest.fixture
async def company(
    kafka: KafkaServers, mongo: MongoServers, prepared_database: str, tmp_path: Path
) -> AsyncIterator[Company]:
    """A company that was not polled yet."""
    company = Company(kafka, mongo, prepared_database, tmp_path)
    with serve_in_thread(create_app(company.personio)) as address:
        await company.connect(address)
        yield company
    company.store.close()


async def wait_until_stopped(process: Process) -> None:
    """Waits until the process has stopped itself."""

    async def is_stopped() -> bool:
        status = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
        return status.rpartition(")")[2].split()[0] == "T"

    await wait_until(f"{process.name} has stopped itself", is_stopped)


@pytest.mark.timeout(120)
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("stop_at", "clock", "other_clock"),
    [
        ("save", 0, 0),
        ("save", TEN_MINUTES, 0),
        ("publish", 0, -TEN_MINUTES),
        pytest.param("published", 0, 0, marks=pytest.mark.long),
        pytest.param("publish", -TEN_MINUTES, 0, marks=pytest.mark.long),
        pytest.param("published", 0, TEN_MINUTES, marks=pytest.mark.long),
    ],
)
async def test_poller_stopped_in_a_release_harms_nothing(
    company: Company, stop_at: str, clock: float, other_clock: float
) -> None:
    """It is stopped for longer than its lease, between its check of the lease and its write. Another poller has released the
    changes since, and newer ones.
    """
    stopped = company.build_poller("stopped", clock=clock, stop_at=stop_at)
    other = company.build_poller("other", clock=other_clock)
    async with AsyncExitStack() as processes:
        await processes.enter_async_context(stopped)
        await company.wait_for_import()
        company.change(company.size, "Neumann")
        company.stop_when.touch()
        task = await company.file_poll()
        await wait_until_stopped(stopped)
        sent = len(await company.read_records()) - company.size

        await processes.enter_async_context(other)
        await company.wait_for(task)
        company.change(AGAIN, "Altmann")
        await company.poll()
        stopped.resume()

        async def has_noticed() -> bool:
            return LOST in stopped.log.read_text()

        await wait_until("the stopped poller has noticed the loss of its lease", has_noticed)
        company.change(AGAIN, "Ehrlich")
        await company.poll()

        assert 0 < sent < company.size, "it is stopped in the middle of the release"
        await company.check()


@pytest.mark.timeout(120)
@pytest.mark.promise("P2")
async def test_revisions_grow_although_a_clock_goes_back(company: Company) -> None:
    """A poller with a clock ten minutes ahead, then one with the right time, then one that is ten minutes behind."""
    for name, clock in (("ahead", TEN_MINUTES), ("right", 0), ("behind", -TEN_MINUTES)):
        company.change(AGAIN, f"Name {name}")
        async with company.build_poller(name, clock=clock):
            await company.poll()

    await company.check()
    snapshots = await company.read_snapshots()
    changed = [snapshots[EmployeeId(str(person.id))] for person in company.personio.company.list_employees()[:AGAIN]]
    assert {len({read_event(EmployeeChanged, snapshot.to_record().value).revision}) for snapshot in changed} == {1}
