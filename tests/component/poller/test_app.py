"""The assembled poller: what all its connections share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.clients.personio.rate_limit import BURST
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.poller.app import create_app
from services.poller.ports import Personio, PollPlan, Source
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.store.database import Store
from services.store.encryption import Cipher, SecretLocation
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.fakes import FakeClock, FakePersonio, FakePublisher
from tests.support.schedule_stage import SETTINGS

pytestmark = pytest.mark.mongo


def build_schedule(store: Store, clock: FakeClock, settings: PollerSettings = SETTINGS) -> Schedule:
    """Returns the schedule of an assembled poller."""
    schedule = dict(create_app(settings, store, clock)._parts)["schedule"]
    assert isinstance(schedule, Schedule)
    return schedule


def find_source(schedule: Schedule, store: Store) -> Source:
    """Returns what opens a connection's Personio."""
    return schedule._build_work(repositories=store)._source


async def test_connections_of_a_poller_share_the_rate_limit(store: Store) -> None:
    """Personio counts requests by IP address, so the setting applies to all connections together."""
    clock = FakeClock()
    schedule = build_schedule(store, clock, SETTINGS.model_copy(update={"poll_personio_per_minute": 120}))

    for name in ("one", "another"):
        access = PersonioAccess(client_id=name, client_secret=PERSONIO.client_secret)
        connection = await store.connections.add(name, access, DECLAREE, now=NOW)
        async with find_source(schedule, store)(await store.polls.plan(connection.id)) as client:
            assert isinstance(client, PersonioClient)
            assert client._limits is not None
            for _ in range(BURST):
                await client._limits.employees.wait_for_turn()

    assert clock.slept == [pytest.approx(0.5)] * BURST


async def test_polls_of_a_connection_share_the_token(store: Store) -> None:
    """Each poll has a client of its own, and must not authenticate again."""
    schedule = build_schedule(store, FakeClock())
    connection = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)

    tokens = []
    for _ in range(2):
        async with find_source(schedule, store)(await store.polls.plan(connection.id)) as client:
            assert isinstance(client, PersonioClient)
            tokens.append(client._auth._cached)

    assert tokens[0] is tokens[1]


async def test_poll_opens_each_secret_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """To decrypt takes time, and a secret should be in memory only while it is used."""
    connection = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    await store.connections.start(connection.id, now=NOW)
    opened: list[str] = []
    open_secret = Cipher.open

    def record(cipher: Cipher, location: SecretLocation, *rest: Any) -> Any:
        opened.append(str(location))
        return open_secret(cipher, location, *rest)

    monkeypatch.setattr(Cipher, "open", record)
    schedule = build_schedule(store, FakeClock())
    work = schedule._build_work(repositories=store)
    source = work._source
    personio = FakePersonio({"1": {}})

    @asynccontextmanager
    async def open_source(plan: PollPlan) -> AsyncIterator[Personio]:
        async with source(plan):
            yield personio

    work._source = open_source
    work._publisher = FakePublisher()
    async with schedule._leases.hold(connection.id) as guard:
        assert guard is not None
        await work.carry_out(connection.id, guard, is_due=True)

    assert opened
    assert len(opened) == len(set(opened))
