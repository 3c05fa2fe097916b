"""Creates that may have made an account that the ledger does not know: how an entry notes them, and what a search has found."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountRequested
from services.contracts.ledger import LedgerEntry
from services.provisioning import paths
from services.provisioning.calls import Resource
from services.provisioning.desired import DesiredState
from services.provisioning.goal import build_goal
from services.provisioning.records import MAX_ATTEMPTED_NAMES
from services.provisioning.states import Goal, get_external_id, is_enabled


def note_suspects(entry: LedgerEntry, suspects: Sequence[AccountRequested]) -> LedgerEntry:
    """Returns the entry with the user names with which an earlier writer may have created an account without noting it."""
    creates = [(request, request.desired) for request in suspects if request.desired is not None]
    names = dict.fromkeys(desired.user_name for _, desired in creates)
    unnoted = tuple(name for name in names if name not in entry.attempted_names)
    if entry.account_id is not None or not unnoted:
        return entry
    since = [request.detected_at for request, _ in creates] + [time for time in (entry.suspected_since,) if time]
    return entry.model_copy(
        update={
            "attempted": entry.attempted or creates[-1][1].external_id,
            "attempted_names": (*entry.attempted_names, *unnoted)[-MAX_ATTEMPTED_NAMES:],
            "suspected_since": min(since),
        }
    )


def build_search(request: AccountRequested, entry: LedgerEntry, now: datetime) -> Goal | None:
    """Returns the goal to find an account that an earlier create may have made, for a request that needs no account.

    Nothing is written to it. None if no look is due, or no create is in doubt.
    """
    if not entry.verify or entry.account_id is not None or not entry.attempted_names:
        return None
    goal = build_goal(
        request,
        entry,
        DesiredState(()),
        skipped=frozenset(),
        policy=LinkPolicy.ASK,
        is_suspect=False,
        created_after=now,
    )
    return replace(goal, user_name=None, attempted_names=entry.attempted_names)


def note_found(entry: LedgerEntry, live: Resource | None, look_at: datetime | None) -> LedgerEntry:
    """Returns the entry with the account that a search has found: the employee's reports can name it as manager.

    Without one, ``live`` stays empty, and then nothing is left to search for, unless a lookup is due at ``look_at``.
    """
    if live is None and look_at is not None:
        return entry
    done: dict[str, object] = {"attempted": None, "attempted_names": (), "suspected_since": None}
    if live is None:
        return entry.model_copy(update=done)
    name = paths.read(live.body, "userName")
    return entry.model_copy(
        update={
            "account_id": live.id,
            "external_id": get_external_id(live) or entry.attempted,
            "user_name": name if isinstance(name, str) else None,
            "enabled": is_enabled(live),
            **done,
        }
    )
