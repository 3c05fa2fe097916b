"""A repaired mapping leads to a resend of the employees that it has rejected."""

from datetime import datetime

import pytest

from services.contracts.damage import Damage, DocumentKind
from services.contracts.ids import ConnectionId
from services.contracts.mappings import UnreadableMapping
from services.contracts.tasks import Action, Resend
from services.mapper.repairs import Repairs
from tests.support.builders import CONNECTION, NOW, OTHER, make_published_mapping
from tests.support.fake_store import FakeDamageNotes
from tests.support.fakes import FakeClock
from tests.unit.mapper.test_handler import RecordingMappings


class RecordingTasks:
    """Tasks that are only recorded."""

    def __init__(self) -> None:
        self.filed: list[tuple[ConnectionId, Action, str | None]] = []

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> None:
        """Records the task."""
        self.filed.append((connection, action, once))


class RepairStage:
    """Two connections, of which the mapping of one cannot be read."""

    def __init__(self) -> None:
        unreadable = UnreadableMapping(connection_id=OTHER, problem="cannot be read: upgrade")
        self.mappings = RecordingMappings({CONNECTION: make_published_mapping(), OTHER: unreadable})
        self.notes, self.tasks = FakeDamageNotes(), RecordingTasks()
        self.repairs = Repairs(self.mappings, self.notes, self.tasks, FakeClock(), pytest.fail)

    def repair(self) -> None:
        """Makes the mapping readable."""
        self.mappings.published[OTHER] = make_published_mapping(version=2)


@pytest.fixture
def stage() -> RepairStage:
    """A stage on which nothing was noted yet."""
    return RepairStage()


async def test_repaired_mapping_resends_rejected_employees_once(stage: RepairStage) -> None:
    """Nothing is filed before the repair, and nothing after the resend."""
    stage.repairs.add(OTHER)
    await stage.repairs.check()
    before = list(stage.tasks.filed)

    stage.repair()
    await stage.repairs.check()
    await stage.repairs.check()

    assert before == []
    ((connection, action, once),) = stage.tasks.filed
    assert connection == OTHER
    assert action == Resend(scope="rejected", reason="the mapping can be read again")
    assert once == f"rejected/{OTHER}"


async def test_notes_of_an_earlier_mapper_are_taken_over(stage: RepairStage) -> None:
    """A mapper that was restarted knows which mappings could not be read."""
    stage.notes.put(
        Damage(kind=kind, document="x", connection_id=owner, problem="?", since=NOW)
        for kind, owner in [(DocumentKind.MAPPING, OTHER), (DocumentKind.SNAPSHOT, CONNECTION)]
    )
    await stage.repairs.check()

    stage.repair()
    await stage.repairs.check()

    assert [connection for connection, *_ in stage.tasks.filed] == [OTHER]


async def test_no_query_is_sent_while_all_mappings_are_readable(stage: RepairStage) -> None:
    """The check costs nothing in normal operation."""
    for _ in range(3):
        await stage.repairs.check()

    assert stage.mappings.queries == []
