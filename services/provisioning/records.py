"""The ledger entry and the outcome after each way in which a request can be settled.

A write that was attempted without a confirming lookup clears ``applied``: it may have happened, and a later change back to
the old value must not count as unchanged.
"""

from datetime import datetime

from pydantic import AwareDatetime

from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import AccountId
from services.contracts.ledger import LedgerEntry, ManagerLink, RefusedField
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning.desired import DISABLED, OPTIONAL, hash_value
from services.provisioning.manager import WantedManager
from services.provisioning.precedence import Decision
from services.provisioning.states import Goal, Rejected, Settled, Trail, get_external_id
from services.provisioning.waiting import build_waiting

MAX_ATTEMPTED_NAMES = 5
"""Maximum number of user names of creates without an answer that an entry remembers. More mean that the server is broken."""
EXTERNAL_ID_TAKEN = Rejected(
    "an employee of another connection has this external id on the same Declaree: "
    "give each connection its own external id prefix in its mapping",
    "externalId",
)
"""Two connections share one Declaree and their external ids are equal."""


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


def note_replaced(entry: LedgerEntry, *, keeps: bool) -> LedgerEntry:
    """Returns the entry with its waiting change as a replaced one, so that a crash does not lose that outcome.

    ``keeps`` tells whether the outcomes of the changes that were replaced before may not be published yet.
    """
    earlier, waiting = entry.replaced if keeps else (), entry.waiting
    is_undecided = waiting is not None and entry.decided_version < waiting.version
    return entry.model_copy(update={"replaced": (*earlier, waiting) if is_undecided else earlier})


def build_replaced(entry: LedgerEntry, now: AwareDatetime) -> tuple[AccountSynced, ...]:
    """Returns the outcomes of the changes that waited and were replaced by the newest one."""
    return tuple(
        AccountSynced(
            connection_id=entry.connection_id,
            employee_id=entry.employee_id,
            revision=waiting.version.revision,
            mapping_version=waiting.version.mapping_version,
            detected_at=waiting.detected_at or waiting.since,
            outcome=Outcome.SUPERSEDED,
            settled_at=now,
        )
        for waiting in entry.replaced
    )


def _clear(request: AccountRequested, entry: LedgerEntry) -> dict[str, object]:
    """Returns what every settled request clears. An administrator may have released the disabling by a later change already."""
    allowed_from = entry.disabling_allowed_from
    is_later = allowed_from is not None and allowed_from > request.revision
    return {
        "waiting": None,
        "blocked_by": None,
        "blocked_name": None,
        "is_disabling_held": False,
        "disabling_allowed_from": allowed_from if is_later else None,
        "verify": False,
    }


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
        case Decision.UNCHANGED if any(field.path not in OPTIONAL for field in entry.refused):
            reported = {field.path: field.code for field in entry.refused if field.path not in OPTIONAL}
            event = build_outcome(
                request,
                Outcome.INCOMPLETE,
                now,
                account_id=entry.account_id,
                refused=tuple(reported),
                reason=describe_refused(reported),
            )
        case Decision.UNCHANGED:
            event = build_outcome(request, Outcome.UNCHANGED, now, account_id=entry.account_id)
        case _:
            raise ValueError(f"the decision {decision.value} does not change the ledger entry")
    cleared: dict[str, object] = {"applied": None} if entry.verify else {}
    return entry.model_copy(update={"decided": event, **_clear(request, entry), **cleared})


def record_settled(
    request: AccountRequested,
    entry: LedgerEntry,
    goal: Goal,
    result: Settled,
    trail: Trail,
    manager: WantedManager,
    schema: str | None,
    now: datetime,
    look_at: datetime | None,
) -> LedgerEntry:
    """Returns the entry after the account was confirmed to have the desired content, except for refused fields."""
    refused = _record_refused(request, entry, goal, trail, schema, now)
    reported = {field.path: field.code for field in refused if field.path not in OPTIONAL}
    notes = [manager.note, describe_refused(reported), *trail.notes]
    event = build_outcome(
        request,
        result.outcome,
        now,
        account_id=result.account_id,
        written=tuple(trail.written),
        refused=tuple(reported),
        reason="; ".join(note for note in notes if note) or None,
    )
    exists = result.live is not None
    sent = entry.external_id or entry.attempted
    shown = get_external_id(result.live) if result.live is not None else ""
    return entry.model_copy(
        update={
            "decided": event,
            "applied": goal.desired.hash if exists else None,
            "account_id": result.account_id,
            "created_at": now if trail.is_created else _find_creation(entry, result.account_id),
            "enabled": goal.desired != DISABLED if exists else None,
            # the account may keep another one: of the former employee id of a re-hire, if the server does not change it
            "external_id": shown or (request.desired.external_id if request.desired else sent),
            "user_name": request.desired.user_name if request.desired else entry.user_name,
            "manager": manager.link if request.desired else _close_manager_link(entry),
            "attempted": None if exists or look_at is None else entry.attempted,
            "attempted_names": () if exists or look_at is None else entry.attempted_names,
            "suspected_since": None if exists or look_at is None else entry.suspected_since,
            "refused": refused,
            "look_at": look_at,
            **_clear(request, entry),
        }
    )


