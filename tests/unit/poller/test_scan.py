"""A scan: what it stores and sends, when it is complete, and what a dry run leaves unchanged."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.cloudevents import SendReason, parse_send_reason, read_event
from services.contracts.employees import REQUIRED_ATTRIBUTES, EmployeePage
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MANAGER, EmploymentDates, default_mapping
from services.contracts.observations import Observation
from services.contracts.snapshots import Snapshot
from services.contracts.values import Value
from services.mapping.employment import EmploymentCalendar
from services.mapping.observe import MAX_CONTENT_LENGTH
from services.poller.absences import Absences
from services.poller.comparison import TURN_SECONDS
from services.poller.guard import Census
from services.poller.outbox import Outbox
from services.poller.scan import Scan
from services.poller.selection import MissingAttributesError, read_selection
from services.poller.source_catalogue import SourceCatalogueKeeper
from services.poller.staging import DryRun, Released, Releaser
from services.poller.tally import Tally
from services.store.database import Store
from services.store.polls import PollPlan
from tests.support.builders import ADA, CONNECTION
from tests.support.fakes import (
    UNREADABLE,
    CrashError,
    Crashes,
    FakeClock,
    FakePersonio,
    FakePublisher,
    make_employee,
)
from tests.support.run_stage import CURSOR, PEOPLE, make_limits


async def ignore_progress(_: Tally) -> None:
    """Progress callback that does nothing."""


class PageRelease:
    """Releases all changes page by page."""

    def __init__(self, releaser: Releaser) -> None:
        self.census = Census()
        """The numbers of all changes so far."""
        self._releaser = releaser

    async def add(self, observations: Sequence[Observation]) -> Released:
        """Releases changes at once."""
        return await self._releaser.release(observations)


class ScanStage:
    """Scans of one connection, with a fake Personio and a fake publisher."""

    def __init__(self, store: Store, people: Mapping[str, Mapping[str, Value]] = PEOPLE) -> None:
        """``people`` are the employees in Personio."""
        self.store = store
        self.personio = FakePersonio(people)
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        self.outbox = Outbox(store.snapshots, self.publisher, lambda: None)

    async def scan(self, *further: str, dry_run: bool = False) -> Tally:
        """Scans all employees for Ada's attributes and the ``further`` ones."""
        scan = await self.make_scan(self.store.snapshots, dry_run=dry_run)
        return await scan.run(self.personio, frozenset({*ADA, *further}), ignore_progress, is_full=True)

    async def plan(self) -> PollPlan:
        """Returns the plan of the connection."""
        return await self.store.polls.plan(CONNECTION)

    async def make_scan(self, snapshots: Any, *, dry_run: bool = False) -> Scan:
        """Returns a scan with these snapshots."""
        return await self.build_scan(snapshots, self.store.catalogues, dry_run=dry_run)

    async def build_scan(self, snapshots: Any, catalogues: Any, *, dry_run: bool = False) -> Scan:
        """Returns a scan with these snapshots and catalogues, which releases each page at once."""
        limits = make_limits(self.clock)
        absences = Absences("run", snapshots, self.clock, 600)
        release = PageRelease(Releaser(CONNECTION, snapshots, self.outbox, self.clock, limits.places))
        changes = DryRun(is_imported=True) if dry_run else release
        return Scan(
            "run",
            await self.plan(),
            snapshots,
            catalogues,
            self.outbox,
            changes,
            absences,
            EmploymentCalendar(EmploymentDates(), self.clock.now().date()),
            CURSOR,
            self.clock,
            limits,
            dry_run=dry_run,
        )

    async def read_snapshots(self) -> dict[str, Snapshot]:
        """Returns the stored snapshots by employee."""
        pages = [page async for page in self.store.snapshots.stream(CONNECTION)]
        return {snapshot.employee_id: snapshot for page in pages for snapshot in page}

    async def list_absent(self) -> set[str]:
        """Returns the employees that are stored as absent."""
        snapshots = await self.read_snapshots()
        return {key for key, snapshot in snapshots.items() if snapshot.absent_since is not None}

    @property
    def events(self) -> list[EmployeeChanged]:
        """The published events, in order."""
        return [read_event(EmployeeChanged, record.value) for record in self.publisher.log]


