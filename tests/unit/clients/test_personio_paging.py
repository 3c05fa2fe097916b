"""Paging through the list of employees."""

import tracemalloc
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from services.clients.personio.errors import PersonioUnavailableError
from services.clients.personio.v1 import PersonioClient
from services.clients.personio.v1_lists import MAX_PART_VALUES
from tests.support.fakes import FakeClock
from tests.unit.clients.personio_stage import (
    ACCESS,
    AUTH,
    LIST,
    TOKEN,
    TOKEN_BODY,
    build_page,
    open_client,
    open_stage,
    read_employees,
)
from tests.unit.clients.transports import ScriptedTransport, build_reply


async def test_pages_list_every_employee_by_record_offset() -> None:
    """Personio counts the offset in employees and enforces an explicit limit."""
    async with open_stage(employees=250) as stage:
        pages = await stage.read_pages()

        ids = [employee.id for page in pages for employee in page.employees]
        queries = [entry["query"] for entry in stage.state.journal.list_entries() if entry["path"] == LIST]
        assert sorted(ids) == sorted(str(person.id) for person in stage.state.company.list_employees())
        assert {page.total for page in pages} == {len(stage.state.company)}
        assert queries == [f"limit=100&offset={100 * number}" for number in range(len(pages))]
        assert [page.offset for page in pages] == [100 * number for number in range(len(pages))]


