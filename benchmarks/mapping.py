"""The mapper alone, and a bare loop that does the same work, on the records of the import."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import loops
from benchmarks.comparison import Comparison
from benchmarks.processes import Usage, read_usages, subtract_usages
from benchmarks.report import Stage, count_steady
from benchmarks.waiting import wait_until
from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process
from services.contracts.cloudevents import SendReason, parse_send_reason
from services.contracts.topics import Topic
from services.runtime.kafka.replay import read_topic
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings

MAX_SECONDS = 300
"""Time limit for the mapper's answers."""

PRODUCT, BARE, AGAIN = "alone-", "bare-", "bare-again-"
"""Topic prefixes. All runs read the source topic of the first, unless the loop reads full events. Each run writes its answers
to a topic of its own."""

Enlarge = Callable[[bytes], bytes]
"""Returns the full event of an event, as the bytes of their values."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A topic with events."""

    topic: str
    """Name of the topic."""
    form: str
    """Form of the events: ``small`` or ``full``."""
    records: int
    """Number of events."""
    size: float
    """Average size of the values in bytes."""


async def run(installation: Installation, folder: Path, copies: int, enlarge: Enlarge | None = None) -> Comparison:
    """Returns the measurements of the bare loop and of the mapper. Both read every change of the import ``copies`` times.

    With ``enlarge``, the loop reads full events. It runs before and after the mapper. All rates come from Kafka's timestamps
    of the answers. Raises ``StackError`` if the loop or the mapper fails, or their answers differ.
    """
    servers = installation.environment["KAFKA_BOOTSTRAP_SERVERS"]
    product, *bare = (_make_settings(servers, prefix) for prefix in (PRODUCT, BARE, AGAIN))
    for settings in (product, *bare):
        await create_topics(settings)
    small = await _copy(servers, product.topic(Topic.EMPLOYEES_CHANGED), copies)
    full = small if enlarge is None else await _copy(servers, bare[0].topic(Topic.EMPLOYEES_CHANGED), copies, enlarge)
    before, values_before = await _run_bare(installation, full, bare[0])
    usage = await _run_mapper(installation, folder, product, small.records)
    after, values_after = await _run_bare(installation, full, bare[1])
    times, values = await _read_answers(product)
    if not sorted(values_before) == sorted(values) == sorted(values_after):
        raise StackError("the answers of the bare loop differ from those of the mapper: the rates cannot be compared")
    mapper = Stage("the mapper alone", *count_steady(times), usage)
    return Comparison(before.combine(after), mapper, bare_bytes=full.size, mapper_bytes=small.size)


async def _run_bare(installation: Installation, source: _Source, settings: KafkaSettings) -> tuple[Stage, list[bytes]]:
    """Returns the measurement of the bare loop, and the values of its answers."""
    target = settings.topic(Topic.ACCOUNTS_REQUESTED)
    arguments = (settings.kafka_bootstrap_servers, source.topic, target, str(source.records), source.form)
    result = await loops.run("bare.mapping", *arguments, servers={"kafka": installation.kafka.process.pid})
    times, values = await _read_answers(settings)
    return Stage("consume, decode, encode, produce", *count_steady(times), result.usage), values


def _make_settings(servers: str, prefix: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=servers, kafka_topic_prefix=prefix)


async def _copy(servers: str, target: str, copies: int, enlarge: Enlarge | None = None) -> _Source:
    """Copies every detected change ``copies`` times, each to the partition where it was; returns the target as a source."""
    source = KafkaSettings(kafka_bootstrap_servers=servers)
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_batch_size=262_144)
    count = size = 0
    async with producer:
        for _ in range(copies):
            async for records in read_topic(source, Topic.EMPLOYEES_CHANGED):
                detected = [record for record in records if parse_send_reason(record.headers) is SendReason.DETECTED]
                values = [
                    (record.value or b"") if enlarge is None else enlarge(record.value or b"") for record in detected
                ]
                acknowledged = [
                    await producer.send(target, value, key=r.key, partition=r.partition, headers=list(r.headers))
                    for r, value in zip(detected, values, strict=True)
                ]
                await asyncio.gather(*acknowledged)
                count += len(detected)
                size += sum(map(len, values))
    return _Source(target, "small" if enlarge is None else "full", count, size / count)


async def _run_mapper(
    installation: Installation, folder: Path, settings: KafkaSettings, records: int
) -> dict[str, Usage]:
    """Runs a mapper until it has answered all records; returns its and Kafka's usage since the first answer."""
    environment = {
        **installation.environment,
        "KAFKA_TOPIC_PREFIX": settings.kafka_topic_prefix,
        "HTTP_PORT": str(reserve_port()),
    }
    mapper = Process("mapper", (sys.executable, "-m", "services.mapper"), folder=folder, environment=environment)
    async with mapper, _open_counter(settings) as count_answers:

        async def has_first_answer() -> bool:
            return await count_answers() > 0

        async def has_all_answers() -> bool:
            return await count_answers() >= records

        pids = {"mapper": mapper.pid, "kafka": installation.kafka.process.pid}
        try:
            await wait_until(has_first_answer, MAX_SECONDS)
            before = read_usages(pids)
            await wait_until(has_all_answers, MAX_SECONDS)
        except TimeoutError as error:
            raise StackError(f"the mapper did not answer in {MAX_SECONDS} s:\n{mapper.read_log_tail()}") from error
        return subtract_usages(read_usages(pids), before)


@asynccontextmanager
async def _open_counter(settings: KafkaSettings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yields a function that returns the number of records in the topic of account requests."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers) as consumer:
        name = settings.topic(Topic.ACCOUNTS_REQUESTED)
        partitions = [TopicPartition(name, number) for number in range(settings.kafka_partitions)]
        consumer.assign(partitions)

        async def count_answers() -> int:
            return sum((await consumer.end_offsets(partitions)).values())

        yield count_answers


async def _read_answers(settings: KafkaSettings) -> tuple[list[int], list[bytes]]:
    """Returns the times (ms) and the values of all answers."""
    times: list[int] = []
    values: list[bytes] = []
    async for records in read_topic(settings, Topic.ACCOUNTS_REQUESTED):
        times += [record.timestamp_ms for record in records]
        values += [record.value or b"" for record in records]
    return times, values
