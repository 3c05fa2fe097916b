"""What needs an administrator or an operator: everything that is stored about the installation and its connections, judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.admin.connection_findings import StoredFacts
from services.admin.deployment import examine_deployment
from services.admin.findings import RANKS, Finding, Level, find_level
from services.admin.status import Status
from services.admin.stored_judgement import judge_connection, read_facts
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


def _judge(facts: StoredFacts, now: datetime) -> ConnectionOverview:
    findings = judge_connection(facts, now)
    return ConnectionOverview(find_level(findings), facts.status, findings)
