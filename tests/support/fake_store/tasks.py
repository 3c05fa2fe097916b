"""Tasks and runs in memory."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.contracts.tasks import Action, Task, TaskState
from services.store.errors import StoreFailedError
from services.store.runs import make_run_id
from services.store.tasks import make_task_id
from tests.support.fake_store.pages import give_turn


class FakeTasks:
    """``services.store.tasks.Tasks`` in memory. The keys of ``content`` are task ids."""

    def __init__(self, new_id: Callable[[], str] = make_task_id) -> None:
        self.content: dict[str, Task] = {}
        self._once: dict[tuple[ConnectionId, str], str] = {}
        self._new_id = new_id

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> Task:
        """Files a task and returns it. With ``once``, returns an open task of the same key instead."""
        await give_turn()
        if once is not None and (connection, once) in self._once:
            return self.content[self._once[connection, once]]
        task = self._add(connection, action, now)
        if once is not None:
            self._once[connection, once] = task.id
        return task

    async def file_within(self, session: object, connection: ConnectionId, action: Action, *, now: datetime) -> Task:
        """Files a task. The session has no effect: transactions are missing here."""
        await give_turn()
        return self._add(connection, action, now)

    def _add(self, connection: ConnectionId, action: Action, now: datetime) -> Task:
        task = Task(id=self._new_id(), connection_id=connection, action=action, filed_at=now)
        if task.id in self.content:
            raise StoreFailedError(f"the id {task.id} already exists in tasks: repeat the command")
        self.content[task.id] = task
        return task

    async def get(self, task: str) -> Task | None:
        """Returns the task; None if it does not exist."""
        await give_turn()
        return self.content.get(task)

    async def list_open(self, connection: ConnectionId) -> tuple[Task, ...]:
        """Returns the open tasks, oldest first."""
        await give_turn()
        return tuple(task for task in self._sort(connection) if task.state is TaskState.OPEN)

    async def find_connections_with_unfinished(
        self, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns connections with an open or running task, the longest unfinished first."""
        await give_turn()
        unfinished = [task for task in self.content.values() if _is_unfinished(task)]
        unfinished.sort(key=lambda task: (task.filed_at, task.connection_id))
        found = dict.fromkeys(task.connection_id for task in unfinished if task.connection_id not in set(without))
        return tuple(found)[:limit]

    async def start(self, task: str) -> bool:
        """Marks a task as running. Returns False if it is no longer open."""
        await give_turn()
        if not self._has_state(task, TaskState.OPEN):
            return False
        self._change(task, state=TaskState.RUNNING)
        self._drop_once(task)
        return True

    async def set_progress(self, task: str, counts: Mapping[str, int]) -> None:
        """Stores the counts of a running task."""
        await give_turn()
        if self._has_state(task, TaskState.RUNNING):
            self._change(task, counts=dict(counts))

    async def finish(self, task: str, counts: Mapping[str, int], *, now: datetime) -> None:
        """Marks a running task as done."""
        await give_turn()
        if self._has_state(task, TaskState.RUNNING):
            self._change(task, state=TaskState.DONE, finished_at=now, counts=dict(counts))

    async def fail(self, task: str, error: str, *, now: datetime) -> None:
        """Marks an open or running task as failed."""
        await give_turn()
        if task in self.content and _is_unfinished(self.content[task]):
            self._change(task, state=TaskState.FAILED, finished_at=now, error=error)
            self._drop_once(task)

    async def reopen_running(self, connection: ConnectionId) -> int:
        """Opens the running tasks again. Returns their number."""
        await give_turn()
        running = [task for task in self._sort(connection) if task.state is TaskState.RUNNING]
        for task in running:
            self._change(task.id, state=TaskState.OPEN, counts={})
        return len(running)

    def _sort(self, connection: ConnectionId) -> list[Task]:
        tasks = [task for task in self.content.values() if task.connection_id == connection]
        return sorted(tasks, key=lambda task: (task.filed_at, task.id))

    def _has_state(self, task: str, state: TaskState) -> bool:
        return task in self.content and self.content[task].state is state

    def _change(self, task: str, **changes: object) -> None:
        self.content[task] = self.content[task].model_copy(update=changes)

    def _drop_once(self, task: str) -> None:
        self._once = {key: other for key, other in self._once.items() if other != task}


