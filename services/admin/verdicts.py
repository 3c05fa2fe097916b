"""Says in words how an employee stands: the first line that an administrator reads about a person."""

from services.admin.people import PersonView
from services.contracts.employees import ACTIVE, INACTIVE, ONBOARDING, EmploymentPhase
from services.contracts.events import AccountSynced, ChangeKind
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from services.contracts.snapshots import Snapshot

NOT_SETTLED = "the newest change is not settled yet: `status` tells whether mapper and writer run"
"""The verdict about a change that is on its way."""
MAX_STATUS = 40
"""Number of characters of an unknown status that are shown."""

_SCOPES = {
    ONBOARDING: "the employee gets an account when the status in Personio becomes active",
    "leave": "the employee is on leave, and the mapping leaves the account as it is",
    ACTIVE: "the employee is active, and the scope of the mapping leaves the employee out",
    INACTIVE: "the employee has left, and needs no account",
}
"""Why an employee with this status is out of scope."""


def describe_verdict(person: PersonView) -> str:
    """Returns one sentence: whether the employee has the right account, or why not. It contains no personal data."""
    entry, snapshot = person.entry, person.snapshot
    if person.problems:
        return "it cannot be told, because a stored document cannot be read: see below"
    if entry is not None and entry.waiting is not None:
        return f"the newest change waits since {entry.waiting.since:%Y-%m-%d %H:%M} UTC: {entry.waiting.cause.text}"
    decided = None if entry is None else entry.decided
    if entry is None or decided is None or (snapshot is not None and snapshot.revision > decided.revision):
        return NOT_SETTLED
    return _describe_settled(entry, decided, snapshot)


def _describe_settled(entry: LedgerEntry, decided: AccountSynced, snapshot: Snapshot | None) -> str:
    reason = " ".join(str(decided.reason or "no reason is recorded").split())
    field = f"{decided.field}: " if decided.field else ""
    known = _describe_account(entry)
    texts = {
        Outcome.REJECTED: f"the newest change is rejected, and {known}: {field}{reason}",
        Outcome.INCOMPLETE: f"account {entry.account_id} is right, except for refused fields: {reason}",
        Outcome.DISABLED: f"account {entry.account_id} is disabled, because {_describe_departure(snapshot)}",
        Outcome.OUT_OF_SCOPE: f"{_explain_scope(snapshot)}; {known}",
    }
    usual = f"account {entry.account_id} is in step" + (f", with an open point: {reason}" if decided.reason else "")
    verdict = texts.get(decided.outcome, usual)
    if snapshot is not None and snapshot.absent_since is not None and snapshot.kind is not ChangeKind.REMOVED:
        return f"Personio no longer lists the employee; before, {verdict}"
    return verdict


def _describe_account(entry: LedgerEntry) -> str:
    if entry.account_id is None:
        return "the product knows no account of the employee"
    state = "is disabled" if entry.enabled is False else "stays as it is"
    return f"account {entry.account_id} {state}"


def _describe_departure(snapshot: Snapshot | None) -> str:
    if snapshot is not None and snapshot.kind is ChangeKind.REMOVED:
        return "Personio no longer lists the employee"
    if snapshot is not None and snapshot.phase is EmploymentPhase.ENDED:
        return "the last day is over"
    return "the employee has left"


def _explain_scope(snapshot: Snapshot | None) -> str:
    """Says why the employee's status asks for no account."""
    if snapshot is None:
        return "the employee is out of scope"
    if snapshot.phase is EmploymentPhase.UPCOMING:
        begins = f", on {snapshot.next_day}" if snapshot.next_day else ""
        return f"the employee gets an account when the employment begins{begins}"
    if not snapshot.status:
        return "Personio shows no status of the employee"
    unknown = f"the mapping asks for no account with the status {snapshot.status[:MAX_STATUS]}"
    return _SCOPES.get(snapshot.status, unknown)
