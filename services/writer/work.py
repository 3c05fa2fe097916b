"""The state of one person during a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.contracts.claims import LinkDecision
from services.contracts.events import AccountSynced
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import WaitingCause
from services.provisioning.states import Rejected
from services.writer.freshness import is_first_write


@dataclass
class PersonWork:
    """The state of one person during a batch."""

    stored: LedgerEntry
    """The entry as it was read from the ledger."""
    entry: LedgerEntry
    """The entry after the requests that were settled so far."""
    outcomes: list[AccountSynced] = field(default_factory=list)
    """The outcomes to publish."""
    first_write: AccountSynced | None = None
    """Outcome of a change that this batch has settled first, with a write; None if it has settled none."""
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

    def note_outcomes(
        self, replaced: Sequence[AccountSynced], outcome: AccountSynced | None, *, is_detected: bool
    ) -> None:
        """Notes the outcomes of one settlement before those of newer requests, which were settled earlier.

        ``is_detected`` tells whether the request was sent because its change was detected.
        """
        self.outcomes[:0] = replaced if outcome is None else (*replaced, outcome)
        if outcome is not None and is_first_write(self.stored, outcome, is_detected=is_detected):
            self.first_write = outcome

    def ask_for_decision(self, rejected: Rejected, now: datetime) -> None:
        """Notes the account that an administrator has to decide about. Does nothing for a rejection for another reason."""
        if rejected.asks_about is None or rejected.account_hash is None:
            return
        self.asked.append(
            LinkDecision(
                connection_id=self.stored.connection_id,
                employee_id=self.stored.employee_id,
                account_id=rejected.asks_about,
                former_owner=rejected.former_owner,
                account_hash=rejected.account_hash,
                asked_at=now,
            )
        )
