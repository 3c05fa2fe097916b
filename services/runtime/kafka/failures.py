"""What an error means for the records in work, and how long to pause after it."""

import logging
from collections.abc import Callable
from enum import StrEnum

from aiokafka.errors import CommitFailedError, KafkaError

from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.backoff import Backoff
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
"""Pause after the first failure."""
LONGEST_PAUSE_SECONDS = 10.0
"""Upper limit of the pauses, which double with each failure."""
MAX_UNEXPECTED_ERRORS = 8
"""Number of unexpected errors in a row after which nothing but a change can help."""


class Failure(StrEnum):
    """What an error means for the records in work, from the least to the gravest. The gravest of several errors decides."""

    RETRIED = "retried"
    """MongoDB or Kafka is unavailable: the work is repeated."""
    DROPPED = "dropped"
    """The partitions have moved: their new owner reads the records."""
    FAILED = "failed"
    """An unexpected error: the work is repeated, a limited number of times."""
    DEAD = "dead"
    """The producer can no longer publish: the process ends."""


_BY_SEVERITY = tuple(Failure)


def classify_failure(error: BaseException) -> Failure:
    """Returns what an error means. The gravest error of a group decides for the group."""
    match error:
        case BaseExceptionGroup():
            return max(map(classify_failure, error.exceptions), key=_BY_SEVERITY.index)
        case ProducerDeadError():
            return Failure.DEAD
        case PartitionsMovedError() | CommitFailedError():
            return Failure.DROPPED
        case TransientError() | KafkaError():
            return Failure.RETRIED
        case _:
            return Failure.FAILED


class Failures:
    """The failures in a row of one strand of work."""

    def __init__(self, source: Topic, metrics: Metrics, fatal: Callable[[str], None]) -> None:
        """``source`` is the topic of the records. ``fatal`` ends the process, because its producer is dead."""
        self._source = source
        self._metrics = metrics
        self._fatal = fatal
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self.unexpected = 0
        """Number of unexpected errors since the last success."""

    @property
    def is_hopeless(self) -> bool:
        """Whether the number of unexpected errors in a row has reached the limit."""
        return self.unexpected >= MAX_UNEXPECTED_ERRORS

    def record_success(self) -> None:
        """Records that the work is done."""
        self._metrics.batches.labels(self._source.value, "done").inc()
        self.reset()

    def reset(self) -> None:
        """Forgets the failures in a row."""
        self._backoff.reset()
        self.unexpected = 0

    def record(self, error: Exception, **ids: str) -> float:
        """Logs and counts an error. Returns the pause in seconds before the next attempt. ``ids`` tell what it concerns."""
        failure, pause = classify_failure(error), self._backoff.next_pause()
        match failure:
            case Failure.RETRIED:
                logger.warning("batch failed; retry in %.1f s: %s", pause, describe(error), extra=ids)
            case Failure.DROPPED:
                logger.info("batch dropped: %s", describe(error), extra=ids)
            case Failure.FAILED:
                self.unexpected += 1
                logger.error("unexpected error in a batch; retry in %.1f s", pause, exc_info=error, extra=ids)
            case Failure.DEAD:
                self._fatal(describe(error))
        result = Failure.FAILED if failure is Failure.DEAD else failure
        self._metrics.batches.labels(self._source.value, result.value).inc()
        return pause
