"""Whether a consumer makes progress."""

from aiokafka import TopicPartition

from services.runtime.kafka.liveness import Liveness
from tests.support.fakes import FakeClock

ALLOWED = 60.0
"""Seconds without progress that are allowed."""


def test_idle_consumer_that_fetches_makes_progress() -> None:
    """Without records, none can be settled."""
    clock = FakeClock()
    liveness = Liveness(clock)

    for _ in range(10):
        clock.seconds += ALLOWED - 1
        liveness.record_fetch()
        assert liveness.find_stall(0, ALLOWED) is None


def test_consumer_without_fetches_is_stalled() -> None:
    """Kafka does not answer, or the consumer no longer asks."""
    clock = FakeClock()
    liveness = Liveness(clock)

    clock.seconds += ALLOWED + 1

    assert liveness.find_stall(0, ALLOWED) == "no records could be read for 61 s"


def test_records_that_are_not_settled_are_a_stall() -> None:
    """Fetches succeed, but nothing is settled."""
    clock = FakeClock()
    liveness = Liveness(clock)

    clock.seconds += ALLOWED - 1
    liveness.record_fetch()
    assert liveness.find_stall(5, ALLOWED) is None
    clock.seconds += 2
    liveness.record_fetch()

    assert liveness.find_stall(5, ALLOWED) == "no record was settled for 61 s although 5 records wait"

    liveness.record_settled()
    assert liveness.find_stall(4, ALLOWED) is None


def test_first_record_after_an_idle_time_is_not_a_stall() -> None:
    """The time without records does not count for the record that follows."""
    clock = FakeClock()
    liveness = Liveness(clock)
    for _ in range(5):
        clock.seconds += ALLOWED - 1
        liveness.record_fetch()
        liveness.find_stall(0, ALLOWED)

    clock.seconds += ALLOWED - 1
    liveness.record_fetch()

    assert liveness.find_stall(3, ALLOWED) is None


def test_partition_that_cannot_be_read_is_named() -> None:
    """The other partitions go on, so nothing else tells."""
    liveness = Liveness(FakeClock())
    liveness.record_fetch({TopicPartition("topic", 4)})

    assert liveness.find_stall(0, ALLOWED) == "partition 4 cannot be read: see the log"

    liveness.record_fetch()
    assert liveness.find_stall(0, ALLOWED) is None
