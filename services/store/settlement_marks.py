"""Marks on the snapshots that tell what the ledger says about the employee, so that both are counted by an index.

``unsettled``: the newest change is not decided. The poller sets it with each change, a ledger write removes it.
``account_enabled``: the employee has an enabled account. Each ledger write sets or removes it.
The ledger is written first. A crash before the marks leaves them behind, and ``repair`` corrects them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.store.collection import ChangeAll, Collection, Document

UNSETTLED: dict[str, Any] = {"unsettled": True}
"""Snapshots with a newest change that is not decided. Oversized changes have no mark, because they are never decided."""
ENABLED: dict[str, Any] = {"account_enabled": True}
"""Snapshots of employees with an enabled account. Enabled is the last confirmed state."""
_SNAPSHOT_FIELDS = ("revision", "oversized_revision", "unsettled", "account_enabled")
_ENTRY_FIELDS = ("decided.revision", "enabled", "account_id")


class SettlementMarks:
    """The marks of all snapshots."""

    def __init__(self, snapshots: Collection, ledger: Collection) -> None:
        self._snapshots = snapshots
        self._ledger = ledger

    async def note(self, entries: Iterable[LedgerEntry]) -> None:
        """Marks the snapshots of entries that were written. Usually sends one command."""
        groups: dict[tuple[int, bool], list[str]] = defaultdict(list)
        for entry in entries:
            is_enabled = bool(entry.enabled and entry.account_id)
            groups[entry.decided_version.revision, is_enabled].append(str(entry.person))
        result = await self._snapshots.write_bulk([_mark_newest(keys, *group) for group, keys in groups.items()])
        if result.matched < sum(map(len, groups.values())):
            others = [mark for group, keys in groups.items() for mark in _mark_others(keys, *group)]
            await self._snapshots.write_bulk(others)

    async def forget_decision(self, person: PersonKey) -> None:
        """Marks the newest change as not decided: the ledger has forgotten the decision."""
        await self._snapshots.update(
            {"_id": str(person), "$expr": {"$ne": ["$oversized_revision", "$revision"]}}, {"$set": UNSETTLED}
        )

    async def forget_account(self, person: PersonKey) -> None:
        """Removes the mark of an enabled account: another employee owns the account now."""
        await self._snapshots.update({"_id": str(person)}, {"$unset": ENABLED})

    async def repair_unsettled(self, connection: ConnectionId) -> int:
        """Corrects the marks of the employees that count as unsettled. Returns their number before.

        A writer that died between the ledger and the marks leaves such employees. Reads by page.
        """
        return await self._repair({"connection_id": connection, **UNSETTLED})

    async def repair_all(self, connection: ConnectionId) -> int:
        """Corrects the marks of all employees: a ledger or snapshots may have been lost. Returns their number. Reads by page."""
        return await self._repair({"connection_id": connection})

    async def _repair(self, where: Document) -> int:
        count = 0
        async for page in self._snapshots.iterate_pages(where, fields=_SNAPSHOT_FIELDS):
            count += len(page)
            keys = [snapshot["_id"] for snapshot in page]
            entries = await self._ledger.find({"_id": {"$in": keys}}, fields=_ENTRY_FIELDS)
            by_key = {entry["_id"]: entry for entry in entries}
            corrections = [_correct(snapshot, by_key.get(snapshot["_id"], {})) for snapshot in page]
            await self._snapshots.write_bulk([correction for correction in corrections if correction is not None])
        return count


def _mark_newest(keys: Sequence[str], revision: int, is_enabled: bool) -> ChangeAll:  # noqa: FBT001 - a key of a group
    """Marks snapshots with this decided ``revision`` as their newest change. They are settled."""
    change = {"$unset": UNSETTLED, "$set": ENABLED} if is_enabled else {"$unset": {**UNSETTLED, **ENABLED}}
    return ChangeAll({"_id": {"$in": keys}, "revision": revision}, change)


def _mark_others(keys: Sequence[str], revision: int, is_enabled: bool) -> list[ChangeAll]:  # noqa: FBT001
    """Marks snapshots with another newest change. Those with a newer one stay as unsettled as before."""
    others = {"_id": {"$in": keys}, "revision": {"$ne": revision}}
    account = {"$set": ENABLED} if is_enabled else {"$unset": ENABLED}
    return [
        ChangeAll({"_id": {"$in": keys}, "revision": {"$lt": revision}, **UNSETTLED}, {"$unset": UNSETTLED}),
        ChangeAll({**others, "account_enabled": {"$ne": True} if is_enabled else True}, account),
    ]


def _correct(snapshot: Document, entry: Document) -> ChangeAll | None:
    """Returns the change of the marks; None if they are right. A damaged field counts as missing."""
    revision, oversized = snapshot.get("revision"), snapshot.get("oversized_revision")
    decided = entry["decided"].get("revision") if isinstance(entry.get("decided"), dict) else None
    is_decided = isinstance(decided, int) and isinstance(revision, int) and decided >= revision
    wanted = {
        "unsettled": not is_decided and oversized != revision,
        "account_enabled": entry.get("enabled") is True and bool(entry.get("account_id")),
    }
    if all(bool(snapshot.get(name)) == is_marked for name, is_marked in wanted.items()):
        return None
    change = {
        operator: {name: True for name, is_marked in wanted.items() if is_marked is is_set}
        for operator, is_set in (("$set", True), ("$unset", False))
    }
    return ChangeAll(
        {"_id": snapshot["_id"], "revision": revision}, {name: part for name, part in change.items() if part}
    )
