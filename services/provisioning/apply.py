"""The apply rule: what a request means for a ledger entry, and what the entry is afterwards.

Pure. ``decide`` says whether the server must be asked at all; ``goal`` what for; ``settled``, ``decided_without_call``
and ``waits`` give the next ledger entry. Versions order everything: older than decided (or than what is waiting) is
superseded. What was noted after an attempted write without a confirming look forgets ``applied``: the write may have
happened, and a later change back to the old value must not be taken for unchanged.
"""

from enum import Enum

from pydantic import AwareDatetime

from services.contracts.accounts import Account, Manager, Waiting
from services.contracts.events import AccountRequested, AccountSynced, Intent, Outcome
from services.contracts.ids import AccountId, EmployeeId
from services.provisioning.reconcile import Goal, Rejected, Settled
from services.provisioning.target import DISABLED, Target, provisioned

MOST_NAMES = 5


class Decision(Enum):
    SUPERSEDE = "older than what was decided: no call"
    REPEAT = "the stored outcome again, no call"
    REJECT = "the mapper rejects it, no call"
    OUT_OF_SCOPE = "nothing to do for this person, no call"
    UNCHANGED = "the account was confirmed to hold just this, no call"
    RECONCILE = "ask the server"


def target_of(request: AccountRequested, manager: AccountId | None) -> Target | None:
    """What the account shall hold; None where the request does not ask for an account's content.

    ``manager`` is the account of the desired manager, None while there is none.
    """
    match request.intent:
        case Intent.PROVISION if request.desired is not None:
            return provisioned(request.desired, manager)
        case Intent.DISABLE:
            return DISABLED
    return None


def decide(request: AccountRequested, entry: Account, target: Target | None, *, resent: bool = False) -> Decision:
    """``resent``: somebody asks for this person to be looked at again, so a rejection is not simply repeated."""
    newest = max(entry.decided_version, entry.waiting.version) if entry.waiting else entry.decided_version
    if request.version < newest:
        return Decision.SUPERSEDE
    decided = request.version == entry.decided_version and not entry.waiting
    if decided and _is_settled(request, entry, target, resent=resent):
        return Decision.REPEAT
    if request.intent is Intent.REJECT:
        return Decision.REJECT
    if _needs_no_account(request, entry) or target is None:
        return Decision.OUT_OF_SCOPE
    in_doubt = entry.applied is None or entry.verify or entry.open_reference or _other_manager(request, entry)
    if not in_doubt and target.hash == entry.applied:
        return Decision.UNCHANGED
    return Decision.RECONCILE


def _is_settled(request: AccountRequested, entry: Account, target: Target | None, *, resent: bool) -> bool:
    """Whether the outcome that was decided for this very request still says all there is to say."""
    if entry.verify:
        return False
    if _needs_no_account(request, entry):
        return True
    if entry.decided is not None and entry.decided.outcome is Outcome.REJECTED:
        return not resent
    # the same request means something else once the manager has another account: that reference is open, too
    return target is not None and entry.applied == target.hash and not entry.open_reference


def _needs_no_account(request: AccountRequested, entry: Account) -> bool:
    """Nothing is looked up or written for this request, whatever the server holds."""
    if request.intent is Intent.DISABLE:
        return entry.account_id is None and entry.attempted is None
    return request.intent is not Intent.PROVISION


def goal(request: AccountRequested, entry: Account, target: Target) -> Goal:
    """What a reconciliation shall reach, and by what it may find the account."""
    if request.desired is None:
        # where the id leads nowhere, and where the answer to a create was lost: our mark is all that we may look for
        mark = _mark(entry)
        return Goal(target, known=entry.account_id, external_id=mark, ours=_ours(mark))
    return Goal(
        target,
        known=entry.account_id,
        external_id=request.desired.external_id,
        user_name=request.desired.user_name,
        attempted_names=tuple(name for name in entry.attempted_names if name != request.desired.user_name),
        ours=_ours(entry.external_id, request.desired.external_id),
        spelling_sent=entry.user_name == request.desired.user_name,
    )


def _mark(entry: Account) -> str | None:
    """Our external id on the account, or on the one that may have been created."""
    return entry.external_id or entry.attempted


def _ours(*external_ids: str | None) -> frozenset[str]:
    return frozenset(each for each in external_ids if each)


def outcome_event(request: AccountRequested, outcome: Outcome, now: AwareDatetime, **details: object) -> AccountSynced:
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


def without_call(request: AccountRequested, entry: Account, decision: Decision, now: AwareDatetime) -> Account:
    """The entry after a decision that needed no call: ``decided`` moves, what is known of the account stays.

    An entry that asks for a look at the account and does not get one now knows nothing of it any more.
    """
    match decision:
        case Decision.REJECT:
            event = outcome_event(request, Outcome.REJECTED, now, reason=request.reason, field=request.field)
        case Decision.OUT_OF_SCOPE:
            event = outcome_event(request, Outcome.OUT_OF_SCOPE, now, account_id=entry.account_id)
        case Decision.UNCHANGED:
            event = outcome_event(request, Outcome.UNCHANGED, now, account_id=entry.account_id)
        case _:
            raise ValueError(f"{decision} leaves the ledger as it is")
    forgotten: dict[str, object] = {"applied": None, "verify": False} if entry.verify else {}
    return entry.model_copy(
        update={"decided": event, "waiting": None, "blocked_by": None, "blocked_name": None, **forgotten}
    )


