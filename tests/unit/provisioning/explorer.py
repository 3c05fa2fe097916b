"""Explores every interleaving of one person's changes with two writers, using the product's own decisions.

The writers' steps between two effects are the pure functions of ``services.provisioning``; around them stand a Kafka
partition that moves and is read again, a ledger with conditional writes, a SCIM server that loses answers, and
crashes, all within small bounds. A state is wrong if, at rest, the account does not hold the newest content, the
newest change is not decided, or a flag is left standing.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from services.contracts.accounts import Account, Waiting
from services.contracts.events import AccountRequested, DesiredAccount, Intent, Outcome, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.provisioning import apply, reconcile
from services.provisioning.apply import Decision
from services.provisioning.calls import (
    Answer,
    Conflict,
    CreateAccount,
    Gone,
    Lost,
    PatchAccount,
    Resource,
    Seen,
    Written,
)
from services.provisioning.reconcile import Reconciliation, Rejected, Settled, Unsettled

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONNECTION, EMPLOYEE, ACCOUNT = ConnectionId("c"), EmployeeId("7"), AccountId("u1")
DISABLED = "disabled"


@dataclass(frozen=True)
class Bounds:
    """How much may happen. The flags at the end break one rule each on purpose."""

    contents: tuple[str, ...] = ("a", "b", "a")
    topic: int = 5
    crashes: int = 1
    moves: int = 2
    lost: int = 1
    outages: int = 1
    late_writes: bool = False
    keep_applied: bool = False
    forget_attempted: bool = False
    unconditional_ledger: bool = False


class Live(NamedTuple):
    content: str
    enabled: bool


class Entry(NamedTuple):
    """The ledger's entry, as far as the decisions look at it."""

    seq: int = 0
    decided: int = 0
    applied: str | None = None
    account: bool = False
    attempted: bool = False
    waiting: int = 0
    verify: bool = False


class Writer(NamedTuple):
    phase: str = "idle"
    offset: int = 0
    revision: int = 0
    read: Entry = Entry()
    after: Entry = Entry()
    work: str = ""
    generation: int = 0


class State(NamedTuple):
    current: int = 0
    topic: tuple[int, ...] = ()
    committed: int = 0
    live: Live | None = None
    entry: Entry = Entry()
    owner: int = 0
    writers: tuple[Writer, Writer] = (Writer(), Writer())
    resend: bool = False
    crashes: int = 0
    moves: int = 0
    lost: int = 0
    outages: int = 0


