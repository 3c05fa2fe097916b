"""Tasks: filed once, carried out by one process, and done again after a take-over."""

import asyncio
from datetime import timedelta

import pytest

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Poll, Resend, Task, TaskState
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER

REJECTED = Resend(scope="rejected", reason="the server works again")


async def file_resend(store: Store, *, minutes: int = 0, once: str | None = None) -> Task:
    """Files a resend of the rejected employees."""
    return await store.tasks.file(CONNECTION, REJECTED, now=NOW + timedelta(minutes=minutes), once=once)


async def read(store: Store, task: Task) -> Task:
    """Returns the stored state of the task."""
    stored = await store.tasks.get(task.id)
    assert stored is not None
    return stored


# ------------------------------------------------------------ filing


async def test_task_is_read_as_filed(store: Store) -> None:
    """The store changes no value of a task."""
    people = await store.tasks.file(CONNECTION, Resend(scope="people", people=("1", "2"), reason="x"), now=NOW)
    dry = await store.tasks.file(CONNECTION, Poll(dry_run=True), now=NOW, once="dry")

    assert await store.tasks.get(people.id) == people
    assert await store.tasks.get(dry.id) == dry
    assert await store.tasks.get("missing") is None


async def test_open_tasks_come_oldest_first_and_by_connection(store: Store) -> None:
    """A task that was started is no longer open."""
    late, early = await file_resend(store, minutes=2), await file_resend(store, minutes=1)
    await store.tasks.file(OTHER, Poll(), now=NOW)
    before = await store.tasks.list_open(CONNECTION)

    started = await store.tasks.start(early.id)

    assert before == (early, late)
    assert started is True
    assert await store.tasks.list_open(CONNECTION) == (late,)


async def test_running_task_counts_as_unfinished(store: Store) -> None:
    """The owner of a running task may have died, so another process has to work on the connection."""
    running, finished = await file_resend(store), await store.tasks.file(OTHER, Poll(), now=NOW)
    for task in (running, finished):
        await store.tasks.start(task.id)
    before = await store.tasks.find_connections_with_unfinished(limit=9)

    await store.tasks.finish(finished.id, {}, now=NOW)

    assert set(before) == {CONNECTION, OTHER}
    assert await store.tasks.find_connections_with_unfinished(limit=9) == (CONNECTION,)


async def test_connections_with_tasks_come_by_their_oldest_task(store: Store) -> None:
    """The poller starts as many as it has room for, without those that it works on."""
    connections = [ConnectionId(f"c{number}") for number in range(4)]
    for number, connection in enumerate(reversed(connections)):
        for minutes in (number, 60):
            await store.tasks.file(connection, Poll(), now=NOW + timedelta(minutes=minutes))
    running = await store.tasks.file(OTHER, Poll(), now=NOW + timedelta(minutes=2, seconds=30))
    await store.tasks.start(running.id)

    first = await store.tasks.find_connections_with_unfinished(limit=4)
    others = await store.tasks.find_connections_with_unfinished(limit=9, without=first)

    assert first == ("c3", "c2", "c1", OTHER)
    assert others == ("c0",)


async def test_task_of_the_same_key_is_filed_once_while_open(store: Store) -> None:
    """Keys are separate for each connection."""
    first = await file_resend(store, once="a")

    assert await file_resend(store, minutes=1, once="a") == first
    assert await file_resend(store, once="b") != first
    assert await store.tasks.file(OTHER, REJECTED, now=NOW, once="a") != first
    assert len(await store.tasks.list_open(CONNECTION)) == 2


async def test_running_task_does_not_stand_for_a_new_one(store: Store) -> None:
    """A running task may already have passed the employees that the new task is for."""
    first = await file_resend(store, once="a")
    await store.tasks.start(first.id)

    second = await file_resend(store, once="a")

    assert second != first
    assert second.state is TaskState.OPEN


async def test_failed_task_does_not_stand_for_a_new_one(store: Store) -> None:
    """A task can fail before it was started."""
    first = await file_resend(store, once="a")
    await store.tasks.fail(first.id, "the lease was lost", now=NOW)

    second = await file_resend(store, once="a")

    assert second.id != first.id
    assert second.state is TaskState.OPEN


async def test_finished_task_does_not_stand_for_a_new_one(store: Store) -> None:
    """The same work can be asked for again and again."""
    first = await file_resend(store, once="a")
    await store.tasks.start(first.id)
    await store.tasks.finish(first.id, {}, now=NOW)

    second = await file_resend(store, once="a")

    assert second.id != first.id
    assert second.state is TaskState.OPEN


