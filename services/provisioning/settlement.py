"""Settles one request: ``begin`` decides what it means, a reconciliation asks the server, ``finish`` takes its result.

Pure. The writer performs the calls of the reconciliation and decides nothing. A write that was attempted without a
confirming lookup clears ``applied``: it may have happened, and a later change back to the old value must not count as
unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import AwareDatetime

from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import LedgerEntry, ManagerLink, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import reconcile
from services.provisioning.desired import DISABLED, DesiredState, build_enabled_state
from services.provisioning.manager import WantedManager, resolve_manager
from services.provisioning.precedence import Decision, decide
from services.provisioning.reconcile import Goal, Reconciliation, Rejected, Settled

MAX_ATTEMPTED_NAMES = 5
"""Maximum number of user names of creates without an answer that an entry remembers. More mean that the server is broken."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One request on its way to an outcome."""

    request: AccountRequested
    """The request to settle."""
    entry: LedgerEntry
    """The employee's ledger entry: as it was read, and after the request was settled."""
    manager: WantedManager
    """The manager that the request asks for."""
    state: Reconciliation | None = None
    """The reconciliation that has to run; None if the request is settled without a call."""
    outcome: AccountSynced | None = None
    """The outcome to publish; None until the request is settled."""


def begin(
    request: AccountRequested,
    entry: LedgerEntry,
    find_account: Callable[[EmployeeId], AccountId | None],
    verb: Literal["patch", "put"],
    now: AwareDatetime,
    *,
    is_resent: bool,
) -> Settlement:
    """Returns the settlement of a request: finished, or with the reconciliation that has to run.

    ``find_account`` returns the account of a manager; None if it does not exist yet. ``verb`` is how the server accepts
    updates. With ``is_resent``, an earlier rejection by the server is retried.
    """
    manager = resolve_manager(request, find_account)
    desired = build_desired_state(request, manager.account_id)
    begun = Settlement(request, entry, manager)
    decision = decide(request, entry, desired, manager.employee_id, is_resent=is_resent)
    if decision is Decision.SUPERSEDE:
        return replace(begun, outcome=build_outcome(request, Outcome.SUPERSEDED, now))
    if decision is Decision.REPEAT:
        return replace(begun, outcome=entry.decided)
    if decision is not Decision.RECONCILE or desired is None:
        after = record_without_call(request, entry, decision, now)
        return replace(begun, entry=after, outcome=after.decided)
    goal = build_goal(request, entry, desired)
    return replace(begun, state=reconcile.begin(goal, verb))


def finish(begun: Settlement, state: Reconciliation, now: AwareDatetime) -> Settlement:
    """Returns the settlement after its reconciliation has ended. Raises ``ValueError`` for an inconclusive one."""
    match state.result:
        case Settled() as result:
            desired = state.goal.desired
            after = record_settled(begun.request, begun.entry, desired, result, begun.manager, now)
        case Rejected() as result:
            after = record_rejected(
                begun.request,
                begun.entry,
                result,
                now,
                last_account=state.goal.account_id,
                is_create_attempted=state.is_create_attempted,
            )
        case _:
            raise ValueError("the reconciliation has no conclusive result: the change waits")
    return replace(begun, entry=after, state=None, outcome=after.decided)


def build_desired_state(request: AccountRequested, manager: AccountId | None) -> DesiredState | None:
    """Returns what the account must have; None if the request asks for no content.

    ``manager`` is the account of the wanted manager; None if the manager has none yet.
    """
    match request.intent:
        case Intent.PROVISION if request.desired is not None:
            return build_enabled_state(request.desired, manager)
        case Intent.DISABLE:
            return DISABLED
    return None


def build_goal(request: AccountRequested, entry: LedgerEntry, desired: DesiredState) -> Goal:
    """Returns what a reconciliation must reach, and how it can find the account."""
    if request.desired is None:
        # an account to disable may only be found by the remembered id or by our external id
        external_id = _get_own_external_id(entry)
        return Goal(
            desired, account_id=entry.account_id, external_id=external_id, our_external_ids=_drop_empty(external_id)
        )
    return Goal(
        desired,
        account_id=entry.account_id,
        external_id=request.desired.external_id,
        user_name=request.desired.user_name,
        attempted_names=tuple(name for name in entry.attempted_names if name != request.desired.user_name),
        our_external_ids=_drop_empty(entry.external_id, request.desired.external_id),
        is_spelling_sent=entry.user_name == request.desired.user_name,
    )


def _get_own_external_id(entry: LedgerEntry) -> str | None:
    """Returns our external id on the account, or on the account that an unanswered create may have made."""
    return entry.external_id or entry.attempted


def _drop_empty(*external_ids: str | None) -> frozenset[str]:
    return frozenset(external_id for external_id in external_ids if external_id)


def build_outcome(request: AccountRequested, outcome: Outcome, now: AwareDatetime, **details: object) -> AccountSynced:
    """Returns the event that publishes an outcome. ``details`` are further fields of the event."""
    return AccountSynced(
        connection_id=request.connection_id,
        employee_id=request.employee_id,
        revision=request.revision,
        mapping_version=request.mapping_version,
        detected_at=request.detected_at,
        source_modified_at=request.source_modified_at,
        outcome=outcome,
        settled_at=now,
        **details,
    )


