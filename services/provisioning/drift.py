"""Compares listed accounts with their desired state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from services.contracts.drift import Drift, DriftKind
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import MANAGER
from services.contracts.outcomes import Intent, Outcome
from services.provisioning import paths
from services.provisioning.calls import Resource
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, DesiredState
from services.provisioning.goal import build_desired_state
from services.provisioning.manager import ManagerAccount
from services.provisioning.states import get_external_id, is_enabled

LOOKUP_LAG = timedelta(seconds=10)
"""Maximum time by which a lookup lags behind a write, with the difference of the clocks: its answer may lack the write."""
MAX_DIGITS = 30
"""Maximum number of digits of an employee id. A longer number is not one of Personio's."""


class Stage(Enum):
    """How far the newest change of an employee is."""

    UNDER_WAY = "under-way"
    """It was published, waits, or was settled just now: the account may have any content."""
    UNSETTLED = "unsettled"
    """It was published long ago and has no outcome: the outcome, the event or the ledger entry was lost."""
    UNREADABLE = "unreadable"
    """The ledger entry is damaged: nothing is known, and the writer leaves the employee alone."""
    REJECTED = "rejected"
    """It was rejected: an administrator corrects the data or decides."""
    SETTLED = "settled"
    """It was settled, so that the account has its content."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """What is known about the employee that an account belongs to."""

    request: AccountRequested
    """The request that the present snapshot and the published mapping lead to."""
    entry: LedgerEntry | None
    """The ledger entry; None if it does not exist."""
    requested_at: datetime
    """When the change was detected or the mapping was published, the later of the two."""
    manager: ManagerAccount | None = None
    """The account of the manager; None if it is unknown."""

    @property
    def account_id(self) -> AccountId | None:
        """The account that the ledger knows; None if it knows none."""
        return self.entry.account_id if self.entry else None

    def find_stage(self, seen_at: datetime, patience: timedelta, *, is_marked_here: bool = False) -> Stage:
        """Returns how far the change is, for accounts that were asked for at ``seen_at``.

        A change without an outcome counts as under way for the time of ``patience``. With ``is_marked_here``, this
        verification has marked the entry itself, which changes nothing yet.
        """
        entry, request = self.entry, self.request
        if entry is not None and entry.damage is not None:
            return Stage.UNREADABLE
        is_marked = entry is not None and entry.verify and not is_marked_here
        if entry is not None and (entry.waiting is not None or is_marked or entry.look_at is not None):
            return Stage.UNDER_WAY  # the poller resends it
        decided = entry.decided if entry else None
        if decided is None or decided.version < request.version:
            return Stage.UNSETTLED if seen_at - self.requested_at >= patience else Stage.UNDER_WAY
        if decided.version > request.version or decided.settled_at > seen_at - LOOKUP_LAG:
            return Stage.UNDER_WAY
        return Stage.REJECTED if decided.outcome is Outcome.REJECTED else Stage.SETTLED

    def find_desired(self) -> DesiredState | None:
        """Returns what the account should have, without what the server refuses; None if no content is asked for."""
        desired = build_desired_state(self.request, self.manager)
        if desired is None or self.entry is None:
            return desired
        left_out = {field.path for field in self.entry.refused}
        link = self.entry.manager
        if self.manager is not None and (link is None or link.account_id != self.manager.id):
            left_out.add(MANAGER)  # an open reference is written later
        return desired.drop(left_out)


def compare_account(person: KnownPerson, live: Resource, stage: Stage) -> Drift | None:
    """Returns what is wrong with the account that the ledger knows; None if nothing is."""
    intent, desired = person.request.intent, person.find_desired()
    if stage in {Stage.UNDER_WAY, Stage.UNREADABLE}:
        return None
    if intent is Intent.DISABLE and is_enabled(live):
        return _build(person, DriftKind.LEAVER_ENABLED, live.id)
    if stage is Stage.UNSETTLED:
        return _build(person, DriftKind.UNSETTLED, live.id)
    if stage is Stage.REJECTED or intent is not Intent.PROVISION or desired is None:
        return None
    differing = desired.find_difference(live.body, is_spelling_sent=True).paths
    if not is_enabled(live):
        return _build(person, DriftKind.EMPLOYEE_DISABLED, live.id, differing)
    differing = tuple(path for path in differing if path != "active")
    return _build(person, DriftKind.DIFFERENT, live.id, differing) if differing else None


def judge_accounts(person: KnownPerson, listed: Mapping[AccountId, bool], stage: Stage) -> list[Drift]:
    """Returns what is wrong with an employee beside the content of the account that the ledger knows.

    ``listed`` are all accounts with the external id or a claim of the employee, and whether they are enabled.
    """
    if stage in {Stage.UNDER_WAY, Stage.UNREADABLE}:
        return [_build(person, DriftKind.UNREADABLE_ENTRY, person.account_id)] if stage is Stage.UNREADABLE else []
    others = {account: enabled for account, enabled in listed.items() if account != person.account_id}
    is_known_listed = len(others) < len(listed)
    if is_known_listed or len(others) > 1:
        duplicates = [_build(person, DriftKind.DUPLICATE, account) for account in sorted(others)]
        return duplicates if is_known_listed else [*duplicates, *_judge_unlisted(person, stage)]
    for account, enabled in others.items():
        if person.account_id is None and stage is Stage.REJECTED:
            return []  # the account may be another person's: an administrator decides
        if person.request.intent is Intent.DISABLE and enabled:
            return [_build(person, DriftKind.LEAVER_ENABLED, account)]
        if person.account_id is None and person.request.intent in {Intent.PROVISION, Intent.DISABLE}:
            return [_build(person, DriftKind.UNKNOWN_TO_LEDGER, account)]
    return _judge_unlisted(person, stage)


def _judge_unlisted(person: KnownPerson, stage: Stage) -> list[Drift]:
    """Returns what is wrong with an employee with an account that the server does not have."""
    is_provision = person.request.intent is Intent.PROVISION
    if is_provision and person.account_id is not None and stage is not Stage.REJECTED:
        return [_build(person, DriftKind.MISSING, person.account_id)]
    if stage is Stage.UNSETTLED:
        return [_build(person, DriftKind.UNSETTLED)]
    if is_provision and person.account_id is None and stage is Stage.SETTLED:
        return [_build(person, DriftKind.UNCREATED)]
    return []


def _build(
    person: KnownPerson, kind: DriftKind, account: AccountId | None = None, fields: tuple[str, ...] = ()
) -> Drift:
    request = person.request
    return Drift(
        connection_id=request.connection_id,
        kind=kind,
        employee_id=request.employee_id,
        account_id=account,
        fields=fields,
    )


def judge_unknown(connection: ConnectionId, live: Resource) -> Drift | None:
    """Returns what is wrong with an account that has an external id of this connection, but of no known employee."""
    if not is_enabled(live):
        return None
    return Drift(connection_id=connection, kind=DriftKind.UNKNOWN_EMPLOYEE, account_id=live.id)


def find_employee_id(live: Resource, prefix: str) -> EmployeeId | None:
    """Returns the employee that an external id names; None if it does not begin with the prefix of the connection."""
    external_id = get_external_id(live)
    employee = external_id.removeprefix(prefix)
    is_number = employee.isascii() and employee.isdigit() and len(employee) <= MAX_DIGITS
    if not is_number or not external_id.startswith(prefix):
        return None
    return EmployeeId(employee)


# ---------------------------------------------------------------- lists that hide fields


def list_judged_fields(person: KnownPerson | None) -> frozenset[str]:
    """Returns the SCIM paths that the account must show, so that it can be judged. A cleared field need not be shown."""
    desired = person.find_desired() if person is not None else None
    return frozenset({"active"} | {path for path, value in (desired.fields if desired else ()) if value is not None})


def find_shown(body: Mapping[str, object], fields: frozenset[str]) -> frozenset[str]:
    """Returns those of the fields that an account shows."""
    shown = {path for path in fields if paths.read(dict(body), path) is not None}
    if MANAGER in fields and paths.read(dict(body), MANAGER_BY_EXTERNAL_ID) is not None:
        shown.add(MANAGER)
    return frozenset(shown)
