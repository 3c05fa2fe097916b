"""Puts the writer together."""

import os

from services.clients.declaree.client import DeclareeClient
from services.contracts.connections import DeclareeAccess
from services.contracts.events import AccountRequested
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.consumer import Consumption
from services.runtime.consuming import Consuming
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.producer import Publisher
from services.store.database import Store
from services.store.part import StorePart
from services.writer.handler import SERVICE, Writer
from services.writer.resends import Resends
from services.writer.servers import Servers
from services.writer.settings import WriterSettings
from services.writer.waiting import WaitingPeople


def create_app(settings: WriterSettings, store: Store, clock: Clock) -> Process:
    metrics = Metrics()
    name = f"{SERVICE}-{os.getpid()}"

    def connect(access: DeclareeAccess) -> DeclareeClient:
        return DeclareeClient(access, clock=clock, concurrency=settings.writer_concurrency, metrics=metrics)

    process = Process(SERVICE, settings, clock, metrics)
    publisher = Publisher(settings, name, metrics)
    servers = Servers(connect, clock)
    writer = Writer(
        ledger=store.accounts,
        connections=store.connections,
        resends=Resends(store.accounts, store.requests, clock),
        servers=servers,
        clock=clock,
        metrics=metrics,
        batch_seconds=settings.writer_batch_seconds,
        # while one person's answer is read, another's request is on its way
        at_once=2 * settings.writer_concurrency,
    )
    waiting = WaitingPeople(
        ledger=store.accounts,
        connections=store.connections,
        requests=store.requests,
        servers=servers,
        clock=clock,
        every_seconds=settings.writer_probe_seconds,
        fatal=process.fatal,
    )
    consumption = Consumption(
        service=SERVICE,
        source=Topic.ACCOUNTS_REQUESTED,
        event=AccountRequested,
        handler=writer.handle,
        publisher=publisher,
        settings=settings,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        max_records=settings.writer_batch_records,
    )
    process.add("MongoDB", StorePart(store))
    process.add("Kafka's producer", publisher)
    process.add("Declaree", servers)
    process.add("Kafka", Consuming(settings, name, consumption, settings.graceful_timeout_seconds))
    process.add("waiting people", waiting)
    process.add_check("consumer", lambda: consumption.ready(settings.stalled_after_seconds))
    process.add_check("mongodb", store.ping)
    return process