@pytest.fixture
def stage(store: Store) -> ScanStage:
    """A connection with five new employees."""
    return ScanStage(store)


# ---------------------------------------------------------------- changes


async def test_new_employees_are_stored_sent_and_marked(stage: ScanStage) -> None:
    """The first scan sends every employee as created."""
    tally = await stage.scan()

    assert tally.created == 5
    assert tally.changed == 0
    assert tally.unchanged == 0
    assert tally.emitted == 5
    assert tally.absent == 0
    assert tally.is_complete
    assert sorted(event.employee_id for event in stage.events) == sorted(PEOPLE)
    assert {event.kind for event in stage.events} == {ChangeKind.CREATED}
    assert {parse_send_reason(record.headers) for record in stage.publisher.log} == {SendReason.DETECTED}
    assert not any(snapshot.is_pending for snapshot in (await stage.read_snapshots()).values())


async def test_only_the_changed_employee_is_sent(stage: ScanStage) -> None:
    """The event has the full state of the employee."""
    await stage.scan()
    stage.publisher.log.clear()
    stage.personio.people["3"]["first_name"] = "Eva"

    tally = await stage.scan()

    assert tally.created == 0
    assert tally.changed == 1
    assert tally.unchanged == 4
    assert tally.emitted == 1
    (event,) = stage.events
    assert event.employee_id == "3"
    assert event.kind is ChangeKind.CHANGED
    assert event.changed == ("first_name",)
    assert event.attributes["last_name"] == "Lovelace"


async def test_unchanged_employees_are_not_read_whole(stage: ScanStage) -> None:
    """Of a page of employees, only those are read whole that may have changed. New ones have nothing to read."""
    await stage.scan()
    stage.personio.people["3"]["first_name"] = "Eva"
    stage.personio.people["6"] = {"email": "e6@x.example"}
    await stage.store.snapshots.mark_absent(CONNECTION, [EmployeeId("4")], stage.clock.now())
    read_whole: list[str] = []

    class WatchedSnapshots:
        """Snapshots that note which employees are read whole."""

        def __getattr__(self, name: str) -> object:
            return getattr(stage.store.snapshots, name)

        async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> object:
            read_whole.extend(employees)
            return await stage.store.snapshots.read(connection, employees)

    scan = await stage.make_scan(WatchedSnapshots())

    tally = await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    assert sorted(read_whole) == ["3", "4"]
    assert tally.unchanged == 4
    assert tally.changed == 1
    assert tally.created == 1
    assert tally.known == 5


async def test_employee_that_is_listed_as_before_is_not_read(stage: ScanStage) -> None:
    """The counts are the same as if it had been read."""
    await stage.scan()
    stage.personio.read.clear()
    stage.personio.people["3"]["first_name"] = "Eva"
    stage.personio.people["4"]["status"] = "inactive"
    await stage.scan()
    stage.personio.read.clear()

    tally = await stage.scan()

    assert stage.personio.read == []
    assert tally.unchanged == 5
    assert tally.known == 5
    assert tally.gone == 1
    assert tally.filled["first_name"] == 5


async def test_change_of_another_attribute_is_noted_without_an_event(stage: ScanStage) -> None:
    """Personio's timestamp shows that something has changed that no mapping reads. The employee is read once."""
    await stage.scan()
    stage.personio.touched_at["3"] = stage.clock.now() + timedelta(hours=1)
    stage.personio.read.clear()
    stage.publisher.log.clear()

    first = await stage.scan()
    second = await stage.scan()

    assert stage.personio.read == ["3"]
    assert [first.unchanged, second.unchanged] == [5, 5]
    assert stage.publisher.log == []


