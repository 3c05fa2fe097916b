"""Judges whether an account is the employee's: by its claim, by a decision, or by what was sent.

An administrator decides about every other account.
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Any, Literal

from services.contracts.addresses import fold_address
from services.contracts.claims import Decision
from services.contracts.connections import LinkPolicy
from services.provisioning import paths
from services.provisioning.calls import AskOwnership, ClaimAccount, Claimed, Ownership, Resource, Steps
from services.provisioning.states import EndedError, Goal, Rejected, Work, get_external_id, is_enabled

UNPRIVILEGED = frozenset({"", "user", "employee", "member", "false"})
"""Values of ``roles`` and ``entitlements``, in lowercase, that give no privilege. Every other value counts as one."""
ADDRESS_STEP = "give one of the two employees another e-mail address in Personio"
"""The next step if two employees have one e-mail address."""
CLOCK_TOLERANCE = timedelta(hours=1)
"""Maximum difference between the clocks of the server and of this system."""


def ensure_ours(goal: Goal, live: Resource) -> Steps[bool]:
    """Claims an account that has our external id. Raises ``EndedError`` if an administrator has to decide first.

    Returns False for a leaver if another employee has taken the account over: nothing is left to disable.
    """
    ownership = yield from ask_ownership(live)
    if ownership.owner == "self":
        return True
    if ownership.owner == "other" and goal.is_disable:
        return False
    if ownership.owner in {"other", "other-connection"}:
        raise EndedError(_reject_owned(live, ownership, "external id"))
    is_known = get_external_id(live) in goal.sent_external_ids or fits_person(goal, live)
    if ownership.decision is Decision.LINK or (is_known and ownership.decision is None):
        yield from _claim(ClaimAccount(live.id), live)
        return True
    raise EndedError(_ask_decision(live, ownership, "external id"))


def ensure_ours_by_name(work: Work, live: Resource, *, is_wanted_name: bool) -> Steps[bool]:
    """Claims an account that was found by a user name, if it is the employee's. Returns False if the search continues.

    Raises ``EndedError`` if the account has the wanted user name and an administrator has to decide first. An account with
    the user name of a create without an answer may be any employee's: it is skipped.
    """
    goal, trail = work.goal, work.trail
    ownership = yield from ask_ownership(live)
    external_id = get_external_id(live)
    if ownership.owner == "self" or (ownership.owner == "none" and external_id and external_id == goal.external_id):
        yield from _claim(ClaimAccount(live.id), live)
        return True
    if _is_given(ownership):
        yield from _claim(ClaimAccount(live.id, ownership.employee), live)
        return True
    if not is_wanted_name or goal.is_name_attempted or trail.is_name_sent:
        if ownership.owner == "none" and _is_made_by_create(work, live):
            # the server keeps no external id: the create that stayed without an answer made the account
            yield from _claim(ClaimAccount(live.id), live)
            return True
        if not is_wanted_name:
            return False
    if ownership.owner == "other" and ownership.has_left and _fits_both_names(goal, live):
        # the employee is back under a new employee id
        trail.notes.append(
            f"took over account {live.id} from employee {ownership.employee}, the same person by name and e-mail"
        )
        yield from _claim(ClaimAccount(live.id, ownership.employee), live)
        return True
    if ownership.owner != "none":
        raise EndedError(_reject_owned(live, ownership))
    if ownership.decision is None and goal.policy is LinkPolicy.BY_EMAIL and fits_link(goal, live):
        yield from _claim(ClaimAccount(live.id), live)
        return True
    raise EndedError(_ask_decision(live, ownership, "e-mail address"))


def _is_given(ownership: Ownership) -> bool:
    """Whether an administrator's decision gives the account to the employee. Only a leaver loses an account by a decision."""
    if ownership.owner == "other":
        return ownership.decision is Decision.HAND_OVER and ownership.has_left
    return ownership.owner == "none" and ownership.decision in {Decision.LINK, Decision.HAND_OVER}


