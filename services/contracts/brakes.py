"""The brake of a connection: the number of accounts that were disabled within the last hour."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId
from services.contracts.values import FrozenModel, NonNegativeInt64

WINDOW = timedelta(hours=1)
"""Time within which the disabled accounts of a connection are counted together."""


class DisabledAccounts(FrozenModel):
    """The accounts of a connection that were disabled within one minute."""

    minute: AwareDatetime
    """Start of the minute."""
    number: NonNegativeInt64
    """Number of accounts."""


class Brake(FrozenModel):
    """What the writers of all replicas have counted of one connection. Each write is conditional on the one before."""

    connection_id: ConnectionId
    """The connection."""
    disabled: tuple[DisabledAccounts, ...] = ()
    """The accounts that were disabled, by minute. An account counts from just before the request that disables it."""
    accounts: NonNegativeInt64 | None = None
    """Number of accounts that were enabled an hour before ``counted_at``; None if they were not counted."""
    counted_at: AwareDatetime | None = None
    """When ``accounts`` was counted; None if it was not."""
    seq: NonNegativeInt64 = 0
    """Number of writes of this document."""
    is_damaged: bool = Field(default=False, exclude=True)
    """Whether the stored document cannot be read. Nothing is then known about the last hour."""

    def count_recent(self, now: datetime) -> int:
        """Returns the number of accounts that were disabled within the last hour."""
        return sum(part.number for part in self._select_recent(now))

    def add(self, now: datetime) -> "Brake":
        """Returns the brake after one more account is disabled."""
        minute = now.replace(second=0, microsecond=0)
        others = tuple(part for part in self._select_recent(now) if part.minute != minute)
        same = sum(part.number for part in self._select_recent(now) if part.minute == minute)
        return self.model_copy(update={"disabled": (*others, DisabledAccounts(minute=minute, number=same + 1))})

    def _select_recent(self, now: datetime) -> tuple[DisabledAccounts, ...]:
        """Returns the minutes that have not ended an hour ago. One in the future is that of a replica with another clock."""
        return tuple(part for part in self.disabled if part.minute + timedelta(minutes=1) > now - WINDOW)
