"""Claims, link decisions and records in progress in memory."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from services.contracts.claims import ClaimKind, Decision, LinkDecision
from services.contracts.ids import AccountId, ConnectionId, PersonKey
from services.contracts.work_ranges import WorkRange
from services.store.collection import PAGE_SIZE
from services.store.links import build_link_key
from tests.support.fake_store.pages import give_turn

Id = TypeVar("Id", bound=str)


class FakeClaims:
    """``services.store.claims.Claims`` in memory. The keys of ``content`` are kind, server, and what is claimed."""

    def __init__(self) -> None:
        self.content: dict[tuple[ClaimKind, str, str], PersonKey] = {}

    async def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the employee that owns the account; None if it has no owner."""
        await give_turn()
        return self.content.get((ClaimKind.ACCOUNT, server, account))

    async def find_external_id_owner(self, server: str, external_id: str) -> PersonKey | None:
        """Returns the employee that owns the external id; None if it has no owner."""
        await give_turn()
        return self.content.get((ClaimKind.EXTERNAL_ID, server, external_id))

    async def find_owners(self, server: str, accounts: Iterable[AccountId]) -> dict[AccountId, PersonKey]:
        """Returns the owners of those accounts that have one."""
        await give_turn()
        keys = {(ClaimKind.ACCOUNT, server, account): account for account in accounts}
        return {account: self.content[key] for key, account in keys.items() if key in self.content}

    async def read_owners(
        self, server: str, accounts: Iterable[AccountId], external_ids: Iterable[str]
    ) -> dict[tuple[ClaimKind, str], PersonKey | None]:
        """Returns the owner of each account and external id; None for one without an owner."""
        await give_turn()
        claimed = [(ClaimKind.ACCOUNT, account) for account in accounts] + [
            (ClaimKind.EXTERNAL_ID, id_) for id_ in external_ids
        ]
        return {(kind, id_): self.content.get((kind, server, id_)) for kind, id_ in claimed}

    async def claim_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> frozenset[AccountId]:
        """Claims each account for its employee. Returns the accounts that another employee owns."""
        await give_turn()
        return self._claim(ClaimKind.ACCOUNT, server, owners)

    async def claim_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> frozenset[str]:
        """Claims each external id for its employee. Returns those that another employee owns."""
        await give_turn()
        return self._claim(ClaimKind.EXTERNAL_ID, server, owners)

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Passes an account from one employee to another. Returns False if the former one does not own it."""
        await give_turn()
        key = (ClaimKind.ACCOUNT, server, account)
        if self.content.get(key) not in {former, owner}:
            return False
        self.content[key] = owner
        return True

    async def release_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> int:
        """Removes the claim of each account that still has this owner. Returns their number."""
        await give_turn()
        return self._release(ClaimKind.ACCOUNT, server, owners)

    async def release_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> int:
        """Removes the claim of each external id that still has this owner. Returns their number."""
        await give_turn()
        return self._release(ClaimKind.EXTERNAL_ID, server, owners)

    def _release(self, kind: ClaimKind, server: str, owners: Mapping[Id, PersonKey]) -> int:
        keys = {(kind, server, str(claimed)): owner for claimed, owner in owners.items()}
        released = [key for key, owner in keys.items() if self.content.get(key) == owner]
        for key in released:
            del self.content[key]
        return len(released)

    async def release(self, person: PersonKey) -> int:
        """Removes all claims of one employee. Returns their number."""
        await give_turn()
        released = [key for key, owner in self.content.items() if owner == person]
        for key in released:
            del self.content[key]
        return len(released)

    def _claim(self, kind: ClaimKind, server: str, owners: Mapping[Id, PersonKey]) -> frozenset[Id]:
        return frozenset(
            claimed
            for claimed, owner in owners.items()
            if self.content.setdefault((kind, server, claimed), owner) != owner
        )


class FakeLinks:
    """``services.store.links.Links`` in memory."""

    def __init__(self) -> None:
        self.content: dict[tuple[PersonKey, AccountId], LinkDecision] = {}

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions about these employees, open ones included."""
        await give_turn()
        wanted = set(people)
        return {key: decision for key, decision in self.content.items() if decision.person in wanted}

    async def ask(self, asked: Sequence[LinkDecision]) -> None:
        """Stores open decisions. One that exists stays as it is, unless the account has another owner or other content."""
        await give_turn()
        for decision in asked:
            stored = self.content.setdefault((decision.person, decision.account_id), decision)
            is_same = (stored.former_owner, stored.account_hash) == (decision.former_owner, decision.account_hash)
            if not is_same or (stored.decision is None and decision.decision is not None):
                self.content[decision.person, decision.account_id] = decision

    async def withdraw(self, people: Iterable[PersonKey], asked: Iterable[LinkDecision]) -> int:
        """Removes the open decisions about these employees, except those in ``asked``. Returns their number."""
        await give_turn()
        wanted, kept = set(people), {(decision.person, decision.account_id) for decision in asked}
        withdrawn = [
            key
            for key, stored in self.content.items()
            if stored.person in wanted and stored.decision is None and key not in kept
        ]
        for key in withdrawn:
            del self.content[key]
        return len(withdrawn)

    async def decide(
        self, asked: LinkDecision, decision: Decision, now: datetime, *, account_hash: str | None = None
    ) -> LinkDecision | None:
        """Stores what an administrator decided and returns it; None if the stored decision is another one."""
        await give_turn()
        key = (asked.person, asked.account_id)
        stored = self.content.get(key)
        if stored is None or (stored.former_owner, stored.account_hash) != (asked.former_owner, asked.account_hash):
            return None
        changes = {"decision": decision, "decided_at": now, "account_hash": account_hash or asked.account_hash}
        self.content[key] = stored.model_copy(update=changes)
        return self.content[key]

    async def page_open(self, connection: ConnectionId) -> AsyncIterator[tuple[LinkDecision, ...]]:
        """Yields the open decisions of a connection, in the order of their keys."""
        after = ""
        while True:
            await give_turn()
            keys = {build_link_key(open_.person, open_.account_id): open_ for open_ in self._list_open(connection)}
            page = sorted(key for key in keys if key > after)[:PAGE_SIZE]
            if page:
                yield tuple(keys[key] for key in page)
            if len(page) < PAGE_SIZE:
                return
            after = page[-1]

    async def count_open(self, connection: ConnectionId) -> int:
        """Returns the number of open decisions of a connection."""
        await give_turn()
        return len(self._list_open(connection))

    async def forget(self, person: PersonKey) -> int:
        """Removes the decisions about one employee. Returns their number."""
        await give_turn()
        forgotten = [key for key in self.content if key[0] == person]
        for key in forgotten:
            del self.content[key]
        return len(forgotten)

    def _list_open(self, connection: ConnectionId) -> list[LinkDecision]:
        decisions = self.content.values()
        return [open_ for open_ in decisions if open_.connection_id == connection and open_.decision is None]


class FakeWorkRanges:
    """``services.store.work_ranges.WorkRanges`` in memory."""

    def __init__(self) -> None:
        self.content: dict[int, WorkRange] = {}

    async def begin(self, ranges: Sequence[WorkRange]) -> dict[int, WorkRange]:
        """Stores the records in progress, one range for each partition. Returns the ranges that were stored before."""
        await give_turn()
        stored = {work.partition: self.content[work.partition] for work in ranges if work.partition in self.content}
        await give_turn()
        for work in ranges:
            self.content[work.partition] = _join(work, self.content.get(work.partition))
        return stored


def _join(work: WorkRange, stored: WorkRange | None) -> WorkRange:
    """Returns both ranges as one; the new one if it lies behind the stored one, or in a new log."""
    if stored is None or work.first_offset > stored.last_offset:
        return work
    if work.last_offset <= stored.last_offset and work.timestamp_ms > stored.timestamp_ms:
        return work
    return work.model_copy(
        update={
            "first_offset": min(work.first_offset, stored.first_offset),
            "last_offset": max(work.last_offset, stored.last_offset),
            "timestamp_ms": max(work.timestamp_ms, stored.timestamp_ms),
        }
    )