def judge_blocker(live: Resource, *, has_account: bool) -> Steps[Rejected]:
    """Returns the rejection of an employee that wants the e-mail address of this account.

    An employee that has an account keeps it: then there is nothing to decide, and the address must become free.
    """
    ownership = yield from ask_ownership(live)
    if ownership.owner == "none" and not has_account:
        return _ask_decision(live, ownership, "e-mail address")
    if ownership.owner == "none":
        reason = (
            f"account {live.id} has this e-mail address, and the sync does not manage it: "
            "give it another address in Declaree, or give the employee another one in Personio"
        )
        return Rejected(reason, "userName", live.id)
    return _reject_owned(live, ownership, has_account=has_account)


def ask_ownership(live: Resource) -> Steps[Ownership]:
    """Asks the writer for the owner of an account, and for what was decided about it."""
    answer = yield AskOwnership(live.id)
    if not isinstance(answer, Ownership):
        raise TypeError(f"{type(answer).__name__} does not answer AskOwnership")
    return answer


def _claim(call: ClaimAccount, live: Resource) -> Steps[None]:
    answer = yield call
    if not isinstance(answer, Claimed):
        raise TypeError(f"{type(answer).__name__} does not answer ClaimAccount")
    if not answer.is_ours:
        raise EndedError(_reject_owned(live, Ownership("other")))


def _reject_owned(
    live: Resource, ownership: Ownership, mark: str = "e-mail address", *, has_account: bool = False
) -> Rejected:
    """Returns the rejection for an account of another employee with this mark of the employee."""
    fact = f"account {live.id} has this {mark} and belongs to"
    if ownership.owner == "other-connection":
        step = "give each connection its own external id prefix" if mark == "external id" else ADDRESS_STEP
        return Rejected(f"{fact} an employee of another connection: {step}", "userName", live.id)
    if ownership.has_left and has_account:
        reason = f"{fact} employee {ownership.employee}, which has left: give it another address in Declaree"
        return Rejected(reason, "userName", live.id)
    if ownership.has_left:
        reason = (
            f"{fact} employee {ownership.employee}, which has left: "
            "hand it over with `links hand-over`, or give the account another address in Declaree"
        )
        return Rejected(reason, "userName", live.id, asks_about=live.id, is_held_by_leaver=True)
    owner = "another employee" if ownership.employee is None else f"employee {ownership.employee}"
    step = "correct the external id of the account in Declaree" if mark == "external id" else ADDRESS_STEP
    return Rejected(f"{fact} {owner}: {step}", "userName", live.id)


def _ask_decision(live: Resource, ownership: Ownership, mark: Literal["e-mail address", "external id"]) -> Rejected:
    """Returns the rejection for an account without an owner that has this mark of the employee."""
    if ownership.decision is Decision.LEAVE:
        reason = (
            f"account {live.id} has this {mark}, and an administrator decided to leave it alone: "
            f"remove the {mark} from it in Declaree, or link it with `links accept`"
        )
        return Rejected(reason, "userName", live.id)
    by_name = mark == "e-mail address"
    doubt = "and the sync does not manage it" if by_name else "but another name and e-mail address"
    reason = f"account {live.id} has this {mark}, {doubt}: decide about it with `links accept` or `links refuse`"
    return Rejected(reason, "userName", live.id, asks_about=live.id)


# ---------------------------------------------------------------- recognition


def has_our_mark(goal: Goal, live: Resource) -> bool:
    """Returns whether the account has our external id, or the employee's user name if it has no external id."""
    external_id, name = get_external_id(live), paths.read(live.body, "userName")
    if external_id:
        return external_id in goal.our_external_ids
    known = {fold_address(known) for known in (goal.user_name, goal.last_user_name) if known}
    return isinstance(name, str) and fold_address(name) in known


