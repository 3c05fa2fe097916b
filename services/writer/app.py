"""Builds the writer's process."""

from functools import partial

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import Paces
from services.contracts.connections import DeclareeAccess
from services.contracts.events import AccountRequested
from services.contracts.topics import Topic, find_topics
from services.runtime.clock import Clock
from services.runtime.kafka.client import make_consumer
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.kafka.topic_watch import TopicWatch
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.version import name_process
from services.store.database import Store
from services.writer.endpoints import Endpoints
from services.writer.followups import ResendFiler
from services.writer.freshness import Freshness
from services.writer.handler import SERVICE, Writer
from services.writer.lanes import Lanes
from services.writer.settings import WriterSettings
from services.writer.wakeup import Wakeup

FETCHED_RECORDS = 500
"""Maximum number of records that are fetched at once, for all connections."""
FETCH_BYTES = 1_048_576
"""Maximum size in bytes of what is fetched at once. Declaree is slower than Kafka: more would only wait in memory."""


def create_app(settings: WriterSettings, store: Store, clock: Clock) -> Process:
    """Returns the writer's process, with its parts in the order in which they start."""
    metrics = Metrics()
    name = name_process(SERVICE)
    process = Process(SERVICE, settings, clock, metrics)
    publisher = Publisher(settings, name, metrics)
    endpoints = _build_endpoints(settings, clock, metrics)
    freshness = Freshness(metrics, clock)
    writer = _build_writer(settings, store, endpoints, freshness, clock, metrics)
    results = ResultPublisher(SERVICE, Topic.ACCOUNTS_REQUESTED, publisher, clock, metrics)
    lanes = Lanes(
        writer=writer,
        ledger=store.ledger,
        work_ranges=store.work_ranges,
        results=results,
        make_failures=lambda: Failures(Topic.ACCOUNTS_REQUESTED, metrics, process.fatal),
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        lane_records=settings.writer_lane_records,
        all_records=settings.writer_max_records,
        batch_records=settings.writer_batch_records,
    )
    wakeup = Wakeup(
        room=lanes,
        followups=store.followups,
        connections=store.connections,
        tasks=store.tasks,
        endpoints=endpoints,
        freshness=freshness,
        clock=clock,
        interval=settings.writer_retry_seconds,
        fatal=process.fatal,
    )
    consumer = Consumer(
        service=SERVICE,
        name=name,
        source=Topic.ACCOUNTS_REQUESTED,
        event=AccountRequested,
        receiver=lanes,
        results=results,
        settings=settings,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        max_records=FETCHED_RECORDS,
        graceful_timeout=settings.graceful_timeout_seconds,
        connect=partial(make_consumer, fetch_bytes=FETCH_BYTES),
    )

    async def replace_topics(replaced: frozenset[Topic]) -> None:
        await consumer.start_again(replaced)
        await publisher.renew()

    topics = TopicWatch(settings, find_topics(SERVICE), clock=clock, fatal=process.fatal, on_replaced=replace_topics)
    process.add("MongoDB", store)
    process.add("Kafka's topics", topics)
    process.add("Kafka's producer", publisher)
    process.add("Declaree", endpoints)
    process.add("the connections' lanes", lanes)
    process.add("Kafka", consumer)
    process.add("wake-up", wakeup)
    process.add_check("consumer", lambda: consumer.check_readiness(settings.stalled_after_seconds))
    process.add_check("kafka", topics.check_readiness)
    process.add_check("mongodb", store.ping)
    return process


def _build_endpoints(settings: WriterSettings, clock: Clock, metrics: Metrics) -> Endpoints:
    """Returns the endpoints of Declaree. All clients of one host share its pace."""
    paces = Paces(clock)

    def connect(access: DeclareeAccess) -> DeclareeClient:
        return DeclareeClient(
            access,
            clock=clock,
            concurrency=settings.writer_concurrency,
            paces=paces,
            metrics=metrics,
            allow_private=settings.allow_private_addresses,
        )

    return Endpoints(connect, clock)


def _build_writer(
    settings: WriterSettings, store: Store, endpoints: Endpoints, freshness: Freshness, clock: Clock, metrics: Metrics
) -> Writer:
    return Writer(
        repositories=store,
        resends=ResendFiler(store.ledger, store.followups, store.tasks, clock),
        endpoints=endpoints,
        clock=clock,
        metrics=metrics,
        freshness=freshness,
        settle_seconds=settings.writer_settle_seconds,
        # twice the number of concurrent requests: some people's answers are processed while requests for others run
        concurrency=2 * settings.writer_concurrency,
        late_write_seconds=settings.writer_late_write_seconds,
    )
