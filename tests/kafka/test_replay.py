"""Reading of a topic without a group: all records or those since a time, up to the end at the start."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from services.contracts.cloudevents import Record
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.kafka.replay import BATCH, RecordedRecord, read_topic
from tests.kafka.group import SOURCE, KafkaGroup, RecordingHandler, create_group, make_settings
from tests.support.servers import KafkaServers

pytestmark = pytest.mark.kafka

NOON_MS = 1_700_000_000_000


async def produce_numbers(group: KafkaGroup, count: int, *, partition: int = 0, at_ms: int = NOON_MS) -> None:
    """Produces that many numbers, with timestamps one second apart."""
    async with AIOKafkaProducer(bootstrap_servers=group.settings.kafka_bootstrap_servers) as producer:
        name = group.settings.topic(SOURCE)
        acknowledgements = [
            await producer.send(name, b"%d" % number, b"key", partition, timestamp_ms=at_ms + number * 1_000)
            for number in range(count)
        ]
        await asyncio.gather(*acknowledgements)


async def read_all(group: KafkaGroup, since_ms: int | None = None) -> list[RecordedRecord]:
    return [record async for batch in read_topic(group.settings, SOURCE, since_ms) for record in batch]


def to_number(record: RecordedRecord) -> int:
    return int(record.value or b"")


async def test_reading_keeps_the_order_of_each_partition(wide_group: KafkaGroup) -> None:
    """Partition 2 is empty."""
    for partition, count in ((0, BATCH * 3 + 1), (1, 1), (3, 7)):
        await produce_numbers(wide_group, count, partition=partition)

    records = await read_all(wide_group)

    by_partition = {
        number: [to_number(record) for record in records if record.partition == number] for number in range(4)
    }
    assert by_partition == {0: [*range(BATCH * 3 + 1)], 1: [0], 2: [], 3: [*range(7)]}


async def test_records_of_one_key_are_read(wide_group: KafkaGroup) -> None:
    """They are in the partition that the publisher has chosen for the key."""
    keys = [f"c1/{number}".encode() for number in range(20)]
    publisher = Publisher(wide_group.settings, "publisher")
    await publisher.start()
    await publisher.publish([Record(SOURCE, key, b"%d" % number) for number in range(2) for key in keys])
    await publisher.stop()

    for key in keys:
        batches = [batch async for batch in read_topic(wide_group.settings, SOURCE, key=key)]
        assert [(one.key, one.value) for batch in batches for one in batch] == [(key, b"0"), (key, b"1")]


async def test_reading_ends_at_the_end_of_its_start(group: KafkaGroup) -> None:
    """A reading that followed a busy topic would never end."""
    await produce_numbers(group, BATCH * 2)
    offsets: list[int] = []

    async for batch in read_topic(group.settings, SOURCE):
        if not offsets:
            await produce_numbers(group, 10)
        offsets += [record.offset for record in batch]

    assert offsets == [*range(BATCH * 2)]


@pytest.mark.parametrize("since_ms", [0, -1, -62_135_596_800_000])
async def test_reading_since_before_the_first_time_reads_all(group: KafkaGroup, since_ms: int) -> None:
    """A date before 1970 can be given, and a stored time can be damaged."""
    await produce_numbers(group, 2)

    assert [to_number(record) for record in await read_all(group, since_ms)] == [0, 1]


async def test_reading_since_a_time_skips_older_records(wide_group: KafkaGroup) -> None:
    """Partition 1 contains older records only, and partition 2 none."""
    await produce_numbers(wide_group, 10, partition=0)
    await produce_numbers(wide_group, 10, partition=1, at_ms=NOON_MS - 60_000)
    await produce_numbers(wide_group, 3, partition=3, at_ms=NOON_MS + 60_000)

    records = await read_all(wide_group, since_ms=NOON_MS + 6_500)

    assert sorted((record.partition, to_number(record)) for record in records) == [
        (0, 7),
        (0, 8),
        (0, 9),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert len(await read_all(wide_group, since_ms=NOON_MS + 7_000)) == 6
    assert await read_all(wide_group, since_ms=NOON_MS + 999_000) == []


async def test_reading_an_empty_topic_returns_no_records(wide_group: KafkaGroup) -> None:
    """With and without a time."""
    assert await read_all(wide_group) == []
    assert await read_all(wide_group, since_ms=NOON_MS) == []


async def test_reading_starts_after_deleted_records(group: KafkaGroup) -> None:
    """Retention deletes the oldest records of a topic."""
    await produce_numbers(group, 10)
    admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(group.settings.topic(SOURCE), 0): RecordsToDelete(before_offset=6)})
    await admin.close()

    assert [to_number(record) for record in await read_all(group)] == [6, 7, 8, 9]


async def test_reading_changes_no_consumer_group(group: KafkaGroup) -> None:
    """Neither the offsets of a service nor the list of groups change."""
    await group.produce_events(range(6))

    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(6)
        assert len(await read_all(group)) == 6
        assert await group.read_committed() == {0: 6}
        await group.produce_events(range(6, 8))
        await group.wait_until_committed(8)

    admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap_servers)
    await admin.start()
    groups = [
        name for name, _ in await admin.list_consumer_groups() if name.startswith(group.settings.kafka_topic_prefix)
    ]
    await admin.close()
    assert groups == [group.settings.group("member")]


async def test_reading_knows_every_codec(group: KafkaGroup) -> None:
    """Another producer, or a setting of the topic, may compress records."""
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        await group.produce(codec.encode(), compression_type=codec)

    assert [record.value for record in await read_all(group)] == [b"gzip", b"snappy", b"lz4", b"zstd"]


async def test_reading_a_missing_topic_names_it(kafka: KafkaServers, topic_prefix: str) -> None:
    """The error says which topic `init` has to create."""
    group = KafkaGroup(make_settings(kafka.bootstrap_servers, topic_prefix))

    with pytest.raises(KafkaUnavailableError, match=f"lacks the topic {topic_prefix}"):
        await read_all(group)


async def test_unfinished_reading_closes_its_connections(kafka: KafkaServers, topic_prefix: str) -> None:
    """An open connection would be reported as a leak, which fails the test."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix)
    await produce_numbers(group, BATCH * 3)
    batches = read_topic(group.settings, SOURCE)

    first = await anext(batches)
    await batches.aclose()

    assert len(first) == BATCH
