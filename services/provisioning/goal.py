"""Builds the goal of a reconciliation from a request and the ledger entry."""

from datetime import datetime, timedelta

from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountIdentity, AccountRequested
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent
from services.provisioning.desired import DISABLED, DesiredState, build_enabled_state, hash_value
from services.provisioning.manager import ManagerAccount
from services.provisioning.states import Goal

REFUSAL_LIFETIME = timedelta(days=7)
"""Time after which a refused field is tried again, even if nothing has changed."""
_NAMES = {"given_name": "name.givenName", "family_name": "name.familyName"}
"""SCIM paths of the names in ``AccountIdentity``."""


def build_desired_state(request: AccountRequested, manager: ManagerAccount | None) -> DesiredState | None:
    """Returns what the account must have; None if the request asks for no content.

    ``manager`` is the account of the wanted manager; None if the manager has none yet.
    """
    match request.intent:
        case Intent.PROVISION if request.desired is not None:
            return build_enabled_state(request.desired, manager)
        case Intent.DISABLE:
            return DISABLED
    return None


def build_goal(
    request: AccountRequested,
    entry: LedgerEntry,
    desired: DesiredState,
    *,
    skipped: frozenset[str],
    policy: LinkPolicy,
    is_suspect: bool,
    created_after: datetime,
) -> Goal:
    """Returns what a reconciliation must reach, and how it can recognise the account.

    ``skipped`` are the refused fields that are not due. An account that was created after ``created_after`` may not be
    shown by lookups yet.
    """
    identity = _build_identity(request, entry)
    user_name = request.desired.user_name if request.desired else None
    # a create that is only suspected does not prove that an account with its external id is ours
    attempted = entry.attempted if entry.suspected_since is None else None
    sent = frozenset(external_id for external_id in (entry.external_id, attempted) if external_id)
    wanted = {identity.external_id} if identity else set[str]()
    return Goal(
        desired,
        identity=identity,
        account_id=entry.account_id,
        user_name=user_name,
        attempted_names=tuple(name for name in entry.attempted_names if name != user_name),
        is_name_attempted=user_name in entry.attempted_names,
        suspected_since=entry.suspected_since,
        our_external_ids=frozenset(sent | wanted) if sent or request.desired else frozenset(),
        sent_external_ids=sent,
        last_user_name=entry.user_name,
        is_spelling_sent=user_name is not None and user_name in {entry.user_name, *entry.attempted_names},
        created_at=entry.created_at,
        is_recently_created=entry.created_at is not None and entry.created_at > created_after,
        is_create_outstanding=entry.look_at is not None,
        is_create_suspected=is_suspect,
        needs_fresh_lookup=is_suspect or entry.verify or bool(entry.attempted_names) or entry.look_at is not None,
        skipped=skipped & frozenset(desired.paths),
        policy=policy,
    )


def _build_identity(request: AccountRequested, entry: LedgerEntry) -> AccountIdentity | None:
    """Returns what identifies the employee's account. An external id that a write has sent takes precedence."""
    if request.desired is not None:
        names = {name: request.desired.fields.get(path) for name, path in _NAMES.items()}
        texts = {name: value for name, value in names.items() if isinstance(value, str)}
        return AccountIdentity(external_id=request.desired.external_id, user_name=request.desired.user_name, **texts)
    known = entry.external_id or entry.attempted
    if known is None or request.identity is None:
        return request.identity if known is None else AccountIdentity(external_id=known)
    return request.identity.model_copy(update={"external_id": known})


def find_due_refusals(
    request: AccountRequested, entry: LedgerEntry, desired: DesiredState | None, schema: str | None, now: datetime
) -> frozenset[str]:
    """Returns the refused fields to try again: mapping, value or the server's schemas changed, or a week has passed."""
    if desired is None:
        return frozenset()
    values = dict(desired.fields)
    return frozenset(
        field.path
        for field in entry.refused
        if field.path in values
        and (
            field.value != hash_value(values[field.path])
            or field.mapping_version != request.mapping_version
            or (schema is not None and field.schema_hash != schema)
            or now - field.tried_at >= REFUSAL_LIFETIME
        )
    )
