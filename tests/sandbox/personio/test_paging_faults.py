"""Lists that change between their pages, or end early: what users report, also of ``updated_since``."""

from typing import Any

import pytest

from sandbox.personio.faults import Fault
from tests.sandbox.personio.in_process import PersonioSandbox, extract_ids

TODAY = "2026-03-02"


async def _list_pages(personio: PersonioSandbox, number: int, query: str = "") -> list[Any]:
    """Returns the first pages of a list with ten employees a page."""
    return [await personio.list_page(f"?limit=10&offset={10 * page}{query}") for page in range(number)]


def _read_totals(pages: list[Any]) -> list[int]:
    return [page["metadata"]["total_elements"] for page in pages]


async def test_total_can_shrink_step_by_step(personio: PersonioSandbox) -> None:
    """Two faults reproduce the totals 30, 28 and 27 that a user reports of one list."""
    personio.state.faults.add(Fault(kind="shrink", by=2, after=1, count=None))
    personio.state.faults.add(Fault(kind="shrink", by=1, after=2, count=None))
    total = len(personio.state.company)

    pages = await _list_pages(personio, 3)

    assert _read_totals(pages) == [total, total - 2, total - 3]
    assert pages[2]["metadata"]["total_pages"] == -(-(total - 3) // 10)


async def test_total_can_grow(personio: PersonioSandbox) -> None:
    """The total of later pages is larger, while the employees stay the same."""
    personio.state.faults.add(Fault(kind="grow", by=5, after=1, count=None))
    total = len(personio.state.company)
    expected = extract_ids(await personio.list_page("?limit=20&attributes[]=email"))
    personio.state.faults.clear()
    personio.state.faults.add(Fault(kind="grow", by=5, after=1, count=None))

    pages = await _list_pages(personio, 2)

    assert _read_totals(pages) == [total, total + 5]
    assert [employee for page in pages for employee in extract_ids(page)] == expected


@pytest.mark.parametrize("query", ["", f"&updated_since={TODAY}"])
async def test_drop_moves_later_employees_forward(personio: PersonioSandbox, query: str) -> None:
    """After the first page the list lacks its first employees, so the second page leaves out as many."""
    await _change_all(personio)
    expected = extract_ids(await personio.list_page(f"?limit=40{query}"))
    personio.state.faults.add(Fault(kind="drop", by=3, after=1, count=None))

    pages = await _list_pages(personio, 3, query)

    assert extract_ids(pages[1]) == expected[13:23]
    assert extract_ids(pages[2]) == expected[23:33]
    assert _read_totals(pages) == [_read_totals(pages)[0], *[_read_totals(pages)[0] - 3] * 2]


@pytest.mark.parametrize("query", ["", f"&updated_since={TODAY}"])
async def test_repeat_moves_later_employees_back(personio: PersonioSandbox, query: str) -> None:
    """After the first page the list has further employees at its beginning, so the second page repeats as many."""
    await _change_all(personio)
    expected = extract_ids(await personio.list_page(f"?limit=40{query}"))
    personio.state.faults.add(Fault(kind="repeat", by=2, after=1, count=None))

    pages = await _list_pages(personio, 2, query)

    assert extract_ids(pages[1]) == expected[8:18]
    assert _read_totals(pages)[1] == _read_totals(pages)[0] + 2


async def _change_all(personio: PersonioSandbox) -> None:
    for employee in personio.state.company.list_employees():
        personio.state.company.change(employee.id, {"position": "Lotse"}, personio.state.now())


async def test_real_changes_move_an_updated_since_list(personio: PersonioSandbox) -> None:
    """A deletion and a change between two pages shrink and grow the list of changed employees."""
    for employee in personio.state.company.list_employees()[:25]:
        personio.state.company.change(employee.id, {"position": "Lotse"}, personio.state.now())
    query = f"&updated_since={TODAY}"
    (first,) = await _list_pages(personio, 1, query)

    personio.state.company.delete(extract_ids(first)[0], personio.state.now())
    (shrunk,) = await _list_pages(personio, 1, query)

    assert _read_totals([first, shrunk]) == [25, 24]

    await personio.call_control("POST", "/employees", {"count": 3})
    (grown,) = await _list_pages(personio, 1, query)

    assert _read_totals([grown]) == [27]


async def test_reorder_repeats_and_skips_with_the_same_total(personio: PersonioSandbox) -> None:
    """The vendor documents no order: a page of another order repeats employees, and the total does not tell."""
    expected = extract_ids(await personio.list_page("?limit=100"))
    personio.state.faults.add(Fault(kind="reorder", after=1))

    pages = await _list_pages(personio, 2)

    assert extract_ids(pages[0]) == expected[:10]
    assert extract_ids(pages[1]) == expected[::-1][10:20]
    assert len(set(_read_totals(pages))) == 1


async def test_empty_page_keeps_the_total(personio: PersonioSandbox) -> None:
    """A page can be empty although the total promises more, and the next request may return it."""
    personio.state.faults.add(Fault(kind="empty", query="*offset=10*"))

    pages = await _list_pages(personio, 3)

    assert [len(page["data"]) for page in pages] == [10, 0, 10]
    assert len(set(_read_totals(pages))) == 1


async def test_short_page_keeps_the_total(personio: PersonioSandbox) -> None:
    """A page can lack its last employees although the total promises more."""
    expected = extract_ids(await personio.list_page("?limit=20"))
    personio.state.faults.add(Fault(kind="short", by=4, after=1))

    pages = await _list_pages(personio, 2)

    assert extract_ids(pages[1]) == expected[10:16]
    assert len(set(_read_totals(pages))) == 1


@pytest.mark.parametrize("query", ["", f"&updated_since={TODAY}"])
async def test_list_can_end_before_its_total(personio: PersonioSandbox, query: str) -> None:
    """A list that promises all employees ends with a short page and then with empty ones."""
    await _change_all(personio)
    await personio.call_control("PATCH", "/behaviour", {"list_ends_after": 14})

    pages = await _list_pages(personio, 3, query)

    assert [len(page["data"]) for page in pages] == [10, 4, 0]
    assert set(_read_totals(pages)) == {len(personio.state.company)}
