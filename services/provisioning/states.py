"""The goal, the trail and the results of a reconciliation, and the work that joins them."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

from services.contracts.addresses import fold_address
from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountIdentity
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body, Resource
from services.provisioning.desired import ADDRESSES, DISABLED, Change, DesiredState
from services.provisioning.server import ServerMemory

MAX_KNOWN = 3
"""Number of differences that a reconciliation keeps: those before, after and between its newest writes."""
MAX_WRITES = 60
"""Number of writes for one account in one reconciliation before the change waits."""
MAX_EXTERNAL_ID = 1024
"""Number of characters from which an external id is cut. Those of the product are much shorter."""
NOT_STORED = "not stored"
"""Code of a field that the server accepted and does not show afterwards."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The account is confirmed to have the desired content, except for the fields in ``refused``."""

    outcome: Outcome
    """How the change was settled."""
    account_id: AccountId | None
    """The account; None if it does not exist and is not needed."""
    live: Resource | None = None
    """The account as it was confirmed; None without an account."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The change cannot be made until an administrator corrects the data, or decides about an account."""

    reason: str
    """What is wrong and what to do, for an administrator. Contains no value of the employee."""
    field: str | None = None
    """SCIM path of the field that is wrong; None if the reason concerns no single field."""
    blocked_by: AccountId | None = None
    """The conflicting account; None if there was no conflict or the account is unknown."""
    asks_about: AccountId | None = None
    """The account that a link decision is asked for; None if there is nothing to decide."""
    account_hash: str | None = None
    """Hash of what that account shows; None if there is nothing to decide."""
    former_owner: EmployeeId | None = None
    """The employee that has left and owns that account, so that it may be handed over; None if it has no owner."""
    is_forbidden: bool = False
    """Whether the server forbids the write (403): it concerns the key if the key has never written."""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The result is unknown: the change waits."""

    cause: WaitingCause = WaitingCause.INCONCLUSIVE
    """Why the change waits."""


Result: TypeAlias = Settled | Rejected | Inconclusive
"""How a reconciliation ends."""


class EndedError(Exception):
    """Ends a reconciliation from within one of its parts."""

    def __init__(self, result: Result) -> None:
        """``result`` is how the reconciliation ends."""
        super().__init__(type(result).__name__)
        self.result = result


@dataclass(frozen=True, slots=True)
class Goal:
    """What a reconciliation must reach, and how the account can be recognised."""

    desired: DesiredState
    """What the account must have."""
    identity: AccountIdentity | None = None
    """What identifies the employee's account; None if only the remembered account may be written."""
    account_id: AccountId | None = None
    """The account that the ledger remembers; None if it remembers none."""
    user_name: str | None = None
    """The wanted user name; with None no account is created, and none is found by user name."""
    attempted_names: tuple[str, ...] = ()
    """Other user names with which a create without an answer may have made the account."""
    is_name_attempted: bool = False
    """Whether a create without an answer has sent the wanted user name."""
    suspected_since: datetime | None = None
    """Time of the first request with a create that an earlier writer may have sent without noting it; None otherwise."""
    our_external_ids: frozenset[str] = frozenset()
    """External ids that the sync sent for this employee; if empty, the external id of the remembered account is not checked."""
    sent_external_ids: frozenset[str] = frozenset()
    """External ids that a write of this employee is known to have sent. A found account with one of them is ours."""
    last_user_name: str | None = None
    """User name of the account as last written; None if unknown."""
    is_spelling_sent: bool = False
    """Whether the user name was sent before in this spelling."""
    created_at: datetime | None = None
    """When the sync created the remembered account; None if it existed before or is unknown."""
    is_recently_created: bool = False
    """Whether the remembered account was created so recently that the server's lookups may not show it yet."""
    is_create_outstanding: bool = False
    """Whether a create was sent without an answer, and the server may still carry it out."""
    is_create_suspected: bool = False
    """Whether an earlier writer may have sent a create without noting it."""
    needs_fresh_lookup: bool = False
    """Whether an account may have been created that an index of the accounts does not show yet."""
    skipped: frozenset[str] = frozenset()
    """Fields that the server refused before and that are not due for another attempt."""
    policy: LinkPolicy = LinkPolicy.ASK
    """What happens with an account that exists and is not the employee's."""

    @property
    def is_disable(self) -> bool:
        """Whether the account is only disabled."""
        return self.desired == DISABLED

    @property
    def external_id(self) -> str | None:
        """Our external id, to look up the account by; None if it is unknown."""
        return self.identity.external_id if self.identity else None


