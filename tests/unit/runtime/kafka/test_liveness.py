"""Whether a consumer makes progress."""

from services.runtime.kafka.liveness import Liveness
from tests.support.fakes import FakeClock

ALLOWED = 60.0
"""Seconds without progress that are allowed."""


def test_idle_consumer_that_fetches_makes_progress() -> None:
    """Without records, no batch can finish."""
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


def test_batch_in_progress_for_too_long_is_a_stall() -> None:
    """A batch in progress prevents fetches, so it is the batch that is named."""
    clock = FakeClock()
    liveness = Liveness(clock)
    liveness.begin(3)

    clock.seconds += ALLOWED - 1
    assert liveness.find_stall(2, ALLOWED) is None
    clock.seconds += 2

    assert liveness.in_progress == 3
    assert liveness.find_stall(2, ALLOWED) == "no batch finished for 61 s although 5 records wait"


def test_batches_that_fail_again_and_again_are_a_stall() -> None:
    """Fetches succeed, but no batch finishes."""
    clock = FakeClock()
    liveness = Liveness(clock)

    for _ in range(7):
        liveness.begin(3)
        clock.seconds += 10
        liveness.give_back()

    assert liveness.in_progress == 0
    assert liveness.find_stall(3, ALLOWED) == "no batch finished for 70 s although 3 records wait"


def test_finished_batch_ends_a_stall() -> None:
    """A finished batch also counts as a fetch."""
    clock = FakeClock()
    liveness = Liveness(clock)
    liveness.begin(3)
    clock.seconds += ALLOWED + 1

    liveness.finish()

    assert liveness.in_progress == 0
    assert liveness.find_stall(100, ALLOWED) is None


def test_first_batch_after_an_idle_time_is_not_a_stall() -> None:
    """The time without records does not count for the batch that follows."""
    clock = FakeClock()
    liveness = Liveness(clock)
    for _ in range(5):
        clock.seconds += ALLOWED - 1
        liveness.record_fetch()
        liveness.find_stall(0, ALLOWED)

    liveness.begin(3)
    clock.seconds += ALLOWED - 1

    assert liveness.find_stall(0, ALLOWED) is None