async def test_value_that_is_kept_is_noted_without_an_event(stage: ScanStage) -> None:
    """Personio leaves out an attribute. Its old value stays, and the employee is read once."""
    await stage.scan()
    del stage.personio.people["3"]["last_name"]
    stage.personio.read.clear()

    await stage.scan()
    tally = await stage.scan()

    assert stage.personio.read == ["3"]
    assert tally.unchanged == 5


async def test_dry_run_notes_nothing(stage: ScanStage) -> None:
    """It reads an employee with another timestamp each time."""
    await stage.scan()
    stage.personio.touched_at["3"] = stage.clock.now() + timedelta(hours=1)
    before = await stage.read_snapshots()

    await stage.scan(dry_run=True)

    assert await stage.read_snapshots() == before


async def test_oversized_value_is_never_noted(store: Store) -> None:
    """The employee would be read and noted in each scan."""
    stage = ScanStage(store, {"1": {"last_name": "x" * MAX_CONTENT_LENGTH}})
    await stage.scan()
    record = Crashes()
    scan = await stage.make_scan(record.wrap(store.snapshots, ["note_listings"]))

    tally = await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    assert record.effects == []
    assert tally.unchanged == 1


@pytest.mark.promise("P6")
async def test_element_that_cannot_be_read_makes_the_scan_incomplete(stage: ScanStage) -> None:
    """The others are compared, and none counts as absent."""
    await stage.scan()
    stage.personio.people["2"]["first_name"] = UNREADABLE
    stage.personio.people["3"]["first_name"] = "Eva"
    del stage.personio.people["5"]

    tally = await stage.scan()

    assert tally.skipped == 1
    assert tally.changed == 1
    assert "1 could not be read" in (tally.describe_gap() or "")
    assert await stage.list_absent() == set()


@pytest.mark.promise("P10")
async def test_other_work_goes_on_while_employees_are_read(store: Store) -> None:
    """Each of the employees on a page takes long."""
    stage = ScanStage(store, {str(number): {} for number in range(9)})
    stage.personio.page = 9
    turns = 0
    turns_at_reads: list[int] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def note_read(_: str) -> None:
        turns_at_reads.append(turns)
        stage.clock.seconds += 2 * TURN_SECONDS

    stage.personio.note_read = note_read
    async with asyncio.timeout(60):
        others = asyncio.ensure_future(take_turns())
        await stage.scan()
        others.cancel()

    assert len(set(turns_at_reads)) == 9


async def test_other_credential_recognises_no_employee(stage: ScanStage) -> None:
    """What an employee was compared with may be different now. After one scan, all are recognised again."""
    await stage.scan()
    stage.personio.fingerprint = "another"
    stage.personio.read.clear()

    await stage.scan()
    await stage.scan()

    assert stage.personio.read == ["1", "2", "3", "4", "5"]


async def test_attribute_that_returns_is_read_again(stage: ScanStage) -> None:
    """Its values were removed from the snapshots, and with them the digest."""
    await stage.scan()
    visible = stage.personio.visible
    stage.personio.visible = tuple(key for key in visible if key != "supervisor")
    stage.personio.failure = PersonioUnavailableError("the list ends after the removal")
    await stage.scan()
    stage.personio.visible, stage.personio.failure = visible, None

    await stage.scan()

    assert all("supervisor.id" in snapshot.attributes for snapshot in (await stage.read_snapshots()).values())


@pytest.mark.promise("P6")
async def test_deleted_employee_that_returns_unchanged_is_read(stage: ScanStage) -> None:
    """The process ends after it has noted the return, and before the change that enables the account is stored."""
    await stage.scan()
    values = stage.personio.people.pop("2")
    await stage.scan()
    stage.clock.seconds += 700
    await stage.scan()
    stage.clock.seconds += 700
    await stage.scan()
    assert (await stage.read_snapshots())["2"].kind is ChangeKind.REMOVED
    stage.personio.people["2"] = values
    record = Crashes(0, "save")
    scan = await stage.make_scan(record.wrap(stage.store.snapshots, ["save"]))
    with pytest.raises(CrashError):
        await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)
    assert await stage.list_absent() == set()

    await stage.scan()

    assert (await stage.read_snapshots())["2"].kind is ChangeKind.CHANGED


