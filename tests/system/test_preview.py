"""The preview of a mapping compared with what poller, mapper and writer then do, employee by employee and field by field."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest

from sandbox.declaree.app import create_app as declaree_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.personio.app import create_app as personio_app
from sandbox.personio.catalogue import TITLE
from services.admin.mapping import versions as mappings
from services.admin.preview.live import OpenProcesses, preview_person, preview_population
from services.admin.preview.results import PersonPreview, PopulationPreview, Previewed
from services.admin.preview.source import Vendors
from services.admin.preview.tally import CONFIRMED
from services.admin.tasks import UnknownEmployeesError
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.listing import iterate_accounts
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection, Guard, LinkPolicy
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.mappings import (
    MANAGER,
    WORK_EMAIL,
    AttributeSource,
    ConstantSource,
    MappingDocument,
    Rule,
    default_mapping,
)
from services.contracts.outcomes import Intent, Outcome
from services.contracts.tasks import Poll
from services.contracts.transforms import ValueTable
from services.provisioning import paths
from services.provisioning.calls import Body
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID
from services.runtime.processes import open_processes
from tests.support.processes import StartedProcesses
from tests.system.pipeline import Pipeline
from tests.system.random_company import (
    FIELDS,
    OWN,
    add_strangers,
    change_accounts,
    change_company,
    draw_mapping,
    take_address,
)

pytestmark = pytest.mark.mongo

COMPARED = ("externalId", "userName", WORK_EMAIL, "active", "name.givenName", "name.familyName", MANAGER, *FIELDS)
"""The fields that a mapping of these tests can write."""
SEEDS = range(4)


class Preview:
    """Previews with the sandboxes of a pipeline."""

    def __init__(self, pipeline: Pipeline, mapping: MappingDocument) -> None:
        self.pipeline = pipeline
        self.mapping = mapping
        self.progress = _ignore
        self.open_workers: OpenProcesses = open_processes

    @asynccontextmanager
    async def open(self, connection: Connection, clock: Any, *, allow_private: bool) -> AsyncIterator[Vendors]:
        to_declaree = httpx.ASGITransport(app=declaree_app(self.pipeline.declaree))
        to_personio = httpx.ASGITransport(app=personio_app(self.pipeline.personio))
        declaree = DeclareeClient(connection.declaree, clock=clock, transport=to_declaree, allow_private=allow_private)
        async with PersonioClient(
            connection.personio, clock=clock, transport=to_personio, allow_private=allow_private
        ) as personio:
            yield Vendors(personio, declaree)
        await declaree.close()

    async def show_all(self, *, with_names: bool = False, with_values: bool = False) -> PopulationPreview:
        pipeline = self.pipeline
        return await preview_population(
            pipeline.store,
            pipeline.clock,
            pipeline.connection,
            self.mapping,
            self.progress,
            allow_private=False,
            with_names=with_names,
            with_values=with_values,
            open_clients=self.open,
            open_workers=self.open_workers,
        )

    async def show_apart(self) -> tuple[PopulationPreview, set[EmployeeId]]:
        """Returns the preview with other processes, and the employees that they have settled."""
        started = StartedProcesses()
        self.open_workers = started.open
        shown = await self.show_all()
        settled = [result for result in started.executor.results if isinstance(result, dict)]
        return shown, {employee for result in settled for employee in result}

    async def show(self, employee: str) -> PersonPreview:
        pipeline = self.pipeline
        return await preview_person(
            pipeline.store,
            pipeline.clock,
            pipeline.connection,
            self.mapping,
            EmployeeId(employee),
            allow_private=False,
            open_clients=self.open,
        )


async def _ignore(_name: str, _done: int, _total: int | None) -> None:
    pass


def _cancel(task: "asyncio.Task[Any]") -> Any:
    """Returns a progress callback that cancels a task."""

    async def cancel(_name: str, _done: int, _total: int | None) -> None:
        task.cancel()
        await asyncio.sleep(0)

    return cancel


@dataclass
class Reality:
    """What poller, mapper and writer have done."""

    before: dict[AccountId, Body]
    """The accounts before, by id, as Declaree shows them."""
    after: dict[AccountId, Body]
    """The accounts after."""
    accounts_before: dict[str, AccountId]
    """The account of each employee that had one."""
    accounts: dict[str, AccountId]
    """The account of each employee that has one now."""
    results: dict[str, str]
    """The results by employee, as a preview names them."""

    def list_changes(self, employee: str) -> dict[str, tuple[Any, Any]]:
        """Returns the values before and after of the changed fields of the employee's account."""
        account = self.accounts.get(employee)
        if account is None:
            return {}
        values = {path: (read(self.before, account, path), read(self.after, account, path)) for path in COMPARED}
        return {path: pair for path, pair in values.items() if pair[0] != pair[1]}


