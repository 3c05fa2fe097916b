"""The reconciliation of one account: finds it, creates it or writes the difference, until a lookup shows the desired content.

A generator without I/O: it yields the calls and questions of ``calls`` and receives the replies. Whether a write happened
is never guessed from a missing answer; a lookup tells.
"""

from dataclasses import replace

from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.attempts import FAILED
from services.provisioning.calls import AskBrake, Braked, Resource, Steps
from services.provisioning.confirmation import AccountGoneError
from services.provisioning.creating import create
from services.provisioning.desired import IDENTITY, OPTIONAL
from services.provisioning.lookup import find_account
from services.provisioning.server import CONFLICTS, get_kind
from services.provisioning.states import (
    NOT_STORED,
    EndedError,
    Goal,
    Inconclusive,
    Rejected,
    Result,
    Settled,
    Trail,
    Work,
    get_external_id,
    is_enabled,
)
from services.provisioning.writing import update

_NAMES = {"userName": "user name"}
"""Names of fields for an administrator, where they differ from the SCIM path."""
MAX_ROUNDS = 3
"""Number of times that the reconciliation starts with the lookup. It starts over if the account disappeared before a write."""


def reconcile(work: Work) -> Steps[Result]:
    """Reconciles the account and returns the result. The trail holds what was done, even if the caller stops early."""
    try:
        live = yield from _reach(work)
    except EndedError as ended:
        return ended.result
    if live is None:
        return Settled(Outcome.OUT_OF_SCOPE, None)
    return _judge(work, live)


def _reach(work: Work) -> Steps[Resource | None]:
    """Returns the account with every field that can be written; None without one, if the request creates no account."""
    trail = work.trail
    for _ in range(MAX_ROUNDS):
        live = yield from find_account(work)
        if live is None and work.goal.user_name is None:
            return None
        try:
            if live is None:
                live = yield from create(work)
            trail.owned_id = live.id
            if trail.was_enabled is None:
                trail.was_enabled = is_enabled(live)
            if work.goal.is_disable:
                yield from _ask_brake(work, live)
            live = yield from update(work, live)
        except AccountGoneError:
            if trail.is_created:
                raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)) from None
            work = replace(work, goal=replace(work.goal, account_id=None))
            trail.owned_id = None
            continue
        trail.owned_id = live.id
        return live
    raise EndedError(Inconclusive())


def _ask_brake(work: Work, live: Resource) -> Steps[None]:
    """Asks whether an enabled account may be disabled. An account that is disabled already does not count.

    Raises ``EndedError`` if an administrator has to decide.
    """
    if work.trail.is_disabling_allowed or not work.find_remaining(live).fields:
        return
    answer = yield AskBrake()
    if not isinstance(answer, Braked):
        raise TypeError(f"{type(answer).__name__} does not answer AskBrake")
    if answer.is_held:
        raise EndedError(Inconclusive(WaitingCause.DISABLING_HELD))
    work.trail.is_disabling_allowed = True


def _judge(work: Work, live: Resource) -> Result:
    """Returns the result for an account that was written as far as the server allows."""
    goal, trail = work.goal, work.trail
    trail.shown_external_id = get_external_id(live) or None
    refused = [path for path in goal.desired.paths if path in trail.refused and path in IDENTITY - OPTIONAL]
    if refused:
        return _judge_identity(refused[0], trail.refused[refused[0]], live)
    if trail.blocked is not None:
        return trail.blocked
    return Settled(_determine_outcome(goal, trail), live.id, live)


def _judge_identity(path: str, code: str, live: Resource) -> Result:
    """Returns the result for a refused field without which the account is not the employee's, or keeps its access."""
    if code == FAILED:
        return Inconclusive(WaitingCause.FAILING_ACCOUNT)
    if path == "active" and code in CONFLICTS:
        return Rejected(
            f"account {live.id} cannot be enabled or disabled, Declaree does not allow the change ({code}): make another "
            "account an administrator if this is the last administrator, or change it in Declaree by hand",
            path,
        )
    if path == "active":
        fact = "confirms the change but does not make it" if code == NOT_STORED else f"refuses the change ({code})"
        return Rejected(
            f"account {live.id} cannot be enabled or disabled, Declaree {fact}: change it in Declaree by hand", path
        )
    if get_kind(code) == "mutability" or (path == "userName" and code == NOT_STORED):
        fact = (
            "confirms a change of it but does not make it" if code == NOT_STORED else f"allows no change of it ({code})"
        )
        return Rejected(
            f"account {live.id} keeps its {_NAMES.get(path, path)}, Declaree {fact}: "
            "change it in Declaree by hand, or enter the former value in Personio",
            path,
        )
    fact = "does not store the value" if code == NOT_STORED else f"refuses the value ({code})"
    return Rejected(f"account {live.id} cannot get its {path}, Declaree {fact}: correct it in Personio", path)


def _determine_outcome(goal: Goal, trail: Trail) -> Outcome:
    if (trail.refused.keys() | goal.skipped) - OPTIONAL:
        return Outcome.INCOMPLETE
    if trail.is_created:
        return Outcome.CREATED
    if goal.is_disable:
        return Outcome.DISABLED
    if trail.is_linked:
        return Outcome.LINKED
    if not trail.written:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if trail.was_enabled else Outcome.ENABLED
