"""What an error means for the records in work."""

import pytest
from aiokafka.errors import CommitFailedError, KafkaConnectionError

from services.errors import PermanentError, TransientError
from services.runtime.kafka.failures import Failure, classify_failure
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.kafka.publisher import KafkaUnavailableError, ProducerDeadError

MOVED, DEAD = PartitionsMovedError("moved"), ProducerDeadError("the producer is dead")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TransientError("MongoDB does not answer"), Failure.RETRIED),
        (KafkaUnavailableError("Kafka does not answer"), Failure.RETRIED),
        (KafkaConnectionError("no broker"), Failure.RETRIED),
        (MOVED, Failure.DROPPED),
        (CommitFailedError(), Failure.DROPPED),
        (PermanentError("not handled by the service"), Failure.FAILED),
        (KeyError("a defect"), Failure.FAILED),
        (DEAD, Failure.DEAD),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_error_is_classified_by_its_type(error: Exception, failure: Failure) -> None:
    """A `CommitFailedError` is a `KafkaError`, but a retry cannot succeed: the partitions have moved."""
    assert classify_failure(error) is failure


@pytest.mark.parametrize(
    ("errors", "failure"),
    [
        ([TransientError("no"), MOVED], Failure.DROPPED),
        ([KeyError("a defect"), MOVED, TransientError("no")], Failure.FAILED),
        ([KeyError("a defect"), DEAD, TransientError("no")], Failure.DEAD),
        ([TransientError("no"), ExceptionGroup("inner", [MOVED])], Failure.DROPPED),
        ([TransientError("no")], Failure.RETRIED),
    ],
    ids=["dropped", "failed", "dead", "nested", "single"],
)
def test_gravest_error_of_a_group_decides(errors: list[Exception], failure: Failure) -> None:
    """Several tasks of a handler may fail at once."""
    assert classify_failure(ExceptionGroup("batch", errors)) is failure


def test_failures_are_ordered_by_severity() -> None:
    """The order of the members is the order of severity, and their values are labels of a metric."""
    assert [failure.value for failure in Failure] == ["retried", "dropped", "failed", "dead"]
