"""What is counted of the results of a service."""

from collections.abc import Sequence

from services.contracts.cloudevents import Record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.topics import Topic
from services.runtime.kafka.decoding import build_dead_letter
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_incoming, make_request
from tests.support.fakes import FakeClock

SOURCE = Topic.ACCOUNTS_REQUESTED


class AcknowledgingPublisher(Publisher):
    """Takes every record."""

    def __init__(self) -> None:
        super().__init__(KafkaSettings(kafka_bootstrap_servers="kafka:1"), "test")

    async def publish(self, _: Sequence[Record]) -> tuple[Record, ...]:
        return ()


async def test_every_dead_letter_is_counted() -> None:
    """Those that a handler returns among its results, and those of records that cannot be read."""
    metrics, clock = Metrics(), FakeClock()
    results = ResultPublisher("writer", SOURCE, AcknowledgingPublisher(), clock, metrics)
    records = [make_incoming(make_request(str(number)), number) for number in range(5)]
    letters = [build_dead_letter(record, "writer", DeadLetterReason.UNKNOWN_CONNECTION, clock) for record in records]

    await results.publish(records, letters[:3])
    await results.publish_letters(letters[3:])

    counts = {
        result: metrics.registry.get_sample_value("sync_records_total", {"source": SOURCE.value, "result": result})
        for result in ("dead_letter", "handled")
    }
    assert counts == {"dead_letter": 5, "handled": 2}