@pytest.mark.parametrize(
    ("count", "offsets"), [(0, [0]), (1, [0]), (99, [0]), (100, [0, 100]), (200, [0, 100, 200]), (201, [0, 100, 200])]
)
async def test_list_ends_at_its_last_page(count: int, offsets: list[int]) -> None:
    """A full last page needs one more request; a short one does not."""

    class Company(ScriptedTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            if request.url.path == LIST:
                self.replies = [build_page(list(range(offset, min(count, offset + 100))), count)]
            return await super().handle_async_request(request)

    transport = Company(TOKEN)

    async with PersonioClient(ACCESS, clock=FakeClock(), transport=transport, allow_private=False) as client:
        ids = [employee.id async for page in client.iterate_pages() for employee in page.employees]

    assert ids == [str(number) for number in range(count)]
    assert [int(request.url.params["offset"]) for request in transport.requests[1:]] == offsets


async def test_inconsistent_pages_are_passed_on_unchanged() -> None:
    """The scan decides what a changed total or a repeated employee means."""
    async with open_stage(employees=250) as stage:
        stage.add_fault("shrink", LIST, after=1, by=3, count=9)
        stage.add_fault("duplicate", LIST, after=1)
        stage.add_fault("skip", LIST, after=2)

        pages = await stage.read_pages()

        total = len(stage.state.company)
        assert [page.total for page in pages] == [total, *[total - 3] * (len(pages) - 1)]
        assert pages[1].employees[0] == pages[0].employees[-1]


async def test_changed_employees_are_listed_page_by_page() -> None:
    """The time has no zone: it is in UTC, in the form that Personio documents."""
    replies = [build_page(list(range(100)), 101), build_page([100], 101)]
    berlin = datetime(2026, 3, 9, 10, 0, 30, 999_000, tzinfo=timezone(timedelta(hours=1)))

    async with open_client(TOKEN, *replies) as (client, transport):
        pages = [len(page.employees) async for page in client.iterate_pages({"email"}, berlin)]

    assert pages == [100, 1]
    for request, offset in zip(transport.requests[1:], ["0", "100"], strict=True):
        assert request.url.params["updated_since"] == "2026-03-09T09:00:30"
        assert request.url.params["offset"] == offset
        assert request.url.params.get_list("attributes[]") == ["email", "last_modified_at"]


async def test_sandbox_lists_changed_employees() -> None:
    """Strictly after the time."""
    async with open_stage(employees=3) as stage:
        before = stage.clock.now()
        stage.clock.seconds += 60
        employee = stage.state.company.list_employees()[0]
        stage.state.company.change(employee.id, {"first_name": "Eva"}, stage.clock.now())

        pages = [page async for page in stage.client.iterate_pages({"first_name"}, before)]

    assert [employee.attributes["first_name"] for page in pages for employee in read_employees(page)] == ["Eva"]


async def test_pages_below_the_requested_size_are_read_to_the_end() -> None:
    """The offset advances by the number of received employees."""
    replies = [build_page([1, 2], 5), build_page([3, 4], 5), build_page([5], 5)]

    async with open_client(TOKEN, *replies) as (client, transport):
        assert [len(page.employees) async for page in client.iterate_pages()] == [2, 2, 1]

    assert [request.url.params["offset"] for request in transport.requests[1:]] == ["0", "2", "4"]


async def test_list_without_total_ends_at_an_empty_page() -> None:
    """Without a total, only an empty page shows the end."""
    async with open_client(TOKEN, build_page([1, 2], None), build_page([3], None), build_page([], None)) as (client, _):
        assert [(len(page.employees), page.total) async for page in client.iterate_pages()] == [
            (2, None),
            (1, None),
            (0, None),
        ]


@pytest.mark.parametrize("total", [100, 250, None])
async def test_repeated_page_is_an_error(total: int | None) -> None:
    """A server that ignores the offset must not keep the poller busy forever."""
    async with open_client(TOKEN, build_page(list(range(100)), total)) as (client, transport):
        pages = client.iterate_pages()
        first = await anext(pages)

        assert len(first.employees) == 100
        with pytest.raises(PersonioUnavailableError, match=r"repeats a page \(offset 100\)"):
            await anext(pages)

    assert len(transport.requests) == 3


async def test_list_far_beyond_its_total_is_an_error() -> None:
    """A list that grows forever must not keep the poller busy."""

    class EndlessList(ScriptedTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            self.replies = [TOKEN if request.url.path == AUTH else build_page(list(range(offset, offset + 100)), 300)]
            return await super().handle_async_request(request)

    transport = EndlessList(TOKEN)

    async with PersonioClient(ACCESS, clock=FakeClock(), transport=transport, allow_private=False) as client:
        with pytest.raises(PersonioUnavailableError, match=r"does not end \(announced total: 300\)"):
            [page async for page in client.iterate_pages()]

    assert len(transport.requests) == 1 + 14


async def test_elements_without_id_are_counted_as_skipped() -> None:
    """The elements count for the offset of the next page, and the scan knows that it is incomplete."""
    data = [{"attributes": {"id": {"value": 1}}}, {"attributes": {}}, None]
    body = {"success": True, "metadata": {"total_elements": 3}, "data": data}

    async with open_client(TOKEN, build_reply(200, body)) as (client, _):
        (page,) = [page async for page in client.iterate_pages()]

    assert [employee.id for employee in page.employees] == ["1"]
    assert page.skipped == 2
    assert page.total == 3


async def test_page_is_requested_only_when_it_is_needed() -> None:
    """The caller decides how many pages are in memory."""
    async with open_stage(employees=250) as stage:
        pages = stage.client.iterate_pages()

        for number in (1, 2, 3):
            await anext(pages)
            assert stage.paths.count(LIST) == number

        await pages.aclose()


async def test_memory_of_a_long_list_is_that_of_few_pages() -> None:
    """Pages are not kept after the caller has read them."""

    class LargeList(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            text = {"value": "x" * 5_000}
            data = [{"attributes": {"id": {"value": n}, "text": text}} for n in range(offset, min(offset + 100, 4_000))]
            body = {"success": True, "metadata": {"total_elements": 4_000}, "data": data}
            return httpx.Response(200, json=TOKEN_BODY if request.url.path == AUTH else body)

    async with PersonioClient(ACCESS, clock=FakeClock(), transport=LargeList(), allow_private=False) as client:
        tracemalloc.start()
        try:
            people = sum([len(page.employees) async for page in client.iterate_pages()])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert people == 4_000
    assert peak < 5_000_000, "a page has half a megabyte, the whole list has twenty"


async def test_page_with_too_many_employees_is_yielded_in_parts() -> None:
    """A Personio that ignores the limit must not keep the process busy with one page for seconds."""
    async with open_client(TOKEN, build_page(list(range(250)), 250), build_page([], 250)) as (client, transport):
        pages = [page async for page in client.iterate_pages()]

    assert [(page.offset, len(page.employees)) for page in pages] == [(0, 100), (100, 100), (200, 50), (250, 0)]
    assert [request.url.params["offset"] for request in transport.requests[1:]] == ["0", "250"]


async def test_page_with_very_many_values_is_yielded_in_parts() -> None:
    """Employees with long lists must not keep the process busy with one page for seconds."""
    numbers = {"value": [1] * (MAX_PART_VALUES // 10)}
    data = [{"attributes": {"id": {"value": number}, "numbers": numbers}} for number in range(30)]
    page = build_reply(200, {"success": True, "metadata": {"total_elements": 30}, "data": data})
    async with open_client(TOKEN, page, build_page([], 30)) as (client, _):
        pages = [page async for page in client.iterate_pages()]

    assert sum(len(page.employees) for page in pages) == 30
    assert all(len(page.employees) <= 10 for page in pages)


@pytest.mark.parametrize("total", [True, -1, 10**30, "5", 5.0])
async def test_senseless_total_counts_as_none(total: Any) -> None:
    """MongoDB cannot store a huge one: the report of the progress would fail the poll."""
    async with open_client(TOKEN, build_page([1], total), build_page([], total)) as (client, _):
        assert {page.total async for page in client.iterate_pages()} == {None}
