"""The requests of a verification: the list of all accounts, and single accounts that it does not show as needed."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.clients.declaree.listing import ListUnsupportedError
from services.contracts.ids import AccountId
from services.contracts.outcomes import ABOUT_ONE_LOOKUP
from services.errors import TransientError
from services.poller.verification_ports import AccountList
from services.provisioning.calls import Found, Missing, Page, Resource
from services.provisioning.drift import find_shown
from services.runtime.clock import Clock

MAX_FAILURES = 20
"""Number of failed lookups in a row after which the server counts as the cause."""


class VerificationInterruptedError(TransientError):
    """Declaree does not answer the requests of a verification. The verification continues later."""

    code: ClassVar[str] = "verification-interrupted"


class UnreadableError(Exception):
    """The server's answer does not tell whether the account exists."""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """One page of the list."""

    asked_at: datetime
    """When the page was asked for."""
    start: int
    """Number of its first account, from 1."""
    page: Page
    """The page."""

    @property
    def next_start(self) -> int:
        """Number of the first account of the next page."""
        return self.start + len(self.page.resources)

    def split(self, size: int) -> tuple["ListedPage", "ListedPage"]:
        """Returns the page with the first accounts, at most this number of them, and the page with the others."""
        first, others = self.page.resources[:size], self.page.resources[size:]
        behind = ListedPage(self.asked_at, self.start + len(first), Page(others, self.page.total))
        return ListedPage(self.asked_at, self.start, Page(first, self.page.total)), behind


class AccountReader:
    """Reads accounts of one server, and learns which fields its list hides."""

    def __init__(self, accounts: AccountList, clock: Clock) -> None:
        """``accounts`` lists and reads the accounts of the server."""
        self.server = accounts.server
        """The normalised address of the server."""
        self._accounts = accounts
        self._clock = clock
        self._shown: set[str] = set()
        self._checked: set[str] = set()
        self._hides_fields = False
        self._failures = 0
        self.counts: Counter[str] = Counter()
        """Number of requests (``read``) and of accounts without a usable answer (``unreadable``) since the last clearing."""

    @property
    def may_read_each(self) -> bool:
        """Whether the list hides fields, so that each account is read, or that is not known yet."""
        return self._hides_fields or not self._shown

    async def iterate_pages(self, start: int) -> AsyncIterator[ListedPage]:
        """Yields the list from this number on. Raises ``VerificationInterruptedError`` and ``ListUnsupportedError``."""
        pages = self._accounts.iterate_accounts(start)
        while True:
            asked_at = self._clock.now()
            try:
                first, page = await anext(pages)
            except StopAsyncIteration:
                return
            except TransientError as error:
                raise _interrupt(error) from error
            yield ListedPage(asked_at, first, page)

    async def read(self, account: AccountId) -> Resource | None:
        """Returns the account; None if it does not exist. Raises ``UnreadableError`` and ``VerificationInterruptedError``."""
        self.counts["read"] += 1
        try:
            answer = await self._accounts.read_account(account)
        except TransientError as error:
            if not await self._fails_alone(error):
                raise _interrupt(error) from error
            self.counts["unreadable"] += 1
            raise UnreadableError from error
        self._failures = 0
        match answer:
            case Found((live,)) if live.id == account:
                return live
            case Missing(is_certain=True):
                return None
        self.counts["unreadable"] += 1
        raise UnreadableError

    async def _fails_alone(self, error: TransientError) -> bool:
        """Returns whether only the lookup of one account has failed: the server still answers a list, and not many fail in a row.

        Such an account must not keep the verification of all others from its end.
        """
        self._failures += 1
        if error.code not in ABOUT_ONE_LOOKUP or self._failures > MAX_FAILURES:
            return False
        try:
            await anext(self._accounts.iterate_accounts(1), None)
        except ListUnsupportedError:
            return True  # an answer of the server, too
        except TransientError:
            return False
        return True

    async def complete(
        self, listed: Mapping[AccountId, Resource], judged: Mapping[AccountId, frozenset[str]]
    ) -> dict[AccountId, Resource]:
        """Returns the accounts with all fields to judge, each read if the list hides fields.

        ``judged`` are the fields of each account. A field that no account shows may be hidden or not set anywhere: a lookup of
        one account decides. An account that does not exist or cannot be read is left out. Raises
        ``VerificationInterruptedError``.
        """
        for account, fields in judged.items():
            self._shown |= find_shown(listed[account].body, fields)
        for account, fields in judged.items():
            if self._hides_fields:
                break
            if fields - self._shown - self._checked:
                await self._check(listed[account], fields)
        if not self._hides_fields:
            return {account: listed[account] for account in judged}
        return await self._read_each(judged)

    async def _check(self, listed: Resource, fields: frozenset[str]) -> None:
        """Compares what the list shows of an account with what a lookup shows."""
        try:
            live = await self.read(listed.id)
        except UnreadableError:
            return
        if live is not None:
            shown = find_shown(live.body, fields)
            self._hides_fields = bool(shown - find_shown(listed.body, fields))
            self._checked |= fields

    async def _read_each(self, accounts: Iterable[AccountId]) -> dict[AccountId, Resource]:
        found: dict[AccountId, Resource] = {}
        for account in accounts:
            try:
                live = await self.read(account)
            except UnreadableError:
                continue
            if live is not None:
                found[account] = live
        return found


def _interrupt(error: TransientError) -> VerificationInterruptedError:
    return VerificationInterruptedError(f"the verification waits for Declaree: {error}", retry_after=error.retry_after)
