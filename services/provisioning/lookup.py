"""Finds the account of one employee: by the remembered id, then by our external id, then by user name.

An answer proves no more than it shows. An account with another id than the requested one does not count. A 404 counts only if
the SCIM server itself sent it. A list may show an account without most of its attributes.
"""

from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId
from services.contracts.outcomes import WaitingCause
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, Missing, Pause, ReadAccount, Refused, Resource, Steps
from services.provisioning.ownership import ask_ownership, ensure_ours, ensure_ours_by_name, ensure_still_ours
from services.provisioning.reading import read_account
from services.provisioning.recognition import fits_person, is_made_later
from services.provisioning.states import EndedError, Inconclusive, Rejected, Work, get_external_id, get_folded_name

MAX_EMPTY_LOOKUPS = 3
"""Maximum number of lookups without a hit after a write without an answer. Lookups may lag behind writes."""
MAX_HITS = 20
"""Maximum number of hits of a filter that are processed. More than one is already an error of the server."""


def find_account(work: Work) -> Steps[Resource | None]:
    """Returns the employee's account; None if it does not exist. Raises ``EndedError``."""
    if work.goal.account_id is not None:
        live = yield from _read_remembered(work, work.goal.account_id)
        if live is not None:
            return live
    live = yield from find_by_marks(work, is_fresh=work.goal.needs_fresh_lookup)
    if live is not None:
        return live
    if work.trail.unconfirmed_id is not None:
        raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN))
    return None if work.trail.estranged is None else (yield from ensure_still_ours(work.goal, work.trail.estranged))


def find_by_marks(work: Work, *, is_fresh: bool = False) -> Steps[Resource | None]:
    """Looks up the account by external id and user name. With ``is_fresh``, no index may answer. Raises ``EndedError``."""
    live = yield from _find_by_external_id(work, is_fresh=is_fresh)
    if live is None:
        live = yield from _find_by_user_name(work, is_fresh=is_fresh)
    return live


def find_again(work: Work) -> Steps[Resource | None]:
    """Looks up an account that a create without a usable answer may have made. Raises ``EndedError``."""
    for attempt in range(MAX_EMPTY_LOOKUPS):
        yield Pause(attempt)
        live = yield from find_by_marks(work, is_fresh=True)
        if live is not None:
            return live
    return None


def _read_remembered(work: Work, account: AccountId) -> Steps[Resource | None]:
    """Returns the account that the ledger remembers; None if it no longer exists, or belongs to another employee now.

    A 404 that proves nothing is noted in the trail. Raises ``EndedError`` for any other answer that proves nothing.
    """
    match (yield ReadAccount(account)):
        case Found((resource,)) if resource.id == account:
            return (yield from _check_remembered(work, resource))
        case Missing(is_certain=True):
            if work.goal.is_recently_created:
                raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN))
            work.trail.notes.append(f"account {account} no longer exists in Declaree")
            return None
        case Missing():
            # a gateway's 404: other lookups may still find the account
            work.trail.unconfirmed_id = account
            return None
    raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN))


def _check_remembered(work: Work, live: Resource) -> Steps[Resource | None]:
    """Returns the remembered account if it still is the employee's: the id may lead to another account now."""
    goal, trail = work.goal, work.trail
    external_id = get_external_id(live)
    is_foreign = bool(external_id and goal.our_external_ids and external_id not in goal.our_external_ids)
    ownership = yield from ask_ownership(live, foreign_external_id=external_id if is_foreign else None)
    if ownership.owner in {"other", "other-connection"}:
        # it was taken over, and the entry was not changed in time
        trail.notes.append(f"account {live.id} belongs to another employee now")
        return None
    if ownership.is_marked_for_other:
        trail.notes.append(f"account {live.id} has the external id of another employee now")
        return None
    is_later = external_id not in goal.our_external_ids and is_made_later(goal, live)
    if not (is_foreign or is_later) or fits_person(goal, live):
        return live
    trail.notes.append(
        f"another account has the id {live.id} now" if is_later else f"account {live.id} has another external id now"
    )
    if goal.is_disable or not is_later:
        trail.estranged = live  # clocks may be wrong: a leaver's account is not given up unasked
    return None


