"""Lists all accounts of a server, page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar, Protocol, TypeAlias

from services.contracts.connections import DeclareeAccess, normalise_server
from services.contracts.ids import AccountId
from services.errors import PermanentError
from services.provisioning.calls import Answer, Call, ListAccounts, Page, ReadAccount

PAGE_SIZE = 100
"""Number of accounts to ask for on each page."""
MAX_ACCOUNTS = 250_000
"""Maximum number of accounts of a list. A server that lists more never ends it, or is not one company's."""

Perform: TypeAlias = Callable[[Call], Awaitable[Answer]]
"""Performs a call on the server."""


class ListUnsupportedError(PermanentError):
    """The server does not list its accounts, or lists the first page repeatedly."""

    code: ClassVar[str] = "list-unsupported"


async def iterate_accounts(perform: Perform, start: int = 1) -> AsyncIterator[tuple[int, Page]]:
    """Yields each page with the number of its first account, from ``start``. An account may be listed twice.

    Pages are not a snapshot: accounts that are added or deleted between them shift the others. Servers may return fewer accounts
    than asked for, state no total, or a wrong one such as the size of the page. So an empty page or a page without new accounts
    ends the list (RFC 7644, section 3.4.2.4). A stated total ends it only after a page that is shorter than the first one, or if
    ``start`` is not the first account. Raises ``ListUnsupportedError`` and ``TransientError``.
    """
    seen: set[AccountId] = set()
    first: Page | None = None
    is_resumed, is_total_reached = start > 1, False
    while True:
        answer = await perform(ListAccounts(start, PAGE_SIZE))
        if not isinstance(answer, Page):
            if is_total_reached:  # servers may refuse to list what lies behind the last account
                return
            raise ListUnsupportedError(
                "Declaree does not list its accounts: ask its operator to support GET /Users without a filter"
            )
        size = len(answer.resources)
        if not size:
            return
        before = len(seen)
        seen.update(live.id for live in answer.resources)
        if len(seen) == before:
            if not is_total_reached and first is not None and answer.resources[0].id == first.resources[0].id:
                raise ListUnsupportedError(
                    "Declaree returns the first page of its list again: ask its operator to support startIndex"
                )
            return
        if len(seen) > MAX_ACCOUNTS:
            raise ListUnsupportedError(f"Declaree lists more than {MAX_ACCOUNTS} accounts: they cannot be compared")
        yield start, answer
        start += size
        is_total_reached = answer.total is not None and start > answer.total
        if is_total_reached and (is_resumed or (first is not None and size < len(first.resources))):
            return
        first = first or answer


class ScimClient(Protocol):
    """Performs calls on one server."""

    async def perform(self, call: Call) -> Answer:
        """Sends one request and returns the answer; raises ``TransientError``."""
        ...


class ListedAccounts:
    """The accounts of one connection's Declaree."""

    def __init__(self, access: DeclareeAccess, client: ScimClient) -> None:
        """``client`` is the client of the server at ``access``."""
        self.server = normalise_server(access.url)
        self._client = client

    def iterate_accounts(self, start: int) -> AsyncIterator[tuple[int, Page]]:
        """Yields the accounts page by page, each with the number of its first account. Raises the errors of ``iterate_accounts``."""
        return iterate_accounts(self._client.perform, start)

    async def read_account(self, account: AccountId) -> Answer:
        """Reads one account. Answered as ``ReadAccount``; raises ``TransientError``."""
        return await self._client.perform(ReadAccount(account))
