"""Recovery from the records of a real Kafka: replays, and dead letters that are published again unchanged."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.admin.dead_letters import (
    ListedLetter,
    Retried,
    UnknownLetterError,
    list_dead_letters,
    retry_dead_letters,
    show_dead_letter,
)
from services.admin.replay import Replayed, replay
from services.contracts.cloudevents import SendReason, parse_send_reason, read_event, to_record
from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.records import Headers, Record
from services.runtime.clock import SystemClock
from services.runtime.kafka.publisher import Publisher
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.kafka.group import LETTERS, SOURCE, KafkaGroup, RecordingHandler
from tests.support.builders import CONNECTION, DECLAREE, NOW, PERSONIO, make_change, make_person
from tests.support.fakes import open_store
from tests.support.servers import MongoServers

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]

LETTER = DeadLetter(
    service="mapper",
    reason=DeadLetterReason.NOT_JSON.value,
    topic=SOURCE,
    partition=0,
    offset=0,
    timestamp_ms=0,
    failed_at=NOW,
)


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with open_store(mongo, prepared_database) as store:
        yield store


# ------------------------------------------------------------ dead letters


async def retry(group: KafkaGroup, store: Store, *only: str) -> Retried:
    """Retries the dead letters with these ids; all if none is named."""
    publisher = Publisher(group.settings, "retry")
    await publisher.start()
    try:
        return await retry_dead_letters(group.settings, store, publisher, SystemClock(), frozenset(only))
    finally:
        await publisher.stop()


async def publish(group: KafkaGroup, *records: Record) -> None:
    """Publishes records to their topics."""
    publisher = Publisher(group.settings, "test")
    await publisher.start()
    await publisher.publish(records)
    await publisher.stop()


async def list_ids(group: KafkaGroup, store: Store) -> list[str]:
    return [letter.id for letter in await list_dead_letters(group.settings, store)]


async def produce_unreadable(group: KafkaGroup, *values: bytes | None, headers: Headers = ()) -> None:
    """Produces records, of which a member of the group makes dead letters."""
    await group.produce(*values, key=f"{CONNECTION}/7".encode(), headers=list(headers))
    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(len(values))


async def produce_letter(group: KafkaGroup, letter: DeadLetter, value: bytes | None) -> None:
    """Produces a dead letter with this value, which may be larger than that of a service."""
    record = letter.to_record(b"c1/7", None)
    async with AIOKafkaProducer(
        bootstrap_servers=group.settings.kafka_bootstrap_servers, max_request_size=3_000_000
    ) as producer:
        await producer.send_and_wait(group.settings.topic(LETTERS), value, key=record.key, headers=list(record.headers))


async def delete_records(group: KafkaGroup, *, before: int) -> None:
    """Deletes the records of the source before this offset, as Kafka does at the end of their retention."""
    admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(group.settings.topic(SOURCE), 0): RecordsToDelete(before)})
    finally:
        await admin.close()


async def test_retry_publishes_the_original_record(group: KafkaGroup, store: Store) -> None:
    """Key, value, send reason and trace are those of the record that could not be read."""
    event = to_record(make_change(), SendReason.RESENT)._replace(value=b"of a later version")
    await produce_unreadable(group, event.value, headers=event.headers)

    assert await retry(group, store) == Retried(1)

    first, again = await group.read_records(SOURCE)
    assert again.key == first.key
    assert again.value == b"of a later version"
    assert tuple(again.headers) == event.headers
    assert tuple(first.headers) == event.headers


async def test_letter_after_its_retry_is_not_listed(group: KafkaGroup, store: Store) -> None:
    """A second retry does not publish the letter again either."""
    await produce_unreadable(group, b"1", b"2", b"3")

    letters = await list_dead_letters(group.settings, store)
    assert [(letter.id, letter.person, letter.letter.reason) for letter in letters] == [
        (f"0/{number}", f"{CONNECTION}/7", DeadLetterReason.WRONG_SCHEMA) for number in range(3)
    ]

    assert await retry(group, store, "0/1", "0/9", "x") == Retried(1, unknown=("0/9", "x"))
    assert await list_ids(group, store) == ["0/0", "0/2"]
    assert await retry(group, store, "0/1") == Retried(0, unknown=("0/1",))
    assert await retry(group, store) == Retried(2)
    assert await retry(group, store) == Retried(0)
    assert [record.value for record in await group.read_records(SOURCE)] == [b"1", b"2", b"3", b"2", b"1", b"3"]


async def test_unsendable_letter_stays_listed(group: KafkaGroup, store: Store) -> None:
    """A record that cannot be sent again delays no other letter."""
    await produce_letter(group, LETTER, b"x" * 1_500_000)
    await produce_letter(group, LETTER.model_copy(update={"reason": "header-no-text", "is_copied": False}), None)
    await produce_letter(group, LETTER, b"small")

    assert await retry(group, store) == Retried(1, not_sendable=("0/0",), gone=("0/1",))
    assert [record.value for record in await group.read_records(SOURCE)] == [b"small"]
    assert await list_ids(group, store) == ["0/0", "0/1"]


async def test_large_record_is_read_from_its_topic(group: KafkaGroup, store: Store) -> None:
    """`show` and `retry` find the record that the letter points to, with its send reason."""
    event = to_record(make_change(), SendReason.RESENT)._replace(value=b"x" * 200_000)
    await produce_unreadable(group, b"small", event.value, b"other", headers=event.headers)

    shown = await show_dead_letter(group.settings, store, "0/1")

    assert shown.value == "x" * 200_000
    assert shown.listed.person == f"{CONNECTION}/7"
    assert await retry(group, store, "0/1") == Retried(1)
    again = (await group.read_records(SOURCE))[-1]
    assert again.key == event.key
    assert again.value == event.value
    assert tuple(again.headers) == event.headers


async def test_deleted_large_record_is_gone(group: KafkaGroup, store: Store) -> None:
    """Nothing else is sent in its place, and small letters are still copied."""
    await produce_unreadable(group, b"small", b"x" * 200_000, b"other")
    await delete_records(group, before=2)

    shown = [await show_dead_letter(group.settings, store, f"0/{number}") for number in range(3)]

    assert [(letter.is_gone, letter.value) for letter in shown] == [(False, "small"), (True, None), (False, "other")]
    assert await retry(group, store) == Retried(2, gone=("0/1",))


async def test_other_record_at_the_position_is_not_sent(group: KafkaGroup, store: Store) -> None:
    """After the loss of Kafka's data, another record has the offset of the lost one."""
    await group.produce(b"another record")
    await produce_letter(group, LETTER.model_copy(update={"is_copied": False, "timestamp_ms": 1_000}), None)

    assert await retry(group, store) == Retried(0, gone=("0/0",))


