"""A record that cannot be read becomes a dead letter with its original bytes, and delays no other record."""

from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.util import calc_crc32c

from services.contracts.cloudevents import Record, SendReason, select_event_headers, to_record
from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.events import EmployeeChanged
from services.runtime.kafka.client import RECORD_MAX_BYTES
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.fetcher import Fetcher
from services.runtime.kafka.replay import read_topic
from services.runtime.kafka.topics import create_topics
from tests.kafka.group import (
    LETTERS,
    RESULTS,
    SOURCE,
    KafkaGroup,
    RecordingHandler,
    build_results,
    create_group,
    make_settings,
)
from tests.support.builders import make_change
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


def make_event(revision: int) -> bytes:
    return make_change(revision=revision).model_dump_json().encode()


def parse_letter(record: ConsumerRecord) -> DeadLetter:
    return DeadLetter.from_headers(record.headers)


async def produce_invalid_header_name(group: KafkaGroup, partition: int) -> None:
    """Produces a record with a header name that is not UTF-8.

    aiokafka does not write such a name, and Java would not read it. The name is therefore replaced in a batch that is
    ready to be sent, and the checksum of the batch is computed again.
    """
    async with AIOKafkaProducer(bootstrap_servers=group.settings.kafka_bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(key=b"c1/7", value=make_event(1), timestamp=None, headers=[("replace", b"")])
        batch.close()
        build = batch._build

        def build_invalid() -> bytes:
            data = bytearray(build()).replace(b"replace", b"repla\xff\xfe")
            data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
            return bytes(data)

        batch._build = build_invalid
        await (await producer.send_batch(batch, group.settings.topic(SOURCE), partition=partition))


@pytest.mark.parametrize(
    ("value", "reason", "fields"),
    [
        (b"\xff\xfe not UTF-8", DeadLetterReason.NOT_JSON, ""),
        (b"{", DeadLetterReason.NOT_JSON, ""),
        (b"[]", DeadLetterReason.WRONG_SCHEMA, ""),
        (
            make_event(1).replace(b'"revision":1,', b'"revision":"salary 5000",'),
            DeadLetterReason.WRONG_SCHEMA,
            "revision",
        ),
        (
            make_event(1).replace(b'"revision":1,', b'"revision":9223372036854775808,'),
            DeadLetterReason.WRONG_SCHEMA,
            "revision",
        ),
        (b"", DeadLetterReason.EMPTY_VALUE, ""),
        (b"x" * 90_000, DeadLetterReason.NOT_JSON, ""),
    ],
    ids=[
        "undecodable",
        "cut off",
        "not an object",
        "another schema",
        "too high a number",
        "empty",
        "large",
    ],
)
async def test_unreadable_record_becomes_a_dead_letter(
    group: KafkaGroup, value: bytes | None, reason: DeadLetterReason, fields: str
) -> None:
    """The records before and after it are handled as usual."""
    handler = RecordingHandler()
    await group.produce(make_event(1), value, make_event(2), key=b"c1/7")

    async with group.run_member(handler) as member:
        await group.wait_until_committed(3)
        assert member.read_metric("sync_records_total", result="dead_letter") == 1
        assert member.read_metric("sync_records_total", result="handled") == 2

    assert handler.revisions == [1, 2]
    (record,) = await group.read_records(LETTERS)
    assert record.key == b"c1/7"
    assert record.value == value
    letter = parse_letter(record)
    assert letter.service == "member"
    assert letter.topic == SOURCE.value
    assert letter.partition == 0
    assert letter.offset == 1
    assert letter.reason == reason
    assert letter.fields == fields


async def test_tombstone_is_passed_over_and_committed(group: KafkaGroup) -> None:
    """An erased employee causes no dead letter. The records around the tombstone are handled."""
    handler = RecordingHandler()
    await group.produce(make_event(1), None, make_event(2), key=b"c1/7")

    async with group.run_member(handler):
        await group.wait_until_committed(3)

    assert handler.revisions == [1, 2]
    assert await group.read_records(LETTERS) == []


async def test_record_of_no_person_without_value_becomes_a_letter(group: KafkaGroup) -> None:
    """Another program may write such a record. A compacted topic accepts none without a key."""
    await group.produce(None, key=b"no-person")

    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(1)

    (record,) = await group.read_records(LETTERS)
    assert record.key == b"no-person"
    assert record.value is None
    assert parse_letter(record).reason == DeadLetterReason.EMPTY_VALUE


async def test_invalid_header_values_lose_no_record(group: KafkaGroup) -> None:
    """FastStream would lose the whole batch at a header value that is null or not UTF-8."""
    handler = RecordingHandler()
    headers = [("ce_cause", None), ("reply_to", b"\xff\xfe"), ("content-type", b"\xff"), ("correlation_id", None)]
    await group.produce(make_event(1))
    await group.produce(make_event(2), headers=headers)
    await group.produce(b"no event", headers=headers)
    await group.produce(make_event(3))

    async with group.run_member(handler):
        await group.wait_until_committed(4)

    assert handler.revisions == [1, 2, 3]
    assert await group.read_values(LETTERS) == [b"no event"]


async def test_invalid_header_name_loses_only_its_record(kafka: KafkaServers, topic_prefix: str) -> None:
    """The records around it arrive, and so do those of the other partition."""
    group = await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    handler = RecordingHandler()
    for partition in (0, 1):
        revisions = range(1_000 * partition, 1_000 * partition + 40)
        await group.produce(*map(make_event, revisions), partition=partition)
    await produce_invalid_header_name(group, 1)
    await group.produce(*map(make_event, range(1_040, 1_060)), partition=1)

    async with group.run_member(handler) as member:
        await group.wait_until_committed(101)
        assert member.fatal_reasons == []
        assert member.read_metric("sync_records_total", result="dead_letter") == 1

    assert sorted(handler.revisions) == [*range(40), *range(1_000, 1_060)]
    assert [revision for revision in handler.revisions if revision >= 1_000] == [*range(1_000, 1_060)]
    (record,) = await group.read_records(LETTERS)
    assert record.key is None
    assert record.value is None
    letter = parse_letter(record)
    assert letter.reason == DeadLetterReason.HEADER_NO_TEXT
    assert letter.partition == 1
    assert letter.offset == 40
    replayed = [record async for batch in read_topic(group.settings, SOURCE) for record in batch]
    assert len({(record.partition, record.offset) for record in replayed}) == 100, "a replay skips it too"


async def test_fetches_grow_again_behind_an_unreadable_record(group: KafkaGroup) -> None:
    """The size of fetches grows even if another member has skipped the record while it owned the partition."""
    partition = TopicPartition(group.settings.topic(SOURCE), 0)
    await group.produce_events(range(20))
    await produce_invalid_header_name(group, 0)
    await group.produce_events(range(20, 100))
    offsets: list[int] = []
    sizes: list[int] = []
    async with AIOKafkaConsumer(
        bootstrap_servers=group.settings.kafka_bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign([partition])
        fetcher = Fetcher(consumer, lambda _, records: offsets.extend(record.offset for record in records))

        async def fetch() -> None:
            taken = await fetcher.fetch(max_records=16, seconds=0.02)
            sizes.extend([taken] if taken else [])

        async def has_found_the_record() -> bool:
            if not fetcher.unreadable:
                await fetch()
            return bool(fetcher.unreadable)

        async def has_fetched_all() -> bool:
            if len(offsets) < 100:
                await fetch()
            return len(offsets) >= 100

        await wait_until(has_found_the_record)
        assert fetcher.unreadable == {partition: 20}

        fetcher.unreadable.clear()
        consumer.seek(partition, 21)
        await wait_until(has_fetched_all)

    assert offsets == [*range(20), *range(21, 101)]
    assert max(sizes[-4:]) == 16


async def test_dead_letter_keeps_reason_and_trace_of_its_record(
    group: KafkaGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that cannot be read and a record with an oversized result lead to the same headers."""

    async def build_oversized(batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        return [Record(RESULTS, incoming.key, b"x" * RECORD_MAX_BYTES) for incoming in batch.records]

    event = to_record(make_change(), SendReason.RESENT)
    await group.produce(event.value, b"no event", key=event.key, headers=[*event.headers, ("odd", b"\xff")])

    async with group.run_member(build_oversized):
        await group.wait_until_committed(2)

    letters = await group.read_records(LETTERS)
    assert {(letter.value, parse_letter(letter).reason) for letter in letters} == {
        (event.value, "too-large"), (b"no event", "not-json")
    }  # fmt: skip
    assert [select_event_headers(letter.headers) for letter in letters] == [event.headers] * 2
    lines = [record for record in caplog.records if record.name == "services.runtime.kafka.decoding"]
    assert len(lines) == 2, "one log line for each letter"


async def test_header_reply_to_has_no_effect(group: KafkaGroup) -> None:
    """FastStream would publish the handler's return value to the topic that this header names."""
    await group.produce(make_event(1), headers=[("reply_to", group.settings.topic(LETTERS).encode())])

    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(1)

    assert await group.read_records(LETTERS) == []


async def test_batch_of_unreadable_records_skips_the_handler(group: KafkaGroup) -> None:
    """A handler never gets an empty batch."""
    handler = RecordingHandler()
    await group.produce(*(b"%d" % number for number in range(20)))

    async with group.run_member(handler):
        await group.wait_until_committed(20)

    assert handler.batches == []
    assert await group.read_values(LETTERS) == [b"%d" % number for number in range(20)]


async def test_record_with_an_oversized_result_becomes_a_letter(group: KafkaGroup) -> None:
    """The other results of the batch are published."""

    async def build_one_oversized(batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        return [
            Record(RESULTS, incoming.key, b"x" * RECORD_MAX_BYTES) if incoming.event.revision == 2 else result
            for incoming, result in zip(batch.records, build_results(batch), strict=True)
        ]

    events = [to_record(make_change(employee=str(number), revision=number)) for number in (1, 2, 3)]
    for event in events:
        await group.produce(event.value, key=event.key)

    async with group.run_member(build_one_oversized) as member:
        await group.wait_until_committed(3)
        assert member.read_metric("sync_records_total", result="handled") == 2

    assert await group.read_result_revisions() == [1, 3]
    (record,) = await group.read_records(LETTERS)
    assert record.key == events[1].key
    assert record.value == events[1].value
    assert parse_letter(record).reason == DeadLetterReason.TOO_LARGE
    assert parse_letter(record).offset == 1


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_letter_of_a_large_record_points_to_it(kafka: KafkaServers, topic_prefix: str, size: int) -> None:
    """It has the key, the reason and the position. Only a topic with a limit above Kafka's default has the largest one."""
    group = KafkaGroup(make_settings(kafka.bootstrap_servers, topic_prefix))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics(
        [NewTopic(group.settings.topic(SOURCE), 1, 1, topic_configs={"max.message.bytes": "8000000"})]
    )
    await admin.close()
    await create_topics(group.settings)
    handler = RecordingHandler()
    await group.produce(make_event(1), b"x" * size, make_event(2), key=b"c1/7")

    async with group.run_member(handler):
        await group.wait_until_committed(3)

    assert handler.revisions == [1, 2]
    (record,) = await group.read_records(LETTERS)
    assert record.key == b"c1/7"
    assert record.value is None
    letter = parse_letter(record)
    assert letter.offset == 1
    assert not letter.is_copied
    assert letter.reason == DeadLetterReason.NOT_JSON