def _find_by_external_id(work: Work, *, is_fresh: bool) -> Steps[Resource | None]:
    if not work.goal.external_id:  # an empty one would find the accounts that have none
        return None
    answer = yield FindAccounts("externalId", work.goal.external_id, is_fresh=is_fresh)
    if not isinstance(answer, Found):
        work.trail.can_find_external_id = False  # the lookup by user name follows
        return None
    hits = yield from _complete(answer.resources)
    hits = {account: live for account, live in hits.items() if get_external_id(live) == work.goal.external_id}
    if len(hits) > 1:
        raise EndedError(_reject_ambiguous("external id", tuple(hits)))
    for hit in hits.values():
        live = yield from ensure_ours(work.goal, hit)
        if live is not None:
            work.trail.is_linked = True
            return live
    return None


def _find_by_user_name(work: Work, *, is_fresh: bool) -> Steps[Resource | None]:
    """Looks up the wanted user name, then those of creates without an answer. A leaver has no wanted user name."""
    wanted = () if work.goal.user_name is None else (work.goal.user_name,)
    for name in dict.fromkeys((*wanted, *work.goal.attempted_names)):
        answer = yield FindAccounts("userName", name, is_fresh=is_fresh)
        if isinstance(answer, Refused):
            raise EndedError(
                Rejected(
                    f"Declaree does not accept the user name in a lookup ({answer.text}): "
                    "correct the e-mail address in Personio",
                    "userName",
                )
            )
        if not isinstance(answer, Found):
            continue
        hits = yield from _complete(answer.resources)
        hits = {account: live for account, live in hits.items() if _has_user_name(live, name)}
        if len(hits) > 1:
            if name == work.goal.user_name:
                raise EndedError(_reject_ambiguous("user name", tuple(hits)))
            continue
        for hit in hits.values():
            live = yield from ensure_ours_by_name(work, hit, is_wanted_name=name == work.goal.user_name)
            if live is not None:
                work.trail.is_linked = True
                return live
    return (yield from _find_leaver(work)) if work.goal.is_disable else None


def _find_unconfirmed(work: Work) -> Steps[Resource | None]:
    """Looks up a remembered account of a leaver by its last user name, if only a gateway said that it is missing."""
    if work.trail.unconfirmed_id is None or work.goal.last_user_name is None:
        return None
    answer = yield FindAccounts("userName", work.goal.last_user_name, is_fresh=True)
    hits = answer.resources if isinstance(answer, Found) else ()
    return next((live for live in hits if live.id == work.trail.unconfirmed_id), None)


def _find_leaver(work: Work) -> Steps[Resource | None]:
    """Looks up a leaver's account by other user names, if the lookups by id and external id were not conclusive."""
    live = yield from _find_unconfirmed(work)
    name = work.goal.identity.user_name if work.goal.identity else None
    if live is not None or name is None or work.trail.can_find_external_id:
        return live
    answer = yield FindAccounts("userName", name, is_fresh=True)
    hits = yield from _complete(answer.resources if isinstance(answer, Found) else ())
    for hit in hits.values():  # only our external id counts
        if get_external_id(hit) == work.goal.external_id:
            live = yield from ensure_ours(work.goal, hit)
            work.trail.is_linked = live is not None
            return live
    return None


def _complete(resources: tuple[Resource, ...]) -> Steps[dict[AccountId, Resource]]:
    """Returns the accounts by id, each once. Reads an account that a list shows without what identifies it."""
    complete: dict[AccountId, Resource] = {}
    for resource in resources[:MAX_HITS]:
        live: Resource | None = resource
        if resource.is_listed and not _is_complete(resource):
            live = yield from read_account(resource.id)
        if live is not None:
            complete[live.id] = live
    return complete


def _is_complete(resource: Resource) -> bool:
    """Returns whether a list shows the account with what identifies it."""
    return all(paths.read(resource.body, name) is not None for name in ("userName", "externalId", "active"))


def _has_user_name(live: Resource, name: str) -> bool:
    return get_folded_name(live) == fold_address(name)


def _reject_ambiguous(attribute: str, hits: tuple[AccountId, ...]) -> Rejected:
    reason = f"several accounts have this {attribute} ({', '.join(sorted(hits))}): correct them in Declaree so that only one has it"
    return Rejected(reason, blocked_by=min(hits))
