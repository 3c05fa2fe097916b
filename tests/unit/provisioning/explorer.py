"""Explores every interleaving of one employee's changes with two writers, and uses the product's own decisions.

Between two effects, the writers are the pure functions of ``services.provisioning``. Around them is a small model: a Kafka
partition that moves and is read again, a ledger with conditional writes, a SCIM server that loses answers, and crashes.
A state is wrong if nothing is left to do and one of these holds: the account does not have the newest content, the newest
change is not decided, or the entry is still marked for verification.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from services.contracts.events import AccountRequested, DesiredAccount, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import settlement
from services.provisioning.calls import (
    Answer,
    Conflict,
    CreateAccount,
    Found,
    Gone,
    Lost,
    PatchAccount,
    Resource,
    Written,
)
from services.provisioning.manager import WantedManager
from services.provisioning.reconcile import Inconclusive, Reconciliation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONNECTION, EMPLOYEE, ACCOUNT = ConnectionId("c"), EmployeeId("7"), AccountId("u1")
DISABLED = "disabled"
"""The content of a change that disables the account."""


@dataclass(frozen=True)
class Bounds:
    """How often each thing may happen. Each flag breaks one rule of the product on purpose."""

    contents: tuple[str, ...] = ("a", "b", "a")
    """The contents of the employee's changes, in order."""
    topic: int = 5
    """Maximum number of records in the topic."""
    crashes: int = 1
    """Maximum number of crashes of writers."""
    moves: int = 2
    """Maximum number of moves of the partition to the other writer."""
    lost: int = 1
    """Maximum number of writes without an answer."""
    outages: int = 1
    """Maximum number of outages of the server."""
    late_writes: bool = False
    """Whether a writer still sends requests after its partition has moved."""
    keep_applied: bool = False
    """Whether a waiting change keeps ``applied``."""
    forget_attempted: bool = False
    """Whether a waiting change forgets an attempted create."""
    unconditional_ledger: bool = False
    """Whether the ledger is written without a condition."""


class Live(NamedTuple):
    """The account on the server."""

    content: str
    enabled: bool


class Entry(NamedTuple):
    """The ledger entry, reduced to what the decisions depend on."""

    seq: int = 0
    decided: int = 0
    applied: str | None = None
    account: bool = False
    attempted: bool = False
    waiting: int = 0
    verify: bool = False


class Writer(NamedTuple):
    """One writer. ``phase`` is the effect that it performs next."""

    phase: str = "idle"
    offset: int = 0
    revision: int = 0
    read: Entry = Entry()
    after: Entry = Entry()
    work: str = ""
    generation: int = 0


