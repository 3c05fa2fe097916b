"""The companies' servers: closed when they or their key are the trouble, probed, opened, replaced."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.clients.declaree.errors import DeclareeBusyError, DeclareeUnavailableError
from services.contracts.connections import DeclareeAccess
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, FindAccounts, Seen
from services.writer.servers import FAILURES_IN_A_ROW, LONGEST_PAUSE, SILENT_SECONDS, Server, ServerClosedError, Servers
from tests.builders import connection
from tests.fakes import FakeClock
from tests.stored import CONNECTION, DECLAREE, OTHER

LOOK = FindAccounts("externalId", "7")


@dataclass
class Scripted:
    """A server whose probes and answers are as the test sets them."""

    trouble: TransientError | None = None
    hold: asyncio.Event | None = None
    asked: int = 0
    probed: int = 0
    closed: bool = False

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        return Seen()

    async def probe(self) -> None:
        self.probed += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.trouble is not None:
            raise self.trouble

    async def close(self) -> None:
        assert not self.closed, "a client is closed once"
        self.closed = True


AWAY = DeclareeUnavailableError("no answer")


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.client = Scripted()
        self.server = Server(CONNECTION, DECLAREE, self.client, self.clock)

    async def perform(self) -> Answer:
        return await self.server.perform(LOOK, lambda: None)

    async def is_closed(self) -> bool:
        asked = self.client.asked
        try:
            await self.perform()
        except ServerClosedError:
            assert self.client.asked == asked, "nothing is sent"
            return True
        return False

    async def fall(self, trouble: TransientError = AWAY) -> None:
        self.client.trouble = trouble
        await self.server.failed(type(trouble).__name__)


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ---------------------------------------------------------------- closing


async def test_a_failure_closes_the_server_if_a_probe_fails_too(stage: Stage) -> None:
    await stage.fall()
    assert await stage.is_closed()
    with pytest.raises(ServerClosedError) as caught:
        await stage.perform()
    assert caught.value.cause == "DeclareeUnavailableError"


async def test_a_failure_of_one_person_leaves_a_server_open_that_answers_probes(stage: Stage) -> None:
    await stage.server.failed("TransientError")
    assert (stage.client.probed, await stage.is_closed()) == (1, False)


async def test_many_failures_in_a_row_close_a_server_that_answers_probes(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(FAILURES_IN_A_ROW):
        assert not await stage.is_closed(), number
        await stage.server.failed("WritesForbiddenError", details="what the key lacks")
    assert await stage.is_closed()
    assert "its changes wait until it does: what the key lacks" in caplog.text


async def test_failures_with_successes_between_close_nothing(stage: Stage) -> None:
    for _ in range(3 * FAILURES_IN_A_ROW):
        await stage.server.failed("TransientError")
        stage.server.went_well(wrote=False)
    assert not await stage.is_closed()


async def test_many_who_fail_at_once_share_one_probe(stage: Stage) -> None:
    stage.client.hold = asyncio.Event()
    failing = [asyncio.create_task(stage.server.failed("TransientError")) for _ in range(FAILURES_IN_A_ROW - 1)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stage.client.hold.set()
    await asyncio.gather(*failing)
    assert stage.client.probed == 1


@pytest.mark.parametrize(("silent", "closes"), [(SILENT_SECONDS, True), (SILENT_SECONDS - 0.1, False)])
async def test_a_server_that_left_a_request_unanswered_for_long_is_closed_when_a_batch_runs_out_of_time(
    stage: Stage, silent: float, closes: bool
) -> None:
    stage.clock.seconds += 1_000  # nobody asked it anything for long, which says nothing
    stage.client.hold = asyncio.Event()
    hanging = asyncio.create_task(stage.perform())
    await asyncio.sleep(0)
    stage.clock.seconds += silent
    hanging.cancel()
    await asyncio.wait({hanging})
    stage.server.out_of_time()
    stage.client.hold.set()
    assert await stage.is_closed() is closes


async def test_a_batch_that_ran_out_of_time_between_requests_closes_nothing(stage: Stage) -> None:
    await stage.perform()
    stage.clock.seconds += 1_000
    stage.server.out_of_time()
    assert not await stage.is_closed()


# ---------------------------------------------------------------- opening


async def test_a_closed_server_is_probed_after_growing_pauses_until_it_answers(stage: Stage) -> None:
    await stage.fall()
    pauses: list[float] = []
    for _ in range(8):
        waited = 0.0
        while stage.client.probed == len(pauses) + 1:
            stage.clock.seconds += 0.5
            waited += 0.5
            assert not await stage.server.open_if_due()
        pauses.append(waited)
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    stage.client.trouble = None
    stage.clock.seconds += LONGEST_PAUSE
    assert await stage.server.open_if_due()
    assert not await stage.is_closed()


async def test_the_pause_that_a_server_asks_for_is_kept(stage: Stage) -> None:
    await stage.fall(DeclareeBusyError("patience", retry_after=30))
    stage.clock.seconds += 29
    await stage.server.open_if_due()
    assert stage.client.probed == 1
    stage.clock.seconds += 1
    await stage.server.open_if_due()
    assert stage.client.probed == 2


async def test_after_its_opening_the_next_failure_closes_it_at_once_and_a_success_makes_it_sound(stage: Stage) -> None:
    await stage.fall()
    stage.client.trouble = None
    stage.clock.seconds += 1
    assert await stage.server.open_if_due()
    await stage.server.failed("WritesForbiddenError")
    assert await stage.is_closed()

    stage.clock.seconds += LONGEST_PAUSE
    assert await stage.server.open_if_due()
    stage.server.went_well(wrote=True)
    await stage.server.failed("TransientError")
    assert not await stage.is_closed()


async def test_an_open_server_is_not_probed(stage: Stage) -> None:
    assert await stage.server.open_if_due()
    assert stage.client.probed == 0


# ---------------------------------------------------------------- one client a connection


@dataclass
class Clients:
    made: list[tuple[DeclareeAccess, Scripted]] = field(default_factory=list)

    def __call__(self, access: DeclareeAccess) -> Scripted:
        if access.url == "bad":
            raise ValueError("no URL")
        self.made.append((access, Scripted()))
        return self.made[-1][1]


async def test_a_connection_keeps_its_server_until_its_access_changes(stage: Stage) -> None:
    clients = Clients()
    servers = Servers(clients, stage.clock)
    first, other = connection(), connection(OTHER)
    one = (await servers.of([first, other]))[CONNECTION]
    assert (await servers.of([first]))[CONNECTION] is one
    changed = connection(declaree=DECLAREE.model_copy(update={"url": "https://elsewhere.example"}))
    assert (await servers.of([changed, other]))[CONNECTION] is not one
    assert [client.closed for _, client in clients.made] == [True, False, False]
    await servers.stop()
    assert [client.closed for _, client in clients.made] == [True, True, True]


async def test_who_is_at_work_with_a_replaced_server_finishes_with_it(stage: Stage) -> None:
    clients = Clients()
    servers = Servers(clients, stage.clock)
    old = (await servers.of([connection()]))[CONNECTION]
    client = clients.made[0][1]
    client.hold = asyncio.Event()
    working = asyncio.create_task(old.perform(LOOK, lambda: None))
    await asyncio.sleep(0)
    await servers.of([connection(declaree=DECLAREE.model_copy(update={"url": "https://elsewhere.example"}))])
    assert not client.closed
    client.hold.set()
    assert await working == Seen()
    assert client.closed


@pytest.mark.expects_errors
async def test_an_access_that_cannot_be_used_stops_that_connection_alone(stage: Stage) -> None:
    servers = Servers(Clients(), stage.clock)
    bad = connection(declaree=DECLAREE.model_copy(update={"url": "bad"}))
    found = await servers.of([bad, connection(OTHER)])
    with pytest.raises(ServerClosedError) as caught:
        await found[CONNECTION].perform(LOOK, lambda: None)
    assert caught.value.cause == "ValueError"
    assert await found[OTHER].perform(LOOK, lambda: None) == Seen()
