"""Builds the poller's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.admin.stored_judgement import count_findings
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.listing import ListedAccounts
from services.clients.declaree.turns import SHORT_HOLD_SECONDS, Paces
from services.clients.personio.attribute_lists import AttributeLists
from services.clients.personio.auth import TokenCache
from services.clients.personio.rate_limit import RateLimits
from services.clients.personio.v1 import PersonioClient
from services.contracts.ids import ConnectionId
from services.contracts.topics import find_topics
from services.poller.connection_gauges import ConnectionGauges
from services.poller.gauges import Gauges
from services.poller.ports import PollPlan, Source
from services.poller.presence import Presence
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.poller.verification_ports import AccountSource
from services.runtime.clock import Clock
from services.runtime.identity import identify_process
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.topic_watch import TopicWatch
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.version import name_process
from services.store.database import Store

SERVICE = "poller"
"""Name of the service in logs and metrics."""


def create_app(settings: PollerSettings, store: Store, clock: Clock) -> Process:
    """Returns the poller's process, not yet started.

    All its connections share the tokens, the lists of attributes, and one rate limit for each address of Personio.
    """
    metrics = Metrics()
    process = Process(SERVICE, settings, clock, metrics)
    rate_limits = RateLimits(clock, settings.poll_personio_per_minute, settings.poll_personio_logins_per_minute)
    publisher = Publisher(settings, name_process(SERVICE), metrics)
    owner = identify_process()
    presence = Presence(
        store.leases, owner, clock, settings.poll_lease_seconds, share=rate_limits.share, fatal=process.fatal
    )
    schedule = Schedule(
        settings=settings,
        repositories=store,
        source=_build_source(settings, clock, rate_limits),
        accounts=_build_account_source(settings, store, clock, metrics),
        publisher=publisher,
        clock=clock,
        metrics=metrics,
        fatal=process.fatal,
        owner=owner,
    )
    gauges = Gauges(store.counters, store.schedule, metrics, clock, settings.poll_tolerance, process.fatal)
    connection_gauges = ConnectionGauges(
        lambda: count_findings(store, settings, now=clock.now()), metrics, clock, process.fatal
    )
    topics = TopicWatch(
        settings, find_topics(SERVICE), clock=clock, fatal=process.fatal, on_replaced=lambda _: publisher.renew()
    )
    process.add("MongoDB", store)
    process.add("Kafka's topics", topics)
    process.add("Kafka", publisher)
    process.add("the number of pollers", presence)
    process.add("schedule", schedule)
    process.add("metrics of stored work", gauges)
    process.add("metrics of the connections", connection_gauges)
    process.add_check("schedule", schedule.check_readiness)
    process.add_check("kafka", topics.check_readiness)
    process.add_check("mongodb", store.ping)
    return process


def _build_source(settings: PollerSettings, clock: Clock, rate_limits: RateLimits) -> Source:
    """Returns what opens a connection's Personio. All clients share the tokens and the lists of attributes."""
    tokens, attributes = TokenCache(), AttributeLists()

    @asynccontextmanager
    async def open_personio(plan: PollPlan) -> AsyncIterator[PersonioClient]:
        access = plan.open_connection().personio
        async with PersonioClient(
            access,
            clock=clock,
            limits=rate_limits.get(access.url),
            tokens=tokens,
            attributes=attributes,
            allow_private=settings.allow_private_addresses,
        ) as client:
            yield client

    return open_personio


def _build_account_source(settings: PollerSettings, store: Store, clock: Clock, metrics: Metrics) -> AccountSource:
    """Returns what opens a connection's Declaree for a verification, with one request at a time. Hosts have one pace."""
    paces = Paces(clock)

    @asynccontextmanager
    async def open_accounts(connection: ConnectionId) -> AsyncIterator[ListedAccounts]:
        stored = await store.connections.get(connection)
        client = DeclareeClient(
            stored.declaree,
            clock=clock,
            concurrency=1,
            longest_hold=SHORT_HOLD_SECONDS,
            paces=paces,
            metrics=metrics,
            allow_private=settings.allow_private_addresses,
        )
        try:
            yield ListedAccounts(stored.declaree, client)
        finally:
            await client.close()

    return open_accounts
