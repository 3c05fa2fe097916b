"""The guard holds runs with unusual changes: none of their changes is published until an administrator decides."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.cloudevents import SendReason, read_event
from services.contracts.connections import Guard
from services.contracts.employees import EmployeePage
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.observations import Group, GroupKind
from services.contracts.runs import Run, RunNotHeldError, RunState
from services.contracts.tasks import DecideRun, Poll, TaskState
from services.contracts.values import Value
from services.poller import staging
from services.poller.decisions import Decider
from services.poller.lease import LeaseLostError
from services.poller.outbox import Outbox
from services.poller.run import Runner
from services.runtime.metrics import Metrics
from tests.support.builders import ADA, CONNECTION, make_connection, make_entry, make_observation
from tests.support.fakes import CrashError, Crashes, make_employee
from tests.support.run_stage import CURSOR, DEPARTURE_SECONDS, MemoryRunStage, make_limits

MANY = 40
"""Employees of the company."""
PART = 20
"""Number of them that changes: half of the company."""
People = dict[str, dict[str, Value]]

pytestmark = pytest.mark.promise("P6")


def make_people(*numbers: int) -> People:
    """Returns employees with these ids, each with another name and address."""
    return {str(n): {**ADA, "last_name": f"N{n}", "email": f"e{n}@x.example", "office.name": "Kiel"} for n in numbers}


class Company(MemoryRunStage):
    """A company of ``MANY`` employees, all of them imported. Every tenth is inactive."""

    def __init__(self) -> None:
        super().__init__()
        self.personio.page = 7
        self.personio.visible = (*self.personio.visible, "office")
        self.people: People = make_people(*range(MANY))
        for number in range(0, MANY, 10):
            self.people[str(number)]["status"] = "inactive"
        self.personio.people = self.people

    async def import_all(self) -> None:
        """Imports all employees, with a mapping that reads the office."""
        await self.poll()
        self.publisher.log.clear()

    async def poll(self) -> Run:
        """Polls a minute later."""
        self.clock.seconds += 60
        return await self.runner.poll(CONNECTION)

    def change(self, number: int = PART, **values: Value) -> None:
        """Changes attributes of that many active employees."""
        active = [person for person in self.people.values() if person["status"] == "active"]
        for person in active[:number]:
            person.update({key.replace("__", "."): value for key, value in values.items()})

    async def decide(self, run: str, *, is_released: bool) -> dict[str, int]:
        """Carries out a decision."""
        return await self.decider.decide(CONNECTION, DecideRun(run=run, is_released=is_released))

    async def find_run(self, run: str) -> Run:
        """Returns a stored run."""
        found = await self.store.runs.get(run)
        assert found is not None
        return found


@pytest.fixture
async def company() -> Company:
    """The company after its import."""
    company = Company()
    await company.import_all()
    return company


# ---------------------------------------------------------------- what is held


def leave(company: Company) -> None:
    company.change(status="inactive")


def return_all(company: Company) -> None:
    """Makes more employees active than were: a third of the company was inactive."""
    for person in company.people.values():
        person["status"] = "active"


KINDS: dict[GroupKind, Callable[[Company], object]] = {
    GroupKind.NEW: lambda company: company.people.update(make_people(*range(100, 100 + PART))),
    GroupKind.LEFT: leave,
    GroupKind.REACTIVATED: return_all,
    GroupKind.ABSENT: lambda company: [company.people.pop(str(number)) for number in range(1, PART + 1)],
    GroupKind.EMAIL_CHANGED: lambda company: company.change(email="all@x.example"),
    GroupKind.NAME_CHANGED: lambda company: company.change(last_name="Same"),
    GroupKind.EMPTIED: lambda company: company.change(last_name=None),
    GroupKind.CHANGED: lambda company: company.change(status="leave"),
}
"""For each kind of unusual changes, what happens in Personio."""


@pytest.mark.parametrize("kind", [kind for kind in GroupKind if kind is not GroupKind.REMOVED])
async def test_unusual_changes_of_each_kind_are_held(company: Company, kind: GroupKind) -> None:
    """Nothing is published or stored of them, and the run says what has happened to how many."""
    if kind is GroupKind.REACTIVATED:  # first, many have to be inactive
        company.fakes.connections.content[CONNECTION] = make_connection().model_copy(
            update={"guard": Guard(is_on=False)}
        )
        leave(company)
        await company.poll()
        company.fakes.connections.content[CONNECTION] = make_connection()
        company.publisher.log.clear()
    before = dict(company.fakes.snapshots.content)
    KINDS[kind](company)

    run = await company.poll()

    assert run.state is RunState.HELD
    assert kind in {count.group.kind for count in run.unusual}
    assert run.error is not None
    assert f" {run.unusual[0].of} " in run.error
    assert company.publisher.log == []
    assert company.fakes.snapshots.content == before


async def test_few_changes_are_never_held(company: Company) -> None:
    """Ten of 40 are a quarter of a company, and an ordinary day of a small one."""
    company.change(10, last_name="Same", email="all@x.example", status="inactive")

    run = await company.poll()

    assert run.state is RunState.SUCCEEDED
    assert len(company.publisher.log) == 10


async def test_small_share_is_never_held(company: Company) -> None:
    """The threshold of the share is that of the connection."""
    guard = Guard(share=0.56, people=10)  # of those 36 that have not left
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": guard})
    company.change(PART, last_name="Same")

    assert (await company.poll()).state is RunState.SUCCEEDED

    company.change(PART + 1, last_name="Other")

    assert (await company.poll()).state is RunState.HELD


@pytest.mark.parametrize("is_listed", [True, False])
async def test_leavers_do_not_make_changes_look_few(is_listed: bool) -> None:
    """A company with many former employees, which Personio lists as inactive or no longer, loses all of its present ones."""
    company = Company()
    company.people = company.personio.people = make_people(*range(12 * 20))
    for number in range(12, 12 * 20):
        company.people[str(number)]["status"] = "inactive"
    await company.import_all()
    if not is_listed:
        company.fakes.connections.content[CONNECTION] = make_connection().model_copy(
            update={"guard": Guard(is_on=False)}
        )
        for number in range(12, 12 * 20):
            del company.people[str(number)]
        await company.poll()
        company.fakes.connections.content[CONNECTION] = make_connection()
    leave(company)

    run = await company.poll()

    assert run.state is RunState.HELD
    assert run.error is not None
    assert "12 of 12 employees have become inactive" in run.error
    assert company.publisher.log == []


async def test_changes_of_leavers_alone_are_not_held(company: Company) -> None:
    """Their accounts are disabled, and stay so."""
    leave(company)
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": Guard(is_on=False)})
    await company.poll()
    company.fakes.connections.content[CONNECTION] = make_connection()
    for person in company.people.values():
        if person["status"] == "inactive":
            person["last_name"] = "Removed"

    assert (await company.poll()).state is RunState.SUCCEEDED


async def test_further_attribute_counts_as_no_change(company: Company) -> None:
    """A mapping that reads one more attribute adds a value for each employee."""
    for snapshot in company.fakes.snapshots.content.values():
        assert "office.name" not in snapshot.attributes
    await company.store.mappings.publish(
        CONNECTION, make_office_mapping(), now=company.clock.now(), expected_version=None
    )

    run = await company.poll()

    assert run.state is RunState.SUCCEEDED
    assert run.counts.changed == MANY


def make_office_mapping() -> MappingDocument:
    """Returns a mapping that reads the office's name."""
    rule = Rule(target="title", source=AttributeSource(attribute="office.name"))
    return default_mapping().model_copy(update={"rules": (*default_mapping().rules, rule)})


