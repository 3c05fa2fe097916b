"""Finds the account of one employee: by the remembered id, then by our external id, then by user name.

An answer proves no more than it shows. An account with another id than the requested one does not count. A 404 counts only if
the SCIM server itself sent it. A list may show an account without most of its attributes.
"""

from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId
from services.contracts.outcomes import WaitingCause
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, Missing, Pause, ReadAccount, Refused, Resource, Steps
from services.provisioning.ownership import ask_ownership, ensure_ours, ensure_ours_by_name
from services.provisioning.states import EndedError, Inconclusive, Rejected, Work, get_external_id

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
    return None


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


def read_account(account: AccountId) -> Steps[Resource | None]:
    """Reads one account; returns None if the SCIM server does not have it.

    Raises ``EndedError`` if the answer shows another account, or does not come from the SCIM server.
    """
    match (yield ReadAccount(account)):
        case Found((resource,)) if resource.id == account:
            return resource
        case Missing(is_certain=True):
            return None
    raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN))


def _read_remembered(work: Work, account: AccountId) -> Steps[Resource | None]:
    """Returns the account that the ledger remembers; None if it no longer exists, or belongs to another employee now.

    A 404 that proves nothing is noted in the trail. Raises ``EndedError`` for any other answer that proves nothing.
    """
    match (yield ReadAccount(account)):
        case Found((resource,)) if resource.id == account:
            external_id = get_external_id(resource)
            if work.goal.our_external_ids and external_id and external_id not in work.goal.our_external_ids:
                # a restore, or an administrator, has given the id or the account to another employee
                work.trail.notes.append(f"account {account} has the external id of another employee now")
                return None
            if (work.goal.is_disable or not external_id) and (yield from _is_passed_on(resource)):
                work.trail.notes.append(f"account {account} belongs to another employee now")
                return None
            return resource
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


def _is_passed_on(live: Resource) -> Steps[bool]:
    """Whether another employee owns a remembered account: it was taken over, and the entry was not changed in time."""
    ownership = yield from ask_ownership(live)
    return ownership.owner in {"other", "other-connection"}


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
    for live in hits.values():
        if (yield from ensure_ours(work.goal, live)):
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
        for live in hits.values():
            is_ours = yield from ensure_ours_by_name(work, live, is_wanted_name=name == work.goal.user_name)
            if is_ours:
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
    for live in hits.values():  # only our external id counts
        if get_external_id(live) == work.goal.external_id and (yield from ensure_ours(work.goal, live)):
            work.trail.is_linked = True
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
    return fold_address(str(paths.read(live.body, "userName") or "")) == fold_address(name)


def _reject_ambiguous(attribute: str, hits: tuple[AccountId, ...]) -> Rejected:
    reason = f"several accounts have this {attribute} ({', '.join(sorted(hits))}): correct them in Declaree so that only one has it"
    return Rejected(reason, blocked_by=min(hits))
