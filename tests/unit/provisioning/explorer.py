"""Explores every interleaving of one employee's changes with two writers, and uses the product's own settlements.

Between two effects, the writers are the settlements of ``services.provisioning``. Around them is a small model: a Kafka
partition that moves and is read again, a ledger with conditional writes, crashes, and a SCIM server that loses answers and
carries out an unanswered write later. A state is wrong if nothing is left to do and one of these holds: the account does
not have the newest content, there are two accounts, the newest change is not decided, or the entry is still marked for
verification.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from services.contracts.events import AccountIdentity, AccountRequested, DesiredAccount, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import records
from services.provisioning.calls import (
    Answer,
    AskBrake,
    AskOwnership,
    Braked,
    Call,
    ClaimAccount,
    Claimed,
    Conflict,
    CreateAccount,
    Found,
    Lost,
    Missing,
    Ownership,
    PatchAccount,
    Question,
    ReadAccount,
    Reply,
    Resource,
    Written,
)
from services.provisioning.circumstances import Circumstances
from services.provisioning.server import ServerDescription, ServerMemory
from services.provisioning.settlement import Settlement

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATE = timedelta(minutes=5)
CONNECTION, EMPLOYEE, ACCOUNT = ConnectionId("c"), EmployeeId("7"), AccountId("u1")
NAME = "a@b.example"
DISABLED = "disabled"
"""The content of a change that disables the account."""


@dataclass(frozen=True)
class Bounds:
    """How often each thing may happen. Each of the last flags breaks one rule of the product on purpose."""

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
    has_unique_names: bool = True
    """Whether the server refuses a second account with the same user name, and says so."""
    late_writes: bool = False
    """Whether a writer still sends requests after its partition has moved."""
    forget_doubt: bool = False
    """Whether an unanswered write is forgotten once a lookup did not show it."""
    trust_redelivery: bool = False
    """Whether a record that an earlier writer had in progress is settled as any other."""
    unconditional_ledger: bool = False
    """Whether the ledger is written without a condition."""


class Live(NamedTuple):
    """The account on the server."""

    content: str
    enabled: bool


class Flight(NamedTuple):
    """A write that has left, was given up, and is not carried out yet."""

    is_create: bool
    fields: tuple[tuple[str, Any], ...]


class Entry(NamedTuple):
    """The ledger entry, reduced to what the decisions depend on."""

    seq: int = 0
    decided: int = 0
    outcome: Outcome = Outcome.UPDATED
    applied: str | None = None
    account: bool = False
    attempted: bool = False
    suspected: bool = False
    waiting: int = 0
    verify: bool = False
    doubt: bool = False


class Work(NamedTuple):
    """A settlement in progress, as the request and the replies that lead to it."""

    revision: int
    entry: Entry
    is_suspect: bool
    replies: tuple[tuple[str, Live | None], ...] = ()


class Writer(NamedTuple):
    """One writer. ``phase`` is the effect that it performs next."""

    phase: str = "idle"
    offset: int = 0
    revision: int = 0
    read: Entry = Entry()
    after: Entry = Entry()
    work: Work | None = None
    generation: int = 0


class State(NamedTuple):
    """One state of the model."""

    current: int = 0
    topic: tuple[int, ...] = ()
    committed: int = 0
    in_work: int = -1
    live: Live | None = None
    doubles: int = 0
    flying: Flight | None = None
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
        self.build_request = lru_cache(maxsize=None)(self._build_request)
        self.decide = lru_cache(maxsize=None)(self._decide)
        self.next_call = lru_cache(maxsize=None)(self._find_next_call)
        self.conclude = lru_cache(maxsize=None)(self._conclude)
        self.wait = lru_cache(maxsize=None)(self._wait)

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
        desired = DesiredAccount(external_id="7", user_name=NAME, fields={"name.givenName": content})
        return AccountRequested(
            connection_id=CONNECTION,
            employee_id=EMPLOYEE,
            revision=revision,
            mapping_version=1,
            detected_at=NOW,
            intent=Intent.DISABLE if content == DISABLED else Intent.PROVISION,
            desired=None if content == DISABLED else desired,
            identity=AccountIdentity(external_id="7", user_name=NAME) if content == DISABLED else None,
        )

    def _build_ledger_entry(self, entry: Entry) -> LedgerEntry:
        decided = (
            records.build_outcome(self.build_request(entry.decided), entry.outcome, NOW - LATE)
            if entry.decided
            else None
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
            user_name=NAME if entry.account else None,
            attempted="7" if entry.attempted else None,
            attempted_names=(NAME,) if entry.attempted or entry.suspected else (),
            suspected_since=NOW if entry.suspected else None,
            look_at=NOW if entry.doubt else None,
            verify=entry.verify,
            seq=entry.seq,
        )

    def _reduce(self, entry: LedgerEntry) -> Entry:
        """Returns the entry as it will be stored, with the next ``seq``."""
        return Entry(
            seq=entry.seq + 1,
            decided=entry.decided.revision if entry.decided else 0,
            outcome=entry.decided.outcome if entry.decided else Outcome.UPDATED,
            applied=entry.applied,
            account=entry.account_id is not None,
            attempted=entry.attempted is not None,
            suspected=entry.suspected_since is not None,
            waiting=entry.waiting.version.revision if entry.waiting else 0,
            verify=entry.verify,
            doubt=entry.look_at is not None and not self.bounds.forget_doubt,
        )

    def _replay(self, work: Work) -> Settlement:
        """Returns the settlement after the replies so far."""
        request = self.build_request(work.revision)
        description = ServerDescription(unique_user_names=self.bounds.has_unique_names)
        settling = Settlement(
            request,
            self._build_ledger_entry(work.entry),
            lambda _: None,
            ServerMemory(description),
            Circumstances(NOW, LATE, suspects=(request,) if work.is_suspect else ()),
        )
        _answer_questions(settling)
        for kind, live in work.replies:
            settling.note_sent()
            settling.receive(_build_answer(kind, live))
            _answer_questions(settling)
        return settling

    def _decide(self, revision: int, entry: Entry, *, is_suspect: bool) -> tuple[str, Entry]:
        """Returns the phase after a record was read, and the entry to write."""
        settling = self._replay(Work(revision, entry, is_suspect))
        if settling.step is not None:
            return "work", entry
        if settling.entry == self._build_ledger_entry(entry):
            return "commit", entry
        return "ledger", self._reduce(settling.entry)

    def _find_next_call(self, work: Work) -> Call | None:
        step = self._replay(work).step
        assert not isinstance(step, Question)
        return step

    def _conclude(self, work: Work) -> Entry:
        """Returns the entry after a finished settlement."""
        settling = self._replay(work)
        settling.conclude(NOW)
        return self._reduce(settling.entry)

    def _wait(self, work: Work) -> Entry:
        """Returns the entry of a change that waits, because the present call stays without an answer."""
        settling = self._replay(work)
        settling.wait(WaitingCause.SERVER_UNAVAILABLE, NOW)
        return self._reduce(settling.entry)

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
        if s.flying:
            live, doubles = self._land(s.flying, s.live, s.doubles)
            yield "the server carries out the unanswered write", s._replace(flying=None, live=live, doubles=doubles)
            yield "the server never carries it out", s._replace(flying=None)
        elif s.entry.doubt and not s.resend:
            looked = s.entry._replace(seq=s.entry.seq + 1, verify=True, doubt=False)
            yield "the look is due", s._replace(resend=True, entry=looked)
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
                is_suspect = s.committed == s.in_work and not self.bounds.trust_redelivery
                phase, after = self.decide(revision, s.entry, is_suspect=is_suspect)
                work = Work(revision, s.entry, is_suspect)
                reads = Writer(phase, s.committed, revision, s.entry, after, work, s.moves)
                if phase != "work":
                    reads = _note(reads, after) if phase == "ledger" else Writer("commit", s.committed)
                yield f"W{i} reads {revision}: {phase}", go(reads, in_work=s.committed)
            case "work" if w.work is not None:
                yield from self.list_work_steps(s, i, w.work, go)
            case "ledger" if s.entry.seq == w.read.seq or self.bounds.unconditional_ledger:
                yield f"W{i} ledger {w.revision}", go(Writer("commit", w.offset), entry=w.after)
            case "ledger":
                marked = s.entry._replace(
                    seq=s.entry.seq + 1,
                    verify=True,
                    doubt=s.entry.doubt or w.after.doubt,
                    attempted=s.entry.attempted or w.after.attempted,
                )
                yield f"W{i} lost race", go(Writer("commit", w.offset), entry=marked, resend=True)
            case "commit" if s.owner == i:
                yield f"W{i} commits", go(Writer(), committed=max(s.committed, w.offset + 1))
            case "commit":
                yield f"W{i} commit refused", go(Writer())

    def list_work_steps(self, s: State, i: int, work: Work, go: Any) -> Iterator[tuple[str, State]]:
        """Yields the next steps of a writer that reconciles an account."""
        w = s.writers[i]
        call = self.next_call(work)
        if call is None:
            yield f"W{i} settled", go(_note(w, self.conclude(work)))
            return
        if not self.bounds.late_writes and w.generation != s.moves:
            yield f"W{i} partition has moved, drops the batch", go(Writer())
            return

        def reply(kind: str, live: Live | None) -> Writer:
            return w._replace(work=work._replace(replies=(*work.replies, (kind, live))))

        if s.outages < self.bounds.outages:
            yield f"W{i} gets no answer from the server", go(_note(w, self.wait(work)), outages=s.outages + 1)
        if not isinstance(call, CreateAccount | PatchAccount):
            kind = "missing" if isinstance(call, ReadAccount) and s.live is None else "found"
            yield f"W{i} looks up", go(reply(kind, s.live))
            return
        name, flight = type(call).__name__, _build_flight(call)
        kind, live, doubles = self._perform(flight, s.live, s.doubles)
        yield f"W{i} {name}", go(reply(kind, live), live=live, doubles=doubles)
        if s.lost < self.bounds.lost and s.flying is None:
            yield f"W{i} {name}, answer lost", go(reply("lost", None), live=live, doubles=doubles, lost=s.lost + 1)
            yield f"W{i} {name}, no answer yet", go(reply("lost", None), flying=flight, lost=s.lost + 1)

    def _perform(self, flight: Flight, live: Live | None, doubles: int) -> tuple[str, Live | None, int]:
        """Returns the kind of the server's answer, and the accounts after it."""
        if flight.is_create:
            if live is None:
                return "written", Live(**dict(flight.fields)), doubles
            return ("conflict", live, doubles) if self.bounds.has_unique_names else ("written", live, doubles + 1)
        if live is None:
            return "missing", None, doubles
        return "written", live._replace(**dict(flight.fields)), doubles

    def _land(self, flight: Flight, live: Live | None, doubles: int) -> tuple[Live | None, int]:
        _, after, doubles = self._perform(flight, live, doubles)
        return after, doubles

    def find_error(self, s: State) -> str | None:
        """Returns what is wrong with a state; None if it is right, or if something is left to do."""
        if s.doubles:
            return "the employee has two accounts"
        is_busy = s.resend or s.entry.waiting or s.flying or (s.entry.doubt and not self.bounds.forget_doubt)
        has_work = is_busy or s.committed < len(s.topic) or any(w.phase != "idle" for w in s.writers)
        if has_work or s.current < len(self.bounds.contents):
            return None
        newest = self.bounds.contents[-1]
        content = s.live.content if s.live and s.live.enabled else DISABLED
        if content != newest:
            return f"the account has {content}, the newest content is {newest}"
        if s.entry.decided != s.current:
            return f"{s.entry.decided} is decided, the newest change is {s.current}"
        return "the entry is still marked for verification" if s.entry.verify and s.entry.account else None