async def test_first_import_is_not_held() -> None:
    """Every employee is new, also at the second attempt after a first one that ended early."""
    company = Company()

    async def fail(page: int) -> None:
        if page == 3:
            raise PersonioUnavailableError("no answer")

    usual, company.personio.before_page = company.personio.before_page, fail
    first = await company.poll()
    company.personio.before_page = usual
    second = await company.poll()

    assert [first.state, second.state] == [RunState.INCOMPLETE, RunState.SUCCEEDED]
    assert len(company.list_sent(SendReason.DETECTED)) == MANY


async def test_company_without_a_complete_scan_is_guarded() -> None:
    """A list with a damaged element is never complete, but its employees are known."""
    company = Company()

    async def poll() -> Run:
        listed = tuple(make_employee(key, values) for key, values in company.people.items())
        company.personio.odd_pages = [EmployeePage(listed, 0, MANY + 1, skipped=1)]
        return await company.poll()

    assert (await poll()).state is RunState.INCOMPLETE
    company.publisher.log.clear()
    leave(company)
    company.people.update(make_people(500))

    run = await poll()

    assert run.state is RunState.HELD
    assert company.list_sent(SendReason.DETECTED) == ["500"]


async def test_import_after_an_empty_list_is_the_first() -> None:
    """A credential that sees no employee yet has imported none."""
    company = Company()
    company.personio.people = {}
    await company.poll()
    company.personio.people = company.people

    run = await company.poll()

    assert run.state is RunState.SUCCEEDED
    assert len(company.publisher.log) == MANY


