"""The reconciliation of one account: look it up, write the difference, and look it up again after a lost answer.

A pure, immutable state machine. ``next_call`` is the call to perform, and ``receive`` takes its answer and returns the
next state. A state with a ``result`` is finished. A lookup tells whether a write happened; it is never guessed.

The account is looked up by the id that the ledger remembers, then by external id, then by user name. An account that
was found by user name is linked only if two conditions hold: its external id is empty or ours, and no other employee
owns it by the ledger. A remembered id is forgotten if its account has another external id than ours.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, TypeAlias, assert_never

from services.contracts.ids import AccountId
from services.contracts.outcomes import Outcome
from services.provisioning import bodies, paths
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    FindOwner,
    Found,
    Gone,
    Lost,
    Outdated,
    Owner,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Unsupported,
    Write,
    Written,
)
from services.provisioning.desired import DISABLED, DesiredState

MAX_ROUNDS = 6
"""Number of times that the writes of one account start over (lost answer, 409, 412, 404) before the change waits."""
MAX_EMPTY_LOOKUPS = 3
"""Number of lookups without a hit after a lost answer, before the account counts as not created. A server's lookups may lag
behind its writes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The account is confirmed to have the desired content."""

    outcome: Outcome
    """How the change was settled."""
    account_id: AccountId | None
    """The account; None if it does not exist and is not needed."""
    written: tuple[str, ...] = ()
    """SCIM paths of the fields that were sent; empty if nothing had to be written."""
    not_shown: tuple[str, ...] = ()
    """Paths in ``written`` that the server's answer shows with another value, or not at all: it may not store them."""

    @property
    def note(self) -> str | None:
        """What an administrator should know about the written fields; None for nothing."""
        if not self.not_shown:
            return None
        return (
            f"Declaree's answer does not contain the values sent for {', '.join(self.not_shown)}: "
            "Declaree may not store these fields"
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """The change cannot be made until an administrator corrects the data."""

    reason: str
    """What is wrong and what to do, for an administrator. Contains no value of the employee."""
    field: str | None = None
    """SCIM path of the field that is wrong; None if the reason concerns no single field."""
    blocked_by: AccountId | None = None
    """The conflicting account; None if there was no conflict or the account is unknown."""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The result is unknown after ``MAX_ROUNDS``, or the account keeps changing: the change waits."""


Result: TypeAlias = Settled | Rejected | Inconclusive
"""How a reconciliation ends."""
WriteAnswer: TypeAlias = Written | Conflict | Outdated | Gone | Unsupported | Lost
"""The answers to a write, except ``Refused``."""

UNKNOWN_CONFLICT = Rejected(
    "another account has this user name, e-mail address or external id (409): look for it in Declaree", "userName"
)
"""A conflict with an account that cannot be found."""


class Step(Enum):
    """What a reconciliation does next."""

    READ = "read"
    """Read the account that the ledger remembers."""
    FIND_BY_EXTERNAL_ID = "find-by-external-id"
    """Look up the account by our external id."""
    FIND_BY_USER_NAME = "find-by-user-name"
    """Look up the account by user name."""
    FIND_OWNER = "find-owner"
    """Ask the ledger whether another employee owns the account that was found by user name."""
    CREATE = "create"
    """Create the account."""
    UPDATE = "update"
    """Write the difference."""
    FIND_BLOCKER = "find-blocker"
    """After a conflict, look up the account that has the wanted user name."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a reconciliation must reach, and how the account can be found."""

    desired: DesiredState
    """What the account must have."""
    account_id: AccountId | None = None
    """The account that the ledger remembers; None if it remembers none."""
    external_id: str | None = None
    """Our external id, to look up the account by; None if the ledger remembers none."""
    user_name: str | None = None
    """The wanted user name; with None no account is created, or linked by user name."""
    attempted_names: tuple[str, ...] = ()
    """Other user names with which a create without an answer may have made the account."""
    our_external_ids: frozenset[str] = frozenset()
    """External ids by which the remembered account belongs to this employee; if empty, its external id is not checked."""
    is_spelling_sent: bool = False
    """Whether the user name was sent before in this spelling."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One state of a reconciliation. ``begin`` makes the first one."""

    goal: Goal
    """What to reach. ``account_id`` in it is the account that was found last."""
    step: Step
    """What to do next."""
    live: Resource | None = None
    """The account as it was read last; None if none was found."""
    verb: Literal["patch", "put"] = "patch"
    """How the account is updated."""
    has_changed_verb: bool = False
    """Whether the server did not support the first verb."""
    rounds: int = 0
    """Number of writes that were started over."""
    conflicts: int = 0
    """Number of creates that were answered with 409."""
    empty_lookups: int = 0
    """Number of lookups without a hit since the last lost answer."""
    names_tried: int = 0
    """Number of user names that were looked up without a usable hit."""
    is_uncertain: bool = False
    """Whether an answer was lost and no lookup has told since whether the write happened."""
    is_created: bool = False
    """Whether an account that is found now was created by this reconciliation."""
    is_create_attempted: bool = False
    """Whether a create had no usable answer, so that the account may exist."""
    is_linked: bool = False
    """Whether the account was found by external id or user name, not by the remembered id."""
    written: tuple[str, ...] = ()
    """SCIM paths of the fields that were sent so far."""
    was_enabled: bool | None = None
    """Whether the account was enabled before the first write; None before it was read."""
    result: Result | None = None
    """How the reconciliation ended; None while there is a next call."""

    @property
    def needs_delay(self) -> bool:
        """Whether to pause before the next call. Reads may lag behind a write without an answer."""
        return self.is_uncertain and self.step not in {Step.CREATE, Step.UPDATE}

    def difference(self, live: Resource) -> DesiredState:
        """Returns the desired fields that the live account does not have yet."""
        return self.goal.desired.difference(live.body, is_spelling_sent=self.goal.is_spelling_sent)

    @property
    def wanted_user_name(self) -> str | None:
        """The user name to look up now: first the wanted one, then those of creates without an answer."""
        names = (self.goal.user_name, *self.goal.attempted_names)
        return names[self.names_tried]

    @property
    def next_call(self) -> Call | FindOwner:
        """The call to perform now. Raises ``RuntimeError`` if the state has none."""
        goal = self.goal
        match self.step:
            case Step.FIND_OWNER if self.live is not None:
                return FindOwner(self.live.id)
            case Step.READ if goal.account_id is not None:
                return ReadAccount(goal.account_id)
            case Step.FIND_BY_EXTERNAL_ID if goal.external_id is not None:
                return FindAccounts("externalId", goal.external_id)
            case Step.FIND_BY_USER_NAME | Step.FIND_BLOCKER if self.wanted_user_name is not None:
                return FindAccounts("userName", self.wanted_user_name)
            case Step.CREATE:
                return CreateAccount(bodies.build_post_body(goal.desired))
            case Step.UPDATE if self.live is not None:
                return _build_update(self, self.live)
        raise RuntimeError(f"the reconciliation has no call at step {self.step.value}")

    def receive(self, answer: Answer | Owner) -> "Reconciliation":
        """Returns the state after the answer to ``next_call``. Raises ``RuntimeError`` if the answer does not fit."""
        if isinstance(answer, Found):
            return _LOOKUPS[self.step](self, answer.resources)
        if isinstance(answer, Owner):
            return _receive_owner(self, answer)
        if isinstance(answer, Refused):
            return _finish(self, Rejected(answer.reason, answer.field))
        if self.step is Step.CREATE:
            return _receive_create_answer(self, answer)
        if self.step is Step.UPDATE and self.live is not None:
            return _receive_update_answer(self, self.live, answer)
        raise RuntimeError(f"{type(answer).__name__} does not answer step {self.step.value}")


def begin(goal: Goal, verb: Literal["patch", "put"] = "patch") -> Reconciliation:
    """Returns the first state. ``verb`` is how the server is known to accept updates."""
    step = Step.READ if goal.account_id is not None else Step.FIND_BY_EXTERNAL_ID
    return Reconciliation(goal, step, verb=verb)


# ---------------------------------------------------------------- lookups


def _receive_remembered_account(state: Reconciliation, accounts: tuple[Resource, ...]) -> Reconciliation:
    if not accounts:
        return _forget_remembered_account(state)
    external_id = _get_external_id(accounts[0])
    if state.goal.our_external_ids and external_id and external_id not in state.goal.our_external_ids:
        # the id leads to an account of another employee now: after a restore, or because an administrator gave it away
        return _forget_remembered_account(state)
    return _compare_with_desired(state, accounts[0])


def _compare_with_desired(state: Reconciliation, live: Resource) -> Reconciliation:
    """Takes the account as the employee's, and finishes if it has the desired content."""
    is_enabled = paths.read(live.body, "active") is not False
    state = replace(
        state,
        goal=replace(state.goal, account_id=live.id),
        live=live,
        step=Step.UPDATE,
        names_tried=0,
        is_uncertain=False,
        was_enabled=is_enabled if state.was_enabled is None else state.was_enabled,
    )
    if state.difference(live).fields:
        return state
    return _finish(state, Settled(_determine_outcome(state), live.id, state.written))


def _forget_remembered_account(state: Reconciliation) -> Reconciliation:
    """Looks up the employee's account by external id, because the remembered account no longer exists."""
    if state.goal.external_id is None:
        return _finish(state, Settled(Outcome.OUT_OF_SCOPE, None))
    goal = replace(state.goal, account_id=None)
    return replace(state, goal=goal, live=None, was_enabled=None, step=Step.FIND_BY_EXTERNAL_ID, is_uncertain=False)


def _receive_by_external_id(state: Reconciliation, accounts: tuple[Resource, ...]) -> Reconciliation:
    # a server that ignores the filter answers with accounts of other employees
    hits = tuple(account for account in accounts if _get_external_id(account) == state.goal.external_id)
    if len(hits) > 1:
        return _finish(state, _reject_ambiguous("external id", hits))
    if hits:
        return _compare_with_desired(replace(state, is_linked=True), hits[0])
    if state.goal.user_name is None:
        return _finish(state, Settled(Outcome.OUT_OF_SCOPE, None))
    return replace(state, step=Step.FIND_BY_USER_NAME)


def _receive_by_user_name(state: Reconciliation, accounts: tuple[Resource, ...]) -> Reconciliation:
    hits = _filter_by_user_name(state, accounts)
    if len(hits) > 1:
        return _reject_or_continue(state, _reject_ambiguous("user name", hits))
    if not hits:
        return _continue_search(state)
    external_id = _get_external_id(hits[0])
    if external_id == state.goal.external_id:
        return _compare_with_desired(replace(state, is_linked=True), hits[0])
    if external_id:
        return _reject_or_continue(state, _reject_taken(hits[0]))
    return replace(state, step=Step.FIND_OWNER, live=hits[0])


def _continue_search(state: Reconciliation) -> Reconciliation:
    """Continues with the next user name, with a further lookup after a lost answer, or with a create."""
    if state.names_tried < len(state.goal.attempted_names):
        return replace(state, step=Step.FIND_BY_USER_NAME, live=None, names_tried=state.names_tried + 1)
    state = replace(state, live=None, names_tried=0)
    if state.is_uncertain and state.empty_lookups + 1 < MAX_EMPTY_LOOKUPS:
        return replace(state, step=Step.FIND_BY_EXTERNAL_ID, empty_lookups=state.empty_lookups + 1)
    return replace(state, step=Step.CREATE, is_uncertain=False, is_created=False, written=())


def _receive_owner(state: Reconciliation, answer: Owner) -> Reconciliation:
    if state.live is None:
        raise RuntimeError(f"Owner does not answer step {state.step.value}")
    if answer.is_another:
        return _reject_or_continue(state, _reject_taken(state.live))
    return _compare_with_desired(replace(state, is_linked=True), state.live)


def _reject_or_continue(state: Reconciliation, rejection: Rejected) -> Reconciliation:
    """Rejects if another account has the wanted user name. An attempted name may belong to any account."""
    return _finish(state, rejection) if state.names_tried == 0 else _continue_search(state)


def _receive_blocker(state: Reconciliation, accounts: tuple[Resource, ...]) -> Reconciliation:
    """Rejects, and names the account that has the wanted user name if it is known."""
    others = tuple(account for account in _filter_by_user_name(state, accounts) if account.id != state.goal.account_id)
    return _finish(state, _reject_taken(others[0]) if others else UNKNOWN_CONFLICT)


_LOOKUPS = {
    Step.READ: _receive_remembered_account,
    Step.FIND_BY_EXTERNAL_ID: _receive_by_external_id,
    Step.FIND_BY_USER_NAME: _receive_by_user_name,
    Step.FIND_BLOCKER: _receive_blocker,
}


def _filter_by_user_name(state: Reconciliation, accounts: tuple[Resource, ...]) -> tuple[Resource, ...]:
    wanted = (state.wanted_user_name or "").casefold()
    return tuple(
        account for account in accounts if str(paths.read(account.body, "userName") or "").casefold() == wanted
    )


def _get_external_id(resource: Resource) -> str:
    """Returns the external id; empty if it is missing. Some servers return a number as a JSON number."""
    value = paths.read(resource.body, "externalId")
    return "" if value is None else str(value)


def _reject_ambiguous(attribute: str, hits: tuple[Resource, ...]) -> Rejected:
    ids = ", ".join(sorted(account.id for account in hits))
    reason = f"several accounts have this {attribute} ({ids}): correct them in Declaree so that only one has it"
    return Rejected(reason, blocked_by=hits[0].id)


def _reject_taken(other: Resource) -> Rejected:
    reason = (
        f"account {other.id} has this e-mail address and does not belong to this employee: "
        "give one of the two another address in Personio"
    )
    return Rejected(reason, "userName", other.id)


# ---------------------------------------------------------------- writes


def _build_update(state: Reconciliation, live: Resource) -> Write:
    difference = state.difference(live)
    if state.verb == "put":
        return ReplaceAccount(live.id, bodies.build_put_body(live.body, difference), live.version)
    return PatchAccount(live.id, bodies.build_patch_operations(live.body, difference), live.version)


def _receive_create_answer(state: Reconciliation, answer: WriteAnswer) -> Reconciliation:
    match answer:
        case Written(Resource() as live):
            sent = state.goal.desired.paths
            return _finish(state, Settled(Outcome.CREATED, live.id, sent, _find_not_shown(state, live, sent)))
        case Written() | Lost():
            # an answer without a body does not tell the id, so look up the account as after a lost answer
            state = replace(
                state, is_created=True, is_create_attempted=True, written=state.goal.desired.paths, empty_lookups=0
            )
            return _start_round(state, Step.FIND_BY_EXTERNAL_ID, is_uncertain=True)
        case Conflict() if state.conflicts == 0:
            # an earlier writer may have created the employee's account, and reads do not show it yet
            state = replace(state, conflicts=1, empty_lookups=0)
            return _start_round(state, Step.FIND_BY_EXTERNAL_ID, is_uncertain=True)
        case Conflict():
            return _finish(state, UNKNOWN_CONFLICT)
        case Outdated() | Gone() | Unsupported():
            return _finish(
                state, Rejected("the server does not create accounts over SCIM: ask its operator to support POST")
            )
    assert_never(answer)


def _receive_update_answer(state: Reconciliation, live: Resource, answer: WriteAnswer) -> Reconciliation:
    sent = tuple(dict.fromkeys((*state.written, *state.difference(live).paths)))
    match answer:
        case Written(resource):
            state = replace(state, written=sent)
            not_shown = _find_not_shown(state, resource, sent)
            return _finish(state, Settled(_determine_outcome(state), live.id, sent, not_shown))
        case Lost():
            return _start_round(replace(state, written=sent), Step.READ, is_uncertain=True)
        case Outdated() | Gone():
            return _start_round(state, Step.READ)
        case Conflict():
            return replace(state, step=Step.FIND_BLOCKER) if state.goal.user_name else _finish(state, UNKNOWN_CONFLICT)
        case Unsupported() if not state.has_changed_verb:
            return replace(state, verb="put" if state.verb == "patch" else "patch", has_changed_verb=True)
        case Unsupported():
            return _finish(
                state,
                Rejected("the server does not change accounts over SCIM: ask its operator to support PATCH or PUT"),
            )
    assert_never(answer)


def _find_not_shown(state: Reconciliation, answer: Resource | None, sent: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the sent paths that the answer does not show: servers drop unknown attributes without an error.

    An answer without a user name is only part of the account, so it tells nothing.
    """
    if answer is None or paths.read(answer.body, "userName") is None:
        return ()
    differing = state.goal.desired.difference(answer.body, is_spelling_sent=True).paths
    return tuple(path for path in sent if path in differing)


def _start_round(state: Reconciliation, step: Step, *, is_uncertain: bool = False) -> Reconciliation:
    """Starts over at ``step``, or finishes without a conclusion after ``MAX_ROUNDS``."""
    if state.rounds + 1 >= MAX_ROUNDS:
        return _finish(state, Inconclusive())
    return replace(state, step=step, rounds=state.rounds + 1, is_uncertain=is_uncertain)


# ---------------------------------------------------------------- end


def _determine_outcome(state: Reconciliation) -> Outcome:
    if state.is_created:
        return Outcome.CREATED
    if state.goal.desired == DISABLED:
        return Outcome.DISABLED
    if state.is_linked:
        return Outcome.LINKED
    if not state.written:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if state.was_enabled else Outcome.ENABLED


def _finish(state: Reconciliation, result: Result) -> Reconciliation:
    return replace(state, result=result)
