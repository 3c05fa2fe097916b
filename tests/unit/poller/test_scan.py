"""A full scan: what it finds, when it is complete, and what a dry run leaves alone."""

from collections.abc import Mapping

import pytest

from services.clients.personio.client import EmployeePage
from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.envelope import Cause, cause_of, read_event
from services.contracts.events import EmployeeChanged, Kind
from services.contracts.ids import EmployeeId
from services.contracts.model import Value
from services.contracts.snapshots import Snapshot
from services.poller.outbox import Outbox
from services.poller.scan import MissingAttributesError, Scan, Tally, check_minimum
from services.store.database import Store
from tests.builders import ADA
from tests.fakes import MINIMUM, Crashes, FakeClock, FakePersonio, FakePublisher, employee
from tests.stored import CONNECTION

pytestmark = pytest.mark.mongo

FIVE: dict[str, dict[str, Value]] = {key: {"email": f"e{key}@x.example"} for key in "12345"}


async def untold(_: Tally) -> None:
    pass


class Poller:
    """A scan over a real store, with everything around it at hand."""

    def __init__(self, store: Store, people: Mapping[str, Mapping[str, Value]] = FIVE) -> None:
        self.store = store
        self.personio = FakePersonio(people)
        self.publisher = FakePublisher()
        self.clock = FakeClock()

    async def scan(self, *, dry_run: bool = False) -> Tally:
        outbox = Outbox(self.store.snapshots, self.publisher, lambda: None)
        scan = Scan(self.store.snapshots, outbox, self.clock, dry_run=dry_run)
        return await scan.run(CONNECTION, self.personio, untold)

    async def snapshots(self) -> dict[str, Snapshot]:
        pages = [page async for page in self.store.snapshots.stream(CONNECTION)]
        return {snapshot.employee_id: snapshot for page in pages for snapshot in page}

    @property
    def events(self) -> list[EmployeeChanged]:
        return [read_event(EmployeeChanged, record.value) for record in self.publisher.log]


@pytest.fixture
def poller(store: Store) -> Poller:
    return Poller(store)


async def test_everybody_new_is_stored_sent_and_marked_as_sent(poller: Poller) -> None:
    tally = await poller.scan()
    assert (tally.created, tally.changed, tally.unchanged, tally.emitted, tally.missing) == (5, 0, 0, 5, 0)
    assert tally.complete
    assert sorted((event.employee_id, event.kind) for event in poller.events) == [(key, Kind.CREATED) for key in FIVE]
    assert {cause_of(record.headers) for record in poller.publisher.log} == {Cause.DETECTED}
    assert not any(snapshot.pending for snapshot in (await poller.snapshots()).values())


async def test_what_has_not_changed_is_not_sent_and_what_has_is_sent_alone(poller: Poller) -> None:
    await poller.scan()
    poller.publisher.log.clear()
    poller.personio.people["3"]["first_name"] = "Eva"
    tally = await poller.scan()
    assert (tally.created, tally.changed, tally.unchanged, tally.emitted) == (0, 1, 4, 1)
    (event,) = poller.events
    assert (event.employee_id, event.kind, event.changed) == ("3", Kind.CHANGED, ("first_name",))
    assert event.attributes["last_name"].value == "Lovelace", "the full state is in it"


async def test_an_empty_company_is_scanned_completely(store: Store) -> None:
    tally = await Poller(store, {}).scan()
    assert (tally.counts().seen, tally.complete) == (0, True)


async def test_at_most_two_pages_are_in_memory(poller: Poller) -> None:
    seen = Crashes()
    poller.personio = FakePersonio({str(number): {} for number in range(11)})
    poller.personio.notice = seen.effects.append
    outbox = Outbox(poller.store.snapshots, poller.publisher, lambda: None)
    scan = Scan(seen.around(poller.store.snapshots, ["save"]), outbox, poller.clock)
    await scan.run(CONNECTION, poller.personio, untold)
    for number in range(3, 7):
        before = seen.effects[: seen.effects.index(f"page {number} is asked for")]
        assert before.count("save") >= number - 2, seen.effects


async def test_progress_is_told_page_by_page(poller: Poller) -> None:
    told: list[tuple[int, int | None]] = []

    async def progress(tally: Tally) -> None:
        told.append((tally.created, tally.total))

    scan = Scan(poller.store.snapshots, Outbox(poller.store.snapshots, poller.publisher, lambda: None), poller.clock)
    await scan.run(CONNECTION, poller.personio, progress)
    assert told == [(2, 5), (4, 5), (5, 5)]


# ---------------------------------------------------------------- complete or not


def page(*keys: str, total: int | None = 3, skipped: int = 0) -> EmployeePage:
    return EmployeePage(tuple(employee(key, ADA | FIVE[key]) for key in keys), 0, total, skipped)


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        ([page("1", "2"), page("3")], True),
        ([page("1", "2"), page("3", total=4)], False),
        ([page("1", "2", total=4), page("3", total=4)], False),
        ([page("1", "2", total=None), page("3", total=None)], False),
        ([page("1", "2"), page("2", "3")], False),
        ([page("1", "2", "2"), page("3")], False),
        ([page("1", "2"), page("3", skipped=1)], False),
        ([page("1", "2", total=2), page("3", total=2)], False),
    ],
    ids=[
        "complete",
        "the total changed",
        "fewer than the total",
        "no total",
        "repeated on the next page",
        "repeated on the same page",
        "somebody without an id",
        "more than the total",
    ],
)
async def test_only_from_a_complete_scan_somebody_is_missing(
    poller: Poller, pages: list[EmployeePage], complete: bool
) -> None:
    await poller.scan()
    poller.personio.odd_pages = pages
    tally = await poller.scan()
    missing = {key for key, snapshot in (await poller.snapshots()).items() if snapshot.missing_since is not None}
    assert (tally.complete, missing, tally.missing) == (complete, {"4", "5"} if complete else set(), 2 * complete)