async def test_repeated_employees_count_once(company: Company) -> None:
    """A list that repeats a page does not make six changes look like twelve."""
    company.change(6, last_name="Same")
    listed = tuple(make_employee(key, company.people[key]) for key in map(str, range(7)))
    company.personio.odd_pages = [EmployeePage(listed, 0, MANY), EmployeePage(listed, 7, MANY)]

    run = await company.poll()

    assert run.state is RunState.INCOMPLETE
    assert run.counts.changed == 6


async def test_credential_of_another_company_is_named_as_such(company: Company) -> None:
    """Its employees have other ids, or the same ids and other names."""
    company.personio.people = make_people(*range(1000, 1000 + MANY))
    other_ids = await company.poll()
    company.personio.people = {
        key: {**values, "last_name": "Other", "email": f"other{key}@y.example"}
        for key, values in company.people.items()
    }
    same_ids = await company.poll()

    for run in (other_ids, same_ids):
        assert run.state is RunState.HELD
        assert "may belong to another company" in str(run.error)
    assert company.publisher.log == []
    assert all(snapshot.absent_since is None for snapshot in company.fakes.snapshots.content.values())


async def test_part_of_another_company_is_held_as_well(company: Company) -> None:
    """Its list ends early, so that the changes are few of the whole company."""
    company.people |= {str(n): values for n, values in enumerate(make_people(*range(200)).values())}
    company.fakes.connections.content[CONNECTION] = make_connection().model_copy(update={"guard": Guard(is_on=False)})
    await company.poll()
    company.fakes.connections.content[CONNECTION] = make_connection()
    company.publisher.log.clear()
    strangers = [make_employee(key, {**ADA, "last_name": "Other"}) for key in map(str, range(11))]
    company.personio.odd_pages = [EmployeePage(tuple(strangers), 0, 200)]

    run = await company.poll()

    assert run.state is RunState.HELD
    assert "The scan was incomplete: Personio announced 200 employees and listed 11" in str(run.error)


# ---------------------------------------------------------------- decisions


async def hold(company: Company, number: int = PART) -> Run:
    """Returns a held run."""
    company.change(number, last_name="Same")
    run = await company.poll()
    assert run.state is RunState.HELD
    return run


async def test_released_run_publishes_its_changes(company: Company) -> None:
    """Afterwards there is nothing left to find."""
    run = await hold(company)

    counts = await company.decide(run.id, is_released=True)
    after = await company.poll()

    assert counts == {"emitted": PART, "oversized": 0, "superseded": 0}
    assert len(company.list_sent(SendReason.DETECTED)) == PART
    assert (await company.find_run(run.id)).state is RunState.RELEASED
    assert company.fakes.observations.content == {}
    assert after.state is RunState.SUCCEEDED
    assert after.counts.changed == 0


