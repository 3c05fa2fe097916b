"""Decides what a request means for a ledger entry: superseded, repeated, settled without a call, or to reconcile."""

from enum import Enum

from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent, Outcome
from services.provisioning.desired import DesiredState


class Decision(Enum):
    """How a request is settled. Only ``RECONCILE`` sends requests to the server."""

    SUPERSEDE = "supersede"
    """A newer request was decided or waits: the ledger entry stays as it is."""
    REPEAT = "repeat"
    """This request was decided before: its outcome is published again."""
    REJECT = "reject"
    """The mapper rejects the employee's data."""
    OUT_OF_SCOPE = "out-of-scope"
    """The request needs no account."""
    UNCHANGED = "unchanged"
    """The account was already confirmed to have the desired content."""
    RECONCILE = "reconcile"
    """The live account must be looked up."""


def decide(
    request: AccountRequested,
    entry: LedgerEntry,
    desired: DesiredState | None,
    manager: EmployeeId | None,
    *,
    is_resent: bool = False,
    is_suspect: bool = False,
    is_refusal_due: bool = False,
) -> Decision:
    """Returns how to settle a request. ``desired`` is what the account must have; None if the request needs no account.

    ``manager`` is the manager that the request asks for. With ``is_resent``, the request was resent on demand: an earlier
    rejection by the server is then retried. With ``is_suspect``, an earlier writer may have sent a write for this request
    without noting it: only a decided request is then known to have none. With ``is_refusal_due``, a refused field is retried.
    """
    if request.version < entry.newest_version:
        return Decision.SUPERSEDE
    is_decided = request.version == entry.decided_version and not entry.waiting
    if is_decided and not is_refusal_due and _is_outcome_valid(request, entry, desired, is_resent=is_resent):
        return Decision.REPEAT
    if request.intent is Intent.REJECT:
        return Decision.REJECT
    if desired is None:
        return Decision.OUT_OF_SCOPE
    in_doubt = (
        is_suspect
        or is_refusal_due
        or entry.applied is None
        or entry.verify
        or entry.has_open_reference
        or _is_other_manager(request, entry, manager)
    )
    if not in_doubt and desired.hash == entry.applied:
        return Decision.UNCHANGED
    return Decision.RECONCILE


def _is_outcome_valid(
    request: AccountRequested, entry: LedgerEntry, desired: DesiredState | None, *, is_resent: bool
) -> bool:
    """Whether the outcome that was decided for this request is still valid."""
    if entry.verify:
        return False
    if desired is None or _is_known_to_have_no_account(request, entry):
        return True
    if entry.decided is not None and entry.decided.outcome is Outcome.REJECTED:
        return not is_resent
    # a new account of the manager changes the desired state of the same request, so its hash differs
    return entry.applied == desired.hash and not entry.has_open_reference


def _is_known_to_have_no_account(request: AccountRequested, entry: LedgerEntry) -> bool:
    """Whether a lookup for this request has found no account to disable."""
    decided = entry.decided
    return request.intent is Intent.DISABLE and decided is not None and decided.outcome is Outcome.OUT_OF_SCOPE


def _is_other_manager(request: AccountRequested, entry: LedgerEntry, manager: EmployeeId | None) -> bool:
    """Whether the request asks for another manager than the entry records.

    A manager without an account does not change the desired state. The entry must still record that manager, because it
    waits for the account from now on.
    """
    recorded = entry.manager.employee_id if entry.manager else None
    return request.desired is not None and manager != recorded