def read(accounts: dict[AccountId, Body], account: AccountId | None, path: str) -> Any:
    """Returns the value at a path of an account. A manager is the account's id, also on a server that shows the external id."""
    body = accounts.get(account, {}) if account else {}
    external_id = paths.read(body, MANAGER_BY_EXTERNAL_ID) if path == MANAGER else None
    if external_id is None:
        return paths.read(body, path)
    return next((found for found, other in accounts.items() if paths.read(other, "externalId") == external_id), None)


async def read_accounts(pipeline: Pipeline) -> dict[AccountId, Body]:
    """Returns all accounts as Declaree shows them, by id."""
    transport = httpx.ASGITransport(app=declaree_app(pipeline.declaree))
    stored = await pipeline.store.connections.get(pipeline.connection)
    client = DeclareeClient(stored.declaree, clock=pipeline.clock, transport=transport, allow_private=False)
    pages = [page async for _, page in iterate_accounts(client.perform)]
    await client.close()
    return {live.id: live.body for page in pages for live in page.resources}


async def publish(pipeline: Pipeline, mapping: MappingDocument) -> int:
    """Polls, publishes a mapping, and settles what follows. Returns its version."""
    store, now = pipeline.store, pipeline.clock.now()
    await store.tasks.file(pipeline.connection, Poll(), now=now - timedelta(seconds=1))
    published = await mappings.publish(store, pipeline.clock, pipeline.connection, mapping, by="ada", dropped="leave")
    pipeline.clock.seconds += 1
    await pipeline.settle()
    for _ in range(4):
        await pipeline.wake_up_waiting(400)
        await pipeline.resender.resend_unblocked(await store.polls.plan(pipeline.connection))
        await pipeline.settle()
    return published.version


async def sync_really(pipeline: Pipeline, mapping: MappingDocument) -> Reality:
    """Publishes a mapping, and returns what follows."""
    before, accounts_before = await read_accounts(pipeline), await find_accounts(pipeline)
    version = await publish(pipeline, mapping)
    reality = Reality(before, await read_accounts(pipeline), accounts_before, await find_accounts(pipeline), {})
    people = [person async for person in pipeline.store.snapshots.stream_employee_ids(pipeline.connection)]
    reality.results |= {person: find_result(pipeline, person, version, reality) for person in people}
    return reality


async def find_accounts(pipeline: Pipeline) -> dict[str, AccountId]:
    """Returns the account of each employee by the ledger."""
    people = [person async for person in pipeline.store.snapshots.stream_employee_ids(pipeline.connection)]
    entries = await pipeline.store.ledger.read(PersonKey(pipeline.connection, person) for person in people)
    return {key.employee_id: entry.account_id for key, entry in entries.items() if entry.account_id is not None}


def find_result(pipeline: Pipeline, employee: str, version: int, reality: Reality) -> str:
    """Returns the result of all outcomes of one version together, as a preview names it."""
    outcomes = [outcome.outcome for outcome in pipeline.list_outcomes(employee) if outcome.mapping_version == version]
    settled = [outcome for outcome in outcomes if outcome is not Outcome.SUPERSEDED]
    account, changes = reality.accounts.get(employee), reality.list_changes(employee)
    if not settled:
        return Previewed.WAITING.value
    if Previewed(settled[-1].value) not in CONFIRMED:
        return settled[-1].value
    if account not in reality.before:
        return Outcome.CREATED.value
    if account != reality.accounts_before.get(employee):
        return Outcome.LINKED.value
    if "active" in changes:
        return Outcome.ENABLED.value
    return (Outcome.UPDATED if changes else Outcome.UNCHANGED).value


