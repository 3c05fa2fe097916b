"""Lists all accounts of a server, page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar, Protocol, TypeAlias

from services.contracts.connections import DeclareeAccess, normalise_server
from services.contracts.ids import AccountId
from services.errors import PermanentError
from services.provisioning.calls import Answer, Call, ListAccounts, Page, ReadAccount

PAGE_SIZE = 100
"""Number of accounts to ask for on each page."""

Perform: TypeAlias = Callable[[Call], Awaitable[Answer]]
"""Performs a call on the server."""


class ListUnsupportedError(PermanentError):
    """The server does not list its accounts, or lists the first page repeatedly."""

    code: ClassVar[str] = "list-unsupported"


async def iterate_accounts(perform: Perform, start: int = 1) -> AsyncIterator[tuple[int, Page]]:
    """Yields each page with the number of its first account, from ``start``. An account may be listed twice.

    Pages are not a snapshot: accounts that are added or deleted between them shift the others. Servers may return fewer accounts
    than asked for, or state no total (RFC 7644, section 3.4.2.4). The list ends with an empty page, or after the stated total.
    Raises ``ListUnsupportedError`` and ``TransientError``.
    """
    first: AccountId | None = None
    while True:
        answer = await perform(ListAccounts(start, PAGE_SIZE))
        if not isinstance(answer, Page):
            raise ListUnsupportedError(
                "Declaree does not list its accounts: ask its operator to support GET /Users without a filter"
            )
        if not answer.resources:
            return
        if first is not None and answer.resources[0].id == first:
            raise ListUnsupportedError(
                "Declaree returns the first page of its list again: ask its operator to support startIndex"
            )
        first = first or answer.resources[0].id
        yield start, answer
        start += len(answer.resources)
        if answer.total is not None and start > answer.total:
            return


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
