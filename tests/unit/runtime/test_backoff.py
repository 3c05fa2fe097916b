"""Growth of the pauses between attempts. Other tests only check that a pause is made."""

from services.runtime.backoff import Backoff


def test_pauses_double_up_to_the_limit() -> None:
    """The last step is shorter than a doubling if the limit requires it."""
    backoff = Backoff(0.5, 10)

    pauses = [backoff.next_pause() for _ in range(7)]

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]


def test_reset_starts_with_the_first_pause() -> None:
    """After a success, the next failure gets a short pause."""
    backoff = Backoff(1, 8)
    for _ in range(5):
        backoff.next_pause()

    backoff.reset()

    assert [backoff.next_pause(), backoff.next_pause()] == [1, 2]


def test_first_pause_at_the_limit_does_not_grow() -> None:
    """First and longest pause may be the same."""
    backoff = Backoff(3, 3)

    assert [backoff.next_pause() for _ in range(3)] == [3, 3, 3]
