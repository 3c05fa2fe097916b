"""Builds the mapper's process."""

import os

from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic, find_topics
from services.mapper.handler import HANDLER_BATCH_RECORDS, SERVICE, Mapper
from services.mapper.repairs import Repairs
from services.mapper.settings import MapperSettings
from services.runtime.clock import Clock
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.topic_watch import TopicWatch
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.store.database import Store


def create_app(settings: MapperSettings, store: Store, clock: Clock) -> Process:
    """Returns the mapper's process, with its parts in the order in which they start."""
    metrics = Metrics()
    name = f"{SERVICE}-{os.getpid()}"
    process = Process(SERVICE, settings, clock, metrics)
    publisher = Publisher(settings, name, metrics)
    repairs = Repairs(store.mappings, store.damage, store.tasks, clock, process.fatal)
    mapper = Mapper(store.mappings, store.connections, clock, repairs.add)
    consumer = Consumer(
        service=SERVICE,
        name=name,
        source=Topic.EMPLOYEES_CHANGED,
        event=EmployeeChanged,
        handler=mapper.handle,
        publisher=publisher,
        settings=settings,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        max_records=settings.mapper_batch_records,
        graceful_timeout=settings.graceful_timeout_seconds,
        handler_batch_records=HANDLER_BATCH_RECORDS,
    )
    topics = TopicWatch(
        settings, find_topics(SERVICE), clock=clock, fatal=process.fatal, on_replaced=consumer.start_again
    )
    process.add("MongoDB", store)
    process.add("Kafka's topics", topics)
    process.add("Kafka's producer", publisher)
    process.add("Kafka", consumer)
    process.add("repaired mappings", repairs)
    process.add_check("consumer", lambda: consumer.check_readiness(settings.stalled_after_seconds))
    process.add_check("kafka", topics.check_readiness)
    process.add_check("mongodb", store.ping)
    return process