async def test_unknown_letter_cannot_be_shown(group: KafkaGroup, store: Store) -> None:
    """The message names the command that lists the letters."""
    with pytest.raises(UnknownLetterError, match="0/7 is not an open dead letter"):
        await show_dead_letter(group.settings, store, "0/7")


async def test_letter_of_a_forgotten_person_is_not_sent(group: KafkaGroup, store: Store) -> None:
    """Its record would bring the person back. A later letter is of a person that has returned."""
    person = make_person("7")
    await store.forgotten.mark([person], now=NOW, until=SystemClock().now() + timedelta(days=1))
    for timestamp_ms in (int(NOW.timestamp() * 1000) + offset for offset in (0, 1)):
        letter = LETTER.model_copy(update={"timestamp_ms": timestamp_ms})
        await publish(group, letter.to_record(bytes(person), b"%d" % timestamp_ms))

    assert await retry(group, store) == Retried(1, not_sendable=("0/0",))


async def test_letter_without_a_key_is_not_sent(group: KafkaGroup, store: Store) -> None:
    """A compacted topic accepts no record without a key."""
    await publish(group, LETTER.to_record(None, b"x"), LETTER.to_record(b"c1/7", b"y"))

    assert await retry(group, store) == Retried(1, not_sendable=("0/0",))
    assert [record.value for record in await group.read_records(SOURCE)] == [b"y"]


