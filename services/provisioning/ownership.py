"""Judges whether an account is the employee's: by its claim, by a decision, or by what was sent.

An administrator decides about every other account.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from services.contracts.claims import Decision
from services.contracts.connections import LinkPolicy
from services.provisioning.calls import AskOwnership, ClaimAccount, Claimed, Ownership, Resource, Steps
from services.provisioning.privileges import is_privileged
from services.provisioning.reading import read_account
from services.provisioning.recognition import (
    fits_both_names,
    fits_link,
    fits_person,
    has_wanted_name,
    hash_account,
    is_made_by_create,
)
from services.provisioning.states import EndedError, Goal, Rejected, Work, get_external_id

ADDRESS_STEP = "give one of the two employees another e-mail address in Personio"
"""The next step if two employees have one e-mail address."""

Mark: TypeAlias = Literal["e-mail address", "external id"]
"""What an account shares with an employee."""
Verdict: TypeAlias = Resource | Rejected | None
"""The account if it is the employee's, why an administrator has to decide first, or None: the search continues."""


def ensure_ours(goal: Goal, live: Resource) -> Steps[Resource | None]:
    """Claims an account that has our external id. Raises ``EndedError`` if an administrator has to decide first.

    Returns None for a leaver if another employee has taken the account over: nothing is left to disable.
    """
    return (yield from _take(live, lambda shown: _judge_external_id(goal, shown)))


def ensure_ours_by_name(work: Work, live: Resource, *, is_wanted_name: bool) -> Steps[Resource | None]:
    """Claims an account that was found by a user name or e-mail address, if it is the employee's. None if the search continues.

    Raises ``EndedError`` if the account has the wanted address and an administrator has to decide first. An account with
    the user name of a create without an answer may be any employee's: it is skipped.
    """
    return (yield from _take(live, lambda shown: _judge_name(work, shown, is_wanted_name=is_wanted_name)))


def ensure_still_ours(goal: Goal, live: Resource) -> Steps[Resource | None]:
    """Returns the remembered account with an external id of another system, if an administrator decides that it is ours.

    Returns None if the decision is to leave it alone. Raises ``EndedError`` if the decision is open.
    """

    def judge(shown: Resource) -> Steps[Verdict]:
        ownership = yield from ask_ownership(shown)
        if ownership.decision is Decision.LEAVE:
            return None
        if ownership.decision is Decision.LINK or fits_person(goal, shown):
            return (yield from _claim(ClaimAccount(shown.id), shown))
        return _ask_decision(shown, "was the employee's and has another external id, name and address now")

    return (yield from _take(live, judge))


def _take(live: Resource, judge: Callable[[Resource], Steps[Verdict]]) -> Steps[Resource | None]:
    """Returns the account if it is the employee's.

    A list or an index may show less than the account that an administrator decides about: before a question, it is read.
    """
    verdict = yield from judge(live)
    if isinstance(verdict, Rejected) and verdict.asks_about is not None:
        shown = yield from read_account(live.id)
        verdict = None if shown is None else (yield from judge(shown))
    if isinstance(verdict, Rejected):
        raise EndedError(verdict)
    return verdict


def _judge_external_id(goal: Goal, live: Resource) -> Steps[Verdict]:
    ownership = yield from ask_ownership(live)
    if ownership.owner == "self":
        return live
    if ownership.owner == "other" and goal.is_disable:
        return None
    if ownership.owner != "none":
        return _reject_owned(live, ownership, "external id")
    is_known = get_external_id(live) in goal.sent_external_ids or fits_person(goal, live)
    if ownership.decision is Decision.LINK or (is_known and ownership.decision is None):
        return (yield from _claim(ClaimAccount(live.id), live))
    return _ask_unless_refused(live, ownership, "external id", "but another name and e-mail address")


def _judge_name(work: Work, live: Resource, *, is_wanted_name: bool) -> Steps[Verdict]:
    ownership = yield from ask_ownership(live)
    external_id = get_external_id(live)
    if ownership.owner == "self":
        return live
    if ownership.owner == "none" and external_id and external_id == work.goal.external_id:
        return (yield from _judge_external_id(work.goal, live))
    is_back = is_wanted_name and _is_back(work.goal, live, ownership)
    if is_back:
        work.trail.notes.append(
            f"took over account {live.id} from employee {ownership.employee}, the same person by name and e-mail"
        )
    if is_back or _is_given(ownership) or _is_free(work, live, ownership, is_wanted_name=is_wanted_name):
        return (yield from _claim(ClaimAccount(live.id, ownership.employee), live))
    if not is_wanted_name:
        return None
    if ownership.owner != "none":
        return _reject_owned(live, ownership)
    return _ask_unless_refused(live, ownership, "e-mail address", "and the sync does not manage it")


