"""An acknowledgement means that all replicas have the record, and that they have it once."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.produce import ProduceRequest

from services.contracts.cloudevents import Record
from services.runtime.kafka.publisher import Publisher
from tests.kafka.group import RESULTS, KafkaGroup

pytestmark = [pytest.mark.kafka, pytest.mark.promise("P1")]

ALL_REPLICAS = -1
"""Kafka's number for an acknowledgement of all replicas."""
RECORD = Record(RESULTS, b"c1/7", b"result")


@pytest.fixture
async def publisher(group: KafkaGroup) -> AsyncIterator[Publisher]:
    publisher = Publisher(group.settings, "publisher")
    await publisher.start()
    await publisher.publish([RECORD])  # the topic is new: until its first record, Kafka may refuse one
    yield publisher
    await publisher.stop()


def watch_answers(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, watch: Callable[[Any], None]) -> None:
    """Calls ``watch`` with each request that stores records, before its answer reaches the producer."""
    producer: Any = publisher._producer
    send = producer.client.send

    async def watch_and_send(node: int, request: Any, **options: Any) -> Any:
        answer = await send(node, request, **options)
        if isinstance(request, ProduceRequest):
            watch(request)
        return answer

    monkeypatch.setattr(producer.client, "send", watch_and_send)


async def test_acknowledgement_of_all_replicas_is_asked_for(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only replica that has a record may be lost a moment later."""
    asked: list[int] = []
    watch_answers(publisher, monkeypatch, lambda request: asked.append(request.required_acks))

    await publisher.publish([RECORD])

    assert asked == [ALL_REPLICAS]


async def test_record_with_a_lost_answer_is_stored_once(
    group: KafkaGroup, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer sends it again, and Kafka recognises its number."""
    sent: list[Any] = []

    def lose_first(request: Any) -> None:
        sent.append(request)
        if len(sent) == 1:
            raise RequestTimedOutError

    watch_answers(publisher, monkeypatch, lose_first)

    await publisher.publish([RECORD])

    assert len(sent) == 2
    assert len(await group.read_records(RESULTS)) == 2