async def test_concurrent_filers_of_one_key_get_the_same_task(store: Store) -> None:
    """The unique index of the key decides, and the losers read the winner's task."""
    tasks = await asyncio.gather(*(file_resend(store, once="a") for _ in range(16)))

    assert len({task.id for task in tasks}) == 1
    assert len(await store.tasks.list_open(CONNECTION)) == 1


async def test_filing_while_tasks_are_started_loses_no_request(store: Store) -> None:
    """Each filer gets a task that is open, or that was started after the filer asked."""
    filed: set[str] = set()
    started: set[str] = set()

    async def start_all() -> None:
        for _ in range(20):
            for task in await store.tasks.list_open(CONNECTION):
                if await store.tasks.start(task.id):
                    started.add(task.id)

    async def file_many() -> None:
        for _ in range(20):
            filed.add((await file_resend(store, once="a")).id)

    await asyncio.gather(start_all(), *(file_many() for _ in range(4)))

    still_open = {task.id for task in await store.tasks.list_open(CONNECTION)}
    assert filed == started | still_open
    assert len(still_open) <= 1


# ------------------------------------------------------------ carrying out


async def test_task_is_started_by_one_of_many_processes(store: Store) -> None:
    """A task that does not exist cannot be started."""
    task = await file_resend(store)

    started = await asyncio.gather(*(store.tasks.start(task.id) for _ in range(8)))

    assert sum(started) == 1
    assert not await store.tasks.start("missing")


async def test_counts_of_a_task_grow_only_while_it_runs(store: Store) -> None:
    """Progress before the start and after the end has no effect."""
    task = await file_resend(store)

    await store.tasks.set_progress(task.id, {"sent": 1})
    before = (await read(store, task)).counts
    await store.tasks.start(task.id)
    await store.tasks.set_progress(task.id, {"sent": 1})
    running = (await read(store, task)).counts
    await store.tasks.finish(task.id, {"sent": 2}, now=NOW)
    await store.tasks.set_progress(task.id, {"sent": 3})

    assert before == {}
    assert running == {"sent": 1}
    assert (await read(store, task)).counts == {"sent": 2}


async def test_finished_task_cannot_fail_afterwards(store: Store) -> None:
    """A former owner that gives up late does not change the result."""
    task = await file_resend(store)
    await store.tasks.start(task.id)
    await store.tasks.finish(task.id, {"sent": 2}, now=NOW)

    await store.tasks.fail(task.id, "too late", now=NOW)

    finished = await read(store, task)
    assert finished.state is TaskState.DONE
    assert finished.counts == {"sent": 2}
    assert finished.finished_at == NOW
    assert finished.error is None


@pytest.mark.parametrize("is_started", [True, False])
async def test_failed_task_says_why(store: Store, is_started: bool) -> None:
    """An administrator reads the error; a task can also fail before it was started."""
    task = await file_resend(store)
    if is_started:
        await store.tasks.start(task.id)

    await store.tasks.fail(task.id, "Personio rejects the credential", now=NOW)

    failed = await read(store, task)
    assert failed.state is TaskState.FAILED
    assert failed.error == "Personio rejects the credential"
    assert await store.tasks.list_open(CONNECTION) == ()


async def test_running_tasks_are_opened_again_after_a_take_over(store: Store) -> None:
    """The tasks start again without counts. Finished tasks and other connections stay unchanged."""
    running, finished = await file_resend(store, minutes=1), await file_resend(store, minutes=2)
    other = await store.tasks.file(OTHER, Poll(), now=NOW)
    for task in (running, finished, other):
        await store.tasks.start(task.id)
    await store.tasks.set_progress(running.id, {"sent": 7})
    await store.tasks.finish(finished.id, {}, now=NOW)

    reopened = await store.tasks.reopen_running(CONNECTION)

    assert reopened == 1
    assert await store.tasks.list_open(CONNECTION) == (running,)
    assert await store.tasks.list_open(OTHER) == ()


async def test_former_owner_changes_nothing_after_a_take_over(store: Store) -> None:
    """The task belongs to the new owner, which has not started it yet."""
    task = await file_resend(store)
    await store.tasks.start(task.id)
    await store.tasks.reopen_running(CONNECTION)

    await store.tasks.finish(task.id, {"sent": 9}, now=NOW)

    assert await read(store, task) == task
