"""Reads one account, and believes the answer only as far as it goes."""

from services.contracts.ids import AccountId
from services.contracts.outcomes import WaitingCause
from services.provisioning.calls import Found, Missing, ReadAccount, Resource, Steps
from services.provisioning.states import EndedError, Inconclusive


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
