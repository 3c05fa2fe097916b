"""What a first import would do with one employee and the accounts that exist. Pure: the same rules as a settlement."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from services.contracts.addresses import fold_address
from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountRequested
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent
from services.provisioning import paths
from services.provisioning.calls import Resource
from services.provisioning.desired import DISABLED
from services.provisioning.goal import build_desired_state, build_goal
from services.provisioning.recognition import fits_link, fits_person
from services.provisioning.states import Goal, get_external_id


class Prospect(StrEnum):
    """What a first import does with one employee."""

    CREATED = "created"
    """A new account is created."""
    FOUND = "found"
    """The account has the employee's external id already, and e-mail address or name fit: it is updated."""
    FITTING = "fitting"
    """An account has the e-mail address, is enabled, has no external id and no role, and a name fits: it can be linked."""
    UNCLEAR = "unclear"
    """An account has the e-mail address or the external id, and does not fit: an administrator decides about it."""
    DISABLED = "disabled"
    """The employee has left and the account has the external id: it is disabled."""
    LEFT_ALONE = "left-alone"
    """The employee's status asks for no account."""
    REJECTED = "rejected"
    """The employee's data does not fit the mapping."""

    @property
    def text(self) -> str:
        """What happens, for an administrator."""
        return _TEXTS[self]


_TEXTS: dict[Prospect, str] = {
    Prospect.CREATED: "new accounts are created",
    Prospect.FOUND: "accounts that already have the employee's external id are updated",
    Prospect.FITTING: "accounts exist with the employee's e-mail address and name, and can be linked",
    Prospect.UNCLEAR: "accounts exist that need a decision each: they stay as they are until `links accept` or `links refuse`",
    Prospect.DISABLED: "accounts of leavers are disabled",
    Prospect.LEFT_ALONE: "employees get no account, because of their status",
    Prospect.REJECTED: "employees are rejected, because their data does not fit the mapping",
}


def preview(
    request: AccountRequested, by_external_id: Sequence[Resource], by_user_name: Sequence[Resource]
) -> tuple[Prospect, Resource | None]:
    """Returns what a first import does with an employee, and the account that exists; None without one.

    ``by_external_id`` and ``by_user_name`` are the accounts with the employee's external id and e-mail address.
    """
    if request.intent is Intent.REJECT:
        return Prospect.REJECTED, None
    desired = build_desired_state(request, None)
    if desired is None:
        return Prospect.LEFT_ALONE, None
    goal = _build_goal(request)
    if by_external_id:
        live = by_external_id[0]
        is_clear = len(by_external_id) == 1 and fits_person(goal, live)
        fitting = Prospect.DISABLED if desired == DISABLED else Prospect.FOUND
        return fitting if is_clear else Prospect.UNCLEAR, live
    if desired == DISABLED:
        return Prospect.LEFT_ALONE, None
    if by_user_name:
        live = by_user_name[0]
        is_clear = len(by_user_name) == 1 and fits_link(goal, live)
        return Prospect.FITTING if is_clear else Prospect.UNCLEAR, live
    return Prospect.CREATED, None


def _build_goal(request: AccountRequested) -> Goal:
    entry = LedgerEntry(connection_id=request.connection_id, employee_id=request.employee_id)
    desired = build_desired_state(request, None) or DISABLED
    return build_goal(
        request,
        entry,
        desired,
        skipped=frozenset(),
        policy=LinkPolicy.ASK,
        is_suspect=False,
        created_after=datetime.min.replace(tzinfo=UTC),
    )


class AccountsByMark:
    """Accounts of a server by external id and by user name, each without the attributes that a preview does not need."""

    KEPT = ("id", "externalId", "userName", "active", "name", "roles", "entitlements")
    """The attributes that are kept."""

    def __init__(self) -> None:
        """Starts empty."""
        self.count = 0
        self._by_external_id: dict[str, list[Resource]] = {}
        self._by_user_name: dict[str, list[Resource]] = {}

    def add(self, listed: Resource) -> None:
        """Adds an account as a list shows it."""
        kept = {name: value for name in self.KEPT if (value := paths.read(listed.body, name)) is not None}
        live = Resource(listed.id, kept)
        self.count += 1
        for index, key in (
            (self._by_external_id, get_external_id(live)),
            (self._by_user_name, fold_address(str(kept.get("userName", "")))),
        ):
            if key and all(other.id != live.id for other in index.get(key, ())):
                index.setdefault(key, []).append(live)

    def find(self, request: AccountRequested) -> tuple[list[Resource], list[Resource]]:
        """Returns the accounts with the external id and with the e-mail address of a request."""
        identity = request.desired or request.identity
        if identity is None:
            return [], []
        by_user_name = self._by_user_name.get(fold_address(identity.user_name or ""), [])
        return self._by_external_id.get(identity.external_id, []), by_user_name
