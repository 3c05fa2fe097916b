"""Lists of accounts: servers repeat pages, state wrong totals, never end, or refuse what lies behind the end."""

from collections.abc import Callable, Sequence

import pytest

from services.clients.declaree import listing
from services.clients.declaree.listing import ListUnsupportedError, iterate_accounts
from services.contracts.ids import AccountId
from services.provisioning.calls import Answer, Call, ListAccounts, Page, Resource, Unsupported

Show = Callable[[int], Answer]
NAMES = [str(number) for number in range(1, 26)]


def build_page(names: Sequence[str], total: int | None) -> Page:
    """Returns a page with these accounts."""
    return Page(tuple(Resource(AccountId(name), {"id": name}) for name in names), total)


async def collect(show: Show, start: int = 1) -> tuple[list[str], list[int]]:
    """Lists the accounts. Returns their ids in order, and the number of the first account of each page that was asked for."""
    asked: list[int] = []

    async def perform(call: Call) -> Answer:
        assert isinstance(call, ListAccounts)
        asked.append(call.start)
        assert len(asked) < 50, "the list does not end"
        return show(call.start)

    return [live.id async for _, page in iterate_accounts(perform, start) for live in page.resources], asked


def show_ten(start: int) -> Page:
    """Returns ten accounts from this one on, and the right total."""
    return build_page(NAMES[start - 1 : start + 9], len(NAMES))


async def test_shorter_last_page_ends_the_list() -> None:
    """Without a further request."""
    assert await collect(show_ten) == (NAMES, [1, 11, 21])


async def test_list_can_begin_at_a_later_account() -> None:
    """As after the crash of a verification."""
    assert await collect(show_ten, 21) == (NAMES[20:], [21])


@pytest.mark.parametrize("total", [None, 10**12, 26])
async def test_last_page_that_is_shown_for_ever_ends_the_list(total: int | None) -> None:
    """A server may show its last page for each later start."""
    names, asked = await collect(lambda start: build_page(NAMES[min(start, 21) - 1 :][:10], total))

    assert names == NAMES
    assert len(asked) == 4


@pytest.mark.parametrize("total", [0, 1, 10])
async def test_too_small_total_does_not_end_the_list(total: int) -> None:
    """Some servers state the size of the page, and a total may shrink."""
    names, _ = await collect(lambda start: build_page(NAMES[start - 1 : start + 9], total if start == 1 else None))

    assert names == NAMES


async def test_only_page_of_server_that_ignores_start_is_the_list() -> None:
    """The total is right, so the repeated page ends the list."""
    assert await collect(lambda _: build_page(NAMES, len(NAMES))) == (NAMES, [1, 26])


async def test_first_page_again_is_refused() -> None:
    """The accounts behind it are never shown."""
    with pytest.raises(ListUnsupportedError, match="first page of its list again"):
        await collect(lambda _: build_page(NAMES[:10], len(NAMES)))


async def test_refusal_behind_the_end_ends_the_list() -> None:
    """Some servers answer 400 to a start behind the total."""

    def show(start: int) -> Answer:
        return Unsupported() if start > len(NAMES) else build_page(NAMES[start - 1 : start + 4], len(NAMES))

    assert await collect(show) == (NAMES, [1, 6, 11, 16, 21, 26])


async def test_refusal_within_the_list_is_refused() -> None:
    """A part of the list is not the list."""
    with pytest.raises(ListUnsupportedError, match="does not list"):
        await collect(lambda start: Unsupported() if start > 11 else show_ten(start))


async def test_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that its accounts take is bounded."""
    monkeypatch.setattr(listing, "MAX_ACCOUNTS", 100)

    with pytest.raises(ListUnsupportedError, match="more than 100 accounts"):
        await collect(lambda start: build_page([f"new{start + number}" for number in range(10)], 10**9))
