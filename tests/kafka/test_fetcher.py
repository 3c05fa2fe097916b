"""A partition that cannot be read does not affect the others, on a real Kafka."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException

from services.runtime.kafka.client import make_consumer
from services.runtime.kafka.fetcher import Fetcher
from services.writer.app import FETCH_BYTES
from tests.kafka.group import SOURCE, create_group
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


async def test_broken_partition_delays_no_other_partition(kafka: KafkaServers, topic_prefix: str) -> None:
    """A partition with an error, such as a wrong checksum, is left where it is, and the others are read."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    for partition in (0, 1):
        await group.produce_events(range(7), partition=partition)
    good, broken = (TopicPartition(group.settings.topic(SOURCE), partition) for partition in (0, 1))
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign([broken, good])

        getmany = consumer.getmany

        async def fail_for_broken(partition: TopicPartition, **options: Any) -> Any:
            if partition == broken:
                raise CorruptRecordException("Invalid CRC")
            return await getmany(partition, **options)

        consumer.getmany = fail_for_broken
        offsets: dict[TopicPartition, list[int]] = {good: [], broken: []}
        fetcher = Fetcher(consumer, lambda at, records: offsets[at].extend(record.offset for record in records))

        async def fetch_all() -> bool:
            assert await fetcher.fetch(max_records=5, seconds=0.02) <= 5
            return len(offsets[good]) >= 7

        await wait_until(fetch_all)

        assert offsets == {good: [*range(7)], broken: []}
        assert fetcher.failing == {broken}
        assert await consumer.position(broken) == 0
        assert await consumer.position(good) == 7


async def test_error_of_all_partitions_is_raised(kafka: KafkaServers, topic_prefix: str) -> None:
    """A consumer that can read nothing must pause, and is not ready."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix)
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        partition = TopicPartition(group.settings.topic(SOURCE), 0)
        consumer.assign([partition])
        await consumer.position(partition)

        async def fail(*_: Any, **__: Any) -> Any:
            raise CorruptRecordException("Invalid CRC")

        consumer.getmany = fail

        with pytest.raises(CorruptRecordException):
            await Fetcher(consumer, lambda *_: None).fetch(max_records=5, seconds=0.02)


async def test_fetch_limits_records_over_all_partitions(kafka: KafkaServers, topic_prefix: str) -> None:
    """``max_records`` limits the sum of all partitions: a batch of several partitions is as small as one of a single one."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    for partition in (0, 1):
        await group.produce_events(range(7), partition=partition)
    partitions = [TopicPartition(group.settings.topic(SOURCE), partition) for partition in (0, 1)]
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign(partitions)
        await wait_until(lambda: consumer._fetcher._records.keys() >= set(partitions))
        taken: dict[TopicPartition, int] = {}

        fetched = await Fetcher(consumer, lambda at, records: taken.update({at: len(records)})).fetch(
            max_records=10, seconds=0.02
        )

        assert fetched == sum(taken.values()) == 10
        assert len(taken) == 2


@pytest.mark.promise("P10")
async def test_record_above_the_limit_of_a_fetch_is_fetched(kafka: KafkaServers, topic_prefix: str) -> None:
    """A large record behind partitions with many others: Kafka returns it alone, when its partition is asked for first."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=3)
    for partition in (0, 1):
        await group.produce(*[b"x" * (FETCH_BYTES // 80)] * 100, partition=partition)
    await group.produce(b"x" * (FETCH_BYTES - 200), partition=2)
    counts = dict.fromkeys(range(3), 0)

    def take(at: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        counts[at.partition] += len(records)

    async with make_consumer(group.settings, "large", topic_prefix, fetch_bytes=FETCH_BYTES) as consumer:
        consumer.subscribe([group.settings.topic(SOURCE)])
        fetcher = Fetcher(consumer, take)

        async def fetch_all() -> bool:
            await fetcher.fetch(max_records=50, seconds=0.1)
            return counts == {0: 100, 1: 100, 2: 1}

        await wait_until(fetch_all)