def _record_refused(
    request: AccountRequested, entry: LedgerEntry, goal: Goal, trail: Trail, schema: str | None, now: datetime
) -> tuple[RefusedField, ...]:
    """Returns the fields that are still refused: those that were skipped, and those of this reconciliation."""
    if goal.is_disable:
        return entry.refused
    skipped = tuple(field for field in entry.refused if field.path in goal.skipped)
    return skipped + tuple(
        RefusedField(
            path=path,
            code=code,
            value=hash_value(goal.desired.get(path)),
            mapping_version=request.mapping_version,
            schema_hash=schema,
            tried_at=now,
        )
        for path, code in trail.refused.items()
    )


def describe_refused(refused: dict[str, str]) -> str | None:
    """Returns the text for an administrator about refused fields; None without any."""
    if not refused:
        return None
    fields = ", ".join(f"{path} ({code})" for path, code in refused.items())
    return f"Declaree does not take the fields {fields}: correct their values in Personio, or change the mapping"


def record_rejected(
    request: AccountRequested,
    entry: LedgerEntry,
    result: Rejected,
    trail: Trail,
    now: datetime,
    look_at: datetime | None,
    manager: WantedManager,
    *,
    is_create_sent: bool,
) -> LedgerEntry:
    """Returns the entry after the server refused the change, or another account conflicted with it.

    An address that another account has holds no other field back, so the entry still waits for the manager's account.

    If the remembered account no longer exists or belongs to another employee, the entry forgets it, so that no report
    gets it as manager. The reason says so.
    """
    is_unproven = trail.owned_id is None and trail.estranged is None
    is_forgotten = entry.account_id is not None and is_unproven and bool(trail.notes)
    account = trail.owned_id or (None if is_forgotten else entry.account_id)
    reason = "; ".join([result.reason, *trail.notes])
    event = build_outcome(request, Outcome.REJECTED, now, account_id=account, reason=reason, field=result.field)
    return entry.model_copy(
        update={
            "decided": event,
            "applied": None,
            "account_id": account,
            "created_at": _find_creation(entry, account),
            "enabled": None if is_forgotten else entry.enabled,
            # another field may be refused, and the reports name their manager by what the account shows
            "external_id": trail.shown_external_id or entry.external_id,
            **_record_marks(request, entry, trail, now, is_create_sent=is_create_sent),
            "manager": manager.link if request.desired else entry.manager,
            "look_at": look_at,
            **_clear(request, entry),
            "blocked_by": result.blocked_by,
            "blocked_name": request.desired.user_name if result.blocked_by and request.desired else None,
        }
    )


def record_waiting(
    request: AccountRequested,
    entry: LedgerEntry,
    cause: WaitingCause,
    trail: Trail,
    now: datetime,
    look_at: datetime | None,
    manager: WantedManager,
    *,
    is_create_sent: bool,
) -> LedgerEntry:
    """Returns the entry of a change that waits: without an outcome, and the account's content is no longer known."""
    more: dict[str, object] = {"user_name": trail.temporary_name} if trail.has_stepped_aside else {}
    if cause is WaitingCause.MANAGER_PENDING:
        more["manager"] = manager.link  # the writer that creates the manager's account finds the reports by it
    more |= _record_brake(request, entry, cause, trail)
    account = trail.owned_id or entry.account_id
    return entry.model_copy(
        update={
            "waiting": build_waiting(request, cause, now, entry.waiting),
            "applied": None,
            "account_id": account,
            "created_at": _find_creation(entry, account),
            **_record_marks(request, entry, trail, now, is_create_sent=is_create_sent),
            **more,
            "look_at": look_at,
        }
    )


def _record_brake(
    request: AccountRequested, entry: LedgerEntry, cause: WaitingCause, trail: Trail
) -> dict[str, object]:
    """Returns what the brake has answered. What it has allowed is not counted again when the change is retried."""
    if trail.is_disabling_allowed:
        return {"is_disabling_held": False, "disabling_allowed_from": entry.disabling_allowed_from or request.revision}
    if cause is WaitingCause.DISABLING_HELD:
        return {"is_disabling_held": True, "verify": False}  # the account was looked up just now
    return {"is_disabling_held": entry.is_disabling_held and request.intent is Intent.DISABLE}


def _record_marks(
    request: AccountRequested, entry: LedgerEntry, trail: Trail, now: datetime, *, is_create_sent: bool
) -> dict[str, object]:
    """Returns external id and user names of the account that this change has created, or may have created."""
    if request.desired is None:
        return {}
    if trail.is_created:
        marks = {"external_id": request.desired.external_id, "user_name": request.desired.user_name}
        return {**marks, "created_at": now}
    if not is_create_sent:
        return {}
    names = tuple(dict.fromkeys((*entry.attempted_names, request.desired.user_name)))[-MAX_ATTEMPTED_NAMES:]
    return {"attempted": request.desired.external_id, "attempted_names": names, "suspected_since": None}


def _find_creation(entry: LedgerEntry, account: AccountId | None) -> datetime | None:
    """Returns when the sync created the account, if it is the one that the entry remembers."""
    return entry.created_at if account is not None and account == entry.account_id else None


def _close_manager_link(entry: LedgerEntry) -> ManagerLink | None:
    """Returns the manager of a disabled account: it stays, but no longer waits for the manager's account."""
    return entry.manager if entry.manager and entry.manager.account_id else None
