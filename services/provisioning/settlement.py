"""Settles one request: from the request and the ledger entry to calls, the next entry and the outcome.

The interface of this package for the writer, which performs what ``Settlement.step`` asks for, passes on the replies, and
takes the entry and the outcome. The writer decides nothing, and a settlement does no I/O.
"""

from datetime import datetime

from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.provisioning import records
from services.provisioning.calls import CreateAccount, Lost, PatchAccount, ReplaceAccount, Reply, Step, Steps
from services.provisioning.circumstances import Circumstances
from services.provisioning.desired import DesiredState
from services.provisioning.doubts import build_search, note_found, note_suspects
from services.provisioning.goal import build_desired_state, build_goal, find_due_refusals
from services.provisioning.manager import MANAGER_PATIENCE, FindManagerAccount, resolve_manager
from services.provisioning.precedence import Decision, decide
from services.provisioning.reconcile import reconcile
from services.provisioning.server import ServerMemory
from services.provisioning.states import Goal, Inconclusive, Rejected, Result, Settled, Trail, Work


class Settlement:
    """One request on its way to an outcome.

    Perform ``step`` and pass the reply to ``receive`` until ``step`` becomes None, then call ``conclude``. ``wait`` ends the
    settlement early.
    """

    def __init__(
        self,
        request: AccountRequested,
        entry: LedgerEntry,
        find_manager: FindManagerAccount,
        memory: ServerMemory,
        circumstances: Circumstances,
    ) -> None:
        """Decides what the request means for the entry, and starts a reconciliation if one is needed."""
        is_newer, is_newest = request.version > entry.newest_version, request.version >= entry.newest_version
        self.entry = records.note_replaced(entry, keeps=circumstances.is_suspect) if is_newer else entry
        self.outcome: AccountSynced | None = None
        # an earlier writer may have stored the entry without publishing the outcome
        is_told = is_newer or (is_newest and circumstances.is_suspect)
        self.replaced = records.build_replaced(self.entry, circumstances.now) if is_told else ()
        self.step: Step | None = None
        self.result: Result | None = None
        allowed_from = self.entry.disabling_allowed_from
        self.trail = Trail(is_disabling_allowed=allowed_from is not None and allowed_from <= request.revision)
        self._request = request
        self._memory = memory
        self._circumstances = circumstances
        self._manager = resolve_manager(request, find_manager)
        self._goal: Goal | None = None
        # how the request is settled once a search has told whether an earlier create has made an account
        self._searching: Decision | None = None
        self._steps: Steps[Result] | None = None
        self._is_doubtful = circumstances.is_suspect
        self._is_in_flight = False
        self._is_create_sent = False
        self._begin()

    def _begin(self) -> None:
        """Decides how the request is settled. Sets the outcome, or a result without a call, or the first step."""
        request, entry, known = self._request, self.entry, self._circumstances
        schema = self._memory.description.schema
        desired = build_desired_state(request, self._manager.account)
        if known.is_absent and request.intent is not Intent.DISABLE:
            desired = None
        due = find_due_refusals(request, entry, desired, schema, known.now)
        decision = decide(
            request,
            entry,
            desired,
            self._manager.employee_id,
            is_resent=known.is_resent,
            is_suspect=known.is_suspect,
            is_refusal_due=bool(due),
        )
        if decision is Decision.SUPERSEDE:
            self.outcome = records.build_outcome(request, Outcome.SUPERSEDED, known.now)
        elif decision is Decision.REPEAT:
            self.outcome = entry.decided
        else:
            self.entry = note_suspects(entry, known.suspects)
            self._begin_decided(decision, desired, due)

    def _begin_decided(self, decision: Decision, desired: DesiredState | None, due: frozenset[str]) -> None:
        """Records a decision without a call, or starts the reconciliation. ``due`` are the refused fields to try again."""
        request, entry, known = self._request, self.entry, self._circumstances
        if decision is not Decision.RECONCILE or desired is None:
            self._goal, self._searching = build_search(request, entry, known.now), decision
            if self._goal is None:
                self._record_without_call(entry, decision, known.now)
            else:
                self._start(self._goal)
        elif known.is_newer_possible:
            self.result = Inconclusive(WaitingCause.TAKEN_OVER)
        elif known.is_external_id_taken:
            self.result = records.EXTERNAL_ID_TAKEN
        elif self._waits_for_manager():
            self.result = Inconclusive(WaitingCause.MANAGER_PENDING)
        else:
            self._goal = build_goal(
                request,
                entry,
                desired,
                skipped=frozenset(field.path for field in entry.refused) - due,
                policy=known.policy,
                is_suspect=known.is_suspect,
                created_after=known.now - known.late_write_time,
            )
            self._start(self._goal)

    def _start(self, goal: Goal) -> None:
        self._steps = reconcile(Work(goal, self.trail, self._memory))
        self._advance(None)

    def _record_without_call(self, entry: LedgerEntry, decision: Decision, now: datetime) -> None:
        # no call, but one of an earlier writer may be on its way
        entry = entry.model_copy(update={"look_at": self._find_look(now)})
        self.entry = records.record_without_call(self._request, entry, decision, now)
        self.outcome = self.entry.decided

    def _waits_for_manager(self) -> bool:
        """Whether a new account is created after that of its manager: written before, it would be written twice."""
        manager, waiting = self._manager, self.entry.waiting
        if self.entry.account_id is not None or manager.account is not None or manager.employee_id is None:
            return False
        since = waiting.since if waiting and waiting.cause is WaitingCause.MANAGER_PENDING else self._circumstances.now
        is_patient = self._circumstances.now - since < MANAGER_PATIENCE
        return is_patient and self._circumstances.is_manager_pending(manager.employee_id)

    @property
    def cause(self) -> WaitingCause | None:
        """Why the change waits by the result of the reconciliation; None if it does not wait."""
        return self.result.cause if isinstance(self.result, Inconclusive) else None

    def note_sent(self) -> None:
        """Notes that the write in ``step`` is about to leave this process."""
        self._is_in_flight = isinstance(self.step, CreateAccount | PatchAccount | ReplaceAccount)

    def note_unsent(self) -> None:
        """Notes that the write in ``step`` was not carried out: no connection, or an answer that says so (401, 429)."""
        self._is_in_flight = False

    def receive(self, reply: Reply) -> None:
        """Takes the reply to ``step``. Then ``step`` is the next one, or None after the last."""
        self._note_landing()
        if isinstance(reply, Lost) and reply.may_still_happen:
            self._is_doubtful = True
        self._is_in_flight = False
        self._advance(reply)

    def _note_landing(self) -> None:
        """Remembers a create that has reached the server, or may have."""
        self._is_create_sent = self._is_create_sent or (self._is_in_flight and isinstance(self.step, CreateAccount))

    def _advance(self, reply: Reply) -> None:
        if self._steps is None:
            raise RuntimeError("the settlement has no reconciliation that takes a reply")
        try:
            self.step = self._steps.send(reply)
        except StopIteration as stop:
            self.step, self.result = None, stop.value

    def conclude(self, now: datetime) -> None:
        """Sets entry and outcome by the result of the reconciliation. Does nothing for a request settled without one."""
        look_at = self._find_look(now)
        match self.result:
            case Settled(live=live) if self._searching is not None:
                self._record_without_call(note_found(self.entry, live, look_at), self._searching, now)
            case Rejected() if self._searching is not None:
                self.result = None  # no account is needed, so nothing is asked
                self._record_without_call(self.entry, self._searching, now)
            case Settled() as settled if self._goal is not None:
                self.entry = records.record_settled(
                    self._request,
                    self.entry,
                    self._goal,
                    settled,
                    self.trail,
                    self._manager,
                    self._memory.description.schema,
                    now,
                    look_at,
                )
            case Rejected() as rejected:
                self.entry = records.record_rejected(
                    self._request,
                    self.entry,
                    rejected,
                    self.trail,
                    now,
                    look_at,
                    self._manager,
                    is_create_sent=self._is_create_sent,
                )
            case Inconclusive(cause):
                self.wait(cause, now)
                return
            case _:
                return
        self.outcome = self.entry.decided

    def wait(self, cause: WaitingCause, now: datetime) -> None:
        """Ends the settlement: the change waits, and the account's content is no longer known.

        ``outcome`` stays empty unless the change was settled before: that outcome may not be published yet.
        """
        self._note_landing()
        # the server may have said that it created the account, and its lookups lag behind
        is_unseen = cause is WaitingCause.UNANSWERED_CREATE and self._is_create_sent
        self._is_doubtful = self._is_doubtful or self._is_in_flight or is_unseen
        self.step = None
        self.entry = records.record_waiting(
            self._request,
            self.entry,
            cause,
            self.trail,
            now,
            self._find_look(now),
            self._manager,
            is_create_sent=self._is_create_sent,
        )
        is_repeated = self.entry.decided_version == self._request.version
        self.outcome = self.entry.decided if is_repeated else None

    def _find_look(self, now: datetime) -> datetime | None:
        """Returns when the account must be looked up again; None if no write is in doubt."""
        if not self._is_doubtful:
            return self.entry.look_at
        due = now + self._circumstances.late_write_time
        return due if self.entry.look_at is None else max(due, self.entry.look_at)
