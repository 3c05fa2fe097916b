"""The limits of a scan: the time it may wait for Personio, its pages, and pages without a new employee."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import cast

import pytest

from services.contracts.employees import EmployeePage
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import RunState
from services.poller.scan_limits import MAX_BATCH_PAGES, MAX_PAGES_WITHOUT_NEW, SHARED_PAGES
from services.store.database import Store
from tests.support.builders import ADA, CONNECTION, make_connection, make_snapshot
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakePersonio, make_employee
from tests.support.run_stage import PEOPLE, RunStage, make_limits
from tests.support.waiting import wait_until

FOREVER = 10**12
"""Number of employees that a broken Personio announces."""


@pytest.fixture
def stage(store: Store) -> RunStage:
    """A connection with five new employees."""
    return RunStage(store)


class Endless(FakePersonio):
    """A Personio with a list that has no end."""

    def __init__(self, make_ids: Callable[[int], list[int]]) -> None:
        """``make_ids`` returns the ids on a page."""
        super().__init__()
        self.pages = 0
        """Number of pages that were asked for."""
        self._make_ids = make_ids

    async def iterate_pages(self, _: Collection[str], since: datetime | None = None) -> AsyncIterator[EmployeePage]:
        """Yields page after page."""
        while True:
            self.pages += 1
            employees = [make_employee(str(number), ADA) for number in self._make_ids(self.pages)]
            yield EmployeePage(tuple(employees), 0, FOREVER)


def use(stage: RunStage, personio: FakePersonio, *, pages: int = 100) -> None:
    """Makes the runs of a stage read this Personio, with this number of pages at most."""
    stage.personio = personio
    stage.runner._source = personio.source
    stage.runner._limits = stage.limits = make_limits(stage.clock, seconds=60, pages=pages)


async def list_absent(stage: RunStage) -> set[str]:
    """Returns the employees that are stored as absent."""
    stored = await stage.store.snapshots.read(CONNECTION, [EmployeeId(key) for key in PEOPLE])
    return {key for key, snapshot in stored.items() if snapshot.absent_since is not None}


# ---------------------------------------------------------------- batches


async def count_batches(stage: RunStage) -> list[int]:
    """Returns the numbers of employees that a run compares at once."""
    sizes: list[int] = []
    read_states = stage.store.snapshots.read_states

    async def watch(connection: ConnectionId, employees: Iterable[EmployeeId]) -> object:
        listed = list(employees)
        sizes.append(len(listed))
        return await read_states(connection, listed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.store.snapshots, "read_states", watch)
        await stage.runner.poll(CONNECTION)
    return sizes


@pytest.fixture
async def large(store: Store) -> RunStage:
    """A connection with eleven employees on six pages, which are not imported."""
    cast("FakeStore", store).connections.content[CONNECTION] = make_connection()
    stage = RunStage(store)
    stage.personio = FakePersonio({str(number): {} for number in range(11)})
    stage.runner._source = stage.personio.source
    return stage


async def test_pages_are_compared_together_after_the_first_import(large: RunStage) -> None:
    """A new employee of a first import does not wait for the next page."""
    assert await count_batches(large) == [2, 2, 2, 2, 2, 1]
    assert await count_batches(large) == [2 * MAX_BATCH_PAGES, 3]


async def test_many_scans_compare_page_by_page(large: RunStage) -> None:
    """The pages of all of them are in memory."""
    await large.runner.poll(CONNECTION)

    async with AsyncExitStack() as others:
        for _ in range(SHARED_PAGES):
            await others.enter_async_context(large.limits.open(FakePersonio()))

        assert await count_batches(large) == [2, 2, 2, 2, 2, 1]


async def test_page_that_was_read_at_once_does_not_wait(large: RunStage) -> None:
    """It takes several times the memory."""
    await large.runner.poll(CONNECTION)
    employees = [make_employee(str(number), ADA) for number in range(11)]
    large.personio.odd_pages = [EmployeePage((employee,), 0, 11) for employee in employees]

    assert await count_batches(large) == [1] * 11


async def test_pages_before_a_stop_are_compared(large: RunStage) -> None:
    """The scan stops while they wait for the next one."""
    await large.runner.poll(CONNECTION)
    large.personio.people["1"]["first_name"] = "Eva"
    use(large, large.personio, pages=2)

    run = await large.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert run.counts.seen == 4
    assert run.counts.changed == 1


# ---------------------------------------------------------------- pages


@pytest.mark.promise("P6")
@pytest.mark.promise("P10")
async def test_endless_list_stops_at_the_maximum_of_pages(stage: RunStage) -> None:
    """The employees read until then are sent, and none of the others counts as absent."""
    await stage.runner.poll(CONNECTION)
    stage.publisher.log.clear()
    use(stage, Endless(lambda page: [1000 + page]), pages=7)

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert run.error is not None
    assert "after 7 pages (POLL_SCAN_PAGES)" in run.error
    assert run.counts.seen == 7
    assert run.counts.created == 7
    assert len(stage.publisher.log) == 7
    assert await list_absent(stage) == set()


@pytest.mark.promise("P6")
async def test_stopped_scan_is_not_complete_even_if_the_total_agrees(stage: RunStage) -> None:
    """The list goes on after as many employees as it has announced."""
    await stage.runner.poll(CONNECTION)
    pages = [["1", "2"], ["3"]]
    stage.personio.odd_pages = [EmployeePage(tuple(make_employee(key, ADA) for key in page), 0, 2) for page in pages]
    use(stage, stage.personio, pages=1)

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert await list_absent(stage) == set()


async def test_list_of_the_maximum_of_pages_is_complete(stage: RunStage) -> None:
    """Only a further page shows that the list is too long."""
    use(stage, FakePersonio(PEOPLE), pages=3)

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.SUCCEEDED
    assert run.counts.seen == 5


@pytest.mark.promise("P6")
async def test_list_without_new_employees_stops(stage: RunStage) -> None:
    """A list that turns in a circle never ends, and shows no departure."""
    await stage.store.snapshots.save([(make_snapshot("5", emitted_revision=1_000), None)])
    personio = Endless(lambda page: [2 * (page % 2), 2 * (page % 2) + 1])
    use(stage, personio)

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert run.error is not None
    assert "the last 3 pages of Personio's list had no new employee" in run.error
    assert run.counts.seen == 4
    assert personio.pages <= 2 + MAX_PAGES_WITHOUT_NEW + 1
    assert await list_absent(stage) == set()


async def test_two_pages_without_new_employees_are_usual(stage: RunStage) -> None:
    """Employees that are added while a scan is under way shift the list by a page."""
    first = EmployeePage(tuple(make_employee(key, ADA) for key in "12"), 0, 6)
    last = EmployeePage(tuple(make_employee(key, ADA) for key in "34"), 0, 6)
    stage.personio.odd_pages = [first, first, first, last]

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert run.error is not None
    assert run.error.startswith("Personio announced 6 employees and listed 4, 4 were listed more than once.")
    assert run.counts.seen == 4
    assert run.counts.absent == 0


# ---------------------------------------------------------------- time


async def start_run(stage: RunStage, at_page: int) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Starts a run that waits for this page. Returns it, and the event that answers the page."""
    answer, asked = asyncio.Event(), asyncio.Event()

    async def wait_for_answer(number: int) -> None:
        if number == at_page:
            asked.set()
            await answer.wait()

    async def poll() -> None:
        await stage.runner.poll(CONNECTION)

    stage.personio.before_page = wait_for_answer
    task = asyncio.create_task(poll())
    await asked.wait()
    # the page before was being worked on when this one was asked for: now the run waits for nothing else
    await wait_until(lambda: not stage.limits.places.locked())
    return task, answer