@dataclass(slots=True)
class Trail:
    """What a reconciliation has done so far."""

    written: list[str] = field(default_factory=list)
    """SCIM paths of the fields that were sent."""
    refused: dict[str, str] = field(default_factory=dict)
    """Fields that the server refused or did not store, with its code."""
    adapted: set[str] = field(default_factory=set)
    """SCIM paths of fields that the server stores in its own spelling, such as in lowercase."""
    notes: list[str] = field(default_factory=list)
    """What an administrator should know about the account, without personal data."""
    blocked: Rejected | None = None
    """Why the e-mail address cannot be written, while other fields can; None if it can."""
    was_enabled: bool | None = None
    """Whether the account was enabled before the first write; None before it was read."""
    is_linked: bool = False
    """Whether the account was found by external id or user name, not by the remembered id."""
    is_created: bool = False
    """Whether this reconciliation created the account."""
    is_name_sent: bool = False
    """Whether this reconciliation has sent the user name in the wanted spelling."""
    has_stepped_aside: bool = False
    """Whether the account was to get a temporary address because employees exchange their addresses."""
    temporary_name: str | None = None
    """The user name that the account got then; None if it is unknown whether it got one."""
    owned_id: AccountId | None = None
    """The account that is known to be the employee's; None before one was found or created."""
    unconfirmed_id: AccountId | None = None
    """The remembered account, if an answer that is not the server's own said that it is missing."""
    shown_external_id: str | None = None
    """The external id that the account has shown after the last write; None before that, or if it shows none."""
    manager_external_id: str | None = None
    """The external id that the manager's account showed when it was read; None if it was not read, or shows none."""
    estranged: Resource | None = None
    """The remembered account, if it shows neither our external id nor the employee; None otherwise."""
    is_disabling_allowed: bool = False
    """Whether the account may be disabled: the brake has counted it for this change, or an administrator has released it."""
    can_find_external_id: bool = True
    """Whether the server can filter by external id. False once it answered such a lookup otherwise."""
    writes: int = 0
    """Number of writes."""

    def count_write(self) -> None:
        """Counts a write. Raises ``EndedError`` after ``MAX_WRITES``."""
        self.writes += 1
        if self.writes > MAX_WRITES:
            raise EndedError(Inconclusive())

    def note_written(self, sent: tuple[str, ...]) -> None:
        """Notes the fields of a write."""
        self.written.extend(path for path in sent if path not in self.written)
        if "userName" in sent:
            self.is_name_sent = True


class _Difference(NamedTuple):
    """What an account lacks. A body never changes, so that the same object has the same difference."""

    body: Body
    """The account."""
    is_spelling_sent: bool
    """Whether the user name was sent in this spelling."""
    manager_external_id: str | None
    """The external id that the manager's account had shown."""
    difference: DesiredState
    """The fields that the account does not have."""


class _Changes(NamedTuple):
    """What fields mean for an account."""

    body: Body
    """The account."""
    fields: tuple[tuple[str, Value], ...]
    """The fields, with their values."""
    changes: tuple[Change, ...]
    """The change that each of them means."""


@dataclass(frozen=True, slots=True)
class Work:
    """The reconciliation of one account: its goal, what was done so far, and what is known about the server."""

    goal: Goal
    """What to reach."""
    trail: Trail
    """What was done so far; changed by the work."""
    memory: ServerMemory
    """What is known about the server; shared by all work with this server, and changed by it."""
    _known: list["_Difference"] = field(default_factory=list, init=False, repr=False, compare=False)
    """The newest differences: each step of a write asks for them again."""
    _listed: list["_Changes"] = field(default_factory=list, init=False, repr=False, compare=False)
    """The newest lists of changes: each step of a write asks for them again."""

    @property
    def desired(self) -> DesiredState:
        """What the account must have, with the external id that the manager's account showed last."""
        shown = self.trail.manager_external_id
        return self.goal.desired if shown is None else replace(self.goal.desired, manager_external_id=shown)

    def find_remaining(self, live: Resource) -> DesiredState:
        """Returns the fields that the live account does not have yet and that may still be written."""
        goal, trail = self.goal, self.trail
        is_spelling_sent = goal.is_spelling_sent or trail.is_name_sent
        difference = self.find_difference(live.body, is_spelling_sent=is_spelling_sent)
        if self.memory.not_stored:
            for path in self.memory.not_stored.intersection(difference.paths):
                trail.refused.setdefault(path, NOT_STORED)
        blocked = ADDRESSES if trail.blocked else frozenset[str]()
        if not (goal.skipped or trail.refused or trail.adapted or blocked):
            return difference  # as nearly always, and each step asks
        return difference.drop(goal.skipped | trail.refused.keys() | trail.adapted | blocked)

    def find_difference(self, body: Body, *, is_spelling_sent: bool) -> DesiredState:
        """Returns the fields that an account in ``body`` does not have yet, as ``DesiredState`` finds them."""
        key = is_spelling_sent, self.trail.manager_external_id
        for known in self._known:
            if known.body is body and (known.is_spelling_sent, known.manager_external_id) == key:
                return known.difference
        difference = self.desired.find_difference(body, is_spelling_sent=is_spelling_sent)
        self._known[:] = [_Difference(body, *key, difference), *self._known[: MAX_KNOWN - 1]]
        return difference

    def list_changes(self, body: Body, wanted: DesiredState) -> tuple[Change, ...]:
        """Returns what each of these fields means for an account in ``body``, as ``DesiredState`` lists it."""
        for known in self._listed:
            if known.body is body and known.fields == wanted.fields:
                return known.changes
        changes = wanted.list_changes(body)
        self._listed[:] = [_Changes(body, wanted.fields, changes), *self._listed[: MAX_KNOWN - 1]]
        return changes


def get_external_id(resource: Resource) -> str:
    """Returns the external id; empty if it is missing. Some servers return a number as a JSON number.

    What a server returns may be of any size and form, and is stored: the text is cut, and has no unpaired surrogate.
    """
    value = paths.read(resource.body, "externalId")
    return "" if value is None else str(value)[:MAX_EXTERNAL_ID].encode(errors="replace").decode()


def get_folded_name(resource: Resource) -> str:
    """Returns the user name in the form in which addresses are compared; empty if it is missing."""
    return fold_address(str(paths.read(resource.body, "userName") or ""))


def is_enabled(resource: Resource) -> bool:
    """Returns whether the account is enabled. A server that does not show ``active`` has an enabled account."""
    value = paths.read(resource.body, "active")
    return not (value is False or (isinstance(value, str) and value.lower() == "false"))