def _note(writer: Writer, after: Entry) -> Writer:
    """Returns the writer before its ledger write; what led to the new entry no longer matters."""
    return Writer("ledger", writer.offset, writer.revision, Entry(seq=writer.read.seq), after)


def _answer_questions(settling: Settlement) -> None:
    """Answers pauses and questions about ownership: the employee is the only one."""
    while isinstance(settling.step, Question):
        reply: Reply = None
        if isinstance(settling.step, AskOwnership):
            reply = Ownership("none")
        if isinstance(settling.step, ClaimAccount):
            reply = Claimed(is_ours=True)
        if isinstance(settling.step, AskBrake):
            reply = Braked(is_held=False)
        settling.receive(reply)


def _build_answer(kind: str, live: Live | None) -> Answer:
    match kind:
        case "found":
            return Found((_build_resource(live),) if live else ())
        case "written":
            assert live is not None
            return Written(_build_resource(live))
        case "missing":
            return Missing()
        case "conflict":
            return Conflict()
    return Lost()


def _build_flight(call: CreateAccount | PatchAccount) -> Flight:
    """Returns what a write changes: given name and ``active``."""
    if isinstance(call, CreateAccount):
        fields = {"content": call.body["name"]["givenName"], "enabled": call.body["active"]}
        return Flight(is_create=True, fields=tuple(fields.items()))
    names = {"name.givenName": "content", "active": "enabled"}
    changed = [(names[operation["path"]], operation["value"]) for operation in call.operations]
    return Flight(is_create=False, fields=tuple(changed))


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
            "userName": NAME,
            "active": live.enabled,
            "name": {"givenName": live.content},
            "emails": [{"type": "work", "value": NAME, "primary": True}],
        },
    )