async def test_foreign_record_among_the_letters_is_ignored(group: KafkaGroup, store: Store) -> None:
    """Another program may write to the topic."""
    async with AIOKafkaProducer(bootstrap_servers=group.settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(group.settings.topic(LETTERS), b"x", headers=[("dl_reason", b"x")])
    await produce_letter(group, LETTER, b"own")

    assert await list_ids(group, store) == ["0/1"]
    assert await retry(group, store) == Retried(1)


async def test_letter_with_an_unreadable_key_is_listed(group: KafkaGroup, store: Store) -> None:
    """Its person is unknown."""
    await group.produce(b"x", key=b"\xff")
    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(1)

    (letter,) = await list_dead_letters(group.settings, store)

    assert isinstance(letter, ListedLetter)
    assert letter.person == "unknown"


async def test_retry_mark_of_a_lost_topic_hides_no_letter(group: KafkaGroup, store: Store) -> None:
    """After the loss of Kafka's data, another letter has the offset of one that was retried."""
    await store.dead_letters.mark_retried(["0/0", "0/0/1000"], now=NOW)
    await produce_letter(group, LETTER, b"x")

    assert await retry(group, store) == Retried(1)


# ------------------------------------------------------------ replay


class ReplayRunner:
    """Runs replays and records their progress."""

    def __init__(self, group: KafkaGroup, store: Store) -> None:
        self.group, self.store = group, store
        self.progress: list[tuple[str, int]] = []

    async def __call__(self, **options: Any) -> Replayed:
        """Runs a replay; options that are not given have their defaults."""
        defaults: dict[str, Any] = {
            "connection": None,
            "employee": None,
            "everything": False,
            "since_ms": None,
            "dry_run": False,
        }
        publisher = Publisher(self.group.settings, "replay")
        await publisher.start()
        try:
            return await replay(
                self.group.settings,
                self.store,
                publisher,
                SystemClock(),
                progress=lambda *step: self.progress.append(step),
                **defaults | options,
            )
        finally:
            await publisher.stop()

    async def read_published(self) -> list[tuple[str, int]]:
        """Returns employee and revision of each replayed event, in order."""
        records = [
            record
            for record in await self.group.read_records(SOURCE)
            if parse_send_reason(record.headers) is SendReason.REPLAYED
        ]
        events = [read_event(EmployeeChanged, record.value) for record in records]
        return [(event.employee_id, event.revision) for event in events]


@pytest.fixture
async def run_replay(group: KafkaGroup, store: Store) -> ReplayRunner:
    """Five records: two changes of employee 1 around one of 2, an unreadable one, and the older change of 1 again."""
    for employee, revision, at in (("1", 1_000, 1), ("2", 1_500, 2), ("1", 2_000, 3)):
        record = to_record(make_change(employee=employee, revision=revision))
        await group.produce(record.value, key=record.key, headers=list(record.headers), timestamp_ms=at * 1_000_000)
    await group.produce(b"no event")
    record = to_record(make_change(employee="1", revision=1_000))
    await group.produce(record.value, key=record.key, headers=list(record.headers))
    return ReplayRunner(group, store)


async def test_replay_publishes_the_newest_of_each_person_once(run_replay: ReplayRunner) -> None:
    """The events of the first replay are recorded too, and change nothing for the second one."""
    assert await run_replay() == Replayed(read=5, published=2)
    assert sorted(await run_replay.read_published()) == [("1", 2_000), ("2", 1_500)]
    assert dict(run_replay.progress) == {"looking for the newest": 5, "publishing": 5}
    assert await run_replay() == Replayed(read=7, published=2)


async def test_replay_of_everything_keeps_the_order(run_replay: ReplayRunner) -> None:
    """Every recorded change is published, also an older one after a newer one."""
    assert await run_replay(everything=True) == Replayed(read=5, published=4)
    assert await run_replay.read_published() == [("1", 1_000), ("2", 1_500), ("1", 2_000), ("1", 1_000)]


async def test_replay_can_be_limited_to_employee_and_time(run_replay: ReplayRunner) -> None:
    """A record without a timestamp of the test has the present time."""
    assert await run_replay(employee=EmployeeId("2")) == Replayed(read=5, published=1)
    assert await run_replay.read_published() == [("2", 1_500)]
    assert await run_replay(since_ms=3_000_000, everything=True) == Replayed(read=4, published=3)


async def test_replay_ignores_a_revision_of_the_future(run_replay: ReplayRunner) -> None:
    """A forged event would hide the newest change of the employee, and its reader has made it a dead letter."""
    record = to_record(make_change(employee="1", revision=2**62))
    await run_replay.group.produce(record.value, key=record.key)

    assert await run_replay() == Replayed(read=6, published=2)
    assert sorted(await run_replay.read_published()) == [("1", 2_000), ("2", 1_500)]


async def test_replay_of_an_unknown_connection_is_an_error(run_replay: ReplayRunner) -> None:
    """A replay of a known connection publishes only the events of that one."""
    with pytest.raises(UnknownConnectionError):
        await run_replay(connection=CONNECTION)

    connection = await run_replay.store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)

    assert await run_replay(connection=connection.id) == Replayed(read=5, published=0)


async def test_dry_replay_counts_and_publishes_nothing(run_replay: ReplayRunner) -> None:
    """The counts are those of the real replay."""
    assert await run_replay(dry_run=True) == Replayed(read=5, published=2)
    assert await run_replay.read_published() == []
