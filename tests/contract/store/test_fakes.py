"""The fakes offer what the repositories on MongoDB offer, so that a renamed method cannot leave a fake behind."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from services.store.brakes import Brakes
from services.store.catalogues import Catalogues
from services.store.claims import Claims
from services.store.connections import Connections
from services.store.counters import Counters
from services.store.damage_notes import DamageNotes
from services.store.dead_letters import DeadLetters
from services.store.drafts import MappingDrafts
from services.store.erasure import Erasure
from services.store.examples import Examples
from services.store.expiry import LeaverExpiry
from services.store.field_catalogues import FieldCatalogues
from services.store.followups import FollowUps
from services.store.forgotten import Forgotten
from services.store.leases import Leases
from services.store.ledger import Ledger
from services.store.links import Links
from services.store.mappings import Mappings
from services.store.observations import Observations
from services.store.polls import Polls
from services.store.runs import Runs
from services.store.schedule import PollSchedule
from services.store.settlement_marks import SettlementMarks
from services.store.snapshots import Snapshots
from services.store.tasks import Tasks
from services.store.verifications import Verifications
from services.store.work_ranges import WorkRanges
from tests.support.fake_store import FakeStore

REPOSITORIES: dict[str, type] = {
    "brakes": Brakes,
    "catalogues": Catalogues,
    "claims": Claims,
    "connections": Connections,
    "counters": Counters,
    "damage": DamageNotes,
    "dead_letters": DeadLetters,
    "drafts": MappingDrafts,
    "erasure": Erasure,
    "examples": Examples,
    "expiry": LeaverExpiry,
    "field_catalogues": FieldCatalogues,
    "followups": FollowUps,
    "forgotten": Forgotten,
    "leases": Leases,
    "ledger": Ledger,
    "links": Links,
    "mappings": Mappings,
    "marks": SettlementMarks,
    "observations": Observations,
    "polls": Polls,
    "runs": Runs,
    "schedule": PollSchedule,
    "snapshots": Snapshots,
    "tasks": Tasks,
    "verifications": Verifications,
    "work_ranges": WorkRanges,
}
MONGODB_ONLY = {"connections.rotate_keys", "damage.add_check", "damage.read_all"}
"""Methods about encryption and about damaged documents, which the fakes do not have."""
METHODS = [
    (f"{name}.{method}")
    for name, repository in REPOSITORIES.items()
    for method in vars(repository)
    if not method.startswith("_") and f"{name}.{method}" not in MONGODB_ONLY
]


def list_parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Returns name, kind and default of each parameter; a private default counts as a name."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, getattr(p.default, "__name__", p.default)) for p in parameters]


def test_fake_store_has_every_repository() -> None:
    """The names are those of ``Store``."""
    assert {name for name in vars(FakeStore()) if not name.startswith("_")} == REPOSITORIES.keys()


@pytest.mark.parametrize("path", METHODS)
def test_fake_method_has_the_same_parameters(path: str) -> None:
    """A call that works with the fake works with MongoDB."""
    name, method = path.split(".")
    real, fake = getattr(REPOSITORIES[name], method), getattr(type(getattr(FakeStore(), name)), method)

    assert list_parameters(fake) == list_parameters(real)
    assert inspect.iscoroutinefunction(fake) == inspect.iscoroutinefunction(real)
