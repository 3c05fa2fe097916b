"""Recovery from the records of a real Kafka: replay, and dead letters that are sent again as they were."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from services.admin.recovery import Letter, Replayed, Retried, dead_letters, replay, retry_dead_letters
from services.contracts.envelope import Cause, DeadLetter, Headers, cause_of, read_event, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.runtime.clock import SystemClock
from services.runtime.producer import Publisher
from services.runtime.reading import TOO_LARGE
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.builders import changed
from tests.fakes import opened_store
from tests.kafka.stage import LETTERS, SOURCE, Seen, Stage
from tests.stack import MongoServers
from tests.stored import CONNECTION, DECLAREE, NOW, PERSONIO

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with opened_store(mongo, prepared_database) as store:
        yield store


async def retry(stage: Stage, store: Store, *only: str) -> Retried:
    publisher = Publisher(stage.settings, "retry")
    await publisher.start()
    try:
        return await retry_dead_letters(stage.settings, store, publisher, SystemClock(), frozenset(only))
    finally:
        await publisher.stop()


async def unreadable(stage: Stage, *values: bytes | None, headers: Headers = ()) -> None:
    """Records that a member of the group makes dead letters."""
    await stage.produce(*values, key=f"{CONNECTION}/7".encode(), headers=list(headers))
    async with stage.running(Seen()):
        await stage.committed_all(len(values))


async def written(stage: Stage, letter: DeadLetter, value: bytes | None) -> None:
    """As a service writes a dead letter, or something else its topic may hold."""
    record = letter.to_record(b"c1/7", value)
    async with AIOKafkaProducer(
        bootstrap_servers=stage.settings.kafka_bootstrap_servers, max_request_size=3_000_000
    ) as producer:
        await producer.send_and_wait(
            stage.settings.topic(LETTERS), record.value, key=record.key, headers=list(record.headers)
        )


LETTER = DeadLetter(
    service="mapper", reason="not-json", topic=SOURCE, partition=0, offset=0, timestamp_ms=0, failed_at=NOW
)


async def test_a_retry_sends_what_was_there_with_its_cause_and_its_trace(stage: Stage, store: Store) -> None:
    event = to_record(changed(), Cause.RESENT)._replace(value=b"of a later version")
    await unreadable(stage, event.value, headers=event.headers)
    assert await retry(stage, store) == Retried(1)
    first, again = await stage.records(SOURCE)
    assert (again.key, again.value) == (first.key, b"of a later version")
    assert tuple(again.headers) == tuple(first.headers) == event.headers


async def test_what_was_retried_is_no_longer_listed_nor_sent_again(stage: Stage, store: Store) -> None:
    await unreadable(stage, b"1", b"2", b"3")
    listed = await dead_letters(stage.settings, store)
    assert [(letter.id, letter.person, letter.letter.reason) for letter in listed] == [
        (f"0/{number}", f"{CONNECTION}/7", "wrong-schema") for number in range(3)
    ]
    assert await retry(stage, store, "0/1", "0/9", "x") == Retried(1, unknown=("0/9", "x"))
    assert [letter.id for letter in await dead_letters(stage.settings, store)] == ["0/0", "0/2"]
    assert await retry(stage, store, "0/1") == Retried(0, unknown=("0/1",))
    assert await retry(stage, store) == Retried(2)
    assert await retry(stage, store) == Retried(0)
    assert [record.value for record in await stage.records(SOURCE)] == [b"1", b"2", b"3", b"2", b"1", b"3"]


async def test_what_cannot_be_sent_again_stays_in_the_list_and_holds_up_no_other(stage: Stage, store: Store) -> None:
    """Too large for its topic; or too large for the dead letters too, so that it is only where it was."""
    await written(stage, LETTER, b"x" * 1_500_000)
    await written(stage, LETTER.model_copy(update={"reason": TOO_LARGE}), None)
    await written(stage, LETTER, b"small")
    assert await retry(stage, store) == Retried(1, not_sendable=("0/0", "0/1"))
    assert [record.value for record in await stage.records(SOURCE)] == [b"small"]
    assert [letter.id for letter in await dead_letters(stage.settings, store)] == ["0/0", "0/1"]


async def test_what_somebody_else_has_put_among_the_dead_letters_is_left_alone(stage: Stage, store: Store) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(stage.settings.topic(LETTERS), b"x", headers=[("dl_reason", b"x")])
    await written(stage, LETTER, b"ours")
    assert [letter.id for letter in await dead_letters(stage.settings, store)] == ["0/1"]
    assert await retry(stage, store) == Retried(1)


async def test_a_letter_of_nobody_is_listed_as_such(stage: Stage, store: Store) -> None:
    await stage.produce(b"x", key=b"\xff")
    async with stage.running(Seen()):
        await stage.committed_all(1)
    (letter,) = await dead_letters(stage.settings, store)
    assert isinstance(letter, Letter)
    assert letter.person == "unknown"


async def test_what_was_retried_before_kafkas_data_was_lost_hides_nothing_that_stands_in_its_place(
    stage: Stage, store: Store
) -> None:
    await store.dead_letters.mark_retried(["0/0", "0/0/1000"], now=NOW)
    await written(stage, LETTER, b"x")
    assert await retry(stage, store) == Retried(1)


# ---------------------------------------------------------------- replay


class Replays:
    """What a replay has told of its progress."""

    def __init__(self, stage: Stage, store: Store) -> None:
        self.stage, self.store = stage, store
        self.told: list[tuple[str, int]] = []

    async def __call__(self, **options: Any) -> Replayed:
        wanted: dict[str, Any] = {"connection": None, "employee": None, "everything": False, "since_ms": None,
                                  "dry_run": False, **options}  # fmt: skip
        publisher = Publisher(self.stage.settings, "replay")
        await publisher.start()
        try:
            return await replay(
                self.stage.settings, self.store, publisher, progress=lambda *step: self.told.append(step), **wanted
            )
        finally:
            await publisher.stop()

    async def published(self) -> list[tuple[str, int]]:
        """Whom and which revision the replays have sent, in their order."""
        records = [each for each in await self.stage.records(SOURCE) if cause_of(each.headers) is Cause.REPLAYED]
        return [
            (event.employee_id, event.revision) for event in (read_event(EmployeeChanged, r.value) for r in records)
        ]


@pytest.fixture
async def replays(stage: Stage, store: Store) -> Replays:
    """Recorded: two changes of 1 around one of 2, what cannot be read, and the older change of 1 once more."""
    for employee, revision, at in (("1", 1_000, 1), ("2", 1_500, 2), ("1", 2_000, 3)):
        record = to_record(changed(employee=employee, revision=revision))
        await stage.produce(record.value, key=record.key, headers=list(record.headers), timestamp_ms=at * 1_000_000)
    await stage.produce(b"no event")
    record = to_record(changed(employee="1", revision=1_000))
    await stage.produce(record.value, key=record.key, headers=list(record.headers))
    return Replays(stage, store)


async def test_a_replay_sends_the_newest_of_everybody_once_however_often_it_was_recorded(replays: Replays) -> None:
    assert await replays() == Replayed(read=5, published=2)
    assert sorted(await replays.published()) == [("1", 2_000), ("2", 1_500)]
    assert dict(replays.told) == {"looking for the newest": 5, "publishing": 5}
    assert await replays() == Replayed(read=7, published=2), "what was replayed is recorded, too"


async def test_a_replay_of_all_sends_every_change_in_its_order(replays: Replays) -> None:
    assert await replays(everything=True) == Replayed(read=5, published=4)
    assert await replays.published() == [("1", 1_000), ("2", 1_500), ("1", 2_000), ("1", 1_000)]


async def test_a_replay_may_be_of_somebody_or_of_what_was_recorded_since_a_time(replays: Replays) -> None:
    assert await replays(employee=EmployeeId("2")) == Replayed(read=5, published=1)
    assert await replays.published() == [("2", 1_500)]
    assert await replays(since_ms=3_000_000, everything=True) == Replayed(read=4, published=3)


async def test_a_replay_may_be_of_a_connection_that_there_is(replays: Replays) -> None:
    with pytest.raises(UnknownConnectionError):
        await replays(connection=CONNECTION)
    made = await replays.store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    assert await replays(connection=made.id) == Replayed(read=5, published=0)


async def test_a_dry_run_counts_and_sends_nothing(replays: Replays) -> None:
    assert await replays(dry_run=True) == Replayed(read=5, published=2)
    assert await replays.published() == []
