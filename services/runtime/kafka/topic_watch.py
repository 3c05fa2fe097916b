"""Whether the topics of a service exist in Kafka, and whether they are still the topics that the service began with.

A topic is replaced if Kafka loses its data, or if an operator deletes the topic and creates it again. Two faults follow,
and neither raises an error:

- A position in the old topic may lie within the new one. The records before it would never be read.
- A Kafka without data gives the same producer ids again. If two producers have the same id, Kafka may take a batch of one
  for a repetition of a batch of the other: it acknowledges the batch and does not store it.
"""

import logging
from collections.abc import Awaitable, Callable, Collection

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.client import build_client_options
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.topic_ids import fetch_topic_ids
from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

WATCH_SECONDS = 3.0
"""Seconds between two checks of the topics, and seconds after which a check without an answer fails."""


class TopicWatch:
    """Checks the topics of one service every ``WATCH_SECONDS``, as a part of a process."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Collection[Topic],
        *,
        clock: Clock,
        fatal: Callable[[str], None],
        on_replaced: Callable[[frozenset[Topic]], Awaitable[None]],
    ) -> None:
        """``on_replaced`` receives the topics with a new id. If it raises a ``TransientError``, it is called again.

        ``topics`` are those that the service writes or reads. ``fatal`` ends the process.
        """
        self._topics = {settings.topic(topic): topic for topic in topics}
        self._settings = settings
        self._clock = clock
        self._on_replaced = on_replaced
        self._background = Background("the checks of the topics", self._watch, fatal)
        self._client: AIOKafkaClient | None = None
        self._ids: dict[str, bytes] = {}
        self._problem: str | None = None

    async def start(self) -> None:
        """Connects and remembers the topics. Raises ``KafkaUnavailableError``; it may then be called again."""
        options = build_client_options(self._settings) | {"request_timeout_ms": int(WATCH_SECONDS * 1000)}
        client = AIOKafkaClient(**options)
        try:
            await client.bootstrap()
            self._client = client
            await self._check()
        except (KafkaError, OSError) as error:
            await client.close()
            raise KafkaUnavailableError(
                f"Kafka does not answer ({type(error).__name__}): "
                "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
            ) from error
        except BaseException:
            await client.close()
            raise
        await self._background.start()

    async def stop(self) -> None:
        """Stops the checks and disconnects."""
        await self._background.stop()
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def check_readiness(self) -> str | None:
        """Returns what was wrong with the topics at the last check, or None."""
        return self._problem

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            try:
                await self._check()
            except (KafkaError, OSError, TransientError) as error:
                self._report(f"Kafka does not answer ({type(error).__name__})")

    async def _check(self) -> None:
        ids = await fetch_topic_ids(self._client, self._topics)
        replaced = frozenset(self._topics[name] for name, id_ in ids.items() if self._ids.get(name, id_) != id_)
        if replaced:
            logger.warning("topics were replaced", extra={"topics": sorted(replaced)})
            await self._on_replaced(replaced)
        self._ids |= ids
        missing = sorted(self._topics.keys() - ids.keys())
        self._report(f"Kafka lacks a topic ({', '.join(missing)}): run `personio-declaree init`" if missing else None)

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            logger.warning("topics cannot be used: %s", problem)
        self._problem = problem
