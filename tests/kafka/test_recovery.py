"""Dead letters are listed and sent again as they were, from a real Kafka, noted in a real MongoDB."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from services.admin.recovery import Letter, Retried, dead_letters, retry_dead_letters
from services.contracts.envelope import Cause, DeadLetter, Headers, to_record
from services.runtime.clock import SystemClock
from services.runtime.producer import Publisher
from services.runtime.reading import TOO_LARGE
from services.store.database import Store
from tests.builders import changed
from tests.fakes import opened_store
from tests.kafka.stage import LETTERS, SOURCE, Seen, Stage
from tests.stack import MongoServers
from tests.stored import CONNECTION, NOW

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
    event = replace(to_record(changed(), Cause.RESENT), value=b"of a later version")
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
