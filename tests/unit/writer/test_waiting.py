"""Those who wait come back: once their server answers a probe, their connection's people are sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest

from services.contracts.accounts import Waiting
from services.contracts.events import Version
from services.contracts.ids import ConnectionId
from services.contracts.requests import Resend
from services.store.database import Store
from services.store.errors import StoreUnavailableError
from services.writer.servers import Server, Servers
from services.writer.waiting import LONGEST_PAUSE, WaitingPeople
from tests.builders import connection
from tests.fakes import FakeClock, FiledRequests, KnownConnections, StillClock, opened_store
from tests.stack import MongoServers
from tests.stored import CONNECTION, NOW, OTHER, entry
from tests.unit.writer.test_servers import AWAY, Clients, Scripted

pytestmark = pytest.mark.mongo

EVERY = 2.0
WAITING = Waiting(cause="down", since=NOW, version=Version(1_000, 3))


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with opened_store(mongo, prepared_database) as store:
        yield store


class Stage:
    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.requests = FiledRequests()
        self.connections = KnownConnections({CONNECTION: connection(), OTHER: connection(OTHER)})
        self.clients = Clients()
        self.servers = Servers(self.clients, clock)
        self.ledger: Any = store.accounts
        self.people = self.look_after(self.ledger)

    def look_after(self, ledger: Any, fatal: Callable[[str], None] = pytest.fail) -> WaitingPeople:
        return WaitingPeople(
            ledger=ledger, connections=self.connections, requests=self.requests, servers=self.servers,
            clock=self.clock, every_seconds=EVERY, fatal=fatal,
        )  # fmt: skip

    async def waits(self, *connections: ConnectionId) -> None:
        await self.store.accounts.write([entry("1", connection_id=each, waiting=WAITING) for each in connections])

    async def server(self, name: ConnectionId = CONNECTION) -> tuple[Server, Scripted]:
        found = await self.servers.of([self.connections.known[name]])
        return found[name], self.clients.made[-1][1]

    def filed(self) -> list[ConnectionId]:
        return [each for each, _, _ in self.requests.filed]


@pytest.fixture
def stage(store: Store) -> Stage:
    return Stage(store, FakeClock())


async def test_nobody_waits_and_nothing_is_asked_or_probed(stage: Stage) -> None:
    await stage.people.look()
    assert (stage.requests.filed, stage.clients.made) == ([], [])


async def test_the_people_of_a_server_that_works_are_sent_again(stage: Stage) -> None:
    await stage.waits(CONNECTION)
    await stage.people.look()
    ((found, task, once),) = stage.requests.filed
    assert (found, once) == (CONNECTION, f"unsettled/{CONNECTION}")
    assert isinstance(task, Resend)
    assert task.scope == "unsettled"


async def test_while_the_server_is_closed_nobody_is_sent_again_and_with_its_opening_they_are(stage: Stage) -> None:
    await stage.waits(CONNECTION)
    server, client = await stage.server()
    client.trouble = AWAY
    await server.failed("DeclareeUnavailableError")
    for _ in range(5):
        stage.clock.seconds += EVERY
        await stage.people.look()
    assert stage.filed() == []
    client.trouble = None
    stage.clock.seconds += 60
    await stage.people.look()
    assert stage.filed() == [CONNECTION]


async def test_who_goes_on_waiting_is_sent_again_less_and_less_often(stage: Stage) -> None:
    await stage.waits(CONNECTION)
    times: list[float] = []
    while len(times) < 10:
        await stage.people.look()
        if len(stage.requests.filed) > len(times):
            times.append(stage.clock.seconds)
        stage.clock.seconds += 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE]


async def test_who_waits_anew_is_sent_again_at_once(stage: Stage) -> None:
    await stage.waits(CONNECTION)
    await stage.people.look()
    await stage.store.accounts.write([entry("1", 2)])
    await stage.people.look()
    await stage.store.accounts.write([entry("1", 3, waiting=WAITING)])
    await stage.people.look()
    assert stage.filed() == [CONNECTION, CONNECTION]


async def test_a_server_whose_probe_hangs_keeps_nobody_elses_people_waiting(stage: Stage) -> None:
    await stage.waits(CONNECTION, OTHER)
    server, client = await stage.server()
    client.trouble = AWAY
    await server.failed("DeclareeUnavailableError")
    client.hold = asyncio.Event()
    await stage.server(OTHER)
    stage.clock.seconds += 60
    looking = asyncio.create_task(stage.people.look())
    client.hold.set()
    await looking
    assert stage.filed() == [OTHER]


async def test_people_of_a_connection_that_is_gone_or_cannot_be_read_are_left_alone(stage: Stage) -> None:
    await stage.waits(CONNECTION, OTHER)
    stage.connections.unreadable.add(CONNECTION)
    del stage.connections.known[OTHER]
    await stage.people.look()
    assert stage.filed() == []


async def test_the_look_goes_on_after_the_store_was_away(store: Store) -> None:
    clock = StillClock()
    stage = Stage(store, clock)
    await stage.waits(CONNECTION)
    away, looked = True, asyncio.Event()

    class Ledger:
        async def waiting_connections(self) -> dict[ConnectionId, int]:
            if away:
                looked.set()
                raise StoreUnavailableError("MongoDB does not answer")
            return await store.accounts.waiting_connections()

    people = stage.look_after(Ledger())
    await people.start()
    await looked.wait()
    away = False
    while not stage.requests.filed:
        clock.advance(EVERY)
        await asyncio.sleep(0.005)
    await people.stop()
    assert stage.filed()[0] == CONNECTION


@pytest.mark.expects_errors
async def test_a_defect_in_the_look_ends_the_process_instead_of_leaving_everybody_waiting(stage: Stage) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Ledger:
        async def waiting_connections(self) -> dict[ConnectionId, int]:
            raise RuntimeError("a defect")

    people = stage.look_after(Ledger(), ended.set_result)
    await people.start()
    assert "RuntimeError" in await ended
    await people.stop()
