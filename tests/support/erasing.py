"""Doubles of what erases employees from Kafka."""

from collections.abc import Sequence

from services.admin.leasing import KeepLease
from services.admin.tombstones import RecordEraser
from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.support.fakes import FakeClock

SETTINGS = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:9")


class ErasedRecords:
    """Records each tombstone and each wait in order. ``stuck`` names a service that consumes nothing."""

    def __init__(self, stuck: str | None = None) -> None:
        self.steps: list[str] = []
        self._stuck = stuck

    async def publish(self, records: Sequence[Record]) -> Sequence[Record]:
        """Records topic and key of each tombstone."""
        self.steps += [f"{record.topic.name} {(record.key or b'').decode()} {record.value!r}" for record in records]
        return ()

    async def wait(
        self, _: KafkaSettings, topic: Topic, service: str, *, seconds: float, keep_alive: KeepLease
    ) -> bool:
        """Records the service that is waited for."""
        assert seconds == 60
        await keep_alive()
        self.steps.append(f"{service} consumes {topic.name}")
        return service != self._stuck

    def make_eraser(self, store: Store, clock: FakeClock) -> RecordEraser:
        """Returns an eraser that publishes and waits here."""
        return RecordEraser(SETTINGS, store, self, clock, seconds=60, wait=self.wait)