@pytest.mark.promise("P10")
@pytest.mark.parametrize("is_held", [True, False])
async def test_release_takes_turns_with_other_companies(company: Company, is_held: bool) -> None:
    """Each page of it takes a place, as the pages of a scan do."""
    places: list[bool] = []
    run = await hold(company) if is_held else None
    company.publisher.effect = lambda _: places.append(company.limits.places.locked())

    if run is None:
        company.change(3, last_name="Same")
        await company.poll()
    else:
        await company.decide(run.id, is_released=True)

    assert places
    assert all(places)


async def test_released_absence_is_noted(company: Company) -> None:
    """The same employees do not count as a change again."""
    KINDS[GroupKind.ABSENT](company)
    run = await company.poll()

    await company.decide(run.id, is_released=True)
    after = await company.poll()

    assert after.state is RunState.SUCCEEDED
    assert after.counts.absent == PART
    assert len(await company.store.snapshots.find_marked_absent(CONNECTION)) == PART


@pytest.mark.promise("P9")
@pytest.mark.parametrize("status", ["inactive", "leave"])
async def test_released_leavers_are_not_held_again(company: Company, status: str) -> None:
    """The brake of the writers lets them pass, from the revision that is published on. Those with other changes it does not.

    A mapping can disable the accounts of any status.
    """
    await company.store.ledger.write([make_entry(str(number), account_id=f"a-{number}") for number in range(1, MANY)])
    company.change(status=status)
    company.people["35"] = company.people["35"] | {"last_name": "Same"}
    run = await company.poll()

    await company.decide(run.id, is_released=True)

    published = {record.key: read_event(EmployeeChanged, record.value) for record in company.publisher.log}
    allowed = {entry.employee_id: entry.disabling_allowed_from for entry in company.fakes.ledger.content.values()}
    left = {event.employee_id: event.revision for event in published.values() if event.employee_id != "35"}
    assert len(left) == PART
    assert {employee: revision for employee, revision in allowed.items() if revision is not None} == left


async def test_rejected_run_publishes_nothing(company: Company) -> None:
    """The next poll sees the changes again, as long as they are in Personio."""
    run = await hold(company)

    await company.decide(run.id, is_released=False)
    after = await company.poll()

    assert (await company.find_run(run.id)).state is RunState.REJECTED
    assert company.publisher.log == []
    assert after.state is RunState.HELD
    assert {key[0] for key in company.fakes.observations.content} == {after.id}


async def test_next_run_replaces_a_held_one(company: Company) -> None:
    """What was undone in Personio is forgotten, and the rest is released."""
    run = await hold(company)
    for key, values in make_people(*range(MANY)).items():
        company.people[key]["last_name"] = values["last_name"]
    company.people["7"]["last_name"] = "Single"

    after = await company.poll()

    assert after.state is RunState.SUCCEEDED
    assert company.list_sent(SendReason.DETECTED) == ["7"]
    assert (await company.find_run(run.id)).state is RunState.REPLACED
    assert company.fakes.observations.content == {}


async def test_incomplete_run_replaces_no_held_one(company: Company) -> None:
    """It has not seen all of the changes. The held run can still be decided."""
    run = await hold(company)
    company.personio.odd_pages = [EmployeePage((), 0, MANY)]

    after = await company.poll()

    assert after.state is RunState.INCOMPLETE
    assert (await company.find_run(run.id)).state is RunState.HELD
    assert (await company.decide(run.id, is_released=True))["emitted"] == PART


@pytest.mark.parametrize("is_released", [True, False])
async def test_replaced_run_with_other_changes_is_not_decided(company: Company, is_released: bool) -> None:
    """The administrator has checked other changes than those that would be published."""
    run = await hold(company)
    company.personio.people["7"] = dict(ADA)
    await company.poll()

    with pytest.raises(RunNotHeldError, match="replaced, not held"):
        await company.decide(run.id, is_released=is_released)

    assert company.publisher.log == []


