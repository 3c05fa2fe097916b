"""Puts the poller together."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.clients.personio.client import PersonioClient
from services.clients.personio.pace import Pace
from services.clients.personio.tokens import Tokens
from services.contracts.ids import ConnectionId
from services.poller.schedule import Schedule, this_process
from services.poller.settings import PollerSettings
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.producer import Publisher
from services.store.database import Store
from services.store.part import StorePart

SERVICE = "poller"


def create_app(settings: PollerSettings, store: Store, clock: Clock) -> Process:
    metrics = Metrics()
    process = Process(SERVICE, settings, clock, metrics)
    pace, tokens = Pace(clock, settings.poll_personio_per_minute), Tokens()
    publisher = Publisher(settings, f"{SERVICE}-{os.getpid()}", metrics)

    @asynccontextmanager
    async def source(connection: ConnectionId) -> AsyncIterator[PersonioClient]:
        found = await store.connections.get(connection)
        async with PersonioClient(found.personio, clock=clock, pace=pace, tokens=tokens) as client:
            yield client

    schedule = Schedule(
        settings=settings,
        store=store,
        source=source,
        publisher=publisher,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        holder=this_process(),
    )
    process.add("MongoDB", StorePart(store))
    process.add("Kafka", publisher)
    process.add("schedule", schedule)
    process.add_check("schedule", schedule.ready)
    process.add_check("mongodb", store.ping)
    return process
