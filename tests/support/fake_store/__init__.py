"""An in-memory store with the repositories of ``services.store.database.Store``.

``tests/contract/store`` runs the same tests over these fakes and over MongoDB. Each repository is a class of its own, so
that a test can use one alone. The attribute ``content`` of a repository is a dictionary of what is stored; a test may
read and change it. Every method gives other coroutines a turn before its work, and then works without interruption.
"""

from services.contracts.leases import Fence
from tests.support.fake_store.brakes import FakeBrakes
from tests.support.fake_store.catalogues import FakeCatalogues
from tests.support.fake_store.claims import FakeClaims, FakeLinks, FakeWorkRanges
from tests.support.fake_store.connections import FakeConnections, FakePollSchedule
from tests.support.fake_store.counters import FakeCounters
from tests.support.fake_store.damage import FakeDamageNotes
from tests.support.fake_store.drafts import FakeMappingDrafts
from tests.support.fake_store.erasure import FakeErasure
from tests.support.fake_store.examples import FakeExamples
from tests.support.fake_store.expiry import FakeLeaverExpiry
from tests.support.fake_store.fenced import FencedFakeStore
from tests.support.fake_store.field_catalogues import FakeFieldCatalogues
from tests.support.fake_store.followups import FakeFollowUps
from tests.support.fake_store.forgotten import FakeForgotten
from tests.support.fake_store.leases import FakeLeases
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.mappings import FakeDeadLetters, FakeMappings
from tests.support.fake_store.observations import FakeObservations
from tests.support.fake_store.polls import FakePolls
from tests.support.fake_store.settlement_marks import FakeSettlementMarks
from tests.support.fake_store.snapshots import FakeSnapshots
from tests.support.fake_store.tasks import FakeRuns, FakeTasks
from tests.support.fake_store.verifications import FakeVerifications

__all__ = [
    "FakeBrakes",
    "FakeCatalogues",
    "FakeClaims",
    "FakeConnections",
    "FakeCounters",
    "FakeDamageNotes",
    "FakeDeadLetters",
    "FakeErasure",
    "FakeExamples",
    "FakeFieldCatalogues",
    "FakeFollowUps",
    "FakeForgotten",
    "FakeLeases",
    "FakeLeaverExpiry",
    "FakeLedger",
    "FakeLinks",
    "FakeMappingDrafts",
    "FakeMappings",
    "FakeObservations",
    "FakePollSchedule",
    "FakePolls",
    "FakeRuns",
    "FakeSettlementMarks",
    "FakeSnapshots",
    "FakeStore",
    "FakeTasks",
    "FakeVerifications",
    "FakeWorkRanges",
    "FencedFakeStore",
]


class FakeStore:
    """All repositories in the memory of the test. Transactions and encryption are missing."""

    def __init__(self) -> None:
        self.connections = FakeConnections()
        self.schedule = FakePollSchedule(self.connections)
        self.ledger = FakeLedger()
        self.snapshots = FakeSnapshots(self.ledger)
        self.catalogues = FakeCatalogues()
        self.field_catalogues = FakeFieldCatalogues()
        self.drafts = FakeMappingDrafts()
        self.examples = FakeExamples()
        self.mappings = FakeMappings()
        self.followups = FakeFollowUps(self.ledger)
        self.brakes = FakeBrakes()
        self.claims = FakeClaims()
        self.links = FakeLinks()
        self.counters = FakeCounters(self.ledger, self.snapshots, self.links)
        self.marks = FakeSettlementMarks()
        self.verifications = FakeVerifications()
        self.work_ranges = FakeWorkRanges()
        self.tasks = FakeTasks()
        self.runs = FakeRuns()
        self.observations = FakeObservations()
        self.leases = FakeLeases()
        self.dead_letters = FakeDeadLetters()
        self.polls = FakePolls(self)
        self.damage = FakeDamageNotes()
        self.forgotten = FakeForgotten()
        self.erasure = FakeErasure(self)
        self.expiry = FakeLeaverExpiry(self.snapshots, self.examples, self.ledger)

    def fence(self, fence: Fence) -> FencedFakeStore:
        """Returns the repositories of the work that this fence guards."""
        return FencedFakeStore(self, fence)

    async def start(self) -> None:
        """Does nothing; the real store checks that MongoDB answers."""

    async def stop(self) -> None:
        """Does nothing; the real store closes its client."""