async def test_scan_of_an_empty_company_is_complete(store: Store) -> None:
    """A company may have no employees yet."""
    tally = await ScanStage(store, {}).scan()

    assert tally.get_counts().seen == 0
    assert tally.is_complete


async def test_scan_keeps_at_most_two_pages_in_memory(stage: ScanStage) -> None:
    """The next page is fetched while the present one is stored, and not earlier."""
    record = Crashes()
    stage.personio = FakePersonio({str(number): {} for number in range(11)})
    stage.personio.notice = record.effects.append
    scan = await stage.make_scan(record.wrap(stage.store.snapshots, ["save"]))

    await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    for number in range(3, 7):
        before = record.effects[: record.effects.index(f"page {number} is asked for")]
        assert before.count("save") >= number - 2, record.effects


async def test_scan_reports_progress_after_each_page(stage: ScanStage) -> None:
    """The total is the number that Personio announces."""
    reports: list[tuple[int, int | None]] = []

    async def report(tally: Tally) -> None:
        reports.append((tally.created, tally.total))

    scan = await stage.make_scan(stage.store.snapshots)

    await scan.run(stage.personio, frozenset(ADA), report, is_full=True)

    assert reports == [(2, 5), (4, 5), (5, 5)]


# ---------------------------------------------------------------- complete scans


def build_page(*keys: str, total: int | None = 3, skipped: int = 0) -> EmployeePage:
    """Returns a page of these employees."""
    return EmployeePage(tuple(make_employee(key, ADA | PEOPLE[key]) for key in keys), 0, total, skipped)


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    ("pages", "is_complete"),
    [
        ([build_page("1", "2"), build_page("3")], True),
        ([build_page("1", "2"), build_page("3", total=4)], False),
        ([build_page("1", "2", total=4), build_page("3", total=4)], False),
        ([build_page("1", "2", total=None), build_page("3", total=None)], False),
        ([build_page("1", "2"), build_page("2", "3")], False),
        ([build_page("1", "2", "2"), build_page("3")], False),
        ([build_page("1", "2"), build_page("3", skipped=1)], False),
        ([build_page("1", "2", total=2), build_page("3", total=2)], False),
    ],
    ids=[
        "complete",
        "changed total",
        "fewer than the total",
        "no total",
        "repeated on the next page",
        "repeated on the same page",
        "element without id",
        "more than the total",
    ],
)
async def test_only_a_complete_scan_reports_absent_employees(
    stage: ScanStage, pages: list[EmployeePage], is_complete: bool
) -> None:
    """An incomplete list proves no departure."""
    await stage.scan()
    stage.personio.odd_pages = pages
    stage.personio.people = {key: values for key, values in stage.personio.people.items() if key in "123"}

    tally = await stage.scan()

    assert tally.is_complete is is_complete
    assert tally.absent == (2 if is_complete else 0)
    assert await stage.list_absent() == ({"4", "5"} if is_complete else set())


async def test_interrupted_scan_keeps_changes_and_reports_no_absence(stage: ScanStage) -> None:
    """The pages before the failure are stored and sent."""
    await stage.scan()
    stage.personio.people = {"1": {**stage.personio.people["1"], "first_name": "Eva"}}
    stage.personio.failure = PersonioUnavailableError("no answer")

    tally = await stage.scan()

    assert tally.stopped == "no answer"
    changed = (await stage.read_snapshots())["1"]
    assert await stage.list_absent() == set()
    assert changed.attributes["first_name"] == "Eva"
    assert not changed.is_pending