@pytest.mark.parametrize("is_released", [True, False])
async def test_decision_counts_for_the_same_changes(company: Company, is_released: bool) -> None:
    """Polls go on while the administrator checks. The newest run holds the same changes."""
    first = await hold(company)
    await company.poll()
    last = await company.poll()

    counts = await company.decide(first.id, is_released=is_released)

    assert (await company.find_run(last.id)).state is (RunState.RELEASED if is_released else RunState.REJECTED)
    assert (await company.find_run(first.id)).state is RunState.REPLACED
    assert counts["emitted"] == (PART if is_released else 0)


async def test_decision_about_an_unknown_run_fails_its_task(company: Company) -> None:
    """The task says what to do."""
    (task,) = await company.run_tasks(DecideRun(run="nothing", is_released=True))

    assert task.state is TaskState.FAILED
    assert task.error == f"unknown run nothing of connection {CONNECTION}: see `runs list {CONNECTION}`"


async def test_single_employee_is_published_while_a_run_is_held(company: Company) -> None:
    """A later release of the run does not overwrite what was published since."""
    run = await hold(company)
    company.people["1"]["last_name"] = "Now"

    (task,) = await company.run_tasks(Poll(people=(EmployeeId("1"), EmployeeId("none"))))
    sent = company.list_sent(SendReason.DETECTED)
    counts = await company.decide(run.id, is_released=True)

    assert task.counts == {"seen": 1, "changed": 1, "emitted": 1, "unknown": 1}
    assert sent == ["1"]
    assert counts == {"emitted": PART - 1, "oversized": 0, "superseded": 0}
    snapshots = await company.store.snapshots.read(CONNECTION, [EmployeeId("1")])
    assert snapshots[EmployeeId("1")].attributes["last_name"] == "Now"


async def test_dry_run_tells_what_would_be_held(company: Company) -> None:
    """It stores nothing."""
    company.change(last_name="Same")

    run = await company.runner.poll(CONNECTION, dry_run=True)

    assert run.state is RunState.HELD
    assert run.unusual[0].group in {
        Group(kind=GroupKind.NAME_CHANGED),
        Group(kind=GroupKind.CHANGED, attribute="last_name"),
    }
    assert company.fakes.observations.content == {}


async def test_look_up_publishes_an_earlier_change_first(company: Company) -> None:
    """A crash has left it stored and unpublished. Each revision is published, the older one first."""
    company.people["1"]["last_name"] = "Older"
    (before,) = (await company.store.snapshots.read(CONNECTION, [EmployeeId("1")])).values()
    company.fail_publishing(PersonioUnavailableError("no answer"))
    assert (await company.poll()).state is RunState.FAILED
    company.publisher.effect = lambda _: None
    company.publisher.log.clear()
    company.people["1"]["last_name"] = "Newer"

    await company.run_tasks(Poll(people=(EmployeeId("1"),)))

    names = [read_event(EmployeeChanged, record.value).attributes["last_name"] for record in company.publisher.log]
    assert before.attributes["last_name"] == "N1"
    assert names == ["Older", "Newer"]


async def test_look_up_notes_which_attributes_are_stored(company: Company) -> None:
    """The catalogue says so, and a later scan removes from it what is no longer wanted."""
    mappings, at = company.store.mappings, company.clock.now()
    version = await mappings.publish(CONNECTION, make_office_mapping(), now=at, expected_version=None)
    await company.run_tasks(Poll(people=(EmployeeId("1"),)))
    await mappings.publish(CONNECTION, default_mapping(), now=at, expected_version=version.version)

    await company.poll()

    snapshots = await company.store.snapshots.read(CONNECTION, [EmployeeId("1")])
    assert "office.name" not in snapshots[EmployeeId("1")].attributes


