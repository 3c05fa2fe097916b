"""What the cause of a waiting change says about the server, and what about one account alone."""

from services.contracts.outcomes import WaitingCause
from services.writer.work import PersonWork

PARKED = frozenset({WaitingCause.FAILING_ACCOUNT, WaitingCause.INCONCLUSIVE, WaitingCause.UNANSWERED_CREATE})
"""Causes of one person. A person that waited for one of them before no longer says anything about the server."""
UNRELATED = frozenset(
    {
        WaitingCause.MANAGER_PENDING,
        WaitingCause.ADDRESS_EXCHANGE,
        WaitingCause.ACCOUNT_NOT_SHOWN,
        WaitingCause.TAKEN_OVER,
        WaitingCause.DISABLING_HELD,
    }
)
"""Causes that say nothing about the server."""


def is_parked(person: PersonWork) -> bool:
    """Returns whether a person has waited for a cause of its own before this batch."""
    return person.stored.waiting is not None and person.stored.waiting.cause in PARKED
