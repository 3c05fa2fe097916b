"""The faults of a schedule: which exist, how often they strike, and which have struck."""

import random
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

import detangle


class Fault(StrEnum):
    """What can go wrong around the product."""

    CRASH = "a service crashes, and loses its memory"
    """The process ends at an await. Another one starts later."""
    PAUSE = "a service is suspended"
    """The process does nothing for a time, and then goes on as if nothing had happened."""
    MOVE = "partitions move"
    """The consumer group distributes its partitions differently."""
    STORE_REFUSES = "MongoDB does not carry out a command"
    """The command fails before its effect."""
    STORE_UNANSWERED = "MongoDB carries out a write and does not answer"
    """The command fails after its effect."""
    STORE_SLOW = "MongoDB answers late"
    """The command takes seconds."""
    PUBLISH_REFUSED = "Kafka does not store records"
    """The publication fails before its effect."""
    PUBLISH_PARTIAL = "Kafka stores some of the records"
    """The publication fails after the first partition."""
    PUBLISH_UNANSWERED = "Kafka stores records and does not acknowledge"
    """The publication fails after its effect."""
    PUBLISH_LATE = "Kafka stores records after the publication was given up"
    """The publication fails, and takes effect later."""
    COMMIT_REFUSED = "Kafka does not store an offset"
    """The commit fails before its effect."""
    COMMIT_UNANSWERED = "Kafka stores an offset and does not answer"
    """The commit fails after its effect."""
    PERSONIO_FAILS = "Personio breaks off a scan"
    """A page is not answered."""
    CONNECTION_FAILS = "Declaree cannot be reached"
    """The request is not sent."""
    REQUEST_LOST = "a request to Declaree is lost"
    """The request is not carried out, and not answered."""
    ANSWER_LOST = "an answer of Declaree is lost"
    """The request is carried out, and not answered."""
    ERROR_BEFORE = "Declaree answers 503 and does nothing"
    """The request is not carried out."""
    ERROR_AFTER = "Declaree answers 502 after a write"
    """The request is carried out."""
    RATE_LIMITED = "Declaree answers 429"
    """The request is not carried out; the answer says how long to wait."""
    SLOW = "Declaree answers late"
    """The request is carried out at once; the answer takes seconds."""
    LATE_LANDING = "Declaree carries out a write after it was given up"
    """The request is not answered, and is carried out up to a minute later."""


RARE = frozenset({Fault.ANSWER_LOST, Fault.ERROR_AFTER, Fault.LATE_LANDING})
"""Faults with few opportunities: they strike writes of accounts alone."""

MOST = (6, 20)
"""How often one fault strikes in one schedule at most, so that the schedule ends."""


def draw_rates(rng: random.Random) -> dict[Fault, float]:
    """Returns how likely each fault strikes at each opportunity. A tenth of the schedules have no faults."""
    if rng.random() < 0.1:
        return {}
    rates = {fault: rng.choice((0.01, 0.03, 0.1)) for fault in Fault if rng.random() < 0.5}
    return {fault: rate * 4 if fault in RARE else rate for fault, rate in rates.items()}


class Faults:
    """Decides whether a fault strikes, and counts what has struck."""

    def __init__(self, rates: Mapping[Fault, float], most: int) -> None:
        """``rates`` is how likely each fault strikes at each opportunity; it strikes ``most`` times at most."""
        self._rates = rates
        self._most = most
        self.fired: Counter[Fault] = Counter()
        """How often each fault has struck."""
        self.are_over = False
        """Whether no fault strikes any longer."""

    @property
    def is_clean(self) -> bool:
        """Whether the schedule has no faults at all."""
        return not self._rates

    def strikes(self, fault: Fault) -> bool:
        """Returns whether the fault strikes now."""
        rate = self._rates.get(fault, 0.0)
        if self.are_over or not rate or self.fired[fault] >= self._most or not detangle.flip(rate):
            return False
        self.fired[fault] += 1
        return True
