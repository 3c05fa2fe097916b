"""While a connection is paused, nothing is sent to its server: its changes wait, and are written when it is resumed."""

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning.calls import Answer, Call, CreateAccount
from services.runtime.metrics import Metrics
from services.writer.endpoint import Endpoint
from services.writer.freshness import Freshness
from services.writer.wakeup import Wakeup
from tests.support.builders import CONNECTION, OTHER, make_request, make_request_with_intent
from tests.support.fakes import PlentyOfRoom
from tests.support.writer_stage import WriterStage, summarize
from tests.unit.writer.company import Company

EMPLOYEES = tuple("123456789")


def set_state(stage: WriterStage, state: ConnectionState, connection: ConnectionId = CONNECTION) -> None:
    """Pauses or resumes a connection."""
    known = stage.connections.connections
    known[connection] = known[connection].model_copy(update={"state": state})


def make_wakeup(stage: WriterStage) -> Wakeup:
    """Returns the background loop of the writer."""
    return Wakeup(
        room=PlentyOfRoom(stage.clock),
        followups=stage.store.followups,
        connections=stage.connections,
        tasks=stage.tasks,
        endpoints=stage.endpoints,
        freshness=Freshness(Metrics(), stage.clock),
        clock=stage.clock,
        interval=2,
        fatal=pytest.fail,
    )


@pytest.mark.promise("W23")
async def test_change_of_paused_connection_waits(stage: WriterStage) -> None:
    """The server is not even asked for its description."""
    set_state(stage, ConnectionState.PAUSED)

    assert await stage.handle(make_request()) == []

    assert await stage.get_cause() is WaitingCause.PAUSED
    assert stage.list_calls() == []


@pytest.mark.promise("P9", "W23")
async def test_leaver_of_paused_connection_waits(stage: WriterStage) -> None:
    """The leaver is listed, does not count for the brake before disabling, and is disabled when the connection is resumed."""
    await stage.handle(make_request())
    set_state(stage, ConnectionState.PAUSED)

    await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))

    assert await stage.get_cause() is WaitingCause.PAUSED
    assert stage.get_account()["active"] is True
    assert not (await stage.store.brakes.read(CONNECTION)).disabled

    set_state(stage, ConnectionState.ACTIVE)
    await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))

    assert stage.get_account()["active"] is False


@pytest.mark.promise("P10")
async def test_other_connections_are_written(stage: WriterStage) -> None:
    """A pause concerns one company."""
    stage.connect(OTHER)
    set_state(stage, ConnectionState.PAUSED)

    outcomes = await stage.handle(make_request("1"), make_request("2", connection=OTHER))

    assert summarize(outcomes) == [("2", Outcome.CREATED)]


@pytest.mark.promise("W23")
async def test_batch_in_progress_sends_nothing_more(stage: WriterStage) -> None:
    """The background loop notes the pause of a connection with a long batch in progress."""
    server, wakeup = await stage.get_server(), make_wakeup(stage)
    stage.restart(concurrency=1)

    async def pause_after_a_create(call: Call, answer: Answer) -> Answer:
        if isinstance(call, CreateAccount):
            set_state(stage, ConnectionState.PAUSED)
            await wakeup.refresh_connections()
        return answer

    server.after = pause_after_a_create
    outcomes = await stage.handle(*map(make_request, EMPLOYEES))

    assert summarize(outcomes) == [("1", Outcome.CREATED)]
    assert {await stage.get_cause(employee) for employee in EMPLOYEES[1:]} == {WaitingCause.PAUSED}


@pytest.mark.promise("W23")
async def test_request_that_waits_for_its_turn_is_not_sent(stage: WriterStage) -> None:
    """With a slow server, requests wait for minutes. None of them is sent after the pause."""
    server, wakeup = await stage.get_server(), make_wakeup(stage)

    async def pause_before_a_create(call: Call) -> None:
        if isinstance(call, CreateAccount):
            set_state(stage, ConnectionState.PAUSED)
            await wakeup.refresh_connections()

    server.before = pause_before_a_create

    assert await stage.handle(make_request()) == []

    assert await stage.get_cause() is WaitingCause.PAUSED
    assert not server.writes
    assert (await stage.get_entry()).attempted is None


async def test_refused_request_is_not_repeated(stage: WriterStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server limits the rate. The create was not carried out, so that no lookup for it is needed later."""
    server, wakeup = await stage.get_server(), make_wakeup(stage)
    stage.declaree.faults.order(Fault(kind="status", method="POST", status=429, retry_after=20))
    sleep = stage.clock.sleep

    async def pause_while_asleep(seconds: float) -> None:
        await sleep(seconds)
        set_state(stage, ConnectionState.PAUSED)
        await wakeup.refresh_connections()

    monkeypatch.setattr(stage.clock, "sleep", pause_while_asleep)

    assert await stage.handle(make_request()) == []

    assert await stage.get_cause() is WaitingCause.PAUSED
    assert len(server.writes) == 1
    assert (await stage.get_entry()).attempted is None


async def test_pause_says_nothing_about_a_server_on_trial(stage: WriterStage) -> None:
    """A write that was not sent does not open the circuit breaker again."""
    server, wakeup = await stage.get_server(), make_wakeup(stage)
    (endpoint,) = (await stage.get_endpoints()).values()
    endpoint.breaker.open(WaitingCause.SERVER_UNAVAILABLE)
    stage.clock.seconds += 60
    assert await endpoint.close_if_due()

    async def pause_before_a_create(call: Call) -> None:
        if isinstance(call, CreateAccount):
            set_state(stage, ConnectionState.PAUSED)
            await wakeup.refresh_connections()

    server.before = pause_before_a_create
    await stage.handle(make_request())

    assert await stage.get_cause() is WaitingCause.PAUSED
    assert not endpoint.breaker.is_open


@pytest.mark.promise("W23")
async def test_resumed_connection_gets_what_waits(stage: WriterStage, company: Company) -> None:
    """Waiting employees of a paused connection are not resent. Those of a resumed one are, at once."""
    set_state(stage, ConnectionState.PAUSED)
    await company.settle(make_request("1"), make_request("2"))

    assert await company.pass_time(1) == {}

    set_state(stage, ConnectionState.ACTIVE)

    assert await company.pass_time(1) == {"1": Outcome.CREATED, "2": Outcome.CREATED}


async def test_server_of_paused_connection_is_not_probed(stage: WriterStage) -> None:
    """An open circuit breaker stays as it is."""
    (endpoint,) = (await stage.get_endpoints()).values()
    endpoint.breaker.open(WaitingCause.SERVER_UNAVAILABLE)
    stage.clock.seconds += 60
    set_state(stage, ConnectionState.PAUSED)

    assert not await find_usable(stage)

    set_state(stage, ConnectionState.ACTIVE)

    assert await find_usable(stage)


async def find_usable(stage: WriterStage) -> bool:
    """Returns whether requests may be sent, after the check of the background loop."""
    endpoints: dict[ConnectionId, Endpoint] = await stage.get_endpoints()
    return await endpoints[CONNECTION].close_if_due()
