"""The number of requests at once."""

from services.clients.declaree.concurrency import INITIAL_REQUESTS, PLATEAU_SECONDS, AdaptiveConcurrency


def accept_all(concurrency: AdaptiveConcurrency, now: float = 0.0) -> None:
    """Sends as many requests at once as possible, which the server accepts."""
    positions = [concurrency.begin() for _ in range(concurrency.limit)]
    for position in positions:
        concurrency.record_success(position, now)
        concurrency.end()


def test_first_requests_raise_the_limit_to_its_maximum() -> None:
    """Until the first refusal, each accepted request allows one more."""
    concurrency = AdaptiveConcurrency(16)

    assert concurrency.limit == INITIAL_REQUESTS

    accept_all(concurrency)

    assert concurrency.limit == 16

    accept_all(concurrency)

    assert concurrency.limit == 16


def test_room_ends_at_the_limit() -> None:
    """A further request waits until one has ended."""
    concurrency = AdaptiveConcurrency(2)
    rooms = [(concurrency.begin(), concurrency.has_room)[1] for _ in range(2)]
    concurrency.end()

    assert rooms == [True, False]
    assert concurrency.has_room


def test_overload_halves_the_limit_down_to_one() -> None:
    """One request at a time always remains possible. Each round of accepted requests then adds about one."""
    concurrency = AdaptiveConcurrency(16)
    limits: list[int] = []
    for _ in range(5):
        concurrency.record_overload()
        limits.append(concurrency.limit)

    assert limits == [4, 2, 1, 1, 1]

    accept_all(concurrency)
    accept_all(concurrency)
    accept_all(concurrency)

    assert concurrency.limit == 3


def test_refused_requests_at_once_lower_the_limit() -> None:
    """A server that accepts four requests at once gets four of them, and a fifth one seldom."""
    concurrency = AdaptiveConcurrency(16)
    for number in (1, 2, 3, 4):
        concurrency.record_success(number, 0.0)

    assert concurrency.record_refusal(5, 0.0)
    assert concurrency.limit == 4

    accept_all(concurrency)

    assert concurrency.record_refusal(5, 0.0)

    accept_all(concurrency, PLATEAU_SECONDS - 1)

    assert concurrency.limit == 4

    accept_all(concurrency, PLATEAU_SECONDS)
    accept_all(concurrency, PLATEAU_SECONDS)

    assert concurrency.limit == 5


def test_refusal_of_few_requests_at_once_keeps_the_limit() -> None:
    """If the server has accepted as many requests at once before, it limits their rate."""
    concurrency = AdaptiveConcurrency(16)
    accept_all(concurrency)

    assert not concurrency.record_refusal(INITIAL_REQUESTS, 0.0)
    assert not concurrency.record_refusal(1, 0.0)
    assert concurrency.limit == 16
