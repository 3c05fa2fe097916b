"""Bringing one account to its target: look, write the difference, and look again where an answer was lost.

A pure, immutable state machine. ``next`` is the call to perform; ``answered`` takes its answer and gives the next
state; a state whose ``result`` is set is finished. Whether a write happened is always looked up, never guessed.

The account is found by the id that the ledger remembers, then by ``externalId``, then by user name. One that was
found by user name is adopted only if it has no external id or ours, and is no other employee's by the ledger:
otherwise somebody else manages it. A remembered id that leads to an account with a foreign external id is forgotten.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, TypeAlias, assert_never

from services.contracts.events import Outcome
from services.contracts.ids import AccountId
from services.provisioning import paths, target
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    FindHolder,
    Gone,
    Held,
    Lost,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Seen,
    Unsupported,
    Write,
    Written,
)
from services.provisioning.target import Target

MAX_ROUNDS = 6
"""How often a write of one account is begun again (lost answer, 409, 412, 404) before it is left for later."""
MAX_EMPTY_LOOKS = 3
"""How often an account is looked for in vain after a lost answer, before it is taken for not written: reads may lag."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The account is confirmed to hold the target. ``written`` are the paths that were sent, none for ``unchanged``;
    ``not_shown`` those of them that the server's answer does not show as they were sent: it may not keep them.
    """

    outcome: Outcome
    account_id: AccountId | None
    written: tuple[str, ...] = ()
    not_shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Permanent for this person. ``blocked_by`` is the account that has the user name, where that stands in the way."""

    reason: str
    field: str | None = None
    blocked_by: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """After ``MAX_ROUNDS`` it is still not known, or the account keeps changing: wait, and start again later."""

    cause: str


Result: TypeAlias = Settled | Rejected | Unsettled
WriteAnswer: TypeAlias = Written | Conflict | Outdated | Gone | Unsupported | Lost

IN_THE_WAY = Rejected(
    "another account has this user name, e-mail or external id (409): look for it in Declaree", "userName"
)


class Step(Enum):
    READ = "read"
    FIND_BY_EXTERNAL_ID = "find by external id"
    FIND_BY_USER_NAME = "find by user name"
    CLAIM = "is it nobody else's"
    CREATE = "create"
    UPDATE = "update"
    NAME_BLOCKER = "name the account that is in the way"


@dataclass(frozen=True, slots=True)
class Goal:
    """The target, and by what the account is found. Without ``user_name`` no account is created or linked.

    ``ours`` are the external ids by which the known account is this person's. ``attempted_names`` are other user names
    with which it may have been created. ``spelling_sent``: the user name was sent before just as it is spelled now.
    """

    target: Target
    known: AccountId | None = None
    external_id: str | None = None
    user_name: str | None = None
    attempted_names: tuple[str, ...] = ()
    ours: frozenset[str] = frozenset()
    spelling_sent: bool = False


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One state on the way of one account to its target. Start with ``begin``.

    ``create_attempted``: the answer to a create was lost, so an account may exist whatever a look has not found.
    """

    goal: Goal
    step: Step
    live: Resource | None = None
    verb: Literal["patch", "put"] = "patch"
    verb_changed: bool = False
    rounds: int = 0
    conflicts: int = 0
    empty_looks: int = 0
    names_tried: int = 0
    uncertain: bool = False
    created: bool = False
    create_attempted: bool = False
    adopted: bool = False
    written: tuple[str, ...] = ()
    was_enabled: bool | None = None
    result: Result | None = None

    @property
    def looks_again(self) -> bool:
        """An answer was lost: reading may lag behind the write, so wait a little before the next look."""
        return self.uncertain and self.step not in {Step.CREATE, Step.UPDATE}

    def missing(self, live: Resource) -> Target:
        """What the live account does not hold yet."""
        return self.goal.target.differences(live.body, spelling_sent=self.goal.spelling_sent)

    @property
    def name(self) -> str | None:
        """The user name that is looked for now: the wanted one, then those of creates whose answers were lost."""
        names = (self.goal.user_name, *self.goal.attempted_names)
        return names[self.names_tried]

    @property
    def next(self) -> Call | FindHolder:
        """The call to perform now; only where ``result`` is None."""
        goal = self.goal
        match self.step:
            case Step.CLAIM if self.live is not None:
                return FindHolder(self.live.id)
            case Step.READ if goal.known is not None:
                return ReadAccount(goal.known)
            case Step.FIND_BY_EXTERNAL_ID if goal.external_id is not None:
                return FindAccounts("externalId", goal.external_id)
            case Step.FIND_BY_USER_NAME | Step.NAME_BLOCKER if self.name is not None:
                return FindAccounts("userName", self.name)
            case Step.CREATE:
                return CreateAccount(target.new_resource(goal.target))
            case Step.UPDATE if self.live is not None:
                return _update(self, self.live)
        raise RuntimeError(f"there is no call for {self.step}")

    def answered(self, answer: Answer | Held) -> "Reconciliation":
        """The state after the answer to ``next``."""
        if isinstance(answer, Seen):
            return _LOOKS[self.step](self, answer.resources)
        if isinstance(answer, Held):
            return _claimed(self, answer)
        if isinstance(answer, Refused):
            return _end(self, Rejected(answer.reason, answer.field))
        if self.step is Step.CREATE:
            return _after_create(self, answer)
        if self.step is Step.UPDATE and self.live is not None:
            return _after_update(self, self.live, answer)
        raise RuntimeError(f"{type(answer).__name__} is no answer to {self.step}")


def begin(goal: Goal, verb: Literal["patch", "put"] = "patch") -> Reconciliation:
    """The first state; ``verb`` is how this server is known to be updated."""
    step = Step.READ if goal.known is not None else Step.FIND_BY_EXTERNAL_ID
    return Reconciliation(goal, step, verb=verb)


# ---------------------------------------------------------------- looks


def _read(state: Reconciliation, found: tuple[Resource, ...]) -> Reconciliation:
    if not found:
        return _forget(state)
    external_id = _external_id(found[0])
    if state.goal.ours and external_id and external_id not in state.goal.ours:
        # the id leads to somebody else's account now: restored from a backup, or given to them by an administrator
        return _forget(state)
    return _seen(state, found[0])


def _seen(state: Reconciliation, live: Resource) -> Reconciliation:
    enabled = paths.read(live.body, "active") is not False
    seen = replace(
        state,
        goal=replace(state.goal, known=live.id),
        live=live,
        step=Step.UPDATE,
        names_tried=0,
        uncertain=False,
        was_enabled=enabled if state.was_enabled is None else state.was_enabled,
    )
    if seen.missing(live).fields:
        return seen
    return _end(seen, Settled(_outcome(seen), live.id, seen.written))


def _forget(state: Reconciliation) -> Reconciliation:
    """The account that we knew is gone: find the person's account as if for the first time."""
    if state.goal.external_id is None:
        return _end(state, Settled(Outcome.OUT_OF_SCOPE, None))
    goal = replace(state.goal, known=None)
    return replace(state, goal=goal, live=None, was_enabled=None, step=Step.FIND_BY_EXTERNAL_ID, uncertain=False)


