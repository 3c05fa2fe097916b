"""Checks what all connections share: MongoDB, Kafka, and the services that run. Changes nothing."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from services.admin.bounds import CHECK_SECONDS, RunCheck, run_check
from services.admin.findings import Finding
from services.admin.vendor_findings import judge_clock
from services.contracts.leases import POLLER_PREFIX
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.inspection import TopicState, inspect_group, inspect_topics
from services.runtime.settings import KafkaSettings
from services.runtime.version import UNKNOWN, VERSION
from services.store.database import Store

GROUPS = {"mapper": Topic.EMPLOYEES_CHANGED, "writer": Topic.ACCOUNTS_REQUESTED}
"""The services with a consumer group, and the topic that each reads."""
MONGODB, KAFKA = "MongoDB", "Kafka"
"""Subjects of the findings about the servers themselves."""
RUN_INIT = "run `personio-declaree init`"
"""Next step for what `init` creates or corrects."""


async def examine_deployment(
    store: Store, settings: KafkaSettings, clock: Clock, *, seconds: float = CHECK_SECONDS
) -> tuple[Finding, ...]:
    """Returns the findings. What depends on a server that does not answer is left out. ``seconds`` is the time for each check."""
    check = partial(run_check, seconds=seconds)
    mongodb, kafka = await asyncio.gather(_examine_mongodb(store, clock, check), _examine_kafka(settings, check))
    return (*mongodb, *kafka)


def can_use(server: str, findings: Iterable[Finding]) -> bool:
    """Returns whether a server can be used, so that what depends on it can be checked."""
    return not any(finding.problem for finding in findings if finding.subject == server)


async def _examine_mongodb(store: Store, clock: Clock, check: RunCheck) -> tuple[Finding, ...]:
    server = await check(MONGODB, _check_server(store, clock))
    if not can_use(MONGODB, server):
        return server
    indexes, pollers = await asyncio.gather(
        check("MongoDB indexes", _check_indexes(store)), check("poller", _check_pollers(store))
    )
    return (*server, *indexes, *pollers)


async def _check_server(store: Store, clock: Clock) -> Iterator[Finding]:
    asked_at = clock.now()
    state = await store.read_server_state()
    ahead = _compare_clocks(state.time, asked_at, clock.now())
    if state.replica_set is None:
        problem = "it runs without a replica set, and the product needs transactions: start it with --replSet"
        return iter([Finding(MONGODB, problem)])
    found = Finding(MONGODB, note=f"replica set {state.replica_set}")
    return iter([found, judge_clock(MONGODB, ahead.total_seconds())])


def _compare_clocks(time: datetime, asked_at: datetime, answered_at: datetime) -> timedelta:
    """Returns by how much a time is after or before the period in which it was taken."""
    return time - min(max(time, asked_at), answered_at)


async def _check_indexes(store: Store) -> tuple[Finding, ...]:
    missing = await store.find_missing_indexes()
    problem = f"missing or outdated: {', '.join(missing)}. Queries read whole collections without them: {RUN_INIT}"
    return (Finding("MongoDB indexes", problem if missing else None),)


async def _check_pollers(store: Store) -> tuple[Finding, ...]:
    running = await store.leases.list_held(POLLER_PREFIX)
    if not running:
        problem = "none has renewed its lease within POLL_LEASE_SECONDS: start one, and see its log if it runs"
        return (Finding("poller", problem),)
    return (judge_versions("poller", Counter(lease.owner.version or UNKNOWN for lease in running)),)


def judge_versions(service: str, versions: Mapping[str, int], more: str = "") -> Finding:
    """Returns a finding about the running processes of a service, by version. ``more`` is told behind them."""
    running = ", ".join(f"{number} of version {version}" for version, number in sorted(versions.items()))
    others = versions.keys() - {VERSION}
    if others:
        hint = f"running: {running}, and this program is {VERSION}: finish the upgrade, or use the program of their version"
        return Finding(service, hint=f"{hint}{more}")
    return Finding(service, note=f"running: {running}{more}")


async def _examine_kafka(settings: KafkaSettings, check: RunCheck) -> tuple[Finding, ...]:
    topics = await check(KAFKA, _check_topics(settings))
    if not can_use(KAFKA, topics):
        return topics
    groups = [check(service, _check_group(settings, service)) for service in GROUPS]
    return (*topics, *(finding for findings in await asyncio.gather(*groups) for finding in findings))


async def _check_topics(settings: KafkaSettings) -> tuple[Finding, ...]:
    topics = await inspect_topics(settings)
    return (Finding(KAFKA), *(_judge_topic(topic, settings) for topic in topics))


def _judge_topic(topic: TopicState, settings: KafkaSettings) -> Finding:
    subject = f"topic {topic.name}"
    if not topic.partitions:
        return Finding(subject, f"it does not exist: {RUN_INIT}")
    if topic.leaderless:
        return Finding(
            subject, f"{topic.leaderless} of {topic.partitions} partitions have no server: start Kafka's servers"
        )
    if topic.deviations:
        return Finding(
            subject, f"other settings than this version gives it ({', '.join(topic.deviations)}): {RUN_INIT}"
        )
    if topic.incomplete:
        return Finding(subject, hint=f"{topic.incomplete} partitions lack a copy: see that all Kafka servers run")
    note = f"partitions: {topic.partitions}"
    if topic.partitions != settings.kafka_partitions:
        return Finding(
            subject,
            hint=f"{note}, not {settings.kafka_partitions} (KAFKA_PARTITIONS). `init` never changes the number of a topic",
        )
    return Finding(subject, note=note)


async def _check_group(settings: KafkaSettings, service: str) -> tuple[Finding, ...]:
    group = await inspect_group(settings, service, GROUPS[service])
    if not group.members:
        problem = f"none runs, and {group.lag} records wait: start it, and see its log if it runs"
        return (Finding(service, problem),)
    return (judge_versions(service, group.versions, f"; records not yet settled: {group.lag:,}"),)