def record_without_call(
    request: AccountRequested, entry: LedgerEntry, decision: Decision, now: AwareDatetime
) -> LedgerEntry:
    """Returns the entry after a decision without a call: ``decided`` moves, the content of the account stays known.

    An entry that is marked for verification is not verified here, so its ``applied`` is cleared. Raises ``ValueError`` for
    decisions that do not change the entry.
    """
    match decision:
        case Decision.REJECT:
            event = build_outcome(request, Outcome.REJECTED, now, reason=request.reason, field=request.field)
        case Decision.OUT_OF_SCOPE:
            event = build_outcome(request, Outcome.OUT_OF_SCOPE, now, account_id=entry.account_id)
        case Decision.UNCHANGED:
            event = build_outcome(request, Outcome.UNCHANGED, now, account_id=entry.account_id)
        case _:
            raise ValueError(f"the decision {decision.value} does not change the ledger entry")
    cleared: dict[str, object] = {"applied": None, "verify": False} if entry.verify else {}
    return entry.model_copy(
        update={"decided": event, "waiting": None, "blocked_by": None, "blocked_name": None, **cleared}
    )


def record_settled(
    request: AccountRequested,
    entry: LedgerEntry,
    desired: DesiredState,
    result: Settled,
    manager: WantedManager,
    now: AwareDatetime,
) -> LedgerEntry:
    """Returns the entry after the account was confirmed to have the desired content."""
    notes = "; ".join(note for note in (manager.note, result.note) if note)
    event = build_outcome(
        request, result.outcome, now, account_id=result.account_id, written=result.written, reason=notes or None
    )
    exists = result.account_id is not None
    return entry.model_copy(
        update={
            "decided": event,
            "applied": desired.hash if exists else None,
            "account_id": result.account_id,
            "enabled": desired != DISABLED if exists else None,
            "external_id": request.desired.external_id if request.desired else _get_own_external_id(entry),
            "user_name": request.desired.user_name if request.desired else entry.user_name,
            "manager": manager.link if request.desired else _close_manager_link(entry),
            "attempted": None,
            "attempted_names": (),
            "waiting": None,
            "blocked_by": None,
            "blocked_name": None,
            "verify": False,
        }
    )


def record_rejected(
    request: AccountRequested,
    entry: LedgerEntry,
    result: Rejected,
    now: AwareDatetime,
    *,
    last_account: AccountId | None,
    is_create_attempted: bool,
) -> LedgerEntry:
    """Returns the entry after the server refused the change, or another account conflicted with it.

    ``last_account`` is the account that the reconciliation found last. If it is not the remembered one, that one is gone
    or belongs to another employee. The entry then forgets it, so that no report gets it as manager.
    """
    is_forgotten = entry.account_id is not None and last_account != entry.account_id
    account = None if is_forgotten else entry.account_id
    event = build_outcome(request, Outcome.REJECTED, now, account_id=account, reason=result.reason, field=result.field)
    attempted = _get_own_external_id(entry) if is_forgotten else entry.attempted
    if is_create_attempted or (last_account is not None and account is None):
        # the account exists or may exist, but is not recorded: if the employee leaves, our external id must find it
        attempted = request.desired.external_id if request.desired else attempted
    return entry.model_copy(
        update={
            "decided": event,
            "applied": None,
            "account_id": account,
            "enabled": None if is_forgotten else entry.enabled,
            "attempted": attempted,
            "attempted_names": _add_attempted_name(request, entry) if is_create_attempted else entry.attempted_names,
            "waiting": None,
            "blocked_by": result.blocked_by,
            "blocked_name": request.desired.user_name if result.blocked_by and request.desired else None,
            "verify": False,
        }
    )


def record_waiting(
    request: AccountRequested,
    entry: LedgerEntry,
    cause: WaitingCause,
    now: AwareDatetime,
    *,
    is_create_sent: bool = False,
) -> LedgerEntry:
    """Returns the entry of a change that waits: without an outcome, and the account's content is no longer known.

    ``since`` stays while the same change waits, so that an administrator sees the whole delay. An account may exist even
    if none is known, so our external id is remembered as attempted. The user name is remembered only with
    ``is_create_sent``, because any other account may have it.
    """
    since = entry.waiting.since if entry.waiting and entry.waiting.version == request.version else now
    may_exist = request.desired is not None and (entry.account_id is None or is_create_sent)
    return entry.model_copy(
        update={
            "waiting": Waiting(cause=cause, since=since, version=request.version),
            "applied": None,
            "attempted": request.desired.external_id if may_exist and request.desired else entry.attempted,
            "attempted_names": _add_attempted_name(request, entry) if is_create_sent else entry.attempted_names,
        }
    )


def _add_attempted_name(request: AccountRequested, entry: LedgerEntry) -> tuple[str, ...]:
    """Returns the user names that an unanswered POST may have used, newest last. Capped at ``MAX_ATTEMPTED_NAMES``."""
    wanted = (request.desired.user_name,) if request.desired else ()
    return tuple(dict.fromkeys((*entry.attempted_names, *wanted)))[-MAX_ATTEMPTED_NAMES:]


def _close_manager_link(entry: LedgerEntry) -> ManagerLink | None:
    """Returns the manager of a disabled account: it stays, but no longer waits for the manager's account."""
    return entry.manager if entry.manager and entry.manager.account_id else None
