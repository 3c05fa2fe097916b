"""What one partition cannot give costs no other anything, on a real Kafka."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException

from services.runtime.fetching import Fetching
from tests.kafka.stage import DEADLINE, SOURCE, staged
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka


async def test_a_partition_that_cannot_be_read_holds_up_no_other_and_is_reported_when_it_is_alone(
    kafka: KafkaServers, topic_prefix: str
) -> None:
    """A checksum that is wrong, say, as after a failure of the broker's disk."""
    stage = await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    for partition in (0, 1):
        await stage.produce_events(range(7), partition=partition)
    good, broken = (TopicPartition(stage.settings.topic(SOURCE), partition) for partition in (0, 1))
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign([broken, good])

        async def getmany(place: TopicPartition, **options: Any) -> Any:
            if place == broken:
                raise CorruptRecordException("Invalid CRC")
            return await consumer.getmany(place, **options)

        fetching = Fetching(consumer, getmany)

        offsets: list[int] = []
        async with asyncio.timeout(DEADLINE):
            while not consumer._fetcher._records.keys() >= {good, broken}:  # noqa: ASYNC110 - fetching goes on by itself
                await asyncio.sleep(0.01)
            while len(offsets) < 7:
                found = await fetching.look(most=5, timeout_ms=20)
                assert set(found) <= {good}
                assert len(found.get(good, [])) <= 5
                offsets += [record.offset for record in found.get(good, [])]
        assert offsets == [*range(7)]
        with pytest.raises(CorruptRecordException):
            await fetching.look(most=5, timeout_ms=20)
        assert (await consumer.position(broken), await consumer.position(good)) == (0, 7)
