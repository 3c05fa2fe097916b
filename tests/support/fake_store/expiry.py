"""The expiry of leavers' snapshots in memory."""

from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.snapshots import Snapshot
from services.store.expiry import reduce_attributes
from tests.support.fake_store.examples import FakeExamples
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.pages import give_turn
from tests.support.fake_store.snapshots import FakeSnapshots


class FakeLeaverExpiry:
    """``services.store.expiry.LeaverExpiry`` over fake snapshots, examples and a fake ledger."""

    def __init__(self, snapshots: FakeSnapshots, examples: FakeExamples, ledger: FakeLedger) -> None:
        self._snapshots = snapshots
        self._examples = examples
        self._ledger = ledger

    async def remove_missing(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes snapshots of employees that Personio no longer lists. Returns their number."""
        await give_turn()
        missing = [
            snapshot
            for snapshot in self._snapshots.list_snapshots(connection)
            if snapshot.absent_since is not None and snapshot.absent_since < before and self._is_settled(snapshot)
        ]
        oldest = sorted(missing, key=lambda snapshot: snapshot.absent_since or before)[:limit]
        for snapshot in oldest:
            del self._snapshots.content[snapshot.person]
        return len(oldest)

    async def reduce_leavers(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes all attributes but the status from snapshots of inactive employees. Returns their number."""
        await give_turn()
        leavers = [
            snapshot
            for snapshot in self._snapshots.list_snapshots(connection)
            if snapshot.status == "inactive"
            and snapshot.detected_at < before
            and snapshot.attributes_json != reduce_attributes(snapshot.attributes_json)
            and self._is_settled(snapshot)
        ]
        oldest = sorted(leavers, key=lambda snapshot: snapshot.detected_at)[:limit]
        for snapshot in oldest:
            # validated again: a copy would keep the parsed attributes
            content = snapshot.model_dump() | {"attributes_json": reduce_attributes(snapshot.attributes_json)}
            self._snapshots.content[snapshot.person] = Snapshot.model_validate(content)
        return len(oldest)

    async def remove_examples(self, connection: ConnectionId, before: datetime) -> int:
        """Removes examples with real data of leavers that were pinned before then. Returns their number."""
        await give_turn()
        present = {
            snapshot.person
            for snapshot in self._snapshots.list_snapshots(connection)
            if snapshot.attributes_json != reduce_attributes(snapshot.attributes_json)
        }
        expired = [
            key
            for key, pinned in self._examples.content.items()
            if key[0] == connection
            and not pinned.is_made_up
            and pinned.pinned_at < before
            and not present.issuperset(pinned.people)
        ]
        for key in expired:
            del self._examples.content[key]
        return len(expired)

    def _is_settled(self, snapshot: Snapshot) -> bool:
        entry = self._ledger.content.get(snapshot.person)
        if entry is None or entry.decided_version.revision < snapshot.revision:
            return False
        has_doubt = entry.attempted or entry.suspected_since or entry.look_at or entry.verify or entry.waiting
        return not has_doubt and (entry.account_id is None or entry.enabled is False)
