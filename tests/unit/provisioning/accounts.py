"""The desired state and the live account of one employee, for the tests of this folder."""

from dataclasses import replace
from typing import Any

from services.contracts.events import ManagerReference
from services.contracts.ids import AccountId
from services.contracts.values import Value
from services.provisioning.calls import Found, Resource, Written
from services.provisioning.desired import DesiredState, build_enabled_state
from services.provisioning.manager import ManagerAccount
from tests.support.builders import NO_MANAGER, make_desired_account

EMAIL = "e7@nordlicht.example"
BOSS = ManagerAccount(AccountId("99"), "3")


def build_state(
    fields: dict[str, Value] | None = None,
    *,
    reference: ManagerReference | None = NO_MANAGER,
    manager: ManagerAccount | None = None,
) -> DesiredState:
    """Returns Ada's desired state. ``reference`` is the wanted manager, ``manager`` the account of that manager."""
    return build_enabled_state(
        make_desired_account("7", fields=fields or {"name.givenName": "Ada"}, manager=reference), manager
    )


def build_live(**changes: Any) -> dict[str, Any]:
    """Returns Ada's account as a server shows it, with these changes."""
    body: dict[str, Any] = {
        "id": "u1",
        "externalId": "7",
        "userName": EMAIL,
        "active": True,
        "name": {"givenName": "Ada"},
        "emails": [{"type": "work", "value": EMAIL, "primary": True}],
    }
    return body | changes


def build_account(uid: str = "u1", etag: str | None = None, /, **changes: Any) -> Resource:
    """Returns Ada's account with the desired content, except for the changes; None removes an attribute."""
    body = {name: value for name, value in build_live(id=uid, **changes).items() if value is not None}
    return Resource(AccountId(uid), body, etag)


def find(*accounts: Resource) -> Found:
    """Returns the answer of a lookup that finds these accounts."""
    return Found(accounts)


def find_listed(*accounts: Resource) -> Found:
    """Returns the answer of a lookup that may show less of these accounts than a read."""
    return Found(tuple(replace(account, is_listed=True) for account in accounts))


OLD_NAME = build_account(name={"givenName": "A."})
"""Ada's account with another first name."""
FREE = build_account(externalId=None)
"""An account with the employee's user name and first name, and without an external id."""
MARKED = Written(build_account())
"""The answer to a write that shows Ada's account with the desired content."""
