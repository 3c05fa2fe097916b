"""What the poller is put together of."""

import pytest

from services.clients.personio.client import PersonioClient
from services.clients.personio.pace import BURST
from services.contracts.connections import PersonioAccess
from services.poller.app import create_app
from services.poller.schedule import Schedule
from services.store.database import Store
from tests.fakes import FakeClock
from tests.stored import DECLAREE, NOW, PERSONIO
from tests.unit.poller.test_schedule import SETTINGS

pytestmark = pytest.mark.mongo


async def test_all_connections_of_a_poller_keep_the_pace_of_its_setting_together(store: Store) -> None:
    clock = FakeClock()
    process = create_app(SETTINGS.model_copy(update={"poll_personio_per_minute": 120}), store, clock)
    schedule = dict(process._parts)["schedule"]
    assert isinstance(schedule, Schedule)
    for name in ("one", "another"):
        access = PersonioAccess(client_id=name, client_secret=PERSONIO.client_secret)
        made = await store.connections.add(name, access, DECLAREE, now=NOW)
        async with schedule._source(made.id) as client:
            assert isinstance(client, PersonioClient)
            assert client._pace is not None
            for _ in range(BURST):
                await client._pace.turn()
    assert clock.slept == [pytest.approx(0.5)] * BURST


async def test_poll_after_poll_uses_the_same_token(store: Store) -> None:
    schedule = dict(create_app(SETTINGS, store, FakeClock())._parts)["schedule"]
    assert isinstance(schedule, Schedule)
    made = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    held = []
    for _ in range(2):
        async with schedule._source(made.id) as client:
            assert isinstance(client, PersonioClient)
            held.append(client._held)
    assert held[0] is held[1]