def settled(
    request: AccountRequested,
    entry: Account,
    target: Target,
    result: Settled,
    manager: AccountId | None,
    now: AwareDatetime,
    reason: str | None = None,
) -> Account:
    """The entry after the account was confirmed to hold the target."""
    event = outcome_event(
        request, result.outcome, now, account_id=result.account_id, written=result.written, reason=reason
    )
    exists = result.account_id is not None
    return entry.model_copy(
        update={
            "decided": event,
            "applied": target.hash if exists else None,
            "account_id": result.account_id,
            "enabled": target != DISABLED if exists else None,
            "external_id": request.desired.external_id if request.desired else _mark(entry),
            "user_name": request.desired.user_name if request.desired else entry.user_name,
            "manager": _manager(request, entry, manager),
            "attempted": None,
            "attempted_names": (),
            "waiting": None,
            "blocked_by": None,
            "blocked_name": None,
            "verify": False,
        }
    )


def _manager(request: AccountRequested, entry: Account, manager: AccountId | None) -> Manager | None:
    if request.desired is None:
        # a disabled account keeps its manager, but waits for nobody's account
        return entry.manager if entry.manager and entry.manager.account_id else None
    wanted = _wanted_manager(request)
    return None if wanted is None else Manager(employee_id=wanted, account_id=manager)


def _wanted_manager(request: AccountRequested) -> EmployeeId | None:
    """Nobody submits to themselves."""
    wanted = request.desired.manager if request.desired else None
    return None if wanted is None or wanted.employee_id == request.employee_id else wanted.employee_id


def _other_manager(request: AccountRequested, entry: Account) -> bool:
    """A manager without an account is no content yet, but the entry has to wait for that account from now on."""
    noted = entry.manager.employee_id if entry.manager else None
    return request.desired is not None and _wanted_manager(request) != noted


def rejected(
    request: AccountRequested,
    entry: Account,
    result: Rejected,
    now: AwareDatetime,
    *,
    known: AccountId | None,
    create_attempted: bool,
) -> Account:
    """The entry after the server (or an account of somebody else) stood in the way.

    ``known`` is the account that was found at last. If it is not the one of the entry, that one is gone or somebody
    else's: nobody submits to it any more, and our mark is what may lead to another.
    """
    forgotten = entry.account_id is not None and known != entry.account_id
    account = None if forgotten else entry.account_id
    event = outcome_event(request, Outcome.REJECTED, now, account_id=account, reason=result.reason, field=result.field)
    attempted = _mark(entry) if forgotten else entry.attempted
    if create_attempted or (known is not None and account is None):
        # it may exist, or does, without being noted as theirs: a leaver is looked for by our mark all the same
        attempted = request.desired.external_id if request.desired else attempted
    return entry.model_copy(
        update={
            "decided": event,
            "applied": None,
            "account_id": account,
            "enabled": None if forgotten else entry.enabled,
            "attempted": attempted,
            "attempted_names": _attempted_names(request, entry) if create_attempted else entry.attempted_names,
            "waiting": None,
            "blocked_by": result.blocked_by,
            "blocked_name": request.desired.user_name if result.blocked_by and request.desired else None,
            "verify": False,
        }
    )


def waits(
    request: AccountRequested, entry: Account, cause: str, now: AwareDatetime, *, create_sent: bool = False
) -> Account:
    """The entry of somebody whose change cannot be settled now: no outcome yet, and nothing known of the account.

    ``since`` is kept while the same change waits, so that the operator sees how long it has been. Where no account is
    known one may exist all the same, from this attempt or from one that died before it could note anything: our mark on
    it is safe to look for. The user name is not - it may be anybody's - unless a create with it has been sent.
    """
    since = entry.waiting.since if entry.waiting and entry.waiting.version == request.version else now
    may_exist = request.desired is not None and (entry.account_id is None or create_sent)
    return entry.model_copy(
        update={
            "waiting": Waiting(cause=cause, since=since, version=request.version),
            "applied": None,
            "attempted": request.desired.external_id if may_exist and request.desired else entry.attempted,
            "attempted_names": _attempted_names(request, entry) if create_sent else entry.attempted_names,
        }
    )


def _attempted_names(request: AccountRequested, entry: Account) -> tuple[str, ...]:
    """The newest last; who has had more e-mail addresses than so many without any answer has met a broken server."""
    wanted = (request.desired.user_name,) if request.desired else ()
    return tuple(dict.fromkeys((*entry.attempted_names, *wanted)))[-MOST_NAMES:]