async def test_absent_employee_is_stored_but_not_sent(stage: ScanStage) -> None:
    """The snapshot keeps its content and gets the time of the first complete scan without the employee."""
    await stage.scan()
    stage.publisher.log.clear()
    del stage.personio.people["2"]

    tally = await stage.scan()

    assert tally.absent == 1
    assert tally.get_counts().absent == 1
    assert stage.publisher.log == []
    absent = (await stage.read_snapshots())["2"]
    assert absent.absent_since == stage.clock.now()
    assert absent.kind is ChangeKind.CREATED


async def test_returned_employee_is_no_longer_absent(stage: ScanStage) -> None:
    """Personio lists the employee again."""
    await stage.scan()
    removed = stage.personio.people.pop("2")
    await stage.scan()
    stage.personio.people["2"] = removed

    tally = await stage.scan()

    assert tally.absent == 0
    assert await stage.list_absent() == set()


async def test_returned_employee_without_change_is_resent(stage: ScanStage) -> None:
    """Nothing was provisioned while the employee was absent, so the employee is resent once with the return."""
    await stage.scan()
    returning = stage.personio.people.pop("2")
    await stage.scan()
    stage.personio.people["2"] = returning
    stage.publisher.log.clear()

    await stage.scan()
    await stage.scan()

    assert [event.employee_id for event in stage.events] == ["2"]


# ---------------------------------------------------------------- visible attributes


@pytest.mark.parametrize("missing", [("status",), ("first_name", "email"), REQUIRED_ATTRIBUTES])
async def test_missing_required_attribute_stops_the_scan(stage: ScanStage, missing: tuple[str, ...]) -> None:
    """The message names the attributes and what to do, and nothing is stored."""
    stage.personio.visible = tuple(key for key in REQUIRED_ATTRIBUTES if key not in missing)

    with pytest.raises(MissingAttributesError) as caught:
        await stage.scan()

    assert f"does not release: {', '.join(missing)}. " in str(caught.value)
    assert "Release these attributes for the credential in Personio" in str(caught.value)
    assert await stage.read_snapshots() == {}


async def test_required_attributes_alone_are_enough() -> None:
    """All other attributes are optional."""
    personio = FakePersonio()
    personio.visible = REQUIRED_ATTRIBUTES

    selection = await read_selection(personio, frozenset(ADA))

    assert selection.stored == set(REQUIRED_ATTRIBUTES)
    assert selection.invisible == ("supervisor.id",)


async def test_only_wanted_and_visible_attributes_are_requested(stage: ScanStage) -> None:
    """Personio releases nested attributes as a whole."""
    stage.personio.visible = (*stage.personio.visible, "office", "iban")

    await stage.scan("office.name", "team.name")

    assert stage.personio.requested == {*REQUIRED_ATTRIBUTES, "supervisor", "office"}


@pytest.mark.promise("P11")
async def test_attribute_sent_unasked_is_not_stored(store: Store) -> None:
    """A Personio that ignores the request sends everything that the credential may read."""
    stage = ScanStage(store, {"1": {"iban": "DE1", "supervisor.email": "boss@x.example"}})
    stage.personio.is_obedient = False

    await stage.scan()

    assert (await stage.read_snapshots())["1"].attributes == ADA
    assert stage.events[0].attributes == ADA


@pytest.mark.promise("P6")
@pytest.mark.promise("P11")
async def test_invisible_attribute_is_removed_without_an_event(store: Store) -> None:
    """Its value is unknown from then on. The scan reports the attribute, and sends no employee again."""
    stage = ScanStage(store, {"1": {"position": "Engineer", "office.id": 4}, "2": {}, "3": {}})
    stage.personio.visible = (*stage.personio.visible, "position", "office")
    assert (await stage.scan("position", "office.id")).invisible == ()
    revision = (await stage.read_snapshots())["1"].revision
    stage.publisher.log.clear()
    stage.personio.visible = (*REQUIRED_ATTRIBUTES, "supervisor")

    tally = await stage.scan("position", "office.id")

    assert tally.invisible == ("office.id", "position")
    assert tally.changed == 0
    assert stage.publisher.log == []
    stored = (await stage.read_snapshots())["1"]
    assert stored.attributes == ADA
    assert stored.revision == revision