def _is_unfinished(task: Task) -> bool:
    return task.state in {TaskState.OPEN, TaskState.RUNNING}


class FakeRuns:
    """``services.store.runs.Runs`` in memory. The keys of ``content`` are run ids."""

    def __init__(self, new_id: Callable[[], str] = make_run_id) -> None:
        self.content: dict[str, Run] = {}
        self._new_id = new_id

    async def begin(self, connection: ConnectionId, *, now: datetime, is_stored: bool = True) -> Run:
        """Returns a new run, stored unless ``is_stored`` is false."""
        await give_turn()
        run = Run(id=self._new_id(), connection_id=connection, started_at=now)
        if run.id in self.content:
            raise StoreFailedError(f"the id {run.id} already exists in runs: repeat the command")
        if is_stored:
            self.content[run.id] = run
        return run

    async def fail_unfinished(self, connection: ConnectionId, error: str, *, now: datetime) -> int:
        """Ends the runs that an earlier lease owner left unfinished. Returns their number."""
        await give_turn()
        running = [run for run in self._sort(connection) if run.state is RunState.RUNNING]
        for run in running:
            changes = {"state": RunState.FAILED, "error": error, "finished_at": now}
            self.content[run.id] = run.model_copy(update=changes)
        return len(running)

    async def find_undecided(self, connection: ConnectionId) -> tuple[str, ...]:
        """Returns the ids of the runs with observations that are still needed."""
        await give_turn()
        states = {RunState.HELD, RunState.RELEASING}
        return tuple(run.id for run in self._sort(connection) if run.state in states)

    async def find_successor(self, run: Run) -> Run | None:
        """Returns the held run that holds the same changes as this one, which it has replaced; None without one."""
        await give_turn()
        if run.state is not RunState.REPLACED or run.digest is None:
            return None
        held = (other for other in self._sort(run.connection_id) if other.state is RunState.HELD)
        return next((other for other in held if other.digest == run.digest), None)

    async def replace_held(self, connection: ConnectionId, *, by: str) -> int:
        """Ends the held runs of a connection, except the run ``by``. Returns their number."""
        await give_turn()
        held = [run for run in self._sort(connection) if run.state is RunState.HELD and run.id != by]
        for run in held:
            self.content[run.id] = run.model_copy(update={"state": RunState.REPLACED})
        return len(held)

    async def decide(self, run: str, before: RunState, after: RunState) -> bool:
        """Moves a run from one state to another. Returns False if it is in another state."""
        await give_turn()
        stored = self.content.get(run)
        if stored is None or stored.state is not before:
            return False
        self.content[run] = stored.model_copy(update={"state": after})
        return True

    async def save(self, run: Run) -> None:
        """Stores the state of a run, new or in progress. A run that has ended stays as it is."""
        await give_turn()
        if self.content.get(run.id, run).state is RunState.RUNNING or run.id not in self.content:
            self.content[run.id] = run

    async def get(self, run: str) -> Run | None:
        """Returns the run; None if it does not exist."""
        await give_turn()
        return self.content.get(run)

    async def find_first(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns those with a run in progress of which no earlier run has succeeded."""
        await give_turn()
        states = {connection: {run.state for run in self._sort(connection)} for connection in connections}
        return frozenset(
            connection
            for connection, known in states.items()
            if RunState.RUNNING in known and RunState.SUCCEEDED not in known
        )

    async def list_newest(self, connection: ConnectionId, limit: int = 20) -> tuple[Run, ...]:
        """Returns the newest runs in any state, newest first."""
        await give_turn()
        return tuple(reversed(self._sort(connection)))[:limit]

    async def find_last_finished(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Run]:
        """Returns the newest runs that have ended, of those connections that have any."""
        runs = {connection: await self.get_last_finished(connection) for connection in connections}
        return {connection: run for connection, run in runs.items() if run is not None}

    async def get_last_finished(self, connection: ConnectionId) -> Run | None:
        """Returns the newest run that has ended; None if there was none."""
        await give_turn()
        return next((run for run in reversed(self._sort(connection)) if run.state is not RunState.RUNNING), None)

    def _sort(self, connection: ConnectionId) -> list[Run]:
        runs = [run for run in self.content.values() if run.connection_id == connection]
        return sorted(runs, key=lambda run: (run.started_at, run.id))
