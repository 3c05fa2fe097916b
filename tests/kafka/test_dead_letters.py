"""What cannot be read becomes a dead letter, holds its original bytes, and blocks nobody."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.util import calc_crc32c

from services.contracts.envelope import Cause, DeadLetter, Record, envelope_of, to_record
from services.contracts.events import EmployeeChanged
from services.runtime.consumer import Batch
from services.runtime.fetching import Fetching
from services.runtime.kafka import RECORD_MAX_BYTES
from services.runtime.reader import recorded
from services.runtime.reading import NO_TEXT, TOO_LARGE
from services.runtime.topics import create_topics
from tests.builders import changed
from tests.kafka.stage import ANSWERS, DEADLINE, LETTERS, SOURCE, Seen, Stage, answers, settings, staged
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka


def good(revision: int) -> bytes:
    return changed(revision=revision).model_dump_json().encode()


def read(record: ConsumerRecord) -> DeadLetter:
    return DeadLetter.from_headers(record.headers)


@pytest.mark.parametrize(
    ("value", "reason", "fields"),
    [
        (b"\xff\xfe not UTF-8", "not-json", ""),
        (b"{", "not-json", ""),
        (b"[]", "wrong-schema", ""),
        (good(1).replace(b'"revision":1,', b'"revision":"salary 5000",'), "wrong-schema", "revision"),
        (good(1).replace(b'"revision":1,', b'"revision":9223372036854775808,'), "wrong-schema", "revision"),
        (None, "empty-value", ""),
        (b"", "empty-value", ""),
        (b"x" * 1_000_000, "not-json", ""),
    ],
    ids=["undecodable", "cut off", "no object", "another schema", "no number of ours", "tombstone", "empty", "large"],
)
async def test_an_unreadable_record_is_parked_between_good_ones(
    stage: Stage, value: bytes | None, reason: str, fields: str
) -> None:
    seen = Seen()
    await stage.produce(good(1), value, good(2), key=b"c1/7")
    async with stage.running(seen) as member:
        await stage.committed_all(3)
        assert member.count("sync_records_total", result="dead_letter") == 1
        assert member.count("sync_records_total", result="handled") == 2
    assert seen.revisions == [1, 2]
    (letter,) = await stage.records(LETTERS)
    assert (letter.key, letter.value) == (b"c1/7", value)
    found = read(letter)
    assert (found.service, found.topic, found.partition, found.offset) == ("member", SOURCE.value, 0, 1)
    assert (found.reason, found.fields) == (reason, fields)


async def test_a_record_with_neither_key_nor_value_is_parked(stage: Stage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None)
        await (await producer.send_batch(batch, stage.settings.topic(SOURCE), partition=0))
    async with stage.running(Seen()):
        await stage.committed_all(1)
    (letter,) = await stage.records(LETTERS)
    assert (letter.key, letter.value, read(letter).reason) == (None, None, "empty-value")


async def test_headers_that_are_null_or_no_text_spoil_nothing(stage: Stage) -> None:
    seen = Seen()
    headers = [("ce_cause", None), ("reply_to", b"\xff\xfe"), ("content-type", b"\xff"), ("correlation_id", None)]
    await stage.produce(good(1))
    await stage.produce(good(2), headers=headers)
    await stage.produce(b"no event", headers=headers)
    await stage.produce(good(3))
    async with stage.running(seen):
        await stage.committed_all(4)
    assert seen.revisions == [1, 2, 3]
    assert await stage.values(LETTERS) == [b"no event"]


async def unreadable_by_name(stage: Stage, partition: int) -> None:
    """A record with a header whose name is no UTF-8. aiokafka writes none, and Java would not read one.

    So it is swapped in a batch that is ready to be sent, whose checksum then has to be made anew.
    """
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(key=b"c1/7", value=good(1), timestamp=None, headers=[("swapped", b"")])
        batch.close()
        build = batch._build

        def swapped() -> bytes:
            data = bytearray(build()).replace(b"swapped", b"swapp\xff\xfe")
            data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
            return bytes(data)

        batch._build = swapped
        await (await producer.send_batch(batch, stage.settings.topic(SOURCE), partition=partition))


async def test_a_header_whose_name_is_no_text_costs_its_record_alone(kafka: KafkaServers, topic_prefix: str) -> None:
    """It cannot even be fetched. Those around it arrive, and those of the other partition in the same fetch."""
    stage = await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    seen = Seen()
    for partition in (0, 1):
        revisions = range(1_000 * partition, 1_000 * partition + 40)
        await stage.produce(*map(good, revisions), partition=partition)
    await unreadable_by_name(stage, 1)
    await stage.produce(*map(good, range(1_040, 1_060)), partition=1)
    async with stage.running(seen) as member:
        await stage.committed_all(101)
        assert member.fatal == []
        assert member.count("sync_records_total", result="dead_letter") == 1
    assert sorted(seen.revisions) == [*range(40), *range(1_000, 1_060)]
    assert [revision for revision in seen.revisions if revision >= 1_000] == [*range(1_000, 1_060)]
    (letter,) = await stage.records(LETTERS)
    assert (letter.key, letter.value, read(letter).reason) == (None, None, NO_TEXT)
    assert (read(letter).partition, read(letter).offset) == (1, 40)
    replayed = [record async for batch in recorded(stage.settings, SOURCE) for record in batch]
    assert len({(record.partition, record.offset) for record in replayed}) == 100, "a replay passes over it, too"


async def test_behind_an_unreadable_record_as_many_are_asked_for_as_before_it(stage: Stage) -> None:
    """Also where somebody else has passed over it: the partition was away meanwhile, and has come back."""
    place = TopicPartition(stage.settings.topic(SOURCE), 0)
    await stage.produce_events(range(20))
    await unreadable_by_name(stage, 0)
    await stage.produce_events(range(20, 100))
    async with AIOKafkaConsumer(
        bootstrap_servers=stage.settings.kafka_bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    ) as consumer:
        consumer.assign([place])
        fetching, most = Fetching(consumer, consumer.getmany), list[int]()

        async def look() -> list[int]:
            records = (await fetching.look(most=16, timeout_ms=20)).get(place, [])
            most.extend([len(records)] if records else [])
            return [record.offset for record in records]

        offsets: list[int] = []
        async with asyncio.timeout(DEADLINE):
            while not fetching.unreadable:
                offsets += await look()
            assert fetching.unreadable == {place: 20}
            fetching.unreadable.clear()
            consumer.seek(place, 21)
            while len(offsets) < 100:
                offsets += await look()
    assert offsets == [*range(20), *range(21, 101)]
    assert max(most[-4:]) == 16


async def test_a_dead_letter_keeps_why_its_record_was_sent_and_what_it_is_a_part_of(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was not read, or was read and its answer cannot be sent."""

    async def too_large(batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        return [Record(ANSWERS, each.key, b"x" * RECORD_MAX_BYTES) for each in batch.events]

    event = to_record(changed(), Cause.RESENT)
    await stage.produce(event.value, b"no event", key=event.key, headers=[*event.headers, ("odd", b"\xff")])
    async with stage.running(too_large):
        await stage.committed_all(2)
    letters = await stage.records(LETTERS)
    assert {(letter.value, read(letter).reason) for letter in letters} == {
        (event.value, TOO_LARGE), (b"no event", "not-json")
    }  # fmt: skip
    assert [envelope_of(letter.headers) for letter in letters] == [event.headers] * 2
    said = [record for record in caplog.records if record.name == "services.runtime.reading"]
    assert len(said) == 2, "each is said once"


async def test_nothing_is_answered_to_the_topic_that_a_header_names(stage: Stage) -> None:
    await stage.produce(good(1), headers=[("reply_to", stage.settings.topic(LETTERS).encode())])
    async with stage.running(Seen()):
        await stage.committed_all(1)
    assert await stage.records(LETTERS) == []


async def test_a_whole_batch_of_unreadable_records_is_parked_without_a_handler(stage: Stage) -> None:
    seen = Seen()
    await stage.produce(*(b"%d" % number for number in range(20)))
    async with stage.running(seen):
        await stage.committed_all(20)
    assert seen.batches == []
    assert await stage.values(LETTERS) == [b"%d" % number for number in range(20)]


async def test_a_record_whose_answer_is_too_large_is_parked_itself(stage: Stage) -> None:
    async def large_for_two(batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        return [
            Record(ANSWERS, each.key, b"x" * RECORD_MAX_BYTES) if each.event.revision == 2 else answer
            for each, answer in zip(batch.events, answers(batch), strict=True)
        ]

    events = [to_record(changed(employee=str(number), revision=number)) for number in (1, 2, 3)]
    for event in events:
        await stage.produce(event.value, key=event.key)
    async with stage.running(large_for_two) as member:
        await stage.committed_all(3)
        assert member.count("sync_records_total", result="handled") == 2
    assert await stage.answered() == [1, 3]
    (letter,) = await stage.records(LETTERS)
    assert (letter.key, letter.value) == (events[1].key, events[1].value)
    assert (read(letter).reason, read(letter).offset) == (TOO_LARGE, 1)


async def test_of_a_record_that_no_dead_letter_can_hold_its_place_is_kept(
    kafka: KafkaServers, topic_prefix: str
) -> None:
    """Only where an operator has let the topic take more than Kafka's default."""
    stage = Stage(settings(kafka.bootstrap_servers, topic_prefix))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics(
        [NewTopic(stage.settings.topic(SOURCE), 1, 1, topic_configs={"max.message.bytes": "8000000"})]
    )
    await admin.close()
    await create_topics(stage.settings)
    seen = Seen()
    await stage.produce(good(1), b"x" * 3_000_000, good(2))
    async with stage.running(seen):
        await stage.committed_all(3)
    assert seen.revisions == [1, 2]
    (letter,) = await stage.records(LETTERS)
    assert (letter.value, read(letter).reason, read(letter).offset) == (None, TOO_LARGE, 1)
