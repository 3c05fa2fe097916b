"""Steps of the tests that stop a Kafka of their own."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sandbox.stack.kafka import Kafka
from services.contracts.cloudevents import Record
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from tests.support.world import wait_until


async def ensure_running(node: Kafka) -> None:
    """Starts Kafka unless it runs: the test before may have stopped it."""
    if not node.is_running:
        await node.start()
    await wait_until("Kafka has its broker again: the test before may have stopped it for a while", node.is_ready)


async def start_with_retries(start: Callable[[], Awaitable[None]]) -> None:
    """Starts a part with short timeouts on a busy machine, where the first attempts may fail."""
    while True:
        with contextlib.suppress(KafkaUnavailableError):
            return await start()


@asynccontextmanager
async def run_publisher(publisher: Publisher) -> AsyncIterator[Publisher]:
    """Starts a publisher, and stops it at the end of the block."""
    try:
        await start_with_retries(publisher.start)
        yield publisher
    finally:
        await publisher.stop()


async def publish_until_acknowledged(publisher: Publisher, batch: Sequence[Record]) -> None:
    """Publishes the batch, again after each attempt that Kafka did not acknowledge."""
    while True:
        try:
            await publisher.publish(batch)
        except KafkaUnavailableError:
            continue
        return
