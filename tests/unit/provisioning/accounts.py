"""The desired state and the live account of one employee, for the tests of this folder."""

from typing import Any

from services.contracts.events import ManagerReference
from services.contracts.ids import AccountId
from services.contracts.values import Value
from services.provisioning.desired import DesiredState, build_enabled_state
from tests.support.builders import NO_MANAGER, make_desired_account


def build_state(
    fields: dict[str, Value] | None = None,
    *,
    reference: ManagerReference | None = NO_MANAGER,
    account: AccountId | None = None,
) -> DesiredState:
    """Returns Ada's desired state. ``reference`` is the wanted manager, ``account`` the account of that manager."""
    return build_enabled_state(
        make_desired_account("7", fields=fields or {"name.givenName": "Ada"}, manager=reference), account
    )


def build_live(**changes: Any) -> dict[str, Any]:
    """Returns Ada's account as a server shows it, with these changes."""
    body: dict[str, Any] = {
        "id": "u1",
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        "active": True,
        "name": {"givenName": "Ada"},
        "emails": [{"type": "work", "value": "e7@nordlicht.example", "primary": True}],
    }
    return body | changes