class Explorer:
    """``run`` returns the number of states, or the first history that ends in a wrong one."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._works: dict[str, Reconciliation] = {}
        self.request = lru_cache(maxsize=None)(self._request)
        self.decide = lru_cache(maxsize=None)(self._decide)
        self.settle = lru_cache(maxsize=None)(self._settle)
        self._answers: dict[tuple[str, str, Live | None], str] = {}

    # ------------------------------------------------------------ the product's decisions

    def _request(self, revision: int) -> AccountRequested:
        content = self.bounds.contents[revision - 1]
        desired = DesiredAccount(external_id="7", user_name="a@b.example", fields={"name.givenName": content})
        return AccountRequested(
            connection_id=CONNECTION,
            employee_id=EMPLOYEE,
            revision=revision,
            mapping_version=1,
            detected_at=NOW,
            intent=Intent.DISABLE if content == DISABLED else Intent.PROVISION,
            desired=None if content == DISABLED else desired,
        )

    def _account(self, entry: Entry) -> Account:
        decided = apply.outcome_event(self.request(entry.decided), Outcome.UPDATED, NOW) if entry.decided else None
        waiting = Waiting(cause="down", since=NOW, version=Version(entry.waiting, 1)) if entry.waiting else None
        return Account(
            connection_id=CONNECTION,
            employee_id=EMPLOYEE,
            decided=decided,
            waiting=waiting,
            applied=entry.applied,
            account_id=ACCOUNT if entry.account else None,
            external_id="7" if entry.account else None,
            attempted="7" if entry.attempted else None,
            verify=entry.verify,
            seq=entry.seq,
        )

    @staticmethod
    def _entry(account: Account) -> Entry:
        return Entry(
            seq=account.seq + 1,
            decided=account.decided.revision if account.decided else 0,
            applied=account.applied,
            account=account.account_id is not None,
            attempted=account.attempted is not None,
            waiting=account.waiting.version.revision if account.waiting else 0,
            verify=account.verify,
        )

    def _decide(self, revision: int, entry: Entry) -> tuple[str, Entry, str]:
        """The phase after reading a record, the entry to write, and the reconciliation to go through."""
        request, account = self.request(revision), self._account(entry)
        target = apply.target_of(request, None)
        decision = apply.decide(request, account, target)
        if decision in {Decision.SUPERSEDE, Decision.REPEAT}:
            return "commit", entry, ""
        if decision is Decision.RECONCILE and target is not None:
            return "work", entry, self._keep(reconcile.begin(apply.goal(request, account, target)))
        return "ledger", self._entry(apply.without_call(request, account, decision, NOW)), ""

    def _keep(self, work: Reconciliation) -> str:
        key = repr(work)
        self._works.setdefault(key, work)
        return key

    def _settle(self, revision: int, entry: Entry, work: str) -> Entry:
        """The entry after a finished reconciliation."""
        request, account, state = self.request(revision), self._account(entry), self._works[work]
        target = apply.target_of(request, None)
        match state.result:
            case Settled() as result if target is not None:
                return self._entry(apply.settled(request, account, target, result, None, NOW))
            case Rejected() as result:
                return self._entry(
                    apply.rejected(
                        request,
                        account,
                        result,
                        NOW,
                        known=state.goal.known,
                        create_attempted=state.create_attempted,
                    )
                )
            case Unsettled():
                return self.waits(revision, entry)
        raise AssertionError(state.result)

    def waits(self, revision: int, entry: Entry) -> Entry:
        after = self._entry(apply.waits(self.request(revision), self._account(entry), "down", NOW))
        if self.bounds.forget_attempted:
            after = after._replace(attempted=False)
        return after._replace(applied=entry.applied) if self.bounds.keep_applied else after

    def answered(self, work: str, answer: Answer, live: Live | None) -> str:
        """The state after an answer; what an answer says follows from its kind and the live account."""
        key = (work, type(answer).__name__, live)
        if key not in self._answers:
            self._answers[key] = self._keep(self._works[work].answered(answer))
        return self._answers[key]

    # ------------------------------------------------------------ the world

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        bounds = self.bounds
        room = len(s.topic) < bounds.topic
        if s.current < len(bounds.contents) and room:
            new = s.current + 1
            yield f"change {new}", s._replace(current=new, topic=(*s.topic, new))
        if s.resend and room:
            yield f"re-send {s.current}", s._replace(topic=(*s.topic, s.current), resend=False)
        if s.entry.waiting and not s.resend:
            yield "probe succeeds", s._replace(resend=True)
        if s.moves < bounds.moves:
            yield f"partition moves to W{1 - s.owner}", s._replace(owner=1 - s.owner, moves=s.moves + 1)
        for i in (0, 1):
            yield from self.writer_steps(s, i)

    def writer_steps(self, s: State, i: int) -> Iterator[tuple[str, State]]:
        w = s.writers[i]

        def go(new: Writer, **changes: Any) -> State:
            return s._replace(writers=(new, s.writers[1]) if i == 0 else (s.writers[0], new), **changes)

        if w.phase != "idle" and s.crashes < self.bounds.crashes:
            yield f"W{i} crashes before {w.phase}", go(Writer(), crashes=s.crashes + 1)
        match w.phase:
            case "idle" if s.owner == i and s.committed < len(s.topic):
                revision = s.topic[s.committed]
                phase, after, work = self.decide(revision, s.entry)
                reads = Writer(phase, s.committed, revision, s.entry, after, work, s.moves)
                yield f"W{i} reads {revision}: {phase}", go(reads)
            case "work":
                yield from self.work_steps(s, i, go)
            case "ledger" if s.entry.seq == w.read.seq or self.bounds.unconditional_ledger:
                yield f"W{i} ledger {w.revision}", go(w._replace(phase="commit"), entry=w.after)
            case "ledger":
                marked = s.entry._replace(seq=s.entry.seq + 1, verify=True)
                yield f"W{i} lost race", go(w._replace(phase="commit"), entry=marked, resend=True)
            case "commit" if s.owner == i:
                yield f"W{i} commits", go(Writer(), committed=max(s.committed, w.offset + 1))
            case "commit":
                yield f"W{i} commit refused", go(Writer())

    def work_steps(self, s: State, i: int, go: Any) -> Iterator[tuple[str, State]]:
        w = s.writers[i]
        state = self._works[w.work]
        if state.result is not None:
            yield f"W{i} settled", go(w._replace(phase="ledger", after=self.settle(w.revision, w.read, w.work)))
            return
        if not self.bounds.late_writes and w.generation != s.moves:
            yield f"W{i} partition has moved, drops the batch", go(Writer())
            return
        if s.outages < self.bounds.outages:
            waits = w._replace(phase="ledger", after=self.waits(w.revision, w.read))
            yield f"W{i} finds the target down", go(waits, outages=s.outages + 1)
        call = state.next
        if not isinstance(call, CreateAccount | PatchAccount):
            found = Seen((_resource(s.live),) if s.live else ())
            yield f"W{i} looks", go(w._replace(work=self.answered(w.work, found, s.live)))
            return
        answer, live = _perform(call, s.live)
        yield f"W{i} {type(call).__name__}", go(w._replace(work=self.answered(w.work, answer, live)), live=live)
        if s.lost < self.bounds.lost:
            lost = w._replace(work=self.answered(w.work, Lost(), None))
            yield f"W{i} {type(call).__name__}, answer lost", go(lost, live=live, lost=s.lost + 1)
            yield f"W{i} {type(call).__name__} never arrived", go(lost, lost=s.lost + 1)

    def wrong(self, s: State) -> str | None:
        moving = s.resend or s.entry.waiting or s.committed < len(s.topic) or any(w.phase != "idle" for w in s.writers)
        if moving or s.current < len(self.bounds.contents):
            return None
        newest = self.bounds.contents[-1]
        holds = s.live.content if s.live and s.live.enabled else DISABLED
        if holds != newest:
            return f"the account holds {holds}, the newest is {newest}"
        if s.entry.decided != s.current:
            return f"decided {s.entry.decided}, the newest is {s.current}"
        return "verify is left standing" if s.entry.verify and s.entry.account else None

    def run(self) -> tuple[int, list[str]]:
        came_from: dict[State, tuple[State, str] | None] = {State(): None}
        queue = deque(came_from)
        while queue:
            s = queue.popleft()
            if reason := self.wrong(s):
                return len(came_from), [*_history(came_from, s), reason]
            for label, after in self.steps(s):
                if after not in came_from:
                    came_from[after] = (s, label)
                    queue.append(after)
        return len(came_from), []


def _history(came_from: dict[State, tuple[State, str] | None], s: State) -> list[str]:
    history: list[str] = []
    at = came_from[s]
    while at:
        history.append(at[1])
        at = came_from[at[0]]
    return history[::-1]


def _resource(live: Live) -> Resource:
    return Resource(
        ACCOUNT,
        {
            "id": ACCOUNT,
            "externalId": "7",
            "userName": "a@b.example",
            "active": live.enabled,
            "name": {"givenName": live.content},
            "emails": [{"type": "work", "value": "a@b.example", "primary": True}],
        },
    )


def _perform(call: CreateAccount | PatchAccount, live: Live | None) -> tuple[Answer, Live | None]:
    """What the server does: user names are unique, operations are applied as they come."""
    if isinstance(call, CreateAccount):
        if live is not None:
            return Conflict(), live
        made = Live(call.body["name"]["givenName"], call.body["active"])
        return Written(_resource(made)), made
    if live is None:
        return Gone(), None
    fields: dict[str, Any] = {"name.givenName": live.content, "active": live.enabled}
    fields |= {operation["path"]: operation["value"] for operation in call.operations}
    return Written(), Live(fields["name.givenName"], fields["active"])
