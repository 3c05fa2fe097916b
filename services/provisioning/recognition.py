"""Recognises the account of an employee by what it shows: user name, names, external id, privileges and age. Pure."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

from services.contracts.addresses import fold_address
from services.provisioning import paths
from services.provisioning.calls import Resource
from services.provisioning.desired import hash_value
from services.provisioning.privileges import is_privileged, list_privileges
from services.provisioning.states import Goal, Work, get_external_id, get_folded_name, is_enabled

CLOCK_TOLERANCE = timedelta(hours=1)
"""Maximum difference between the clocks of the server and of this system."""


def hash_account(live: Resource) -> str:
    """Returns the hash of what an administrator decides about: the person, the external id, access and privileges."""
    names = (paths.read(live.body, path) for path in ("name.givenName", "name.familyName"))
    shown = [fold_text(name) if isinstance(name, str) else "" for name in names]
    address = get_folded_name(live)
    return hash_value(
        [live.id, address, *shown, get_external_id(live), is_enabled(live), sorted(list_privileges(live))]
    )


def has_our_mark(goal: Goal, live: Resource) -> bool:
    """Returns whether the account has our external id, or the employee's user name if it has no external id."""
    external_id, name = get_external_id(live), paths.read(live.body, "userName")
    if external_id:
        return external_id in goal.our_external_ids
    known = {fold_address(known) for known in (goal.user_name, goal.last_user_name) if known}
    return isinstance(name, str) and fold_address(name) in known


def fits_person(goal: Goal, live: Resource) -> bool:
    """Returns whether an account shows the employee's e-mail address or names.

    With the employee's external id, one name is enough, unless the external id consists of digits alone: that may be the
    number of another system, and first or last names are shared by many.
    """
    identity = goal.identity
    name = paths.read(live.body, "userName")
    known = {fold_address(known) for known in (goal.user_name, goal.last_user_name, *goal.attempted_names) if known}
    if identity is not None and identity.user_name:
        known.add(fold_address(identity.user_name))
    external_id = get_external_id(live)
    is_distinctive = external_id in {goal.external_id, *goal.our_external_ids} and not external_id.isdecimal()
    fits_names = _fits_a_name if is_distinctive else fits_both_names
    return (isinstance(name, str) and fold_address(name) in known) or fits_names(goal, live)


def fits_both_names(goal: Goal, live: Resource) -> bool:
    """Returns whether both names of the account are the employee's."""
    return all(_compare_names(goal, live))


def _fits_a_name(goal: Goal, live: Resource) -> bool:
    """Whether the first or the last name of the account is the employee's."""
    return any(_compare_names(goal, live))


def is_made_by_create(work: Work, live: Resource) -> bool:
    """Returns whether a create without an answer can have made an account without external id.

    No create makes a disabled or privileged account. If a create was not noted, but an earlier writer may have sent one,
    the account must also be younger than the request.
    """
    since = None if work.trail.is_name_sent else work.goal.suspected_since
    return (
        not get_external_id(live)
        and _has_sent_name(work.goal, live)
        and is_enabled(live)
        and not is_privileged(live)
        and _contradicts_no_name(work.goal, live)
        and (since is None or _was_created_since(live, since - CLOCK_TOLERANCE))
    )


def _has_sent_name(goal: Goal, live: Resource) -> bool:
    """Whether the account has the wanted user name, or one that a create may have sent."""
    sent = {fold_address(name) for name in (goal.user_name, *goal.attempted_names) if name}
    return get_folded_name(live) in sent


def is_made_later(goal: Goal, live: Resource) -> bool:
    """Returns whether the account was created after the one that the ledger remembers: the server gave the id out again."""
    known = goal.created_at
    return known is not None and _was_created_since(live, known + CLOCK_TOLERANCE)


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
    """Returns the form in which names are compared: composed characters, lowercase, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def fits_link(goal: Goal, live: Resource) -> bool:
    """Returns whether an account with the employee's e-mail address may be linked without a decision about it."""
    return not list_doubts(goal, live)


def list_doubts(goal: Goal, live: Resource) -> tuple[str, ...]:
    """Returns why an account with the employee's e-mail address may not be linked without a decision, for an administrator."""
    doubts = {
        "it has another user name": not has_wanted_name(goal, live),
        "it is disabled": not is_enabled(live),
        "it has another external id": bool(get_external_id(live)),
        "it has a role": is_privileged(live),
        "it has another name": not _fits_a_name(goal, live),
    }
    return tuple(doubt for doubt, is_present in doubts.items() if is_present)


def has_wanted_name(goal: Goal, live: Resource) -> bool:
    """Returns whether the account has the wanted user name. An address beside it may be that of a relative."""
    name = goal.user_name
    return name is not None and get_folded_name(live) == fold_address(name)
