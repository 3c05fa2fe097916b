"""Answers lookups of accounts: from the server's filters, or from an index of all accounts where that is cheaper or needed."""

import asyncio
import logging

from services.clients.declaree.listing import Perform
from services.contracts.ids import AccountId
from services.errors import TransientError
from services.provisioning import paths
from services.provisioning.calls import Answer, Body, FindAccounts, Found, ReadAccount, Resource, Unsupported
from services.runtime.clock import Clock
from services.writer.index import AccountIndex, build_index

logger = logging.getLogger(__name__)

SHORTEST_LIFETIME_SECONDS, LIFETIME_FACTOR = 120.0, 10.0
"""Minimum lifetime of an index, and its lifetime as a multiple of the time that it took to build. Other programs may change
accounts in this time."""
MANY_LOOKUPS = 20
"""Number of lookups without an index after which an index is built. An unknown employee needs two, with a request for each."""
MAX_HITS = 5
"""Number of hits up to which a filter counts as applied, if the server shows no value that could be compared."""
FRESH_SECONDS = 2.0
"""Age in seconds up to which an index answers a lookup that asks for the present state."""


class AccountLookups:
    """The lookups on one server."""

    def __init__(self, perform: Perform, clock: Clock) -> None:
        """``perform`` sends a call to the server."""
        self._perform = perform
        self._clock = clock
        self._index: AccountIndex | None = None
        self._built_at = float("-inf")
        self._lifetime = SHORTEST_LIFETIME_SECONDS
        self._asked = 0
        self._building = asyncio.Lock()
        self._unfilterable: set[str] = set()

    async def prepare(self) -> None:
        """Builds the index unless a valid one exists. Without a list, each account is looked up on the server."""
        self._asked = 0
        try:
            await self._get_index(self._lifetime)
        except TransientError as error:
            logger.info("the accounts cannot be listed now, each is looked up: %s", error)

    def add_created(self, sent: Body, created: Resource) -> None:
        """Adds a new account to the index, with what was sent in case the answer does not show it."""
        if self._index is not None:
            self._index.add(Resource(created.id, {**sent, **created.body}))

    def note_write(self, account: AccountId | None) -> None:
        """Forgets the content of an account that is written; None stands for any account, so all contents are forgotten."""
        if self._index is not None:
            self._index.drop_content(account)

    def forget_outdated(self) -> None:
        """Frees the memory of an index that answers no lookup any longer."""
        if not self._is_younger_than(self._lifetime):
            self._index = None

    async def find(self, call: FindAccounts, perform: Perform) -> Answer:
        """Returns the answer to a lookup. ``Unsupported`` if the server can neither filter nor list its accounts.

        ``perform`` sends a call for this lookup alone; the list is shared with other lookups.
        """
        if not call.is_fresh and call.attribute not in self._unfilterable:
            index = await self._get_worthwhile_index()
            if index is not None and index.can_answer(call):
                return await _read_hits(index, call, perform)
        if call.attribute not in self._unfilterable:
            answer = await perform(call)
            if not isinstance(answer, Unsupported) and not _is_filter_ignored(answer, call):
                return answer
            self._unfilterable.add(call.attribute)
            logger.info("the server does not filter accounts by %s: they are listed instead", call.attribute)
        index = await self._get_index(FRESH_SECONDS if call.is_fresh else self._lifetime)
        if index is None or not index.can_answer(call):
            return Unsupported()
        return await _read_hits(index, call, perform)

    async def _get_worthwhile_index(self) -> AccountIndex | None:
        """Returns the index if a valid one exists, or if the lookups that were sent make one cheaper."""
        if not self._is_younger_than(self._lifetime):
            self._asked += 1
            if self._asked > MANY_LOOKUPS:
                await self.prepare()
        return self._index if self._is_younger_than(self._lifetime) else None

    async def _get_index(self, lifetime: float) -> AccountIndex | None:
        """Returns an index that is younger than ``lifetime`` seconds; None if the server cannot list its accounts."""
        async with self._building:
            if not self._is_younger_than(lifetime):
                began = self._clock.monotonic()
                self._index = await build_index(self._perform)
                self._built_at = began
                duration = self._clock.monotonic() - began
                self._lifetime = max(SHORTEST_LIFETIME_SECONDS, LIFETIME_FACTOR * duration)
            return self._index

    def _is_younger_than(self, seconds: float) -> bool:
        return self._clock.monotonic() - self._built_at < seconds


async def _read_hits(index: AccountIndex, call: FindAccounts, perform: Perform) -> Answer:
    """Returns the accounts that the index names, and reads those with content that is unknown or must be the present one.

    One that no longer exists is not a hit.
    """
    found: list[Resource] = []
    for account in index.find(call):
        content = None if call.is_fresh else index.get_content(account)
        if content is not None:
            found.append(content)
            continue
        answer = await perform(ReadAccount(account))
        if isinstance(answer, Found):
            found.extend(answer.resources)
    return Found(tuple(found))


def _is_filter_ignored(answer: Answer, call: FindAccounts) -> bool:
    """Whether the server ignores filters: it returned accounts that do not match."""
    if not isinstance(answer, Found):
        return False
    values = [_list_values(resource, call) for resource in answer.resources]
    is_hidden = not any(values) and len(values) > MAX_HITS
    return is_hidden or any(shown and call.value.strip().casefold() not in shown for shown in values)


def _list_values(resource: Resource, call: FindAccounts) -> set[str]:
    """Returns the case-folded values of the attribute, as far as the list shows them."""
    if call.attribute == "emails.value":
        values: list[object] = [*paths.list_addresses(resource.body)]
    else:
        values = [paths.read(resource.body, call.attribute)]
    return {str(value).strip().casefold() for value in values if value is not None}