@pytest.mark.promise("P11")
async def test_unwanted_attribute_is_removed_also_of_absent_employees(store: Store) -> None:
    """Personio no longer lists some employees, and a scan may end early."""
    stage = ScanStage(store, {"1": {"position": "Engineer"}, "2": {"position": "Clerk"}})
    stage.personio.visible = (*stage.personio.visible, "position")
    await stage.scan("position")
    del stage.personio.people["2"]
    await stage.scan("position")
    stage.personio.failure = PersonioUnavailableError("the last page does not come")

    await stage.scan()

    assert [snapshot.attributes for snapshot in (await stage.read_snapshots()).values()] == [ADA, ADA]
    assert await stage.list_absent() == {"2"}


async def test_value_of_an_interrupted_scan_is_removed_later(store: Store) -> None:
    """An attribute may be wanted for one scan only, which stores some values and fails."""
    stage = ScanStage(store, {"1": {"position": "Engineer"}})
    stage.personio.visible = (*stage.personio.visible, "position")
    await stage.scan()
    stage.personio.failure = PersonioUnavailableError("the last page does not come")
    await stage.scan("position")
    assert (await stage.read_snapshots())["1"].attributes["position"] == "Engineer"
    stage.personio.failure = None

    await stage.scan()

    assert (await stage.read_snapshots())["1"].attributes == ADA


async def test_catalogue_says_how_often_attributes_are_filled(store: Store) -> None:
    """It has no values, and no numbers of attributes that are not requested."""
    stage = ScanStage(store, {"1": {"office.id": 4, "office.name": "Kiel"}, "2": {"office.name": None}})
    stage.personio.visible = (*REQUIRED_ATTRIBUTES, "office", "iban")

    await stage.scan("office.name")

    catalogue = await store.catalogues.get(CONNECTION)
    assert catalogue is not None
    assert {entry.key: entry.filled for entry in catalogue.attributes} == {
        **dict.fromkeys(REQUIRED_ATTRIBUTES, 2),
        "office": 1,
        "iban": None,
    }
    assert catalogue.employees == 2


async def test_idle_scan_does_not_write_the_catalogue(stage: ScanStage) -> None:
    """Most polls find nothing new."""
    await stage.scan()
    record = Crashes()
    catalogues = record.wrap(stage.store.catalogues, ["save"])
    scan = await stage.build_scan(stage.store.snapshots, catalogues)

    await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    assert record.effects == []


