"""A partition that cannot be read does not affect the others, on a real Kafka."""

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException

from services.runtime.kafka.fetcher import Fetcher
from tests.kafka.group import SOURCE, create_group
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


async def test_broken_partition_delays_no_other_partition(kafka: KafkaServers, topic_prefix: str) -> None:
    """The error of the partition, such as a wrong checksum, is raised when no other records are left."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    for partition in (0, 1):
        await group.produce_events(range(7), partition=partition)
    good, broken = (TopicPartition(group.settings.topic(SOURCE), partition) for partition in (0, 1))
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign([broken, good])

        async def getmany(partition: TopicPartition, **options: Any) -> Any:
            if partition == broken:
                raise CorruptRecordException("Invalid CRC")
            return await consumer.getmany(partition, **options)

        fetcher = Fetcher(consumer, getmany)
        offsets: list[int] = []

        async def fetch_all() -> bool:
            records = await fetcher.fetch(max_records=5, timeout_ms=20)
            assert set(records) <= {good}
            assert len(records.get(good, [])) <= 5
            offsets.extend(record.offset for record in records.get(good, []))
            return len(offsets) >= 7

        await wait_until(lambda: consumer._fetcher._records.keys() >= {good, broken})
        await wait_until(fetch_all)

        assert offsets == [*range(7)]
        with pytest.raises(CorruptRecordException):
            await fetcher.fetch(max_records=5, timeout_ms=20)
        assert await consumer.position(broken) == 0
        assert await consumer.position(good) == 7


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

        records = await Fetcher(consumer, consumer.getmany).fetch(max_records=10, timeout_ms=20)

        assert sum(map(len, records.values())) == 10
        assert len(records) == 2
