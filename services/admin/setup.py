"""Preparing Kafka and MongoDB; may be repeated any time."""

from dataclasses import dataclass

from services.runtime.settings import KafkaSettings
from services.runtime.topics import create_topics
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Prepared:
    topics: tuple[str, ...]
    database: tuple[str, ...]


async def prepare(settings: KafkaSettings, store: Store) -> Prepared:
    """Creates the topics and indexes that are missing; says which."""
    return Prepared(await create_topics(settings), await store.migrate())