def _is_back(goal: Goal, live: Resource, ownership: Ownership) -> bool:
    """Whether the employee is back under a new employee id. A privileged account is passed on by a decision only."""
    has_left = ownership.owner == "other" and ownership.has_left and ownership.decision is None
    return has_left and has_wanted_name(goal, live) and fits_both_names(goal, live) and not is_privileged(live)


def _is_free(work: Work, live: Resource, ownership: Ownership, *, is_wanted_name: bool) -> bool:
    """Whether an account without owner is the employee's without a decision: by a create of its own, or by the policy."""
    goal = work.goal
    if ownership.owner != "none" or ownership.decision is not None:
        return False
    is_name_sent = goal.is_name_attempted or work.trail.is_name_sent
    if (is_name_sent or not is_wanted_name) and is_made_by_create(work, live):
        return True  # the server keeps no external id: the create that stayed without an answer made the account
    return is_wanted_name and goal.policy is LinkPolicy.BY_EMAIL and fits_link(goal, live)


def _is_given(ownership: Ownership) -> bool:
    """Whether an administrator's decision gives the account to the employee. Only a leaver loses an account by a decision."""
    if ownership.owner == "other":
        return ownership.decision is Decision.HAND_OVER and ownership.has_left
    return ownership.owner == "none" and ownership.decision is Decision.LINK


def judge_blocker(live: Resource) -> Steps[Rejected]:
    """Returns the rejection of an employee with an account that wants the e-mail address of this other account.

    The employee keeps the account, so there is nothing to decide: the address must become free.
    """
    ownership = yield from ask_ownership(live)
    if ownership.owner == "none":
        reason = (
            f"account {live.id} has this e-mail address, and the sync does not manage it: "
            "give it another address in Declaree, or give the employee another one in Personio"
        )
        return Rejected(reason, "userName", live.id)
    return _reject_owned(live, ownership, has_account=True)


def ask_ownership(live: Resource, *, foreign_external_id: str | None = None) -> Steps[Ownership]:
    """Asks the writer for the owner of an account, and for what was decided about it as it is shown now."""
    answer = yield AskOwnership(live, foreign_external_id)
    if not isinstance(answer, Ownership):
        raise TypeError(f"{type(answer).__name__} does not answer AskOwnership")
    return answer


def _claim(call: ClaimAccount, live: Resource) -> Steps[Verdict]:
    answer = yield call
    if not isinstance(answer, Claimed):
        raise TypeError(f"{type(answer).__name__} does not answer ClaimAccount")
    return live if answer.is_ours else _reject_owned(live, Ownership("other"))


def _reject_owned(
    live: Resource, ownership: Ownership, mark: Mark = "e-mail address", *, has_account: bool = False
) -> Rejected:
    """Returns the rejection for an account of another employee with this mark of the employee."""
    fact = f"account {live.id} has this {mark} and belongs to"
    if ownership.owner == "other-connection":
        step = "give each connection its own external id prefix" if mark == "external id" else ADDRESS_STEP
        return Rejected(f"{fact} an employee of another connection: {step}", "userName", live.id)
    if not ownership.has_left:
        owner = "another employee" if ownership.employee is None else f"employee {ownership.employee}"
        step = "correct the external id of the account in Declaree" if mark == "external id" else ADDRESS_STEP
        return Rejected(f"{fact} {owner}: {step}", "userName", live.id)
    fact = f"{fact} employee {ownership.employee}, which has left"
    if has_account:
        return Rejected(f"{fact}: give it another address in Declaree", "userName", live.id)
    if ownership.decision is Decision.LEAVE:
        reason = (
            f"{fact}, and an administrator decided to leave it alone: "
            f"remove the {mark} from it in Declaree, or pass it on with `links hand-over`"
        )
        return Rejected(reason, "userName", live.id)
    return Rejected(
        f"{fact}: hand it over with `links hand-over`, or give the account another address in Declaree",
        "userName",
        live.id,
        asks_about=live.id,
        account_hash=hash_account(live),
        former_owner=ownership.employee,
    )


def _ask_unless_refused(live: Resource, ownership: Ownership, mark: Mark, doubt: str) -> Rejected:
    """Returns the rejection for an account without an owner that has this mark of the employee. ``doubt`` says what speaks
    against it.
    """
    if ownership.decision is not Decision.LEAVE:
        return _ask_decision(live, f"has this {mark}, {doubt}")
    reason = (
        f"account {live.id} has this {mark}, and an administrator decided to leave it alone: "
        f"remove the {mark} from it in Declaree, or link it with `links accept`"
    )
    return Rejected(reason, "userName", live.id)


def _ask_decision(live: Resource, fact: str) -> Rejected:
    """Returns the rejection for an account without an owner that an administrator has to decide about."""
    reason = f"account {live.id} {fact}: decide about it with `links accept` or `links refuse`"
    return Rejected(reason, "userName", live.id, asks_about=live.id, account_hash=hash_account(live))
