"""Publishing to a real Kafka: everything is acknowledged, and a key keeps its partition and its order."""

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from aiokafka.partitioner import DefaultPartitioner

from services.contracts.cloudevents import Record
from services.errors import TransientError
from services.runtime.kafka.client import MAX_BATCH_BYTES
from services.runtime.kafka.publisher import MAX_RECORD_BYTES, KafkaUnavailableError, Publisher
from services.runtime.metrics import Metrics
from tests.kafka.group import LETTERS, RESULTS, KafkaGroup, create_group, make_settings
from tests.support.servers import KafkaServers

pytestmark = pytest.mark.kafka


@pytest.fixture
async def publisher(group: KafkaGroup) -> AsyncIterator[Publisher]:
    publisher = Publisher(group.settings, "publisher")
    await publisher.start()
    yield publisher
    await publisher.stop()


async def test_key_gets_the_partition_that_aiokafka_chooses(kafka: KafkaServers, topic_prefix: str) -> None:
    """The partition is the same with many partitions, and for a key that was published before."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=50)
    records = [Record(RESULTS, f"c1/{number % 700}".encode(), b"%d" % number) for number in range(2_000)]
    metrics = Metrics()
    publisher = Publisher(group.settings, "publisher", metrics)

    await publisher.start()
    oversized = await publisher.publish(records)
    await publisher.stop()

    assert oversized == ()
    choose, partitions = DefaultPartitioner(), list(range(50))
    stored = await group.read_records(RESULTS)
    assert {(record.key, record.partition) for record in stored} == {
        (record.key, choose(record.key, partitions, partitions)) for record in records
    }
    assert sorted(int(record.value) for record in stored) == [*range(2_000)]
    assert metrics.registry.get_sample_value("sync_published_total", {"topic": RESULTS.value}) == 2_000


@pytest.mark.promise("P2")
async def test_key_keeps_its_order_over_many_batches(kafka: KafkaServers, topic_prefix: str) -> None:
    """The records of a partition fill several batches of the producer."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=3)
    publisher = Publisher(group.settings, "publisher")
    padding = b"x" * (MAX_BATCH_BYTES // 10)

    await publisher.start()
    for first in range(0, 300, 100):
        await publisher.publish(
            [
                Record(RESULTS, b"%d" % (number % 8), b"%d" % number, (("padding", padding),))
                for number in range(first, first + 100)
            ]
        )
    await publisher.stop()

    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await group.read_records(RESULTS):
        by_key[record.key].append(int(record.value))
    assert by_key == {b"%d" % key: [*range(key, 300, 8)] for key in range(8)}


async def test_key_value_and_headers_arrive_unchanged(group: KafkaGroup, publisher: Publisher) -> None:
    """Null and empty are different, for keys and for values. A compacted topic accepts no null key."""
    headers = (("ce_id", b"1"), ("empty", b""))

    await publisher.publish([Record(LETTERS, b"key", b"value", headers), Record(LETTERS, b"", None)])
    await publisher.publish([Record(LETTERS, None, b"no key"), Record(LETTERS, None, None)])

    stored = [(record.key, record.value, record.headers) for record in await group.read_records(LETTERS)]
    assert stored == [
        (b"key", b"value", headers),
        (b"", None, ()),
        (None, b"no key", ()),
        (None, None, ()),
    ]


async def test_record_without_key_does_not_move_the_empty_key(kafka: KafkaServers, topic_prefix: str) -> None:
    """A record without a key goes to any partition of the dead letters, but the empty key keeps its own."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=12)
    publisher = Publisher(group.settings, "publisher")

    await publisher.start()
    for _ in range(40):
        await publisher.publish([Record(LETTERS, None, b"any"), Record(LETTERS, b"", b"the empty key")])
    await publisher.stop()

    stored = await group.read_records(LETTERS)
    assert len({record.partition for record in stored if record.key is None}) > 1
    assert len({record.partition for record in stored if record.key == b""}) == 1


async def test_oversized_records_are_returned_and_others_sent(group: KafkaGroup, publisher: Publisher) -> None:
    """The limit covers key, value and headers together."""
    large = Record(RESULTS, b"large", b"x" * MAX_RECORD_BYTES)
    large_by_headers = Record(RESULTS, b"headers", b"x", (("padding", b"x" * MAX_RECORD_BYTES),))
    largest = Record(RESULTS, b"fits", b"x" * (MAX_RECORD_BYTES - 4))

    oversized = await publisher.publish([large, Record(RESULTS, b"1", b"1"), large_by_headers, largest])

    assert oversized == (large, large_by_headers)
    assert [record.key for record in await group.read_records(RESULTS)] == [b"1", b"fits"]


async def test_dead_letter_may_exceed_the_record_limit(group: KafkaGroup, publisher: Publisher) -> None:
    """A dead letter is a whole record with more headers."""
    letter = Record(LETTERS, b"key", b"x" * 2 * MAX_RECORD_BYTES)

    assert await publisher.publish([letter]) == ()
    assert await group.read_values(LETTERS) == [letter.value]


async def test_publishing_no_records_does_nothing(publisher: Publisher) -> None:
    """A batch may have no results."""
    assert await publisher.publish([]) == ()


async def test_publishing_before_the_start_is_an_error(group: KafkaGroup) -> None:
    """The error is transient: the process starts its parts in order."""
    publisher = Publisher(group.settings, "publisher")

    with pytest.raises(KafkaUnavailableError, match="not started"):
        await publisher.publish([Record(RESULTS, b"1", b"1")])


async def test_missing_topic_is_a_transient_error(kafka: KafkaServers, topic_prefix: str) -> None:
    """`init` may not have run yet."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_request_timeout_ms=2_000)
    publisher = Publisher(settings, "publisher")
    await publisher.start()

    with pytest.raises(TransientError, match="UnknownTopicOrPartitionError"):
        await publisher.publish([Record(RESULTS, b"1", b"1")])

    await publisher.stop()