async def test_release_stores_nothing_that_is_no_longer_wanted(company: Company) -> None:
    """The mapping has changed since, and a poll that failed has removed the attribute from all snapshots."""
    mappings, at = company.store.mappings, company.clock.now()
    version = await mappings.publish(CONNECTION, make_office_mapping(), now=at, expected_version=None)
    await company.poll()
    run = await hold(company)
    await mappings.publish(CONNECTION, default_mapping(), now=at, expected_version=version.version)

    async def fail(_: int) -> None:
        raise PersonioUnavailableError("no answer")

    usual, company.personio.before_page = company.personio.before_page, fail
    assert (await company.poll()).state is RunState.FAILED
    company.personio.before_page = usual

    await company.decide(run.id, is_released=True)

    await company.poll()
    for snapshot in company.fakes.snapshots.content.values():
        assert "office.name" not in snapshot.attributes


async def test_found_employee_is_not_absent_after_a_release(company: Company) -> None:
    """A lookup has found one that the held run did not list."""
    KINDS[GroupKind.ABSENT](company)
    run = await company.poll()
    company.people |= make_people(1)
    company.people["1"]["last_name"] = "Back"
    await company.run_tasks(Poll(people=(EmployeeId("1"),)))

    await company.decide(run.id, is_released=True)

    marked = await company.store.snapshots.find_marked_absent(CONNECTION)
    assert len(marked) == PART - 1
    assert "1" not in marked


# ---------------------------------------------------------------- lost leases


