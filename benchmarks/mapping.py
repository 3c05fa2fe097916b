"""The mapper alone, and a bare loop that does its work, over the records of the import."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import loops
from benchmarks.processes import Usage, since, usages
from benchmarks.report import Stage, steady
from benchmarks.waiting import until
from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Process
from services.contracts.envelope import Cause, cause_of
from services.contracts.topics import Topic
from services.runtime.reader import recorded
from services.runtime.settings import KafkaSettings
from services.runtime.topics import create_topics

LONGEST_SECONDS = 300
PRODUCT, BARE, AGAIN = "alone-", "bare-", "bare-again-"
"""Prefixes of the topics: all read the product's source and answer into a topic of their own."""


async def run(installation: Installation, folder: Path, copies: int) -> tuple[Stage, Stage]:
    """The bare loop, and the mapper's process; both read every record of the import ``copies`` times.

    The loop runs before and after the mapper. All rates are taken from the times of the answers. Raises ``StackError``
    when these differ.
    """
    servers = installation.environment["KAFKA_BOOTSTRAP_SERVERS"]
    product, *bare = (_settings(servers, prefix) for prefix in (PRODUCT, BARE, AGAIN))
    for settings in (product, *bare):
        await create_topics(settings)
    source = product.topic(Topic.EMPLOYEES_CHANGED)
    records = await _copy(servers, source, copies)
    before, values_before = await _bare(installation, source, bare[0], records)
    used = await _map(installation, folder, product, records)
    after, values_after = await _bare(installation, source, bare[1], records)
    times, values = await _answers(product)
    if not sorted(values_before) == sorted(values) == sorted(values_after):
        raise StackError("the bare loop's answers are not the mapper's: they cannot be compared")
    return before.and_again(after), Stage("the mapper alone", *steady(times), used)


async def _bare(
    installation: Installation, source: str, settings: KafkaSettings, records: int
) -> tuple[Stage, list[bytes]]:
    """And the values of what it answered."""
    servers, target = settings.kafka_bootstrap_servers, settings.topic(Topic.ACCOUNTS_REQUESTED)
    kafka = {"kafka": installation.kafka.process.pid}
    outcome = await loops.run("bare.mapping", servers, source, target, str(records), beside=kafka)
    times, values = await _answers(settings)
    return Stage("consume, decode, encode, produce", *steady(times), outcome.usage), values


def _settings(servers: str, prefix: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=servers, kafka_topic_prefix=prefix)


async def _copy(servers: str, target: str, copies: int) -> int:
    """Every change that was detected, ``copies`` times, in the partitions where it was; how many records that makes."""
    source = KafkaSettings(kafka_bootstrap_servers=servers)
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_batch_size=262_144)
    count = 0
    async with producer:
        for _ in range(copies):
            async for records in recorded(source, Topic.EMPLOYEES_CHANGED):
                detected = [record for record in records if cause_of(record.headers) is Cause.DETECTED]
                sent = [
                    await producer.send(target, r.value, key=r.key, partition=r.partition, headers=list(r.headers))
                    for r in detected
                ]
                await asyncio.gather(*sent)
                count += len(detected)
    return count


async def _map(installation: Installation, folder: Path, settings: KafkaSettings, records: int) -> dict[str, Usage]:
    """Runs a mapper until it has answered all; what it and Kafka have used since the first answer."""
    environment = {
        **installation.environment,
        "KAFKA_TOPIC_PREFIX": settings.kafka_topic_prefix,
        "HTTP_PORT": str(free_port()),
    }
    mapper = Process("mapper", (sys.executable, "-m", "services.mapper"), folder=folder, environment=environment)
    async with mapper, _counting(settings) as answered:

        async def any_answer() -> bool:
            return await answered() > 0

        async def all_answers() -> bool:
            return await answered() >= records

        pids = {"mapper": mapper.pid, "kafka": installation.kafka.process.pid}
        try:
            await until(any_answer, LONGEST_SECONDS)
            before = usages(pids)
            await until(all_answers, LONGEST_SECONDS)
        except TimeoutError as error:
            raise StackError(f"the mapper did not answer in {LONGEST_SECONDS} s:\n{mapper.log_tail()}") from error
        return since(usages(pids), before)


@asynccontextmanager
async def _counting(settings: KafkaSettings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A function that gives the number of records in the topic of requested accounts."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers) as consumer:
        name = settings.topic(Topic.ACCOUNTS_REQUESTED)
        places = [TopicPartition(name, number) for number in range(settings.kafka_partitions)]
        consumer.assign(places)

        async def answered() -> int:
            return sum((await consumer.end_offsets(places)).values())

        yield answered


async def _answers(settings: KafkaSettings) -> tuple[list[int], list[bytes]]:
    """Times (ms) and values of what was answered."""
    times: list[int] = []
    values: list[bytes] = []
    async for records in recorded(settings, Topic.ACCOUNTS_REQUESTED):
        times += [record.timestamp for record in records]
        values += [record.value for record in records]
    return times, values
