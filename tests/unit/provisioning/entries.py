"""Ledger entries as settlements leave them, and short forms of a settlement, for the tests of this folder."""

from datetime import datetime, timedelta
from typing import Any

from services.contracts.events import AccountRequested, Version
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import LedgerEntry, RefusedField, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import precedence, records
from services.provisioning.calls import Answer, Ownership, Question, Reply
from services.provisioning.circumstances import Circumstances
from services.provisioning.desired import DesiredState, hash_value
from services.provisioning.goal import build_desired_state
from services.provisioning.manager import ManagerAccount, WantedManager, find_wanted_manager, resolve_manager
from services.provisioning.precedence import Decision
from services.provisioning.server import ServerMemory
from services.provisioning.settlement import Settlement
from services.provisioning.states import Goal, Rejected, Settled, Trail
from tests.support.builders import CONNECTION, NOW, make_request, make_request_with_intent
from tests.unit.provisioning.accounts import build_account
from tests.unit.provisioning.driver import UNOWNED, answer_question

ACCOUNT, STRANGER = AccountId("u1"), AccountId("u9")
DOWN = WaitingCause.SERVER_UNAVAILABLE
LATE = timedelta(minutes=5)
"""How long the server of these tests may take to carry out a write."""
LATER = NOW + LATE
WAITING = Waiting(cause=DOWN, since=NOW, version=Version(2_000, 3))
OTHER_NAME: dict[str, Any] = {"fields": {"name.givenName": "Eva"}}
ADA = make_request(fields={"name.givenName": "Ada"}, manager=None)
RENAMED = make_request(revision=2_000, manager=None, **OTHER_NAME)
LEAVER = make_request_with_intent(Intent.DISABLE, revision=2_000)


def build_entry(**changes: Any) -> LedgerEntry:
    """Returns the entry of an employee that is new to the ledger, with these changes."""
    return LedgerEntry.model_validate({"connection_id": CONNECTION, "employee_id": EmployeeId("7")} | changes)


def build_refused(path: str = "title", value: Any = "Dr.", **changes: Any) -> RefusedField:
    """Returns a field as the ledger remembers it after Declaree has refused it, with these changes."""
    content = {"path": path, "code": "400", "value": hash_value(value), "mapping_version": 3, "tried_at": NOW}
    return RefusedField.model_validate(content | changes)


def build_desired(request: AccountRequested, manager: ManagerAccount | None = None) -> DesiredState:
    """Returns the desired state of a request that has one."""
    desired = build_desired_state(request, manager)
    assert desired is not None
    return desired


def resolve(request: AccountRequested, account: ManagerAccount | None = None) -> WantedManager:
    """Returns the manager of a request, with this account."""
    return resolve_manager(request, lambda _: account)


def settle(
    request: AccountRequested,
    entry: LedgerEntry | None = None,
    how: Outcome = Outcome.CREATED,
    *,
    manager: ManagerAccount | None = None,
    trail: Trail | None = None,
    exists: bool = True,
    skipped: frozenset[str] = frozenset(),
    schema: str | None = None,
    look_at: datetime | None = None,
) -> LedgerEntry:
    """Returns the entry after the account was confirmed. ``exists`` is whether there is an account."""
    result = Settled(how, ACCOUNT, build_account()) if exists else Settled(how, None)
    return records.record_settled(
        request,
        entry or build_entry(),
        Goal(build_desired(request, manager), skipped=skipped),
        result,
        trail or Trail(),
        resolve(request, manager),
        schema,
        NOW,
        look_at,
    )


ENTRY = settle(ADA)
"""Ada's entry after the account was created."""


def reject(
    request: AccountRequested, entry: LedgerEntry, result: Rejected, trail: Trail, *, is_create_sent: bool = False
) -> LedgerEntry:
    """Returns the entry after the request was rejected."""
    manager = resolve(request, None)
    return records.record_rejected(request, entry, result, trail, LATER, None, manager, is_create_sent=is_create_sent)


def wait(
    request: AccountRequested,
    entry: LedgerEntry,
    cause: WaitingCause = DOWN,
    trail: Trail | None = None,
    *,
    now: datetime = NOW,
    manager: ManagerAccount | None = None,
    is_create_sent: bool = False,
) -> LedgerEntry:
    """Returns the entry after the change could not be settled."""
    return records.record_waiting(
        request,
        entry,
        cause,
        trail or Trail(),
        now,
        None,
        resolve(request, manager),
        is_create_sent=is_create_sent,
    )


def decide(
    request: AccountRequested, entry: LedgerEntry, manager: ManagerAccount | None = None, **circumstances: bool
) -> Decision:
    """Returns the decision about a request for which the manager has this account."""
    desired = build_desired_state(request, manager)
    return precedence.decide(request, entry, desired, find_wanted_manager(request), **circumstances)


def begin(
    request: AccountRequested,
    entry: LedgerEntry | None = None,
    *,
    manager: ManagerAccount | None = None,
    memory: ServerMemory | None = None,
    **circumstances: Any,
) -> Settlement:
    """Begins the settlement of a request. ``manager`` is the account of every manager."""
    content: dict[str, Any] = {"now": NOW, "late_write_time": LATE}
    known = Circumstances(**content | circumstances)
    return Settlement(request, entry or build_entry(), lambda _: manager, memory or ServerMemory(), known)


def play(settlement: Settlement, *answers: Answer, ownership: Ownership = UNOWNED) -> Settlement:
    """Performs the steps of a settlement with these answers of the server, up to the call after the last of them."""
    left: list[Reply] = list(answers)
    while (step := settlement.step) is not None:
        if isinstance(step, Question):
            settlement.receive(answer_question(step, ownership))
            continue
        if not left:
            break
        settlement.note_sent()
        settlement.receive(left.pop(0))
    assert not left, f"finished before {left}: {settlement.result}"
    return settlement


def conclude(settlement: Settlement) -> LedgerEntry:
    """Concludes a settlement and returns the entry."""
    settlement.conclude(NOW)
    return settlement.entry