def name_accounts(preview: PersonPreview, reality: Reality) -> dict[str, tuple[Any, Any]]:
    """Returns the values of a preview by field. Managers are accounts, with the ids that the created ones have got."""
    changes = {change.path: (change.before, change.after) for change in preview.changes}
    if MANAGER in changes:
        before, after = changes[MANAGER]
        changes[MANAGER] = (_find_account(before, reality.before), _find_account(after, reality.after))
    return changes


def _find_account(named: Any, accounts: dict[AccountId, Body]) -> Any:
    """Returns the account that a preview names by id, by external id, or by a made-up id."""
    external_id = str(named).removeprefix("new-account-of-")
    if named is None or named in accounts:
        return named
    held = {paths.read(body, "externalId"): account for account, body in accounts.items()}
    return held.get(external_id) or held.get(f"nl-{external_id}")


def list_differences(pipeline: Pipeline, shown: PopulationPreview, reality: Reality) -> list[str]:
    """Returns the employees with another result than predicted, with what the writer said about them."""
    predicted = {str(person): result.value for result, members in shown.results.items() for person in members}
    return [
        f"{person}: predicted {predicted.get(person)}, found {reality.results.get(person)}: "
        + str([(one.outcome.value, one.reason, one.written) for one in pipeline.list_outcomes(person)[-3:]])
        for person in sorted({*predicted, *reality.results})
        if predicted.get(person) != reality.results.get(person)
    ]


async def connect_random(pipeline: Pipeline, random: Random, behaviour: Behaviour) -> set[str]:
    """Brings a company to a random state. Returns the employees with an address that moves."""
    pipeline.declaree.behaviour = behaviour
    store, connection = pipeline.store, pipeline.connection
    await store.connections.set_guard(connection, Guard(is_on=False))
    await store.connections.set_link_policy(connection, random.choice(list(LinkPolicy)))
    add_strangers(random, pipeline)
    if random.random() < 0.25:
        return set()  # nothing was imported yet
    await publish(pipeline, draw_mapping(random) if random.random() < 0.5 else default_mapping())
    change_accounts(random, pipeline)
    return change_company(random, pipeline)


