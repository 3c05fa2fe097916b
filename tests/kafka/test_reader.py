"""Reading what was recorded, without a group: all of it, since a time, to the end as it was at the start."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from services.runtime.producer import KafkaUnavailableError
from services.runtime.reader import BATCH, recorded
from tests.kafka.stage import SOURCE, Seen, Stage, settings, staged
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka

NOON = 1_700_000_000_000


async def write(stage: Stage, count: int, *, partition: int = 0, at_ms: int = NOON) -> None:
    """Numbered values, one second apart."""
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap_servers) as producer:
        name = stage.settings.topic(SOURCE)
        sent = [
            await producer.send(name, b"%d" % number, b"key", partition, timestamp_ms=at_ms + number * 1_000)
            for number in range(count)
        ]
        await asyncio.gather(*sent)


async def read(stage: Stage, since_ms: int | None = None) -> list[ConsumerRecord]:
    return [record async for batch in recorded(stage.settings, SOURCE, since_ms) for record in batch]


async def test_everything_is_read_in_the_order_of_each_partition(four: Stage) -> None:
    """Partition 2 is empty."""
    for partition, count in ((0, BATCH * 3 + 1), (1, 1), (3, 7)):
        await write(four, count, partition=partition)
    found = await read(four)
    by_partition = {number: [int(each.value) for each in found if each.partition == number] for number in range(4)}
    assert by_partition == {0: [*range(BATCH * 3 + 1)], 1: [0], 2: [], 3: [*range(7)]}


async def test_what_is_written_meanwhile_is_not_read(stage: Stage) -> None:
    await write(stage, BATCH * 2)
    offsets: list[int] = []
    async for batch in recorded(stage.settings, SOURCE):
        if not offsets:
            await write(stage, 10)
        offsets += [record.offset for record in batch]
    assert offsets == [*range(BATCH * 2)]


async def test_it_begins_with_the_first_record_at_or_after_a_time(four: Stage) -> None:
    """Partition 1 holds older records only, partition 2 none."""
    await write(four, 10, partition=0)
    await write(four, 10, partition=1, at_ms=NOON - 60_000)
    await write(four, 3, partition=3, at_ms=NOON + 60_000)
    found = await read(four, since_ms=NOON + 6_500)
    assert sorted((each.partition, int(each.value)) for each in found) == [
        (0, 7),
        (0, 8),
        (0, 9),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert len(await read(four, since_ms=NOON + 7_000)) == 6
    assert await read(four, since_ms=NOON + 999_000) == []


async def test_of_an_empty_topic_nothing_is_read(four: Stage) -> None:
    assert await read(four) == []
    assert await read(four, since_ms=NOON) == []


async def test_what_retention_has_deleted_is_passed_over(stage: Stage) -> None:
    await write(stage, 10)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(stage.settings.topic(SOURCE), 0): RecordsToDelete(before_offset=6)})
    await admin.close()
    assert [int(each.value) for each in await read(stage)] == [6, 7, 8, 9]


async def test_no_group_is_touched(stage: Stage) -> None:
    await stage.produce_events(range(6))
    async with stage.running(Seen()):
        await stage.committed_all(6)
        assert len(await read(stage)) == 6
        assert await stage.committed() == {0: 6}
        await stage.produce_events(range(6, 8))
        await stage.committed_all(8)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.settings.kafka_bootstrap_servers)
    await admin.start()
    groups = [
        name for name, _ in await admin.list_consumer_groups() if name.startswith(stage.settings.kafka_topic_prefix)
    ]
    await admin.close()
    assert groups == [stage.settings.group("member")]


async def test_every_codec_can_be_read(stage: Stage) -> None:
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        await stage.produce(codec.encode(), compression_type=codec)
    assert [each.value for each in await read(stage)] == [b"gzip", b"snappy", b"lz4", b"zstd"]


async def test_a_missing_topic_is_named(kafka: KafkaServers, topic_prefix: str) -> None:
    stage = Stage(settings(kafka.bootstrap_servers, topic_prefix))
    with pytest.raises(KafkaUnavailableError, match=f"no topic {topic_prefix}"):
        await read(stage)


async def test_a_reader_that_is_left_midway_lets_go_of_kafka(kafka: KafkaServers, topic_prefix: str) -> None:
    stage = await staged(kafka.bootstrap_servers, topic_prefix)
    await write(stage, BATCH * 3)
    batches = recorded(stage.settings, SOURCE)
    first = await anext(batches)
    await batches.aclose()
    assert len(first) == BATCH
