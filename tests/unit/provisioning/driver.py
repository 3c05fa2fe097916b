"""Runs a reconciliation with the answers of a server, and records what it asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountIdentity
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    AskBrake,
    AskOwnership,
    Braked,
    Call,
    ClaimAccount,
    Claimed,
    CreateAccount,
    FindAccounts,
    Found,
    Lost,
    Ownership,
    PatchAccount,
    Pause,
    Question,
    ReplaceAccount,
    Reply,
    Resource,
    Step,
    Steps,
    Written,
)
from services.provisioning.desired import DISABLED, Change, DesiredState
from services.provisioning.lookup import MAX_EMPTY_LOOKUPS
from services.provisioning.reconcile import reconcile
from services.provisioning.server import ServerMemory, Way
from services.provisioning.states import Goal, Result, Trail, Work
from tests.unit.provisioning.accounts import EMAIL, OLD_NAME, build_account, build_state, find, find_listed

REMEMBERED = AccountId("u1")
BY_EXTERNAL_ID, BY_USER_NAME = FindAccounts("externalId", "7"), FindAccounts("userName", EMAIL)
NOTHING, LOST = Found(), Lost()
CREATED = Written(build_account("u9"))
FRESH_EXTERNAL_ID = FindAccounts("externalId", "7", is_fresh=True)
FRESH_USER_NAME = FindAccounts("userName", EMAIL, is_fresh=True)
EMPTY_LOOKUPS: list[Answer] = [NOTHING, NOTHING] * MAX_EMPTY_LOOKUPS
UNOWNED = Ownership()
OWN = Ownership("self")
DESIRED = build_state(reference=None)


def build_goal(account: AccountId | None = None, state: DesiredState = DESIRED, **changes: Any) -> Goal:
    """Returns the goal of an employee with this account in the ledger."""
    content: dict[str, Any] = {
        "identity": AccountIdentity(external_id="7", user_name=EMAIL, given_name="Ada"),
        "user_name": EMAIL,
        "our_external_ids": frozenset({"7"}),
    }
    return Goal(state, account_id=account, **content | changes)


BY_EMAIL = build_goal(policy=LinkPolicy.BY_EMAIL)
"""The goal of an employee of a connection with the policy ``by_email``."""


def build_leaver(account: AccountId | None = REMEMBERED, **changes: Any) -> Goal:
    """Returns the goal of a leaver with this account in the ledger."""
    return build_goal(account, DISABLED, **{"user_name": None} | changes)


@dataclass(frozen=True)
class Story:
    """A finished reconciliation."""

    steps: tuple[Step, ...]
    """What it asked for, in order."""
    result: Any
    """How it ended."""
    trail: Trail
    """What it has done."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls to the server."""
        return tuple(step for step in self.steps if not isinstance(step, Question))

    @property
    def writes(self) -> tuple[Call, ...]:
        """The calls that may change an account."""
        return tuple(call for call in self.calls if isinstance(call, CreateAccount | PatchAccount | ReplaceAccount))

    @property
    def claims(self) -> tuple[ClaimAccount, ...]:
        """The claims of accounts that existed before."""
        return tuple(step for step in self.steps if isinstance(step, ClaimAccount))

    @property
    def patched(self) -> list[dict[str, Any]]:
        """The values that each PATCH sends, by path."""
        return [
            {operation.get("path", ""): operation.get("value") for operation in call.operations}
            for call in self.writes
            if isinstance(call, PatchAccount)
        ]


def answer_question(step: Step, ownership: Ownership, *, is_claimed: bool = True) -> Reply:
    """Returns the reply to a question. Raises ``TypeError`` for a call to the server."""
    match step:
        case Pause():
            return None
        case AskOwnership():
            return ownership
        case ClaimAccount():
            return Claimed(is_claimed)
        case AskBrake():
            return Braked(is_held=False)
    raise TypeError(f"{step} is not a question")


def run(
    goal: Goal,
    *answers: Answer,
    memory: ServerMemory | None = None,
    ownership: Ownership = UNOWNED,
    own: Ownership = OWN,
    is_claimed: bool = True,
) -> Story:
    """Runs a reconciliation with these answers of the server. It must end exactly with the last of them.

    ``own`` answers the questions about the owner of the remembered account, ``ownership`` those about other accounts, and
    ``is_claimed`` every claim.
    """
    left = list(answers)

    def answer_call(call: Call) -> Answer:
        assert left, f"not finished: the next call is {call}"
        return left.pop(0)

    story = record(goal, answer_call, memory, ownership, own=own, is_claimed=is_claimed)
    assert not left, f"finished before {left}: {story.result}"
    return story


def record(
    goal: Goal,
    answer_call: Callable[[Call], Answer],
    memory: ServerMemory | None,
    ownership: Ownership,
    *,
    own: Ownership = OWN,
    is_claimed: bool = True,
) -> Story:
    """Runs a reconciliation with a function that answers its calls."""
    trail, steps = Trail(), list[Step]()

    def answer(step: Step) -> Reply:
        steps.append(step)
        if isinstance(step, Question):
            is_own = isinstance(step, AskOwnership) and step.account.id == goal.account_id
            return answer_question(step, own if is_own else ownership, is_claimed=is_claimed)
        return answer_call(step)

    result = drive(reconcile(Work(goal, trail, memory or ServerMemory())), answer)
    return Story(tuple(steps), result, trail)


def drive(work: Steps[Result], answer: Callable[[Step], Reply]) -> Result:
    """Runs a generator of steps to its end with these answers, and returns its result."""
    reply: Reply = None
    try:
        while True:
            reply = answer(work.send(reply))
    except StopIteration as stop:
        result: Result = stop.value
    return result


def run_by_name(goal: Goal, live: Resource, *answers: Answer, is_asked: bool = False, **more: Any) -> Story:
    """Runs a reconciliation that finds one account, by its user name. It is read before a decision ``is_asked`` for."""
    # a list may hide the external id, so an account without one is read
    reads = () if "externalId" in live.body else (find(live),)
    asked = (find(live),) if is_asked else ()
    return run(goal, NOTHING, find_listed(live), *reads, *asked, *answers, **more)


def run_create(*answers: Answer, **more: Any) -> Story:
    """Runs a reconciliation of an employee without account, from the create on."""
    goal = more.pop("goal", build_goal())
    return run(goal, NOTHING, NOTHING, *answers, **more)


def run_update(*answers: Answer, **more: Any) -> Story:
    """Runs a reconciliation that finds the remembered account with another first name."""
    return run(build_goal(REMEMBERED), find(OLD_NAME), *answers, **more)


def prove(*wanted: str) -> ServerMemory:
    """Returns a memory in which each change of these fields was stored by PATCH with paths."""
    kinds: tuple[Literal["add", "replace"], ...] = ("add", "replace")
    proven = {Change(path, kind) for path in wanted for kind in kinds}
    return ServerMemory(preferred=Way.PATHS, proven={Way.PATHS: proven})
