"""Rules of the product that a test breaks on purpose."""

from enum import StrEnum


class Rule(StrEnum):
    """A rule of the product."""

    LOOK_AFTER_LOST_ANSWER = "look-after-lost-answer"
    """After a lost answer, the account is looked up before a write is repeated."""
    CONDITIONAL_LEDGER = "conditional-ledger"
    """A ledger entry is written only if it is as the writer has read it."""
    COMMIT_LAST = "commit-last"
    """A batch is committed after its results are published."""
    OWNERSHIP = "ownership"
    """Nothing is sent for records of partitions that have moved."""
    LATE_LOOK = "late-look"
    """A write without an answer is noted, and the account is looked at again later."""
    REDELIVERED_RECORD = "redelivered-record"
    """A record that an earlier writer had in progress is known as such: its writes may have been sent."""
    UNANSWERED_CREATE = "unanswered-create"
    """A create is not repeated while one without an answer may still be carried out."""
    UNKNOWN_LEAVER = "unknown-leaver"
    """The account of a leaver without a known account is looked up."""