@pytest.mark.promise("P1")
@pytest.mark.parametrize("effect", ["save", "fail_unfinished"])
async def test_suspended_poller_leaves_held_runs_alone(
    company: Company, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was suspended at the start or at the end of its run. The next lease owner has held a run since, and is in another."""
    await hold(company)
    await company.store.runs.begin(CONNECTION, now=company.clock.now())
    is_lost = False

    def ensure_lease() -> None:
        if is_lost:
            raise LeaseLostError("lost")

    outbox = Outbox(company.store.snapshots, company.publisher, ensure_lease)
    suspended = Runner(
        company.store,
        company.personio.source,
        outbox,
        company.limits,
        CURSOR,
        company.clock,
        Metrics(),
        departure_seconds=DEPARTURE_SECONDS,
    )
    original = getattr(company.store.runs, effect)
    later: list[Run] = []

    async def suspend(*values: Any, **options: Any) -> Any:
        nonlocal is_lost
        result = await original(*values, **options)
        if not is_lost:
            is_lost = True
            company.change(last_name="Later")
            later.append(await company.poll())
            await company.store.observations.save([make_observation("1", "unfinished")], now=company.clock.now())
        return result

    monkeypatch.setattr(company.store.runs, effect, suspend)

    with pytest.raises(LeaseLostError):
        await suspended.poll(CONNECTION)

    assert (await company.find_run(later[0].id)).state is RunState.HELD
    assert len(company.fakes.observations.content) == PART + 1


# ---------------------------------------------------------------- crashes


SMALL = 4
"""Changes that stay in memory in these tests."""


def build_crashing_runner(company: Company, crashes: Crashes) -> Runner:
    """Returns a runner that crashes before one of its effects."""
    store = company.store
    company.publisher.effect = crashes.record
    repositories = SimpleNamespace(
        snapshots=crashes.wrap(
            store.snapshots, ["save", "mark_emitted", "mark_absent", "mark_unknown", "clear_absent"]
        ),
        runs=crashes.wrap(store.runs, ["begin", "save", "replace_held", "decide"]),
        catalogues=crashes.wrap(store.catalogues, ["save"]),
        observations=crashes.wrap(store.observations, ["save", "drop", "drop_others"]),
        schedule=crashes.wrap(store.schedule, ["set_progress"]),
        ledger=crashes.wrap(store.ledger, ["allow_disabling"]),
        polls=store.polls,
        tasks=store.tasks,
    )
    outbox = Outbox(repositories.snapshots, company.publisher, lambda: None)
    return Runner(
        cast("Any", repositories),
        company.personio.source,
        outbox,
        make_limits(company.clock),
        CURSOR,
        company.clock,
        Metrics(),
        departure_seconds=DEPARTURE_SECONDS,
    )


async def crash_everywhere(
    prepare: Callable[[Company], Awaitable[None]], act: Callable[[Company, Crashes], Awaitable[None]]
) -> int:
    """Crashes ``act`` before each of its effects, polls or releases again, and checks the end. Returns the number of effects."""
    at = 0
    while True:
        company = Company()
        await company.import_all()
        await prepare(company)
        crashes = Crashes(at)
        try:
            await act(company, crashes)
        except CrashError:
            await act(company, Crashes())
        company.publisher.effect = lambda _: None
        await company.poll()
        check_end(company, f"crashed before effect {at} of {crashes.effects}")
        if at >= len(crashes.effects):
            return at
        at += 1


def check_end(company: Company, situation: str) -> None:
    """Checks that every change was published, each revision with one content, and nothing is left."""
    names = {s.employee_id: s.attributes["last_name"] for s in company.fakes.snapshots.content.values()}
    assert names == {key: values["last_name"] for key, values in company.people.items()}, situation
    assert not any(snapshot.is_pending for snapshot in company.fakes.snapshots.content.values()), situation
    assert company.fakes.observations.content == {}, situation
    sent: dict[str, set[bytes]] = {}
    for record in company.publisher.log:
        sent.setdefault(dict(record.headers)["ce_id"].decode(), set()).add(record.value or b"")
    assert all(len(values) == 1 for values in sent.values()), situation
    changed = {event.split("/")[1] for event in sent}
    assert {key for key, values in company.people.items() if values["last_name"] == "Same"} <= changed, situation


async def test_large_changes_do_not_stay_in_memory(company: Company) -> None:
    """Ten employees with long texts are as much as hundreds of usual ones."""
    company.change(10, last_name="x" * (staging.MAX_CHARACTERS // 9))
    stored: list[int] = []
    company.publisher.effect = lambda _: stored.append(len(company.fakes.observations.content))

    run = await company.poll()

    assert run.state is RunState.SUCCEEDED
    assert stored[0] > 0
    assert company.fakes.observations.content == {}


@pytest.mark.promise("P1")
async def test_crash_in_a_large_run_loses_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """More changes than stay in memory are stored, released together, and removed. They are usual here."""
    monkeypatch.setattr(staging, "MAX_IN_MEMORY", SMALL)
    monkeypatch.setattr(staging, "PAGE", SMALL)

    async def prepare(company: Company) -> None:
        company.change(10, last_name="Same")

    async def act(company: Company, crashes: Crashes) -> None:
        company.clock.seconds += 60
        await build_crashing_runner(company, crashes).poll(CONNECTION)

    assert await crash_everywhere(prepare, act) > 10


@pytest.mark.promise("P1")
async def test_crash_in_a_release_loses_no_change() -> None:
    """The next lease owner carries the decision out to its end."""
    runs: dict[int, str] = {}

    async def prepare(company: Company) -> None:
        runs[id(company)] = (await hold(company)).id

    async def act(company: Company, crashes: Crashes) -> None:
        runner = build_crashing_runner(company, crashes)
        repositories = runner._repositories
        decider = Decider(
            company.store.polls,
            repositories.runs,
            repositories.observations,
            repositories.ledger,
            runner.build_releaser,
        )
        await decider.decide(CONNECTION, DecideRun(run=runs[id(company)], is_released=True))

    assert await crash_everywhere(prepare, act) >= 5


async def test_deleted_employees_are_compared_with_the_others(company: Company) -> None:
    """They were absent before. Without them, the company would look smaller than it was."""
    KINDS[GroupKind.ABSENT](company)
    absent = await company.poll()
    await company.decide(absent.id, is_released=True)
    company.clock.seconds += DEPARTURE_SECONDS

    deleted = await company.poll()

    assert deleted.state is RunState.HELD
    (count,) = deleted.unusual
    assert count.group.kind is GroupKind.REMOVED
    assert count.of == absent.unusual[0].of
