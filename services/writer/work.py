"""The state of one person during a batch."""

from dataclasses import dataclass, field

from services.contracts.claims import LinkDecision
from services.contracts.events import AccountSynced
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import WaitingCause


@dataclass
class PersonWork:
    """The state of one person during a batch."""

    stored: LedgerEntry
    """The entry as it was read from the ledger."""
    entry: LedgerEntry
    """The entry after the requests that were settled so far."""
    outcomes: list[AccountSynced] = field(default_factory=list)
    """The outcomes to publish."""
    causes: list[WaitingCause] = field(default_factory=list)
    """Why requests of this batch wait, for the metrics."""
    asked: list[LinkDecision] = field(default_factory=list)
    """Accounts that an administrator has to decide about."""
    is_resent: bool = False
    """Whether the current request was resent on demand."""
    is_suspect: bool = False
    """Whether an earlier writer may have stored the entry without filing the resends that follow from it."""

    @property
    def is_changed(self) -> bool:
        """Whether the entry has to be written into the ledger."""
        return self.entry != self.stored
