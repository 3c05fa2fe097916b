"""Builds the mapper's process."""

from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic, find_topics
from services.mapper.handler import HANDLER_BATCH_RECORDS, SERVICE, Mapper
from services.mapper.repairs import Repairs
from services.mapper.settings import MapperSettings
from services.runtime.clock import Clock
from services.runtime.kafka.batches import BatchWorker
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.kafka.topic_watch import TopicWatch
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.version import name_process
from services.store.database import Store


def create_app(settings: MapperSettings, store: Store, clock: Clock) -> Process:
    """Returns the mapper's process, with its parts in the order in which they start."""
    metrics = Metrics()
    name = name_process(SERVICE)
    process = Process(SERVICE, settings, clock, metrics)
    publisher = Publisher(settings, name, metrics)
    repairs = Repairs(store.mappings, store.damage, store.tasks, clock, process.fatal)
    mapper = Mapper(store.mappings, store.connections, clock, repairs.add)
    results = ResultPublisher(SERVICE, Topic.EMPLOYEES_CHANGED, publisher, clock, metrics)
    worker = BatchWorker(
        handler=mapper.handle,
        results=results,
        failures=Failures(Topic.EMPLOYEES_CHANGED, metrics, process.fatal),
        clock=clock,
        fatal=process.fatal,
        handler_batch_records=HANDLER_BATCH_RECORDS,
    )
    consumer = Consumer(
        service=SERVICE,
        name=name,
        source=Topic.EMPLOYEES_CHANGED,
        event=EmployeeChanged,
        receiver=worker,
        results=results,
        settings=settings,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        max_records=settings.mapper_batch_records,
        graceful_timeout=settings.graceful_timeout_seconds,
    )

    async def replace_topics(replaced: frozenset[Topic]) -> None:
        await consumer.start_again(replaced)
        await publisher.renew()

    topics = TopicWatch(settings, find_topics(SERVICE), clock=clock, fatal=process.fatal, on_replaced=replace_topics)
    process.add("MongoDB", store)
    process.add("Kafka's topics", topics)
    process.add("Kafka's producer", publisher)
    process.add("the work on batches", worker)
    process.add("Kafka", consumer)
    process.add("repaired mappings", repairs)
    process.add_check("consumer", lambda: consumer.check_readiness(settings.stalled_after_seconds))
    process.add_check("kafka", topics.check_readiness)
    process.add_check("mongodb", store.ping)
    return process
