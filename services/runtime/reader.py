"""Reading recorded events without a consumer group: from the beginning to the end as it was at the start."""

import asyncio
from collections.abc import AsyncGenerator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.contracts.topics import Topic
from services.runtime.fetching import Fetching
from services.runtime.kafka import client_options, stopped
from services.runtime.producer import KafkaUnavailableError
from services.runtime.settings import KafkaSettings

BATCH = 500


async def recorded(
    settings: KafkaSettings, topic: Topic, since_ms: int | None = None
) -> AsyncGenerator[tuple[ConsumerRecord, ...], None]:
    """Batches of records, in order within each partition. No group's offsets are touched."""
    consumer = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=30
    )
    try:
        await consumer.start()
        ends = await _assign(consumer, settings.topic(topic), since_ms)
        fetching = Fetching(consumer, consumer.getmany)
        while unread := await _unread(consumer, ends):
            batch = await _next(fetching, unread, settings.kafka_request_timeout_ms / 1000)
            found = tuple(record for record in batch if record.offset < ends[record.topic, record.partition])
            if found:
                yield found
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(f"recorded events cannot be read ({type(error).__name__})") from error
    finally:
        await stopped(consumer, consumer.stop())


async def _assign(consumer: AIOKafkaConsumer, name: str, since_ms: int | None) -> dict[TopicPartition, int]:
    """Where each partition ends now; the consumer stands at the beginning, or at the first record since then."""
    await consumer._client.force_metadata_update()  # noqa: SLF001 - partitions of a topic not subscribed to
    consumer._client.add_topic(name)  # noqa: SLF001 - as above
    await consumer._client.force_metadata_update()  # noqa: SLF001 - as above
    places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
    if not places:
        raise KafkaUnavailableError(f"Kafka has no topic {name}: has `personio-declaree init` been run?")
    consumer.assign(places)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    if since_ms is None:
        return ends  # `auto_offset_reset` has it begin there
    for place, found in (await consumer.offsets_for_times(dict.fromkeys(places, since_ms))).items():
        # None: no record that late, so there is nothing to read
        consumer.seek(place, found.offset if found is not None else ends[place])
    return ends


async def _unread(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> list[TopicPartition]:
    return [place for place, end in ends.items() if await consumer.position(place) < end]


async def _next(fetching: Fetching, places: list[TopicPartition], seconds: float) -> tuple[ConsumerRecord, ...]:
    """The next records of partitions that have not ended; an aiokafka consumer itself would wait for ever."""
    before = [await fetching.consumer.position(place) for place in places]
    async with asyncio.timeout(seconds):
        while True:
            found = await fetching.look(most=BATCH, timeout_ms=500, only=places)
            for place in tuple(fetching.unreadable):  # there is a dead letter of such a record
                await fetching.pass_over(place)
            if found or before != [await fetching.consumer.position(place) for place in places]:
                return tuple(record for records in found.values() for record in records)
