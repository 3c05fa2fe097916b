"""Puts the mapper together."""

import os

from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.mapper.handler import AT_ONCE, SERVICE, Mapper
from services.mapper.settings import MapperSettings
from services.runtime.clock import Clock
from services.runtime.consumer import Consumption
from services.runtime.consuming import Consuming
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.producer import Publisher
from services.store.database import Store
from services.store.part import StorePart


def create_app(settings: MapperSettings, store: Store, clock: Clock) -> Process:
    metrics = Metrics()
    name = f"{SERVICE}-{os.getpid()}"
    process = Process(SERVICE, settings, clock, metrics)
    publisher = Publisher(settings, name, metrics)
    mapper = Mapper(store.mappings, store.connections, clock)
    consumption = Consumption(
        service=SERVICE,
        source=Topic.EMPLOYEES_CHANGED,
        event=EmployeeChanged,
        handler=mapper.handle,
        publisher=publisher,
        settings=settings,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        max_records=settings.mapper_batch_records,
        handled_at_once=AT_ONCE,
    )
    process.add("MongoDB", StorePart(store))
    process.add("Kafka's producer", publisher)
    process.add("Kafka", Consuming(settings, name, consumption, settings.graceful_timeout_seconds))
    process.add_check("consumer", lambda: consumption.ready(settings.stalled_after_seconds))
    process.add_check("mongodb", store.ping)
    return process