async def test_a_scan_that_breaks_off_reports_nobody_as_missing_and_keeps_what_it_found(poller: Poller) -> None:
    await poller.scan()
    poller.personio.people = {"1": {**poller.personio.people["1"], "first_name": "Eva"}}
    poller.personio.failure = PersonioUnavailableError("no answer")
    with pytest.raises(PersonioUnavailableError):
        await poller.scan()
    snapshots = await poller.snapshots()
    assert [key for key, snapshot in snapshots.items() if snapshot.missing_since is not None] == []
    assert snapshots["1"].attributes["first_name"].value == "Eva"
    assert not snapshots["1"].pending


async def test_who_is_missing_is_reported_only_and_no_event_is_sent(poller: Poller) -> None:
    await poller.scan()
    poller.publisher.log.clear()
    del poller.personio.people["2"]
    tally = await poller.scan()
    assert (tally.missing, tally.counts().missing, poller.publisher.log) == (1, 1, [])
    missing = (await poller.snapshots())["2"]
    assert missing.missing_since == poller.clock.now()
    assert missing.kind is Kind.CREATED


async def test_who_is_back_is_no_longer_missing(poller: Poller) -> None:
    await poller.scan()
    gone = poller.personio.people.pop("2")
    await poller.scan()
    poller.personio.people["2"] = gone
    tally = await poller.scan()
    assert tally.missing == 0
    assert (await poller.snapshots())["2"].missing_since is None


# ---------------------------------------------------------------- what the credential releases


@pytest.mark.parametrize("missing", [("status",), ("first_name", "email"), MINIMUM])
async def test_missing_minimum_attributes_stop_the_run_and_are_named_with_what_to_do(
    poller: Poller, missing: tuple[str, ...]
) -> None:
    poller.personio.released = tuple(key for key in MINIMUM if key not in missing)
    with pytest.raises(MissingAttributesError) as caught:
        await poller.scan()
    assert f"does not release: {', '.join(missing)}. " in str(caught.value)
    assert "Release these attributes for the credential in Personio" in str(caught.value)
    assert await poller.snapshots() == {}


async def test_the_minimum_alone_is_enough() -> None:
    personio = FakePersonio()
    personio.released = MINIMUM
    assert await check_minimum(personio) == set(MINIMUM)


async def test_an_attribute_that_is_no_longer_released_is_reported_and_keeps_its_value(store: Store) -> None:
    poller = Poller(store, {"1": {"position": "Engineer", "office.id": 4}})
    poller.personio.released = (*poller.personio.released, "position", "office")
    assert (await poller.scan()).unreleased == set()
    poller.personio.released = (*MINIMUM, "supervisor")
    assert (await poller.scan()).unreleased == {"position", "office.id"}
    for gone in ("position", "office.id"):
        del poller.personio.people["1"][gone]
    tally = await poller.scan()
    assert (tally.unreleased, tally.changed) == ({"position", "office.id"}, 0)
    assert (await poller.snapshots())["1"].attributes["position"].value == "Engineer"


# ---------------------------------------------------------------- dry run


async def test_a_dry_run_counts_and_neither_stores_nor_sends(poller: Poller) -> None:
    tally = await poller.scan(dry_run=True)
    assert (tally.created, tally.emitted, poller.publisher.log) == (5, 0, [])
    assert await poller.snapshots() == {}


async def test_a_dry_run_leaves_changes_and_the_missing_for_the_next_run(poller: Poller) -> None:
    await poller.scan()
    before = await poller.snapshots()
    del poller.personio.people["1"]
    poller.personio.people["2"]["first_name"] = "Eva"
    tally = await poller.scan(dry_run=True)
    assert (tally.changed, tally.missing) == (1, 1)
    assert await poller.snapshots() == before
    assert len(poller.publisher.log) == 5
    assert (await poller.scan()).changed == 1


# ---------------------------------------------------------------- somebody else was faster


async def test_a_change_that_another_replica_has_stored_meanwhile_is_left_to_that_one(poller: Poller) -> None:
    await poller.scan()
    poller.publisher.log.clear()
    poller.personio.people["1"]["first_name"] = "Eva"
    theirs = (await poller.snapshots())["1"]
    newer = theirs.model_copy(update={"revision": theirs.revision + 1, "content_hash": "theirs"})
    read = poller.store.snapshots.read

    class Late:
        """The other one stores between our reading and our saving."""

        def __getattr__(self, name: str) -> object:
            return getattr(poller.store.snapshots, name)

        async def read(self, *arguments: object) -> object:
            found = await read(*arguments)  # type: ignore[arg-type]
            if EmployeeId("1") in found:
                await poller.store.snapshots.save([(newer, theirs.revision)])
            return found

    outbox = Outbox(poller.store.snapshots, poller.publisher, lambda: None)
    await Scan(Late(), outbox, poller.clock).run(CONNECTION, poller.personio, untold)  # type: ignore[arg-type]
    assert poller.publisher.log == []
    assert (await poller.snapshots())["1"].content_hash == "theirs"