def _found_by_external_id(state: Reconciliation, found: tuple[Resource, ...]) -> Reconciliation:
    # a server that ignores the filter answers with others' accounts
    hits = tuple(hit for hit in found if _external_id(hit) == state.goal.external_id)
    if len(hits) > 1:
        return _end(state, _ambiguous("external id", hits))
    if hits:
        return _seen(replace(state, adopted=True), hits[0])
    if state.goal.user_name is None:
        return _end(state, Settled(Outcome.OUT_OF_SCOPE, None))
    return replace(state, step=Step.FIND_BY_USER_NAME)


def _found_by_user_name(state: Reconciliation, found: tuple[Resource, ...]) -> Reconciliation:
    hits = _named_like_ours(state, found)
    if len(hits) > 1:
        return _not_ours(state, _ambiguous("user name", hits))
    if hits:
        external_id = _external_id(hits[0])
        if external_id == state.goal.external_id:
            return _seen(replace(state, adopted=True), hits[0])
        return _not_ours(state, _taken(hits[0])) if external_id else replace(state, step=Step.CLAIM, live=hits[0])
    return _not_found(state)


def _not_found(state: Reconciliation) -> Reconciliation:
    """Nobody has the name that was looked for."""
    if state.names_tried < len(state.goal.attempted_names):
        return replace(state, step=Step.FIND_BY_USER_NAME, live=None, names_tried=state.names_tried + 1)
    state = replace(state, live=None, names_tried=0)
    if state.uncertain and state.empty_looks + 1 < MAX_EMPTY_LOOKS:
        return replace(state, step=Step.FIND_BY_EXTERNAL_ID, empty_looks=state.empty_looks + 1)
    return replace(state, step=Step.CREATE, uncertain=False, created=False, written=())


def _claimed(state: Reconciliation, answer: Held) -> Reconciliation:
    if state.live is None:
        raise RuntimeError("nobody was asked about")
    if answer.by_another:
        return _not_ours(state, _taken(state.live))
    return _seen(replace(state, adopted=True), state.live)


def _not_ours(state: Reconciliation, why: Rejected) -> Reconciliation:
    """Somebody has the name. That is in the way of the one that we want; another can be anybody's."""
    return _end(state, why) if state.names_tried == 0 else _not_found(state)


