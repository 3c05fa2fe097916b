"""The repositories of the work on one connection. MongoDB refuses their changes once the lease of the work has ended."""

from collections.abc import Callable

from services.store.catalogues import Catalogues
from services.store.claims import Claims
from services.store.collection import Collection
from services.store.damage_notes import DamageNotes
from services.store.expiry import LeaverExpiry
from services.store.followups import FollowUps
from services.store.ledger import Ledger
from services.store.mappings import Mappings
from services.store.observations import Observations
from services.store.polls import Polls
from services.store.runs import Runs
from services.store.schedule import PollSchedule
from services.store.settlement_marks import SettlementMarks
from services.store.snapshots import Snapshots
from services.store.tasks import Tasks
from services.store.verifications import Verifications


class FencedStore:
    """What the work on one connection reads and writes. See ADR 029 for the writes that need no fence."""

    def __init__(
        self,
        get_collection: Callable[[str], Collection],
        damage: DamageNotes,
        *,
        polls: Polls,
        ledger: Ledger,
        followups: FollowUps,
        claims: Claims,
        mappings: Mappings,
    ) -> None:
        """``get_collection`` returns a collection with the fence of the work. The work changes nothing in the others that needs one."""
        self.snapshots = Snapshots(get_collection("snapshots"), damage, ledger="ledger")
        self.expiry = LeaverExpiry(get_collection("snapshots"), get_collection("mapping_examples"), ledger="ledger")
        self.marks = SettlementMarks(get_collection("snapshots"), get_collection("ledger"))
        self.catalogues = Catalogues(get_collection("source_catalogues"))
        self.runs = Runs(get_collection("runs"), damage)
        self.observations = Observations(get_collection("observations"))
        self.tasks = Tasks(get_collection("tasks"))
        self.verifications = Verifications(get_collection("verifications"))
        self.schedule = PollSchedule(get_collection("connections"))
        self.polls = polls
        self.ledger = ledger
        self.followups = followups
        self.claims = claims
        self.mappings = mappings
