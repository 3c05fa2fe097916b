"""Predicts what a first import does with one employee and the accounts that exist. Pure: applies the settlement's rules."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from services.provisioning.recognition import fits_person, list_doubts
from services.provisioning.states import Goal, get_external_id, get_folded_name


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
    """The employee's data does not fit the mapping, or the account belongs to an employee of another connection."""

    @property
    def text(self) -> str:
        """What happens, for an administrator."""
        return _TEXTS[self]


_TEXTS: dict[Prospect, str] = {
    Prospect.CREATED: "new accounts are created",
    Prospect.FOUND: "accounts that already have the employee's external id are updated",
    Prospect.FITTING: "existing accounts fit by e-mail address and name, and can be linked",
    Prospect.UNCLEAR: "existing accounts are unclear: they stay as they are until you decide",
    Prospect.DISABLED: "accounts of leavers are disabled",
    Prospect.LEFT_ALONE: "employees get no account, because of their status",
    Prospect.REJECTED: "employees are rejected: the list says why",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a first import does with one employee."""

    prospect: Prospect
    """What happens."""
    account: Resource | None = None
    """The account that exists; None without one."""
    reason: str | None = None
    """Why the employee is rejected or the account is unclear, for an administrator; None for other prospects."""


def preview(
    request: AccountRequested, by_external_id: Sequence[Resource], by_user_name: Sequence[Resource]
) -> Judgement:
    """Returns what a first import does with an employee.

    ``by_external_id`` and ``by_user_name`` are the accounts with the employee's external id and e-mail address.
    """
    if request.intent is Intent.REJECT:
        return Judgement(Prospect.REJECTED, reason=request.reason)
    desired = build_desired_state(request, None)
    if desired is None:
        return Judgement(Prospect.LEFT_ALONE)
    goal = _build_goal(request)
    if by_external_id:
        live, *others = by_external_id
        doubt = _find_doubt_about_mark(goal, live, others)
        clear = Prospect.DISABLED if desired == DISABLED else Prospect.FOUND
        return Judgement(Prospect.UNCLEAR if doubt else clear, live, doubt)
    if desired == DISABLED:
        return Judgement(Prospect.LEFT_ALONE)
    if by_user_name:
        live, *others = by_user_name
        doubts = ("several accounts have this e-mail address",) if others else list_doubts(goal, live)
        return Judgement(Prospect.UNCLEAR if doubts else Prospect.FITTING, live, ", ".join(doubts) or None)
    return Judgement(Prospect.CREATED)


def _find_doubt_about_mark(goal: Goal, live: Resource, others: Sequence[Resource]) -> str | None:
    """Returns why an account with the employee's external id may not be the employee's; None without a doubt."""
    if others:
        return "several accounts have this external id"
    return None if fits_person(goal, live) else "it has this external id, but another name and e-mail address"


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
            (self._by_user_name, get_folded_name(live)),
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
