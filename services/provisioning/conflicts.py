"""Finds out which account has a wanted user name or e-mail address, after the server answered with a conflict."""

from services.contracts.addresses import fold_address
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, Resource, Steps
from services.provisioning.ownership import ask_ownership, judge_blocker
from services.provisioning.states import Rejected, Work

UNKNOWN_CONFLICT = Rejected(
    "another account has this user name, e-mail address or external id (409): look for it in Declaree", "userName"
)
"""A conflict with an account that cannot be found."""


class AddressExchangeError(Exception):
    """The account must give up its address first: employees that exchange their addresses block each other."""


def resolve_conflict(work: Work, blocker: Resource | None) -> Steps[None]:
    """Notes why the wanted address cannot be written, so that all other fields can. ``blocker`` is the account that has it.

    Raises ``AddressExchangeError`` if the owner of that account waits for the address of this account.
    """
    if blocker is None:
        work.trail.blocked = UNKNOWN_CONFLICT
        return
    ownership = yield from ask_ownership(blocker)
    if ownership.is_circular and not work.trail.has_stepped_aside:
        work.trail.has_stepped_aside = True
        raise AddressExchangeError
    work.trail.blocked = yield from judge_blocker(blocker)


def find_blocker(work: Work, live: Resource | None) -> Steps[Resource | None]:
    """Returns the other account that has the wanted user name or e-mail address; None if no lookup shows it."""
    wanted = work.goal.user_name
    if wanted is None:
        return None
    for attribute in ("userName", "emails.value"):
        answer = yield FindAccounts(attribute, wanted, is_fresh=True)
        for account in answer.resources if isinstance(answer, Found) else ():
            is_other = live is None or account.id != live.id
            if is_other and fold_address(wanted) in map(fold_address, paths.list_addresses(account.body)):
                return account
    return None