@pytest.mark.parametrize("dialect", ["rfc", "page", "page_strict"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_preview_equals_what_the_writer_does(pipeline: Pipeline, dialect: Any, seed: int) -> None:
    """The results of all employees, the fields of all accounts, and the values of each employee."""
    random = Random(f"{dialect} {seed}")
    moved = await connect_random(pipeline, random, Behaviour(dialect=dialect, id_format="uuid"))
    preview = Preview(pipeline, draw_mapping(random))
    shown = await preview.show_all()
    shown_apart, apart = await preview.show_apart()
    people = [employee for members in shown.results.values() for employee in members]
    singles = {employee: await preview.show(employee) for employee in people}

    reality = await sync_really(pipeline, preview.mapping)

    assert list_differences(pipeline, shown, reality) == []
    assert shown.fields == Counter(path for person in people for path in reality.list_changes(person))
    assert shown_apart == shown
    assert bool(apart) == bool(CONFIRMED & shown.results.keys())
    alone = {employee: single for employee, single in singles.items() if employee not in moved}
    for employee, single in alone.items():
        assert f"{employee} {single.result.value}" == f"{employee} {reality.results[employee]}"
        assert name_accounts(single, reality) == reality.list_changes(employee), employee


async def test_preview_writes_nothing(pipeline: Pipeline) -> None:
    """Neither a document nor an account changes, and Declaree gets no request but GET."""
    random = Random("nothing")
    await connect_random(pipeline, random, Behaviour())
    preview = Preview(pipeline, draw_mapping(random))
    employee = str(pipeline.personio.company.list_employees()[0].id)
    documents, accounts = await dump_documents(pipeline), dict(pipeline.declaree.directory.users)
    records = pipeline.topics.count_records()
    pipeline.clear_journal()

    shown = await preview.show_all()
    await preview.show(employee)

    assert sum(map(len, shown.results.values())) > 30
    assert {method for method, _ in pipeline.list_requests()} == {"GET"}
    assert await dump_documents(pipeline) == documents
    assert pipeline.declaree.directory.users == accounts
    assert pipeline.topics.count_records() == records


async def dump_documents(pipeline: Pipeline) -> dict[str, str]:
    """Returns the content of all collections."""
    database = pipeline.store._database
    names = await database.list_collection_names()
    return {name: str(await database[name].find().sort("_id", 1).to_list(None)) for name in sorted(names)}


@pytest.mark.promise("P6")
async def test_preview_counts_what_the_brake_holds(pipeline: Pipeline) -> None:
    """A mapping that disables the whole company disables ten accounts, and the brake holds all others."""
    await pipeline.sync()
    mapping = default_mapping().model_copy(update={"life_cycle": {"active": Intent.DISABLE}})
    preview = Preview(pipeline, MappingDocument.model_validate(mapping.model_dump()))

    shown = await preview.show_all()
    reality = await sync_really(pipeline, preview.mapping)

    counts = Counter(reality.results.values())
    assert shown.brake.held == counts["waiting"] > 10
    assert shown.brake.disabled - shown.brake.held == 10
    assert {result.value: len(members) for result, members in shown.results.items()} == counts


async def test_value_that_was_refused_before_is_refused(pipeline: Pipeline) -> None:
    """The writer tries the field again with the new mapping, and Declaree refuses it again."""
    pipeline.declaree.behaviour = Behaviour(refused_attributes=("title",))
    title = Rule(target="title", source=ConstantSource(value="Head"))
    mapping = MappingDocument(rules=(*default_mapping().rules, title))
    await publish(pipeline, mapping)
    code = Rule(target=f"{OWN}:code", source=ConstantSource(value="A"))
    preview = Preview(pipeline, mapping.model_copy(update={"rules": (*mapping.rules, code)}))

    shown = await preview.show_all()
    reality = await sync_really(pipeline, preview.mapping)

    assert list_differences(pipeline, shown, reality) == []
    assert len(shown.results[Previewed.INCOMPLETE]) > 10
    assert shown.fields == {f"{OWN}:code": len(shown.results[Previewed.INCOMPLETE])}


async def test_address_of_another_account_is_a_conflict(pipeline: Pipeline) -> None:
    """The employee keeps the former address, and gets the new name."""
    await pipeline.sync()
    employee = next(person.id for person in pipeline.personio.company.list_employees() if person.status == "active")
    address = take_address(pipeline, "taken@nordlicht.example")
    pipeline.change(employee, email=address, last_name="Neumann")
    preview = Preview(pipeline, default_mapping())

    shown, single = await preview.show_all(), await preview.show(str(employee))
    reality = await sync_really(pipeline, preview.mapping)

    assert shown.results[Previewed.REJECTED] == (str(employee),)
    assert [(group.field, group.employees) for group in shown.rejected] == [("userName", (str(employee),))]
    assert [change.path for change in single.changes] == ["name.familyName"]
    assert [request.is_taken for request in single.requests] == [False, True]
    assert list_differences(pipeline, shown, reality) == []
    assert shown.fields == Counter(reality.list_changes(str(employee)).keys())


async def test_exchanged_addresses_are_shown_as_updates(pipeline: Pipeline) -> None:
    """Each of the two accounts blocks the other at first."""
    await pipeline.sync()
    active = [person for person in pipeline.personio.company.list_employees() if person.status == "active"]
    first, second = active[0], active[1]
    pipeline.change(first.id, email="aside@nordlicht.example")
    pipeline.change(second.id, email=first.email)
    pipeline.change(first.id, email=second.email)
    preview = Preview(pipeline, default_mapping())

    shown = await preview.show_all()
    reality = await sync_really(pipeline, preview.mapping)

    assert set(shown.results[Previewed.UPDATED]) == {str(first.id), str(second.id)}
    assert list_differences(pipeline, shown, reality) == []
    assert shown.fields == {"userName": 2, WORK_EMAIL: 2}


async def test_manager_gets_an_account_in_a_later_round(pipeline: Pipeline) -> None:
    """The manager needs the address of an employee, which becomes free when that employee is settled. The report shares nothing."""
    await pipeline.sync()
    former = next(person for person in pipeline.personio.company.list_employees() if person.status == "active")
    manager = pipeline.hire(status="active", email="aside@nordlicht.example", supervisor=None)
    report = pipeline.hire(status="active", supervisor=manager)
    pipeline.change(former.id, email="later@nordlicht.example", supervisor=manager)
    pipeline.change(manager, email=former.email)
    preview = Preview(pipeline, default_mapping())

    shown, (shown_apart, _) = await preview.show_all(), await preview.show_apart()
    reality = await sync_really(pipeline, preview.mapping)

    assert MANAGER in reality.list_changes(str(report))
    assert shown.fields == Counter(path for person in reality.results for path in reality.list_changes(person))
    assert shown_apart == shown


async def test_entry_that_names_another_employee_concerns_one(pipeline: Pipeline) -> None:
    """A damaged document ends no preview of the others."""
    await pipeline.sync()
    ledger = pipeline.store._database["ledger"]
    await ledger.update_one({"account_id": {"$type": "string"}}, {"$set": {"employee_id": "999999"}})
    preview = Preview(pipeline, default_mapping())

    shown, (shown_apart, _) = await preview.show_all(), await preview.show_apart()

    assert sum(map(len, shown.results.values())) > 30
    assert shown_apart == shown


async def test_cancelled_preview_ends_cleanly(pipeline: Pipeline) -> None:
    """Ctrl-C cancels the task of a command. The list of all accounts in the background ends, too."""
    await pipeline.sync()
    preview = Preview(pipeline, default_mapping())
    before = asyncio.all_tasks()
    running = asyncio.create_task(preview.show_all())
    preview.progress = _cancel(running)

    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before


async def test_names_are_shown_only_on_request(pipeline: Pipeline) -> None:
    """Without the request, the result contains ids and numbers."""
    preview = Preview(pipeline, default_mapping())

    without, with_names = await preview.show_all(), await preview.show_all(with_names=True)

    assert without.names == {}
    assert len(with_names.names) == with_names.employees


async def test_unknown_employee_is_an_error(pipeline: Pipeline) -> None:
    """Neither Personio nor the database knows the id."""
    preview = Preview(pipeline, default_mapping())

    with pytest.raises(UnknownEmployeesError, match="unknown employee 999999"):
        await preview.show("999999")


async def test_values_that_are_not_in_a_table_are_listed_on_request(pipeline: Pipeline) -> None:
    """Otherwise their number only. An employee that needs no account is not counted."""
    for status, title in (("active", "Cook"), ("active", "Cook"), ("active", "Pilot"), ("leave", "Judge")):
        pipeline.change(pipeline.hire(status=status), **{TITLE: title})
    table = ValueTable(table={"Pilot": "P"}, otherwise="missing")
    rule = Rule(target="title", source=AttributeSource(attribute=TITLE), transforms=(table,))
    preview = Preview(pipeline, MappingDocument(rules=(*default_mapping().rules, rule)))

    (hidden,), (shown,) = (await preview.show_all()).unmatched, (await preview.show_all(with_values=True)).unmatched

    assert hidden.employees == shown.employees == sum(shown.values.values())
    assert hidden.values == {}
    assert shown.values["Cook"] >= 2
    assert {"Pilot", "Judge"}.isdisjoint(shown.values)
