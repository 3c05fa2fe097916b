"""What is noted of a change that waits, and when it is due to be tried again."""

from datetime import datetime, timedelta

from services.contracts.events import AccountRequested
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.provisioning.manager import MANAGER_PATIENCE

DEFAULT_RETRY_PAUSES = (timedelta(seconds=2), timedelta(minutes=5))
"""Time until a waiting change is tried again: the first time, and at most. It doubles with each attempt."""
RETRY_PAUSES = {
    WaitingCause.BACKLOG: (timedelta(0), timedelta(0)),
    WaitingCause.PAUSED: (timedelta(0), timedelta(0)),
    WaitingCause.TAKEN_OVER: (timedelta(0), timedelta(minutes=1)),
    WaitingCause.MANAGER_PENDING: (MANAGER_PATIENCE, MANAGER_PATIENCE),
    WaitingCause.UNREADABLE_ENTRY: (timedelta(seconds=15), timedelta(seconds=15)),
}
"""The same, for causes with other times. A report is also tried again as soon as its manager has an account."""


def build_waiting(
    request: AccountRequested, cause: WaitingCause, now: datetime, before: Waiting | None = None
) -> Waiting:
    """Returns what is noted of a change that waits. ``before`` is what was noted before; None if nothing was.

    ``since`` stays while the same change waits, so that an administrator sees the whole delay. The pauses between two
    attempts double.
    """
    is_same = before is not None and before.version == request.version
    attempts = before.attempts + 1 if before is not None and is_same and before.cause is cause else 0
    first, longest = RETRY_PAUSES.get(cause, DEFAULT_RETRY_PAUSES)
    return Waiting(
        cause=cause,
        since=before.since if before is not None and is_same else now,
        version=request.version,
        detected_at=request.detected_at,
        attempts=attempts,
        retry_at=now + min(first * 2 ** min(attempts, 16), longest),
    )
