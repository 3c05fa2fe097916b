"""Preparing Kafka and MongoDB; may be repeated any time."""

import asyncio
import logging
from dataclasses import dataclass

from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.settings import KafkaSettings
from services.runtime.topics import create_topics
from services.store.database import Store

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    topics: tuple[str, ...]
    database: tuple[str, ...]


async def prepare(settings: KafkaSettings, store: Store) -> Prepared:
    """Creates the topics and indexes that are missing; says which."""
    return Prepared(await create_topics(settings), await store.migrate())


async def prepare_once_they_answer(settings: KafkaSettings, store: Store, clock: Clock) -> Prepared:
    """As ``prepare``, for a process that may be started before Kafka and MongoDB are."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await prepare(settings, store)
        except TransientError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # whoever was asked to stop while it waited for an answer
                raise asyncio.CancelledError from error
            logger.warning("waiting for Kafka and MongoDB: %s", error)
        await clock.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
