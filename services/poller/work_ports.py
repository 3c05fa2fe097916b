"""What is stored of the work on a connection, with only the methods that the poller calls."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import Run, RunState
from services.contracts.tasks import Action, Task


class Runs(Protocol):
    """The history of runs."""

    async def begin(self, connection: ConnectionId, *, now: datetime, is_stored: bool = True) -> Run:
        """Returns a new run. Without ``is_stored``, only ``save`` stores it."""
        ...

    async def fail_unfinished(self, connection: ConnectionId, error: str, *, now: datetime) -> int:
        """Ends the runs that an earlier lease owner left unfinished. Returns their number."""
        ...

    async def save(self, run: Run) -> None:
        """Stores the new state of a run that has not ended."""
        ...

    async def get(self, run: str) -> Run | None:
        """Returns the run of this id; None if it does not exist."""
        ...

    async def find_undecided(self, connection: ConnectionId) -> Sequence[str]:
        """Returns the ids of the runs that are held or being released. Their observations are still needed."""
        ...

    async def find_successor(self, run: Run) -> Run | None:
        """Returns the held run that holds the same changes as this one, which it has replaced; None without one."""
        ...

    async def replace_held(self, connection: ConnectionId, *, by: str) -> int:
        """Ends the held runs of a connection, except the run ``by``. Returns their number."""
        ...

    async def decide(self, run: str, before: RunState, after: RunState) -> bool:
        """Moves a run from the state ``before`` to ``after``. Returns False and changes nothing if it has another state."""
        ...


class Tasks(Protocol):
    """The tasks that are filed for lease owners."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> object:
        """Files a task. With ``once``, an open task of the same key stands for the new one."""
        ...

    async def list_open(self, connection: ConnectionId) -> tuple[Task, ...]:
        """Returns the open tasks, oldest first."""
        ...

    async def find_connections_with_unfinished(
        self, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns connections with an open or running task, the longest unfinished first."""
        ...

    async def start(self, task: str) -> bool:
        """Marks a task as running. Returns False if it is no longer open."""
        ...

    async def set_progress(self, task: str, counts: Mapping[str, int]) -> None:
        """Stores the counts of a running task."""
        ...

    async def finish(self, task: str, counts: Mapping[str, int], *, now: datetime) -> None:
        """Marks a running task as done."""
        ...

    async def fail(self, task: str, error: str, *, now: datetime) -> None:
        """Marks a task as failed."""
        ...

    async def reopen_running(self, connection: ConnectionId) -> int:
        """Opens the tasks again that an earlier lease owner left running. Returns their number."""
        ...


class FollowUps(Protocol):
    """Queries for employees with a change that can be retried now."""

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[Sequence[EmployeeId]]:
        """Yields the employees with a rejected last change."""
        ...

    def page_incomplete(self, connection: ConnectionId, tried_before: datetime) -> AsyncIterator[Sequence[EmployeeId]]:
        """Yields the employees with a refused field that was tried before this time only."""
        ...

    async def find_resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees that are not written with the present account of their manager."""
        ...

    async def find_unblocked(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns the rejected employees for which the conflicting account has another user name now."""
        ...

    async def find_exchanging(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns the rejected employees that exchange their e-mail addresses, and so block each other."""
        ...
