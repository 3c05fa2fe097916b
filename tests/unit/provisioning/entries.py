"""Ledger entries as the settlement leaves them, and short forms of its functions, for the tests of this folder."""

from datetime import timedelta
from typing import Any

from services.contracts.events import AccountRequested, Version
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning import precedence, settlement
from services.provisioning.desired import DesiredState
from services.provisioning.manager import WantedManager, find_wanted_manager, resolve_manager
from services.provisioning.precedence import Decision
from services.provisioning.reconcile import Rejected, Settled
from tests.support.builders import CONNECTION, NOW

ACCOUNT, BOSS = AccountId("u1"), AccountId("u9")
DOWN = WaitingCause.SERVER_UNAVAILABLE
LATER = NOW + timedelta(minutes=5)
WAITING = Waiting(cause=DOWN, since=NOW, version=Version(2_000, 3))
OTHER_NAME: dict[str, Any] = {"fields": {"name.givenName": "Eva"}}


def build_entry(**changes: Any) -> LedgerEntry:
    """Returns the entry of an employee that is new to the ledger, with these changes."""
    return LedgerEntry.model_validate({"connection_id": CONNECTION, "employee_id": EmployeeId("7")} | changes)


def build_desired(request: AccountRequested, manager: AccountId | None = None) -> DesiredState:
    """Returns the desired state of a request that has one."""
    desired = settlement.build_desired_state(request, manager)
    assert desired is not None
    return desired


def resolve(request: AccountRequested, account: AccountId | None = None) -> WantedManager:
    """Returns the manager of a request, with this account."""
    return resolve_manager(request, lambda _: account)


def settle(request: AccountRequested, how: Outcome = Outcome.CREATED, manager: AccountId | None = None) -> LedgerEntry:
    """Returns the entry of a new employee after the request was settled."""
    return settlement.record_settled(
        request, build_entry(), build_desired(request, manager), Settled(how, ACCOUNT), resolve(request, manager), NOW
    )


def reject(
    request: AccountRequested,
    entry: LedgerEntry,
    result: Rejected,
    last_account: AccountId | None = ACCOUNT,
    *,
    is_create_attempted: bool = False,
) -> LedgerEntry:
    """Returns the entry after the request was rejected."""
    return settlement.record_rejected(
        request, entry, result, LATER, last_account=last_account, is_create_attempted=is_create_attempted
    )


def decide(
    request: AccountRequested, entry: LedgerEntry, manager: AccountId | None = None, *, is_resent: bool = False
) -> Decision:
    """Returns the decision about a request for which the manager has this account."""
    desired = settlement.build_desired_state(request, manager)
    return precedence.decide(request, entry, desired, find_wanted_manager(request), is_resent=is_resent)