def fits_person(goal: Goal, live: Resource) -> bool:
    """Returns whether the account has the e-mail address or a name of the employee."""
    identity = goal.identity
    name = paths.read(live.body, "userName")
    known = {fold_address(known) for known in (goal.user_name, goal.last_user_name, *goal.attempted_names) if known}
    if identity is not None and identity.user_name:
        known.add(fold_address(identity.user_name))
    return (isinstance(name, str) and fold_address(name) in known) or _fits_a_name(goal, live)


def _fits_both_names(goal: Goal, live: Resource) -> bool:
    """Whether both names of the account are the employee's."""
    return all(_compare_names(goal, live))


def _fits_a_name(goal: Goal, live: Resource) -> bool:
    """Whether the first or the last name of the account is the employee's."""
    return any(_compare_names(goal, live))


def _is_made_by_create(work: Work, live: Resource) -> bool:
    """Whether a create without an answer can have made an account without external id.

    No create makes a disabled or privileged account. If a create was not noted, but an earlier writer may have sent one,
    the account must also be younger than the request.
    """
    since = None if work.trail.is_name_sent else work.goal.suspected_since
    return (
        not get_external_id(live)
        and is_enabled(live)
        and not is_privileged(live)
        and _contradicts_no_name(work.goal, live)
        and (since is None or _was_created_since(live, since - CLOCK_TOLERANCE))
    )


def _was_created_since(live: Resource, since: datetime) -> bool:
    """Whether the server says that the account was created after this time. It is unknown if the server says nothing."""
    created = paths.read(live.body, "meta.created")
    try:
        return isinstance(created, str) and datetime.fromisoformat(created) >= since
    except (ValueError, TypeError):  # not a time, or one without a time zone
        return False


def _contradicts_no_name(goal: Goal, live: Resource) -> bool:
    """Whether no known name of the employee differs from the account's. A name that the mapping does not write is unknown."""
    return False not in _compare_names(goal, live)


def _compare_names(goal: Goal, live: Resource) -> tuple[bool | None, bool | None]:
    """Returns whether first and last name of the account are the employee's; None for a name of the employee that is unknown."""
    identity = goal.identity
    if identity is None:
        return None, None
    given, family = paths.read(live.body, "name.givenName"), paths.read(live.body, "name.familyName")
    return _is_same_name(given, identity.given_name), _is_same_name(family, identity.family_name)


def _is_same_name(live: Any, wanted: str | None) -> bool | None:
    if not wanted:
        return None
    return isinstance(live, str) and fold_text(live) == fold_text(wanted)


def fold_text(text: str) -> str:
    """Returns the form in which names and other texts are compared: composed characters, lowercase, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def fits_link(goal: Goal, live: Resource) -> bool:
    """Returns whether an account with the employee's e-mail address may be linked without a decision about it.

    It is enabled, has no external id and no role that may be a privilege, and the first or last name fits.
    """
    return not list_doubts(goal, live)


def list_doubts(goal: Goal, live: Resource) -> tuple[str, ...]:
    """Returns why an account with the employee's e-mail address may not be linked without a look, for an administrator."""
    doubts = {
        "it is disabled": not is_enabled(live),
        "it has another external id": bool(get_external_id(live)),
        "it has a role": is_privileged(live),
        "it has another name": not _fits_a_name(goal, live),
    }
    return tuple(doubt for doubt, is_present in doubts.items() if is_present)


def is_privileged(live: Resource) -> bool:
    """Returns whether the account has a role or an entitlement that may be a privilege."""
    return any(_list_values(paths.read(live.body, name)) - UNPRIVILEGED for name in ("roles", "entitlements"))


def _list_values(value: Any) -> frozenset[str]:
    entries = value if isinstance(value, list) else [value]
    values = (_name_entry(entry) if isinstance(entry, dict) else entry for entry in entries)
    return frozenset(str(value).strip().lower() for value in values if value is not None)


def _name_entry(entry: dict[str, Any]) -> Any:
    """Returns what names an entry of a list; the entry itself if nothing does, so that it counts as a privilege."""
    members = {name.lower(): value for name, value in entry.items() if value is not None}
    return members.get("value", members.get("display", members or None))
