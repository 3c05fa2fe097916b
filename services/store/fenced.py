"""The repositories of the work on one connection. MongoDB refuses their changes once the lease of the work has ended."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from services.store.catalogues import Catalogues
from services.store.collection import Collection
from services.store.expiry import SnapshotExpiry
from services.store.observations import Observations
from services.store.runs import Runs
from services.store.schedule import PollSchedule
from services.store.settlement_marks import SettlementMarks
from services.store.snapshots import Snapshots
from services.store.tasks import Tasks
from services.store.verifications import Verifications

if TYPE_CHECKING:
    from services.store.database import Store


class FencedStore:
    """What the work on one connection reads and writes. See ADR 029 for the writes that need no fence."""

    def __init__(self, store: "Store", get_collection: Callable[[str], Collection]) -> None:
        """``get_collection`` returns a collection with the fence of the work."""
        self.snapshots = Snapshots(get_collection("snapshots"), store.damage, ledger="ledger")
        self.expiry = SnapshotExpiry(get_collection("snapshots"), ledger="ledger")
        self.marks = SettlementMarks(get_collection("snapshots"), get_collection("ledger"))
        self.catalogues = Catalogues(get_collection("source_catalogues"))
        self.runs = Runs(get_collection("runs"), store.damage)
        self.observations = Observations(get_collection("observations"))
        self.tasks = Tasks(get_collection("tasks"))
        self.verifications = Verifications(get_collection("verifications"))
        self.schedule = PollSchedule(get_collection("connections"))
        self.polls = store.polls
        self.ledger = store.ledger
        self.followups = store.followups
        self.claims = store.claims
        self.mappings = store.mappings
