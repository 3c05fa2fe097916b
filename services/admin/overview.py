"""What needs an administrator or an operator: everything that is stored about the installation and its connections, judged."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.admin.connection_findings import StoredFacts, judge_stored
from services.admin.deployment import examine_deployment
from services.admin.findings import RANKS, Finding, Level, find_level
from services.admin.status import Status, get_status
from services.admin.vendor_findings import judge_ends
from services.contracts.connections import normalise_host
from services.contracts.ids import ConnectionId
from services.runtime.clock import Clock
from services.runtime.settings import KafkaSettings, PollingSettings
from services.store.database import Store
from services.store.errors import UnknownConnectionError

DEPLOYMENT_SECONDS = 10.0
"""Seconds that each check of MongoDB and Kafka may take."""


@dataclass(frozen=True, slots=True)
class ConnectionOverview:
    """One connection."""

    level: Level
    """The level of the most urgent finding."""
    status: Status
    """Its numbers."""
    findings: tuple[Finding, ...]
    """What was found, with what is right."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The installation and its connections."""

    level: Level
    """The level of the most urgent finding."""
    deployment: tuple[Finding, ...]
    """What was found about MongoDB, Kafka and the services, with what is right."""
    connections: tuple[ConnectionOverview, ...]
    """The connections, the most urgent ones first, else in the order in which they were added."""


async def read_overview(
    store: Store, clock: Clock, *, kafka: KafkaSettings, polling: PollingSettings, only: ConnectionId | None = None
) -> Overview:
    """Reads and judges the installation and its connections, or ``only`` one of them. Asks neither Personio nor Declaree.

    Raises ``UnknownConnectionError``, and ``StoreUnavailableError`` without MongoDB.
    """
    now = clock.now()
    facts = await read_facts(store, polling, now=now)
    chosen = [one for one in facts if only in {None, one.summary.id}]
    if only is not None and not chosen:
        raise UnknownConnectionError(only)
    return build_overview(await examine_deployment(store, kafka, clock, seconds=DEPLOYMENT_SECONDS), chosen, now)


def build_overview(deployment: tuple[Finding, ...], facts: Iterable[StoredFacts], now: datetime) -> Overview:
    """Returns the overview of connections, and of what was found about the installation."""
    connections = sorted((_judge(one, now) for one in facts), key=lambda one: RANKS[one.level])
    level = min([find_level(deployment), *(one.level for one in connections)], key=RANKS.__getitem__)
    return Overview(level, deployment, tuple(connections))


async def read_facts(store: Store, polling: PollingSettings, *, now: datetime) -> list[StoredFacts]:
    """Returns what is stored about each connection, in the order in which they were added."""
    statuses = await get_status(store, now=now, overdue_before=now - polling.poll_tolerance)
    by_connection = {status.connection: status for status in statuses}
    summaries = await store.connections.list_all()
    hosts = Counter(normalise_host(summary.personio_url) for summary in summaries)
    return [
        StoredFacts(
            summary,
            by_connection[summary.id],
            sharing=hosts[normalise_host(summary.personio_url)],
            per_minute=polling.poll_personio_per_minute,
        )
        for summary in summaries
        if summary.id in by_connection
    ]


def _judge(facts: StoredFacts, now: datetime) -> ConnectionOverview:
    run = facts.status.last_run
    announced = () if run is None else judge_ends("Personio", run.notes, now)
    findings = (*judge_stored(facts, now), *announced)
    return ConnectionOverview(find_level(findings), facts.status, findings)