class State(NamedTuple):
    """One state of the model."""

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
    """Explores all states within the bounds, breadth first."""

    def __init__(self, bounds: Bounds) -> None:
        """Starts without any explored state."""
        self.bounds = bounds
        self._works: dict[str, Reconciliation] = {}
        self._answers: dict[tuple[str, str, Live | None], str] = {}
        self.build_request = lru_cache(maxsize=None)(self._build_request)
        self.decide = lru_cache(maxsize=None)(self._decide)
        self.settle = lru_cache(maxsize=None)(self._settle)

    def run(self) -> tuple[int, list[str]]:
        """Returns the number of explored states, and the first history that ends in a wrong one; empty without."""
        predecessors: dict[State, tuple[State, str] | None] = {State(): None}
        queue = deque(predecessors)
        while queue:
            state = queue.popleft()
            if error := self.find_error(state):
                return len(predecessors), [*_build_history(predecessors, state), error]
            for label, after in self.list_steps(state):
                if after not in predecessors:
                    predecessors[after] = (state, label)
                    queue.append(after)
        return len(predecessors), []

    # ------------------------------------------------------------ the product's decisions

    def _build_request(self, revision: int) -> AccountRequested:
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

    def _build_ledger_entry(self, entry: Entry) -> LedgerEntry:
        decided = (
            settlement.build_outcome(self.build_request(entry.decided), Outcome.UPDATED, NOW) if entry.decided else None
        )
        waiting = (
            Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(entry.waiting, 1))
            if entry.waiting
            else None
        )
        return LedgerEntry(
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
    def _reduce(entry: LedgerEntry) -> Entry:
        """Returns the entry as it will be stored, with the next ``seq``."""
        return Entry(
            seq=entry.seq + 1,
            decided=entry.decided.revision if entry.decided else 0,
            applied=entry.applied,
            account=entry.account_id is not None,
            attempted=entry.attempted is not None,
            waiting=entry.waiting.version.revision if entry.waiting else 0,
            verify=entry.verify,
        )

    def _decide(self, revision: int, entry: Entry) -> tuple[str, Entry, str]:
        """Returns the phase after a record was read, the entry to write, and the reconciliation to perform."""
        request, stored = self.build_request(revision), self._build_ledger_entry(entry)
        begun = settlement.begin(request, stored, lambda _: None, "patch", NOW, is_resent=False)
        if begun.state is not None:
            return "work", entry, self._keep(begun.state)
        if begun.entry is stored:
            return "commit", entry, ""
        return "ledger", self._reduce(begun.entry), ""

    def _keep(self, work: Reconciliation) -> str:
        """Keeps the reconciliation under a key that is cheap to compare."""
        key = repr(work)
        self._works.setdefault(key, work)
        return key

    def _settle(self, revision: int, entry: Entry, work: str) -> Entry:
        """Returns the entry after a finished reconciliation."""
        request, stored, state = self.build_request(revision), self._build_ledger_entry(entry), self._works[work]
        if isinstance(state.result, Inconclusive):
            return self.wait(revision, entry)
        begun = settlement.Settlement(request, stored, WantedManager())
        return self._reduce(settlement.finish(begun, state, NOW).entry)

    def wait(self, revision: int, entry: Entry) -> Entry:
        """Returns the entry of a change that waits."""
        stored = self._build_ledger_entry(entry)
        after = self._reduce(
            settlement.record_waiting(self.build_request(revision), stored, WaitingCause.SERVER_UNAVAILABLE, NOW)
        )
        if self.bounds.forget_attempted:
            after = after._replace(attempted=False)
        return after._replace(applied=entry.applied) if self.bounds.keep_applied else after

    def receive(self, work: str, answer: Answer, live: Live | None) -> str:
        """Returns the reconciliation after an answer, which depends only on its kind and the live account."""
        key = (work, type(answer).__name__, live)
        if key not in self._answers:
            self._answers[key] = self._keep(self._works[work].receive(answer))
        return self._answers[key]

    # ------------------------------------------------------------ the model

    def list_steps(self, s: State) -> Iterator[tuple[str, State]]:
        """Yields every next step with its label and the state after it."""
        bounds = self.bounds
        has_room = len(s.topic) < bounds.topic
        if s.current < len(bounds.contents) and has_room:
            new = s.current + 1
            yield f"change {new}", s._replace(current=new, topic=(*s.topic, new))
        if s.resend and has_room:
            yield f"resend {s.current}", s._replace(topic=(*s.topic, s.current), resend=False)
        if s.entry.waiting and not s.resend:
            yield "probe succeeds", s._replace(resend=True)
        if s.moves < bounds.moves:
            yield f"partition moves to W{1 - s.owner}", s._replace(owner=1 - s.owner, moves=s.moves + 1)
        for i in (0, 1):
            yield from self.list_writer_steps(s, i)

    def list_writer_steps(self, s: State, i: int) -> Iterator[tuple[str, State]]:
        """Yields the next steps of one writer."""
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
                yield from self.list_work_steps(s, i, go)
            case "ledger" if s.entry.seq == w.read.seq or self.bounds.unconditional_ledger:
                yield f"W{i} ledger {w.revision}", go(w._replace(phase="commit"), entry=w.after)
            case "ledger":
                marked = s.entry._replace(seq=s.entry.seq + 1, verify=True)
                yield f"W{i} lost race", go(w._replace(phase="commit"), entry=marked, resend=True)
            case "commit" if s.owner == i:
                yield f"W{i} commits", go(Writer(), committed=max(s.committed, w.offset + 1))
            case "commit":
                yield f"W{i} commit refused", go(Writer())

    def list_work_steps(self, s: State, i: int, go: Any) -> Iterator[tuple[str, State]]:
        """Yields the next steps of a writer that reconciles an account."""
        w = s.writers[i]
        state = self._works[w.work]
        if state.result is not None:
            yield f"W{i} settled", go(w._replace(phase="ledger", after=self.settle(w.revision, w.read, w.work)))
            return
        if not self.bounds.late_writes and w.generation != s.moves:
            yield f"W{i} partition has moved, drops the batch", go(Writer())
            return
        if s.outages < self.bounds.outages:
            waiting = w._replace(phase="ledger", after=self.wait(w.revision, w.read))
            yield f"W{i} gets no answer from the server", go(waiting, outages=s.outages + 1)
        call = state.next_call
        if not isinstance(call, CreateAccount | PatchAccount):
            answer = Found((_build_resource(s.live),) if s.live else ())
            yield f"W{i} looks up", go(w._replace(work=self.receive(w.work, answer, s.live)))
            return
        written, live = _perform(call, s.live)
        yield f"W{i} {type(call).__name__}", go(w._replace(work=self.receive(w.work, written, live)), live=live)
        if s.lost < self.bounds.lost:
            lost = w._replace(work=self.receive(w.work, Lost(), None))
            yield f"W{i} {type(call).__name__}, answer lost", go(lost, live=live, lost=s.lost + 1)
            yield f"W{i} {type(call).__name__} never arrived", go(lost, lost=s.lost + 1)

    def find_error(self, s: State) -> str | None:
        """Returns what is wrong with a state; None if it is right, or if something is left to do."""
        has_work = (
            s.resend or s.entry.waiting or s.committed < len(s.topic) or any(w.phase != "idle" for w in s.writers)
        )
        if has_work or s.current < len(self.bounds.contents):
            return None
        newest = self.bounds.contents[-1]
        content = s.live.content if s.live and s.live.enabled else DISABLED
        if content != newest:
            return f"the account has {content}, the newest content is {newest}"
        if s.entry.decided != s.current:
            return f"{s.entry.decided} is decided, the newest change is {s.current}"
        return "the entry is still marked for verification" if s.entry.verify and s.entry.account else None


def _build_history(predecessors: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    history: list[str] = []
    step = predecessors[state]
    while step:
        history.append(step[1])
        step = predecessors[step[0]]
    return history[::-1]


def _build_resource(live: Live) -> Resource:
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
    """Returns the server's answer and the account after it. User names are unique; operations apply in order."""
    if isinstance(call, CreateAccount):
        if live is not None:
            return Conflict(), live
        created = Live(call.body["name"]["givenName"], call.body["active"])
        return Written(_build_resource(created)), created
    if live is None:
        return Gone(), None
    fields: dict[str, Any] = {"name.givenName": live.content, "active": live.enabled}
    fields |= {operation["path"]: operation["value"] for operation in call.operations}
    return Written(), Live(fields["name.givenName"], fields["active"])
