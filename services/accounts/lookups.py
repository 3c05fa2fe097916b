"""Answers lookups of accounts: from the server's filters, or from an index of all accounts where that is cheaper or needed."""

import asyncio
import logging
from collections.abc import Callable

from services.accounts.index import AccountIndex, build_index, select_found
from services.clients.declaree.listing import Perform
from services.contracts.ids import AccountId
from services.errors import TransientError
from services.provisioning import paths
from services.provisioning.calls import Answer, Body, Call, FindAccounts, Found, ReadAccount, Resource, Unsupported
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

SHORTEST_LIFETIME_SECONDS, LIFETIME_FACTOR = 120.0, 10.0
"""Minimum lifetime of an index, and its lifetime as a multiple of the time that it took to build. Other programs may change
accounts in this time."""
LONGEST_LIFETIME_SECONDS, ANSWERS_PER_REQUEST = 900.0, 30
"""Maximum lifetime of an index, and number of lookups that it answers for each request that it cost, before it is built again.

After its usual lifetime it still tells which accounts exist, but not what they hold. Where the server limits the rate of
requests, a long import would otherwise spend a large part of them on lists.
"""
MANY_LOOKUPS = 20
"""Number of lookups without an index after which an index is built. An unknown employee needs two, with a request for each."""
MAX_HITS = 5
"""Number of hits up to which a filter counts as applied, if the server shows no value that could be compared."""
PATIENCE_SECONDS = 8.0
"""Seconds after the begin of a list in which lookups wait for it. After that the server is asked for each person, if it filters."""
LONGEST_BUILD_SECONDS = 300.0
"""Seconds after which a list is given up: it may never end."""
MAX_CHANGES = 20_000
"""Number of writes during a list above which it is given up: they have to be remembered until it is read."""
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
        self._answers_left = 0
        self._building: asyncio.Task[None] | None = None
        self._began_at = float("-inf")
        self._failure: TransientError | None = None
        self._changes: list[Callable[[AccountIndex], None]] = []
        self._unfilterable: set[str] = set()

    def start_index(self) -> None:
        """Begins to build the index unless a valid one exists. Without a list, each account is looked up on the server.

        The list is read in the background: a slow one delays the people of its connection, for a time, and no batch.
        """
        self._asked = 0
        if not self._is_valid():
            self._begin_build()

    async def read_list(self) -> AccountIndex | None:
        """Lists all accounts unless that was done a short time ago, and returns the index; None if the server cannot list them.

        Raises ``TransientError``.
        """
        return await self._get_index(self._lifetime)

    async def stop(self) -> None:
        """Ends a list in progress."""
        if self._building is not None:
            self._building.cancel()
            await asyncio.wait({self._building})

    def get_content(self, account: AccountId) -> Resource | None:
        """Returns an account as the list has shown it; None without a list that is young and shows all of an account."""
        if self._index is None or not self._is_younger_than(self._lifetime):
            return None
        return self._index.get_content(account)

    def add_created(self, sent: Body, created: Resource) -> None:
        """Adds a new account to the index, with what was sent in case the answer does not show it."""
        account = select_found(Resource(created.id, {**sent, **created.body}))
        self._note(lambda index: index.add(account))

    def note_write(self, account: AccountId | None) -> None:
        """Notes that an account is written, so that its content in the index is outdated; None if it may be any account."""
        self._note(lambda index: index.drop_content(account))

    def _note(self, change: Callable[[AccountIndex], None]) -> None:
        """Changes the index, and the one that is being built as soon as it is there: its list may have passed the account."""
        if self._index is not None:
            change(self._index)
        if self._building is not None and not self._building.done():
            self._changes.append(change)

    def forget_outdated(self) -> None:
        """Frees the memory of an index that answers no lookup any longer."""
        if not self._is_valid():
            self._index = None

    async def find(self, call: FindAccounts, perform: Perform) -> Answer:
        """Returns the answer to a lookup. ``Unsupported`` if the server can neither filter nor list its accounts.

        ``perform`` sends a call for this lookup alone; the list is shared with other lookups.
        """
        if not call.is_fresh and call.attribute not in self._unfilterable:
            index = await self._get_worthwhile_index()
            if index is not None and index.can_answer(call):
                self._answers_left -= 1
                if not self._is_younger_than(self._lifetime):
                    index.drop_content()  # an account that it names is read, one that it lacks is created or conflicts
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
        if not self._is_valid():
            self._asked += 1
            if self._asked > MANY_LOOKUPS:
                self.start_index()
            if self._building is not None:
                left = self._began_at + PATIENCE_SECONDS - self._clock.monotonic()
                await _wait(self._building, max(left, 0.0))
        return self._index if self._is_valid() else None

    async def _get_index(self, lifetime: float) -> AccountIndex | None:
        """Returns an index that was begun at most ``lifetime`` seconds before now; None if the server cannot list its accounts.

        Raises ``TransientError``.
        """
        oldest = self._clock.monotonic() - lifetime
        while self._built_at <= oldest:
            await _wait(self._begin_build(), None)
            if self._failure is not None:
                raise self._failure
        return self._index

    def _begin_build(self) -> asyncio.Task[None]:
        """Begins to list the accounts, and returns the task; that of a list in progress if there is one."""
        if self._building is None or self._building.done():
            self._began_at, self._failure = self._clock.monotonic(), None
            self._building = asyncio.create_task(self._build(), name="list of all accounts")
        return self._building

    async def _build(self) -> None:
        """Lists the accounts. Raises nothing: those that wait read ``_failure``."""
        requests = MANY_LOOKUPS

        async def count(call: Call) -> Answer:
            nonlocal requests
            requests += 1
            return await self._perform(call)

        try:
            self._index = await build_index(count, self._is_late)
            if self._index is not None:
                for change in self._changes:
                    change(self._index)
        except TransientError as error:
            logger.info("the accounts cannot be listed now, each is looked up: %s", error)
            self._failure = error
            return
        except Exception:  # a defect, or an unforeseen answer of this server, concerns this connection only
            logger.exception("the accounts cannot be listed, each is looked up")
            self._index = None
        finally:
            self._changes.clear()
        self._built_at = self._began_at
        duration = self._clock.monotonic() - self._began_at
        self._lifetime = max(SHORTEST_LIFETIME_SECONDS, LIFETIME_FACTOR * duration)
        self._answers_left = ANSWERS_PER_REQUEST * requests

    def _is_late(self) -> bool:
        is_long = self._clock.monotonic() - self._began_at > LONGEST_BUILD_SECONDS
        return is_long or len(self._changes) > MAX_CHANGES

    def _is_valid(self) -> bool:
        """Whether the index still answers lookups: it is young, or has not yet saved many times the requests that it cost."""
        has_paid = self._answers_left <= 0
        return self._is_younger_than(self._lifetime if has_paid else max(self._lifetime, LONGEST_LIFETIME_SECONDS))

    def _is_younger_than(self, seconds: float) -> bool:
        return self._clock.monotonic() - self._built_at < seconds


async def _wait(building: asyncio.Task[None], seconds: float | None) -> None:
    """Waits for the end of a list, for at most that many seconds. Raises what has ended the process in the meantime."""
    done, _ = await asyncio.wait({building}, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.result()


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
            found.extend(live for live in answer.resources if live.id == account)
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
