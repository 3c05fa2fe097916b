"""Requests on a real MongoDB: filed once, carried out by one, done again after a take-over."""

import asyncio
from datetime import timedelta

import pytest

from services.contracts.requests import Poll, Request, RequestState, Resend
from services.store.database import Store
from tests.stored import CONNECTION, NOW, OTHER

pytestmark = pytest.mark.mongo

UNSETTLED = Resend(scope="unsettled", why="the server works again")


async def filed(store: Store, *, minutes: int = 0, once: str | None = None) -> Request:
    return await store.requests.file(CONNECTION, UNSETTLED, now=NOW + timedelta(minutes=minutes), once=once)


async def current(store: Store, request: Request) -> Request:
    found = await store.requests.get(request.id)
    assert found is not None
    return found


async def test_a_request_is_read_as_it_was_filed(store: Store) -> None:
    people = await store.requests.file(CONNECTION, Resend(scope="people", people=("1", "2"), why="x"), now=NOW)
    dry = await store.requests.file(CONNECTION, Poll(dry_run=True), now=NOW, once="dry")
    assert await store.requests.get(people.id) == people
    assert await store.requests.get(dry.id) == dry
    assert await store.requests.get("nothing") is None


async def test_open_ones_come_oldest_first_and_by_connection(store: Store) -> None:
    late, early = await filed(store, minutes=2), await filed(store, minutes=1)
    await store.requests.file(OTHER, Poll(), now=NOW)
    assert await store.requests.open(CONNECTION) == (early, late)
    assert await store.requests.newest(CONNECTION) == (late, early)
    assert await store.requests.newest(CONNECTION, limit=1) == (late,)
    assert await store.requests.start(early.id)
    assert await store.requests.open(CONNECTION) == (late,)


async def test_unfinished_is_also_what_a_holder_may_have_died_over(store: Store) -> None:
    running, over = await filed(store), await store.requests.file(OTHER, Poll(), now=NOW)
    for request in (running, over):
        await store.requests.start(request.id)
    assert await store.requests.connections_with_unfinished() == {CONNECTION, OTHER}
    await store.requests.done(over.id, {}, now=NOW)
    assert await store.requests.connections_with_unfinished() == {CONNECTION}


async def test_the_same_is_filed_once_while_it_is_open(store: Store) -> None:
    first = await filed(store, once="a")
    assert await filed(store, minutes=1, once="a") == first
    assert await filed(store, once="b") != first
    assert await store.requests.file(OTHER, UNSETTLED, now=NOW, once="a") != first
    assert len(await store.requests.open(CONNECTION)) == 2


async def test_what_is_running_or_over_does_not_stand_for_a_new_one(store: Store) -> None:
    first = await filed(store, once="a")
    assert await store.requests.start(first.id)
    second = await filed(store, once="a")
    assert second != first
    await store.requests.failed(second.id, "the lease was lost", now=NOW)
    third = await filed(store, once="a")
    assert third.id not in {first.id, second.id}
    await store.requests.start(third.id)
    await store.requests.done(third.id, {}, now=NOW)
    assert (await filed(store, once="a")).state is RequestState.OPEN


async def test_of_many_who_file_the_same_at_once_all_get_one(store: Store) -> None:
    found = await asyncio.gather(*(filed(store, once="a") for _ in range(16)))
    assert len({request.id for request in found}) == 1
    assert len(await store.requests.open(CONNECTION)) == 1


async def test_filing_and_starting_the_same_at_once_leaves_nobody_without(store: Store) -> None:
    """Whoever files gets one that is open, or that was started after they asked."""
    asked: set[str] = set()

    async def carry_out() -> None:
        for _ in range(20):
            for request in await store.requests.open(CONNECTION):
                await store.requests.start(request.id)

    async def ask() -> None:
        for _ in range(20):
            asked.add((await filed(store, once="a")).id)

    await asyncio.gather(carry_out(), *(ask() for _ in range(4)))
    assert asked == {request.id for request in await store.requests.newest(CONNECTION, limit=1000)}
    assert len(await store.requests.open(CONNECTION)) <= 1


async def test_a_request_is_started_by_one(store: Store) -> None:
    request = await filed(store)
    assert sum(await asyncio.gather(*(store.requests.start(request.id) for _ in range(8)))) == 1
    assert not await store.requests.start("nothing")


async def test_counts_grow_while_it_runs_and_stay_when_it_is_over(store: Store) -> None:
    request = await filed(store)
    await store.requests.progress(request.id, {"sent": 1})
    assert (await current(store, request)).counts == {}, "it was not started yet"
    await store.requests.start(request.id)
    await store.requests.progress(request.id, {"sent": 1})
    assert (await current(store, request)).counts == {"sent": 1}
    await store.requests.done(request.id, {"sent": 2}, now=NOW)
    await store.requests.progress(request.id, {"sent": 3})
    await store.requests.failed(request.id, "too late", now=NOW)
    over = await current(store, request)
    assert (over.state, over.counts, over.finished_at, over.error) == (RequestState.DONE, {"sent": 2}, NOW, None)


@pytest.mark.parametrize("started", [True, False])
async def test_what_failed_says_why(store: Store, started: bool) -> None:
    request = await filed(store)
    if started:
        await store.requests.start(request.id)
    await store.requests.failed(request.id, "Personio refuses the credential", now=NOW)
    over = await current(store, request)
    assert (over.state, over.error) == (RequestState.FAILED, "Personio refuses the credential")
    assert await store.requests.open(CONNECTION) == ()


async def test_after_a_take_over_what_was_running_is_done_again_from_its_start(store: Store) -> None:
    running, over = await filed(store, minutes=1), await filed(store, minutes=2)
    for request in (running, over):
        await store.requests.start(request.id)
    await store.requests.progress(running.id, {"sent": 7})
    await store.requests.done(over.id, {}, now=NOW)
    foreign = await store.requests.file(OTHER, Poll(), now=NOW)
    await store.requests.start(foreign.id)
    assert await store.requests.reopen_running(CONNECTION) == 1
    assert await store.requests.open(CONNECTION) == (running,)
    assert await store.requests.open(OTHER) == ()


async def test_the_former_holder_changes_nothing_any_more_once_it_was_taken_over(store: Store) -> None:
    request = await filed(store)
    await store.requests.start(request.id)
    await store.requests.reopen_running(CONNECTION)
    await store.requests.done(request.id, {"sent": 9}, now=NOW)
    assert await current(store, request) == request
