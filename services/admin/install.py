"""Prepares Kafka and MongoDB. An installation can be repeated at any time."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from services.errors import TransientError
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings
from services.store.database import Store

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Seconds between two attempts while Kafka or MongoDB does not answer."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation created or corrected; empty if everything existed."""

    topics: tuple[str, ...]
    """The names of new topics."""
    database: tuple[str, ...]
    """One line for a new replica set, and for each new or rebuilt index."""
    corrected: tuple[str, ...] = ()
    """The names of topics that existed with other settings."""


async def install(settings: KafkaSettings, store: Store) -> Installed:
    """Creates missing topics, the replica set of a new MongoDB server, and missing indexes. Corrects existing topics.

    Raises ``TransientError`` if Kafka or MongoDB does not answer.
    """
    topics = await create_topics(settings)
    database = (*await store.ensure_replica_set(), *await store.create_indexes())
    return Installed(topics.created, database, topics.corrected)


async def install_when_available(
    settings: KafkaSettings,
    store: Store,
    clock: Clock,
    *,
    seconds: float = math.inf,
    attempt: Callable[[KafkaSettings, Store], Awaitable[Installed]] = install,
) -> Installed:
    """Installs as soon as Kafka and MongoDB answer, for a process that may start before they do.

    Calls ``attempt`` until it raises no ``TransientError``. Raises the last one after ``seconds``.
    """
    return await repeat_until_available(lambda: attempt(settings, store), clock, seconds=seconds)


async def repeat_until_available(attempt: Callable[[], Awaitable[T]], clock: Clock, *, seconds: float = math.inf) -> T:
    """Calls ``attempt`` until it raises no ``TransientError``, and returns its result.

    Raises the last error after ``seconds``.
    """
    deadline = clock.monotonic() + seconds
    backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    while True:
        try:
            return await attempt()
        except TransientError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # the library turned the cancellation into its own error: without this, the process would not stop
                raise asyncio.CancelledError from error
            if clock.monotonic() >= deadline:
                raise
            logger.warning("waiting for Kafka and MongoDB: %s", error)
        await clock.sleep(backoff.next_pause())
