"""Publishing to a real Kafka: everything acknowledged, each key on its partition and in its order."""

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from aiokafka.partitioner import DefaultPartitioner

from services.contracts.envelope import Record
from services.errors import TransientError
from services.runtime.kafka import MAX_BATCH_BYTES
from services.runtime.metrics import Metrics
from services.runtime.producer import MAX_RECORD_BYTES, KafkaUnavailableError, Publisher
from tests.kafka.stage import ANSWERS, LETTERS, Stage, settings, staged
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka


@pytest.fixture
async def publisher(stage: Stage) -> AsyncIterator[Publisher]:
    publisher = Publisher(stage.settings, "publisher")
    await publisher.start()
    yield publisher
    await publisher.stop()


async def test_every_key_goes_where_aiokafka_itself_would_send_it(kafka: KafkaServers, topic_prefix: str) -> None:
    """Also with many partitions, and when a key comes again."""
    stage = await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=50)
    records = [Record(ANSWERS, f"c1/{number % 700}".encode(), b"%d" % number) for number in range(2_000)]
    metrics = Metrics()
    publisher = Publisher(stage.settings, "publisher", metrics)
    await publisher.start()
    assert await publisher.publish(records) == ()
    await publisher.stop()
    choose, everywhere = DefaultPartitioner(), list(range(50))
    found = await stage.records(ANSWERS)
    assert {(each.key, each.partition) for each in found} == {
        (record.key, choose(record.key, everywhere, everywhere)) for record in records
    }
    assert sorted(int(each.value) for each in found) == [*range(2_000)]
    assert metrics.registry.get_sample_value("sync_published_total", {"topic": ANSWERS.value}) == 2_000


async def test_the_order_of_each_key_is_kept_over_many_batches_of_the_producer(
    kafka: KafkaServers, topic_prefix: str
) -> None:
    stage = await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=3)
    publisher = Publisher(stage.settings, "publisher")
    await publisher.start()
    value = b"x" * (MAX_BATCH_BYTES // 10)
    for first in range(0, 300, 100):
        await publisher.publish(
            [
                Record(ANSWERS, b"%d" % (number % 8), b"%d" % number, (("pad", value),))
                for number in range(first, first + 100)
            ]
        )
    await publisher.stop()
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await stage.records(ANSWERS):
        by_key[record.key].append(int(record.value))
    assert by_key == {b"%d" % key: [*range(key, 300, 8)] for key in range(8)}


async def test_keys_values_and_headers_arrive_as_they_are(stage: Stage, publisher: Publisher) -> None:
    headers = (("ce_id", b"1"), ("empty", b""))
    await publisher.publish([Record(ANSWERS, b"key", b"value", headers), Record(ANSWERS, b"", None)])
    await publisher.publish([Record(ANSWERS, None, b"no key"), Record(ANSWERS, None, None)])
    found = [(each.key, each.value, each.headers) for each in await stage.records(ANSWERS)]
    assert found == [
        (b"key", b"value", headers),
        (b"", None, ()),
        (None, b"no key", ()),
        (None, None, ()),
    ]


async def test_records_without_a_key_do_not_move_the_empty_key(kafka: KafkaServers, topic_prefix: str) -> None:
    stage = await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=12)
    publisher = Publisher(stage.settings, "publisher")
    await publisher.start()
    for _ in range(40):
        await publisher.publish([Record(ANSWERS, None, b"any"), Record(ANSWERS, b"", b"the empty key")])
    await publisher.stop()
    found = await stage.records(ANSWERS)
    assert len({each.partition for each in found if each.key is None}) > 1
    assert len({each.partition for each in found if each.key == b""}) == 1


async def test_what_is_too_large_is_refused_and_everything_else_is_sent(stage: Stage, publisher: Publisher) -> None:
    large = Record(ANSWERS, b"large", b"x" * MAX_RECORD_BYTES)
    large_by_headers = Record(ANSWERS, b"headers", b"x", (("pad", b"x" * MAX_RECORD_BYTES),))
    largest = Record(ANSWERS, b"fits", b"x" * (MAX_RECORD_BYTES - 4))
    refused = await publisher.publish([large, Record(ANSWERS, b"1", b"1"), large_by_headers, largest])
    assert refused == (large, large_by_headers)
    assert [each.key for each in await stage.records(ANSWERS)] == [b"1", b"fits"]


async def test_a_dead_letter_may_be_larger_than_anything_else(stage: Stage, publisher: Publisher) -> None:
    letter = Record(LETTERS, b"key", b"x" * 2 * MAX_RECORD_BYTES)
    assert await publisher.publish([letter]) == ()
    assert await stage.values(LETTERS) == [letter.value]


async def test_nothing_to_publish_is_published_at_once(publisher: Publisher) -> None:
    assert await publisher.publish([]) == ()


async def test_publishing_before_the_start_says_so(stage: Stage) -> None:
    with pytest.raises(KafkaUnavailableError, match="not started"):
        await Publisher(stage.settings, "publisher").publish([Record(ANSWERS, b"1", b"1")])


async def test_a_missing_topic_is_a_transient_error(kafka: KafkaServers, topic_prefix: str) -> None:
    given = settings(kafka.bootstrap_servers, topic_prefix, kafka_request_timeout_ms=2_000)
    publisher = Publisher(given, "publisher")
    await publisher.start()
    with pytest.raises(TransientError, match="UnknownTopicOrPartitionError"):
        await publisher.publish([Record(ANSWERS, b"1", b"1")])
    await publisher.stop()