def _name_blocker(state: Reconciliation, found: tuple[Resource, ...]) -> Reconciliation:
    """The server said 409 to an update: who has the user name that we want?"""
    others = tuple(hit for hit in _named_like_ours(state, found) if hit.id != state.goal.known)
    return _end(state, _taken(others[0]) if others else IN_THE_WAY)


_LOOKS = {
    Step.READ: _read,
    Step.FIND_BY_EXTERNAL_ID: _found_by_external_id,
    Step.FIND_BY_USER_NAME: _found_by_user_name,
    Step.NAME_BLOCKER: _name_blocker,
}


def _named_like_ours(state: Reconciliation, found: tuple[Resource, ...]) -> tuple[Resource, ...]:
    ours = (state.name or "").casefold()
    return tuple(hit for hit in found if str(paths.read(hit.body, "userName") or "").casefold() == ours)


def _external_id(resource: Resource) -> str:
    """Empty where there is none; some servers give a number back as a number."""
    value = paths.read(resource.body, "externalId")
    return "" if value is None else str(value)


def _ambiguous(what: str, hits: tuple[Resource, ...]) -> Rejected:
    ids = ", ".join(sorted(hit.id for hit in hits))
    return Rejected(f"several accounts have this {what}: {ids}", blocked_by=hits[0].id)


def _taken(other: Resource) -> Rejected:
    reason = f"account {other.id} has this e-mail and belongs to somebody else: give one of the two another in Personio"
    return Rejected(reason, "userName", other.id)


# ---------------------------------------------------------------- writes


def _update(state: Reconciliation, live: Resource) -> Write:
    missing = state.missing(live)
    if state.verb == "put":
        return ReplaceAccount(live.id, target.replaced(live.body, missing), live.version)
    return PatchAccount(live.id, target.operations(live.body, missing), live.version)


def _after_create(state: Reconciliation, answer: WriteAnswer) -> Reconciliation:
    match answer:
        case Written(Resource() as live):
            sent = state.goal.target.paths
            return _end(state, Settled(Outcome.CREATED, live.id, sent, _not_shown(state, live, sent)))
        case Written() | Lost():
            # without a body we do not know the id: look, as after a lost answer
            looks = replace(state, created=True, create_attempted=True, written=state.goal.target.paths, empty_looks=0)
            return _again(looks, Step.FIND_BY_EXTERNAL_ID, uncertain=True)
        case Conflict() if state.conflicts == 0:
            # it may be our own: of a writer before us, whose create reading does not show yet
            return _again(replace(state, conflicts=1, empty_looks=0), Step.FIND_BY_EXTERNAL_ID, uncertain=True)
        case Conflict():
            return _end(state, IN_THE_WAY)
        case Outdated() | Gone() | Unsupported():
            return _end(state, Rejected("the server does not let accounts be created over SCIM"))
    assert_never(answer)


def _after_update(state: Reconciliation, live: Resource, answer: WriteAnswer) -> Reconciliation:
    sent = tuple(dict.fromkeys((*state.written, *state.missing(live).paths)))
    match answer:
        case Written(resource):
            done = replace(state, written=sent)
            return _end(done, Settled(_outcome(done), live.id, sent, _not_shown(done, resource, sent)))
        case Lost():
            return _again(replace(state, written=sent), Step.READ, uncertain=True)
        case Outdated() | Gone():
            return _again(state, Step.READ)
        case Conflict():
            return replace(state, step=Step.NAME_BLOCKER) if state.goal.user_name else _end(state, IN_THE_WAY)
        case Unsupported() if not state.verb_changed:
            return replace(state, verb="put" if state.verb == "patch" else "patch", verb_changed=True)
        case Unsupported():
            return _end(state, Rejected("the server does not let accounts be changed over SCIM"))
    assert_never(answer)


def _not_shown(state: Reconciliation, answer: Resource | None, sent: tuple[str, ...]) -> tuple[str, ...]:
    """Servers drop attributes that they do not know without a word. An answer without a user name shows a part only."""
    if answer is None or paths.read(answer.body, "userName") is None:
        return ()
    differs = state.goal.target.differences(answer.body, spelling_sent=True).paths
    return tuple(path for path in sent if path in differs)


def _again(state: Reconciliation, step: Step, *, uncertain: bool = False) -> Reconciliation:
    if state.rounds + 1 >= MAX_ROUNDS:
        return _end(state, Unsettled("the answers to several writes were lost or the account keeps changing"))
    return replace(state, step=step, rounds=state.rounds + 1, uncertain=uncertain)


# ---------------------------------------------------------------- end


def _outcome(state: Reconciliation) -> Outcome:
    if state.created:
        return Outcome.CREATED
    if state.goal.target == target.DISABLED:
        return Outcome.DISABLED
    if state.adopted:
        return Outcome.LINKED
    if not state.written:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if state.was_enabled else Outcome.ENABLED


def _end(state: Reconciliation, result: Result) -> Reconciliation:
    return replace(state, result=result)