@pytest.mark.promise("P6")
@pytest.mark.promise("P10")
async def test_silent_personio_ends_the_scan_at_its_deadline(stage: RunStage) -> None:
    """The run says so, keeps what was read, and does not take the others for departed."""
    await stage.runner.poll(CONNECTION)
    stage.publisher.log.clear()
    stage.clock.seconds += 900
    stage.personio.people = {key: values | {"first_name": "Eva"} for key, values in stage.personio.people.items()}
    use(stage, stage.personio)
    task, _ = await start_run(stage, at_page=2)

    stage.clock.seconds += 59
    stage.limits.stop_overdue()
    await asyncio.sleep(0)

    assert not task.done()

    stage.clock.seconds += 1
    stage.limits.stop_overdue()
    await task

    run = await stage.store.runs.get_last_finished(CONNECTION)
    assert run is not None
    assert run.state is RunState.INCOMPLETE
    assert run.error is not None
    assert "waited 60 s for Personio (POLL_SCAN_SECONDS); 1 pages were read" in run.error
    assert run.counts.changed == 2
    assert await list_absent(stage) == set()


async def test_deadline_adds_up_the_waits_for_all_pages(stage: RunStage) -> None:
    """A Personio that answers a page every 40 s is as slow as one that does not answer."""
    use(stage, stage.personio)
    task, answer = await start_run(stage, at_page=1)
    stage.clock.seconds += 40
    asked = asyncio.Event()

    async def wait_again(_: int) -> None:
        asked.set()
        await asyncio.Event().wait()

    stage.personio.before_page = wait_again
    answer.set()
    await asked.wait()
    await wait_until(lambda: len(stage.publisher.log) == 2 and not stage.limits.places.locked())
    stage.clock.seconds += 20
    stage.limits.stop_overdue()
    await task

    run = await stage.store.runs.get_last_finished(CONNECTION)
    assert run is not None
    assert "waited 60 s" in (run.error or "")