async def test_vanished_attribute_is_kept_with_the_catalogue(
    stage: ScanStage, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the field that keeps its values, also if the scan fails after it has begun."""
    mapping = default_mapping()
    await stage.store.mappings.publish(CONNECTION, mapping, now=stage.clock.now(), expected_version=None)
    await stage.scan()
    found_at = stage.clock.now()
    stage.personio.visible = REQUIRED_ATTRIBUTES
    stage.personio.failure = PersonioUnavailableError("no answer")

    await stage.scan()

    catalogue = await stage.store.catalogues.get(CONNECTION)
    assert catalogue is not None
    assert [(change.key, change.kind.value, change.at) for change in catalogue.changes] == [
        ("supervisor", "vanished", found_at)
    ]
    (record,) = [record for record in caplog.records if "have changed" in record.message]
    assert record.levelname == "WARNING"
    assert record.__dict__["attributes"] == {"vanished": ["supervisor"]}
    assert record.__dict__["kept_fields"] == [MANAGER]


async def test_new_attribute_is_kept_before_the_list_is_read(stage: ScanStage) -> None:
    """A poll of changed employees alone, and a lookup, store the catalogue only at their beginning."""
    await stage.scan()
    stage.personio.visible = (*stage.personio.visible, "team")
    plan = await stage.plan()
    keeper = SourceCatalogueKeeper(stage.store.catalogues, stage.store.snapshots, stage.outbox, plan, stage.clock.now())

    await keeper.begin(await read_selection(stage.personio, frozenset(ADA)))

    catalogue = await stage.store.catalogues.get(CONNECTION)
    assert catalogue is not None
    assert [(change.key, change.kind.value) for change in catalogue.changes] == [("team", "new")]


async def test_value_too_large_is_counted_and_the_rest_sent(store: Store) -> None:
    """The event without it is small enough for Kafka."""
    stage = ScanStage(store, {"1": {"position": "x" * 1_200_000}})
    stage.personio.visible = (*stage.personio.visible, "position")

    tally = await stage.scan("position")

    assert tally.oversized == 1
    assert tally.emitted == 1
    assert stage.events[0].attributes == ADA
    assert await store.snapshots.find_oversized(CONNECTION) == ("1",)


# ---------------------------------------------------------------- dry runs


async def test_dry_run_counts_without_storing_or_sending(stage: ScanStage) -> None:
    """A dry run shows what a run would do."""
    tally = await stage.scan(dry_run=True)

    assert tally.created == 5
    assert tally.emitted == 0
    assert stage.publisher.log == []
    assert await stage.read_snapshots() == {}


async def test_dry_run_leaves_changes_for_the_next_run(stage: ScanStage) -> None:
    """Changed and absent employees are counted, and the next run detects them again."""
    await stage.scan()
    before = await stage.read_snapshots()
    del stage.personio.people["1"]
    stage.personio.people["2"]["first_name"] = "Eva"

    tally = await stage.scan(dry_run=True)

    assert tally.changed == 1
    assert tally.absent == 1
    assert await stage.read_snapshots() == before
    assert len(stage.publisher.log) == 5
    assert (await stage.scan()).changed == 1


# ---------------------------------------------------------------- concurrent replicas


async def test_change_stored_by_another_replica_is_not_sent(stage: ScanStage) -> None:
    """The other replica stores a newer revision between this scan's read and its write, and sends it."""
    await stage.scan()
    stage.publisher.log.clear()
    stage.personio.people["1"]["first_name"] = "Eva"
    stored = (await stage.read_snapshots())["1"]
    newer = stored.model_copy(update={"revision": stored.revision + 1, "content_hash": "other"})
    read = stage.store.snapshots.read

    class OvertakenSnapshots:
        """Snapshots that the other replica changes after each read."""

        def __getattr__(self, name: str) -> object:
            return getattr(stage.store.snapshots, name)

        async def read(self, *arguments: object) -> object:
            snapshots = await read(*arguments)  # type: ignore[arg-type]
            if EmployeeId("1") in snapshots:
                await stage.store.snapshots.save([(newer, stored.revision)])
            return snapshots

    scan = await stage.make_scan(OvertakenSnapshots())

    await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    assert stage.publisher.log == []
    assert (await stage.read_snapshots())["1"].content_hash == "other"


async def test_damaged_snapshot_is_not_counted_as_a_change(stage: ScanStage) -> None:
    """The scan does not find the snapshot, and cannot store a new one in its place: nothing is counted or sent."""
    await stage.scan()
    stage.publisher.log.clear()
    read = stage.store.snapshots.read

    class DamagedSnapshots:
        """Snapshots of which one cannot be read."""

        def __getattr__(self, name: str) -> object:
            return getattr(stage.store.snapshots, name)

        async def read(self, *arguments: object) -> object:
            snapshots = await read(*arguments)  # type: ignore[arg-type]
            snapshots.pop(EmployeeId("1"), None)
            return snapshots

    stage.clock.seconds += 60
    scan = await stage.make_scan(DamagedSnapshots())

    tally = await scan.run(stage.personio, frozenset(ADA), ignore_progress, is_full=True)

    assert tally.get_counts().created == 0
    assert tally.get_counts().emitted == 0
    assert stage.publisher.log == []
