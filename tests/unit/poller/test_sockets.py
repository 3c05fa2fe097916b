"""Polls over real sockets: Personios that accept connections and never answer, beside one that answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pydantic import SecretStr

from sandbox.personio.app import create_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.clients.personio.rate_limit import RateLimits
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.poller.ports import Personio, PollPlan
from services.poller.run_recorder import LEFT_UNFINISHED
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.poller.verification_ports import AccountSource
from services.runtime.clock import SystemClock
from services.runtime.metrics import Metrics
from tests.support.builders import make_connection
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakePublisher
from tests.support.schedule_stage import SELF
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until
from tests.unit.clients.faulty_server import run_server

SETTINGS = PollerSettings(
    kafka_bootstrap_servers="nowhere:1",
    mongodb_url="mongodb://nowhere",
    encryption_keys="-",
    poll_interval_seconds=0.2,
    poll_tasks_every_seconds=0.05,
    poll_verify=False,
)
HANGING = [ConnectionId(f"hanging{number}") for number in range(SETTINGS.poll_concurrency)]
SOUND = ConnectionId("sound")


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def build_schedule(store: FakeStore) -> Schedule:
    """Returns a poller with the real client."""
    clock = SystemClock()
    limits = RateLimits(clock, 60_000, 60_000)

    @asynccontextmanager
    async def source(plan: PollPlan) -> AsyncIterator[Personio]:
        access = plan.open_connection().personio
        async with PersonioClient(access, clock=clock, limits=limits.get(access.url), allow_private=True) as client:
            yield client

    return Schedule(
        settings=SETTINGS,
        repositories=cast("Any", store),
        source=source,
        accounts=cast("AccountSource", None),  # no verification is carried out
        publisher=FakePublisher(),
        clock=clock,
        metrics=Metrics(),
        fatal=pytest.fail,
        owner=SELF,
    )


def list_runs(store: FakeStore, connection: ConnectionId, state: RunState) -> list[Run]:
    """Returns the runs of a connection in a state."""
    return [run for run in store.runs.content.values() if run.connection_id == connection and run.state is state]


@pytest.mark.promise("P10")
async def test_silent_servers_delay_no_other_company() -> None:
    """As many servers as there are places never answer. The other company is polled all the time, until the poller stops."""
    store = FakeStore()
    state = State.generate(
        seed=3,
        employees=3,
        credential=Credential("papi-1", "secret", ALL_KEYS),
        behaviour=Behaviour.model_validate({"rate_limits": False}),
    )
    schedule = build_schedule(store)
    async with run_server(hang) as silent:
        with serve_in_thread(create_app(state)) as sound:
            for connection, url in {**dict.fromkeys(HANGING, silent.url), SOUND: sound}.items():
                access = PersonioAccess(
                    url=url, client_id="papi-1", client_secret=SecretStr("secret"), insecure_http=True
                )
                store.connections.content[connection] = make_connection(connection, access)
            await schedule.start()
            await wait_until(lambda: silent.connections == len(HANGING))
            await wait_until(lambda: len(list_runs(store, SOUND, RunState.SUCCEEDED)) >= 3)
            await schedule.stop()

    assert any(run.counts.seen for run in list_runs(store, SOUND, RunState.SUCCEEDED))
    for connection in HANGING:
        (run,) = list_runs(store, connection, RunState.FAILED)
        assert run.error == LEFT_UNFINISHED