async def test_time_in_the_queue_is_not_personios(stage: RunStage) -> None:
    """A large company with requests that wait for their turn in this process must be read to the end."""
    use(stage, stage.personio)
    task, answer = await start_run(stage, at_page=2)

    stage.clock.seconds += 600
    stage.personio.queued_seconds += 550
    stage.limits.stop_overdue()
    answer.set()
    await task

    run = await stage.store.runs.get_last_finished(CONNECTION)
    assert run is not None
    assert run.state is RunState.SUCCEEDED


async def test_silent_list_of_attributes_ends_the_scan(stage: RunStage) -> None:
    """The list of attributes is the first request of a scan."""
    use(stage, stage.personio)
    asked = asyncio.Event()

    async def hang() -> tuple[()]:
        asked.set()
        await asyncio.Event().wait()
        return ()

    stage.personio.list_attributes = hang  # type: ignore[method-assign]
    task = asyncio.create_task(stage.runner.poll(CONNECTION))
    await asked.wait()

    stage.clock.seconds += 60
    stage.limits.stop_overdue()

    assert "0 pages were read" in ((await task).error or "")


# ---------------------------------------------------------------- places


async def test_waiting_for_personio_takes_no_place(stage: RunStage) -> None:
    """Another company works on its page in the meantime."""
    use(stage, stage.personio)
    task, answer = await start_run(stage, at_page=2)

    is_free = not stage.limits.places.locked()
    answer.set()
    await task

    assert is_free


@pytest.mark.expects_errors
async def test_failed_page_gives_its_place_back(stage: RunStage) -> None:
    """A place that is lost would stop all companies in the end."""
    use(stage, stage.personio)

    def fail(_: str) -> None:
        raise RuntimeError("a defect")

    stage.publisher.effect = fail
    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.FAILED
    assert not stage.limits.places.locked()


# ---------------------------------------------------------------- the end of the process


async def test_cancelled_scan_leaves_a_run_that_says_so(stage: RunStage) -> None:
    """The history shows why the run has no result, without a wait for the next one."""
    use(stage, stage.personio)
    task, _ = await start_run(stage, at_page=2)

    task.cancel()
    await asyncio.wait({task})

    (run,) = await stage.store.runs.list_newest(CONNECTION)
    assert task.cancelled()
    assert run.state is RunState.FAILED
    assert run.finished_at is not None
    assert "the poller stopped during this run" in (run.error or "")
