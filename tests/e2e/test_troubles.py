"""Each row of the table of troubles in docs/operations.md: where it is visible, what it affects, and how it ends.

All tests share one installation with two companies. At the end of each test the accounts of both are exact.
"""

import asyncio
import gc
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.installation import DECLAREE_KEY, PERSONIO_SECRET, SERVICES, Installation
from services.admin.mapping import versions as mappings
from services.admin.mapping.documents import format_document
from services.contracts.connections import ConnectionState
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.outcomes import WaitingCause
from services.contracts.topics import Topic
from services.runtime.clock import SystemClock
from tests.e2e.troubles import (
    Company,
    Logs,
    add_company,
    get_health,
    get_status,
    keep_services_publishing,
    list_letters,
    open_database,
    produce,
    restart_ended_services,
    run_older_mapper,
    set_delay,
    wait_for_account,
    wait_until_synced,
)
from tests.support.world import (
    call_control,
    get_connection_id,
    list_accounts,
    make_installation,
    open_store,
    wait_until,
    wait_until_committed,
    wait_until_exact,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

ACTIVE, MANY = 40, 40
"""Active employees at the start, and employees that a test adds at once."""

ATTEMPTS = 4
"""How often a test tries to hit the right moment."""

WRONG = "not-the-right-one"
SETTINGS = {
    "POLL_INTERVAL_SECONDS": "1",
    "KAFKA_PARTITIONS": "2",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "WRITER_BATCH_RECORDS": "10",
}
"""Settings with small batches: a partition has more employees of each company than a batch."""

IMPATIENT = {
    "KAFKA_REQUEST_TIMEOUT_MS": "2000",
    "KAFKA_PUBLISH_TIMEOUT_SECONDS": "3",
    "MONGODB_TIMEOUT_MS": "2000",
}
"""Short timeouts of the services. The commands of the tests keep the defaults."""


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The installation of all tests."""
    folder = tmp_path_factory.mktemp("troubles")
    async with make_installation(
        folder, active=ACTIVE, seed=23, settings=SETTINGS, service_settings=IMPATIENT
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def company(installation: Installation) -> Company:
    """The first company, which the installation adds. Some tests hire more employees than it has."""
    company = Company(await get_connection_id(installation), installation.personio, installation.declaree)
    await installation.run_cli("connections", "guard", company.id, "--off")
    return company


@pytest.fixture(scope="module")
async def other(installation: Installation, company: Company) -> Company:
    """The second company, with the same employees."""
    company = await add_company(installation, "suedwind")
    await installation.run_cli("connections", "guard", company.id, "--off")
    return company


@pytest.fixture
async def logs(installation: Installation, company: Company, other: Company) -> AsyncIterator[Logs]:
    """The logs of one test, before and after which all accounts are exact. They contain no personal data and no secret."""
    for server in (installation.kafka, installation.mongo):
        if not server.is_running:  # an earlier test has failed
            await server.start()
    await wait_until_synced(installation, company, other)
    logs = Logs(installation)

    yield logs

    await wait_until_synced(installation, company, other)
    text = "".join(logs.read_text(service) for service in SERVICES)
    assert [secret for secret in ("@", "Dahinter", PERSONIO_SECRET, DECLAREE_KEY, WRONG) if secret in text] == []
    gc.collect()


async def hire(installation: Installation, **attributes: str) -> str:
    """Adds an employee to the sandbox Personio; returns the employee id."""
    return str((await call_control(installation, "POST", "/employees", **attributes))["id"])


# ------------------------------------------------------------ unreadable records


async def test_undecodable_bytes_in_a_topic(installation: Installation, company: Company, logs: Logs) -> None:
    """The records behind the bytes are processed, and a retry leads to a new dead letter."""
    person = await hire(installation)
    await wait_for_account(company, person)
    topics = (Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED)
    for topic in topics:
        await produce(installation, topic, f"{company.id}/{person}", b"\xff\xfe is not text")
    await call_control(installation, "POST", f"/employees/{person}/rename", last_name="Dahinter")
    await wait_until_exact(company)
    await logs.wait_for("mapper", "record became a dead letter", "find the program that writes to the topic")
    await logs.wait_for("writer", "record became a dead letter", "find the program that writes to the topic")
    letters = await list_letters(installation, person)
    listed = await installation.run_cli("dead-letters", "list")

    assert {(entry.letter.topic, entry.letter.reason) for entry in letters} == {(topic, "not-json") for topic in topics}
    assert f"{company.id}/{person}  mapper: not-json" in listed

    retried = await installation.run_cli("dead-letters", "retry", *(entry.id for entry in letters))
    await wait_until_committed(installation)
    again = await list_letters(installation, person)

    assert retried == "records published again: 2\n"
    assert [entry.letter.reason for entry in again] == ["not-json"] * 2
    assert {entry.id for entry in again} & {entry.id for entry in letters} == set()


async def test_wrong_schema(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    """The events of a newer version are processed after the upgrade of the reader."""
    before = await hire(installation)
    await wait_for_account(company, before)
    await wait_for_account(other, before)

    async with run_older_mapper(installation):
        person = await hire(installation)
        await call_control(installation, "POST", f"/employees/{before}/rename", last_name="Nebenan")

        async def has_two_letters() -> bool:
            return len(await list_letters(installation, person)) == 2

        await wait_until("the event of the new employee is a dead letter in both companies", has_two_letters)
        letters = await list_letters(installation, person)

        assert {(entry.letter.reason, entry.letter.fields) for entry in letters} == {("wrong-schema", "kind")}
        assert all("upgrade" in entry.letter.next_step for entry in letters)
        assert (await get_status(installation, company)).balance >= 1

    await installation.run_cli("dead-letters", "retry", *(entry.id for entry in letters))
    await wait_for_account(company, person)
    await wait_for_account(other, person)

    assert await list_letters(installation, person) == []


async def test_unknown_connection(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    """The events of a connection that a restored backup does not contain are processed after it is restored."""
    async with open_database(installation) as database:
        stored = await database["connections"].find_one_and_delete({"_id": other.id})
        assert stored
        person = await hire(installation)
        await wait_for_account(company, person)
        async with open_store(installation) as store:
            snapshot = (await store.snapshots.read(company.id, [EmployeeId(person)]))[EmployeeId(person)]
        record = snapshot.model_copy(update={"connection_id": other.id}).to_record()
        await produce(installation, record.topic, f"{other.id}/{person}", record.value or b"")
        await logs.wait_for("mapper", "record became a dead letter", "restore it from a backup")
        await call_control(installation, "POST", f"/employees/{person}/rename", last_name="Daneben")
        await wait_until_exact(company)
        listed = await installation.run_cli("dead-letters", "list")
        letters = await list_letters(installation, person)  # a poll in progress may have published another event

        assert f"{other.id}/{person}  mapper: unknown-connection" in listed
        assert {entry.letter.reason for entry in letters} == {"unknown-connection"}

        # paused: without polls, only the retry can bring the change to the writer, where it waits
        await database["connections"].insert_one({**stored, "state": "paused"})
        await installation.run_cli("dead-letters", "retry", *(entry.id for entry in letters))

        async def is_waiting() -> bool:
            async with open_store(installation) as store:
                entry = await store.ledger.get(PersonKey(other.id, EmployeeId(person)))
            return entry is not None and entry.waiting is not None and entry.waiting.cause is WaitingCause.PAUSED

        await wait_until("the change waits for the paused connection", is_waiting)
        await database["connections"].update_one({"_id": other.id}, {"$set": {"state": "active"}})
        await wait_for_account(other, person)

        assert await list_letters(installation, person) == []


# ------------------------------------------------------------ employees


async def wait_for_one_rejected(installation: Installation, company: Company) -> None:
    """Waits until exactly one employee of the company is rejected."""

    async def has_one_rejected() -> bool:
        return (await get_status(installation, company)).outcomes.get("rejected") == 1

    await wait_until("one employee is rejected", has_one_rejected)


async def test_missing_mapping(
    installation: Installation, company: Company, other: Company, logs: Logs, tmp_path: Path
) -> None:
    """Employees of a connection without a mapping are rejected until a mapping is imported."""
    file = tmp_path / "mapping.json"
    async with open_store(installation) as store:
        published = await mappings.get_published(store, company.id)
        file.write_text(format_document(published.mapping))
    async with open_database(installation) as database:
        await database["mappings"].delete_many({"connection_id": other.id})
    person = await hire(installation)
    await wait_for_account(company, person)
    await wait_for_one_rejected(installation, other)
    listed, checked = await asyncio.gather(
        installation.run_cli("people", "list", other.id), installation.run_command("connections", "check", other.id)
    )

    assert (await get_status(installation, other)).mapping_version == 0
    assert re.search(rf"^{person}  +rejected  .*no mapping is published for this connection", listed, re.MULTILINE)
    assert checked.code == 1
    assert "publish one with `mapping import`" in checked.output

    await installation.run_cli("mapping", "import", other.id, str(file), "--yes")
    await wait_for_account(other, person)


async def test_an_employee_without_an_email(installation: Installation, company: Company, logs: Logs) -> None:
    """The employee is rejected until Personio has an address."""
    person = await hire(installation, status="onboarding")
    await call_control(installation, "PATCH", f"/employees/{person}", email="", status="active")
    colleague = await hire(installation)
    await wait_for_account(company, colleague)
    await wait_for_one_rejected(installation, company)
    listed, details = await asyncio.gather(
        installation.run_cli("people", "list", company.id), installation.run_cli("people", "show", company.id, person)
    )
    reason = "the attribute email does not contain an e-mail address: enter one in Personio"

    assert re.search(rf"^{person}  +rejected  .*email: {reason}$", listed, re.MULTILINE)
    assert (
        f"the newest change is rejected, and the product knows no account of the employee: email: {reason}" in details
    )

    await call_control(installation, "PATCH", f"/employees/{person}", email="late@nordlicht.example")
    await wait_for_account(company, person)


async def test_two_employees_with_one_email(installation: Installation, company: Company, logs: Logs) -> None:
    """The second employee is rejected until one of the two addresses changes. In Personio they differ by a space."""
    first = await hire(installation, email="same@nordlicht.example")
    await wait_for_account(company, first)
    second = await hire(installation, email="same@nordlicht.example ")
    colleague = await hire(installation)
    await wait_for_account(company, colleague)
    await wait_for_one_rejected(installation, company)
    listed, details = await asyncio.gather(
        installation.run_cli("people", "list", company.id), installation.run_cli("people", "show", company.id, second)
    )
    reason = f"belongs to employee {first}: give one of the two employees another e-mail address in Personio"

    assert re.search(rf"^{second}  +rejected  .*userName: account ", listed, re.MULTILINE)
    assert reason in listed
    assert reason in details

    # the rejected employee is resent without a change of its own
    await call_control(installation, "PATCH", f"/employees/{first}", email="first@nordlicht.example")
    await wait_for_account(company, second)


# ------------------------------------------------------------ credentials


async def test_wrong_personio_secret(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    """The polls of that company fail until the right secret is stored; the other company is not affected."""
    async with open_store(installation) as store:
        await store.connections.set_credentials(other.id, now=SystemClock().now(), personio_secret=SecretStr(WRONG))
    await logs.wait_for("poller", "poll failed", "Personio refuses the client_id and client_secret")
    person = await hire(installation)
    await wait_for_account(company, person)
    status, checked = await asyncio.gather(
        installation.run_command("status"), installation.run_command("connections", "check", other.id)
    )

    assert status.code == 1
    assert "store them with `connections secrets ID" in status.output
    assert checked.code == 1
    assert "Personio: Personio refuses" in checked.output

    await installation.run_cli("connections", "secrets", other.id, secrets={"PERSONIO_CLIENT_SECRET": PERSONIO_SECRET})
    await wait_for_account(other, person)


async def test_attribute_that_is_no_longer_released(
    installation: Installation, company: Company, other: Company, logs: Logs
) -> None:
    """`doctor` names the attribute and the field that keeps its value, until the credential may read it again."""

    async def diagnose() -> dict[str, str]:
        report = json.loads((await installation.run_command("doctor", company.id, "--json")).output)
        findings = (*report["deployment"], *report["connections"][0]["findings"])
        return {found["subject"]: f"{found['problem'] or found['hint'] or ''}" for found in findings}

    async def is_told(words: str) -> bool:
        return words in (await diagnose())["released attributes"]

    before = await diagnose()
    await call_control(installation, "PATCH", "/whitelist", remove=["supervisor"])
    await wait_until("doctor names the attribute", lambda: is_told("no longer releases supervisor"))
    during, status = await diagnose(), await installation.run_command("status")
    result = await installation.run_command("doctor", company.id)
    await call_control(installation, "PATCH", "/whitelist", add=["supervisor"])
    await wait_until("doctor says that it is back", lambda: is_told("releases supervisor again"))

    assert {before[subject] for subject in ("MongoDB", "Kafka", "poller", "mapper", "writer", "Personio")} == {""}
    assert "manager.value stays as it is" in during["released attributes"]
    assert result.code == 1
    assert "no longer releases supervisor" in status.output
    await logs.wait_for("poller", "visible attributes have changed")


async def test_wrong_declaree_key(installation: Installation, company: Company, logs: Logs) -> None:
    """The waiting employees of one company fill more than a batch, and they do not delay another company."""
    wrong = await add_company(installation, "westufer", key=WRONG)
    person = await hire(installation)

    async def are_all_waiting() -> bool:
        status = await get_status(installation, wrong)
        return status.waiting >= ACTIVE and status.waiting == status.balance

    await wait_until("all employees of the company with the wrong key wait", are_all_waiting)
    await wait_for_account(company, person)
    await wait_until_exact(company)
    await logs.wait_for("writer", "circuit breaker opened", "Declaree refuses the key (401)")
    listed, checked = await asyncio.gather(
        installation.run_cli("people", "list", wrong.id), installation.run_command("connections", "check", wrong.id)
    )

    assert (await get_status(installation, wrong)).accounts == 0
    assert re.search(r"  waiting  .*Declaree refuses the key \(401\): store the right key", listed)
    assert checked.code == 1
    assert "Declaree: Declaree refuses the key" in checked.output

    await installation.run_cli("connections", "secrets", wrong.id, secrets={"DECLAREE_KEY": DECLAREE_KEY})
    await wait_until_synced(installation, wrong)
    async with open_store(installation) as store:
        await store.connections.set_state(wrong.id, ConnectionState.PAUSED)


# ------------------------------------------------------------ servers

# PyMongo leaves sockets of a stopped server open, and they are collected while the test runs
leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def stop_services(installation: Installation) -> None:
    """Stops poller, mapper and writer."""
    await asyncio.gather(*(installation.processes[service].stop() for service in SERVICES))


async def launch_services_without(installation: Installation, logs: Logs, server: str, *words: str) -> None:
    """Launches all services while a server is down; checks that each is live, not ready, and logs what it waits for."""
    processes = [installation.processes[service] for service in SERVICES]
    for process in processes:
        process.launch()
    for service in SERVICES:
        await logs.wait_for(service, f"waiting for {server}", *words)
        assert await get_health(installation, service) == (200, 503)


async def wait_until_ready(installation: Installation) -> None:
    """Waits until poller, mapper and writer are ready."""
    await asyncio.gather(*(installation.processes[service].wait_until_ready() for service in SERVICES))


async def test_kafka_down_at_start(installation: Installation, company: Company, logs: Logs) -> None:
    """The services wait for Kafka; a command names the setting and ends."""
    await stop_services(installation)
    await installation.kafka.stop()
    person = await hire(installation)
    await launch_services_without(
        installation, logs, "Kafka", "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
    )

    result = await installation.run_command("init")

    assert result.code == 75
    assert "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right" in result.errors

    await installation.kafka.start()
    await wait_until_ready(installation)
    await wait_for_account(company, person)


@asynccontextmanager
async def hire_many(installation: Installation, company: Company) -> AsyncIterator[None]:
    """Adds many employees; inside the block some of them have an account and others do not."""
    count = before = len(await list_accounts(company))
    await set_delay(company, seconds=0.5)
    try:
        await call_control(installation, "POST", "/employees", count=MANY)

        async def has_new_accounts() -> bool:
            nonlocal count
            count = len(await list_accounts(company))
            return before < count

        await wait_until("some new employees have an account", has_new_accounts)
        assert count < before + MANY
        yield
    finally:
        await set_delay(company, seconds=0)


async def test_kafka_down_during_a_run(
    installation: Installation, company: Company, other: Company, logs: Logs
) -> None:
    """The writer repeats its batch, the poll fails, and the next poll publishes what is left."""
    message = ("batch failed; retry", "Kafka did not acknowledge")

    async with restart_ended_services(installation):
        for _ in range(ATTEMPTS):
            async with hire_many(installation, company):
                await installation.kafka.kill()
            try:
                await logs.wait_for("writer", *message, seconds=15)
                break
            except AssertionError:  # the writer was about to commit, or between two batches: then it only waits
                await installation.kafka.start()
                await wait_until_synced(installation, company, other)
        else:
            pytest.fail("the writer has not logged that Kafka is down")
        await hire(installation)
        await logs.wait_for("poller", "poll failed", "Kafka did not acknowledge")

        async def has_failed_run() -> bool:
            status = await get_status(installation, company)
            return status.balance > 0 and status.last_run is not None and "Kafka did" in str(status.last_run.error)

        await wait_until("the status shows the failed poll", has_failed_run)
        await installation.kafka.start()
        await wait_until_synced(installation, company)


async def test_kafka_down_for_longer_than_the_request_timeout(
    installation: Installation, company: Company, other: Company, logs: Logs
) -> None:
    """A producer that has given up a batch can never publish again: its process ends, and a new one continues.

    A producer gives up a batch if its last metadata names no leader of the partition. So all services have to publish when
    Kafka stops.
    """
    dead = ("process ends and must be restarted", "the producer is dead")

    def find_services_with_dead_producer() -> list[str]:
        return [service for service in SERVICES if logs.has_message(service, *dead)]

    async def has_dead_producer() -> bool:
        return bool(find_services_with_dead_producer())

    await call_control(installation, "POST", "/employees", count=MANY)
    for _ in range(ATTEMPTS):
        async with keep_services_publishing(installation, company, other):
            await installation.kafka.stop()
        try:
            await wait_until("a producer is dead", has_dead_producer, 20)
            break
        except AssertionError:  # no service was publishing: all of them have to continue without a restart
            await installation.kafka.start()
            await wait_until_synced(installation, company, other)
    else:
        pytest.fail("no producer is dead")
    ended = find_services_with_dead_producer()[0]

    assert await installation.processes[ended].wait(40) == 1

    async with restart_ended_services(installation):
        await installation.kafka.start()
        await wait_until_synced(installation, company, other)
        # a new employee makes all three publish: a service with a dead producer ends now at the latest
        await wait_for_account(company, await hire(installation))
        await wait_until_ready(installation)


@leaves_sockets
async def test_mongodb_down_at_start(installation: Installation, company: Company, logs: Logs) -> None:
    """The services wait for MongoDB; a command names the setting and ends."""
    await stop_services(installation)
    await installation.mongo.stop()
    person = await hire(installation)
    await launch_services_without(installation, logs, "MongoDB", "check that it runs and that MONGODB_URL is right")

    result = await installation.run_command("status")

    assert result.code == 75
    assert "MONGODB_URL is right" in result.errors

    await installation.mongo.start()
    await wait_until_ready(installation)
    await wait_for_account(company, person)


@leaves_sockets
async def test_mongodb_down_during_a_run(installation: Installation, company: Company, logs: Logs) -> None:
    """The services stay alive, repeat their work and continue without a restart."""
    pids = [installation.processes[service].pid for service in SERVICES]

    async with hire_many(installation, company):
        await installation.mongo.kill()
    await logs.wait_for("poller", "schedule cannot be read now", "MongoDB does not answer")
    await logs.wait_for("writer", "batch failed; retry", "MongoDB does not answer")

    assert [await get_health(installation, service) for service in SERVICES] == [(200, 503)] * 3

    await installation.mongo.start()
    await wait_until_synced(installation, company)

    assert [installation.processes[service].pid for service in SERVICES] == pids
