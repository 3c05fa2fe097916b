"""Each row of the table of troubles in docs/operations.md: what is seen of it, whom it concerns, how it ends.

One installation with two companies for all of them. Whatever the trouble was, in the end both are exactly right.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.installation import DECLAREE_KEY, PERSONIO_SECRET, SERVICES, Installation
from services.admin import mappings
from services.contracts.connections import ConnectionState
from services.contracts.ids import EmployeeId
from services.contracts.topics import Topic
from tests.e2e.troubles import (
    Company,
    Logs,
    arrived,
    database_of,
    delayed,
    everybody_publishes,
    founded,
    health,
    letters,
    older_mapper,
    produce,
    restarted_when_they_end,
    status_of,
    well,
)
from tests.e2e.world import accounts, connection_of, control, drained, exact, installed, store_of, until

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(180)]

ACTIVE, MANY, ATTEMPTS = 40, 40, 4
WRONG = "not-the-right-one"
SETTINGS = {
    "POLL_INTERVAL_SECONDS": "1",
    "KAFKA_PARTITIONS": "2",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "WRITER_BATCH_RECORDS": "10",
}
"""A partition has more people of each company than a batch holds."""
IMPATIENT = {
    "KAFKA_REQUEST_TIMEOUT_MS": "2000",
    "KAFKA_PUBLISH_TIMEOUT_SECONDS": "3",
    "MONGODB_TIMEOUT_MS": "2000",
}
"""The services notice outages soon; what the tests themselves ask has its time."""


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("troubles")
    async with installed(folder, active=ACTIVE, seed=23, settings=SETTINGS, of_services=IMPATIENT) as running:
        yield running


@pytest.fixture(scope="module")
async def company(installation: Installation) -> Company:
    return Company(await connection_of(installation), installation.personio, installation.declaree)


@pytest.fixture(scope="module")
async def other(installation: Installation, company: Company) -> Company:
    return await founded(installation, "suedwind")


@pytest.fixture
async def logs(installation: Installation, company: Company, other: Company) -> AsyncIterator[Logs]:
    """From a time when all was well, to the time when all is well again. No log holds personal data or a secret."""
    for server in (installation.kafka, installation.mongo):
        if not server.running:  # a test before this one has failed
            await server.start()
    await well(installation, company, other)
    logs = Logs(installation)
    yield logs
    await well(installation, company, other)
    said = "".join(logs.text(service) for service in SERVICES)
    assert [secret for secret in ("@", "Dahinter", PERSONIO_SECRET, DECLAREE_KEY, WRONG) if secret in said] == []
    gc.collect()


async def hire(installation: Installation, **attributes: str) -> str:
    return str((await control(installation, "POST", "/employees", **attributes))["id"])


# ------------------------------------------------------------ records that cannot be read


async def test_undecodable_bytes_in_a_topic(installation: Installation, company: Company, logs: Logs) -> None:
    person = await hire(installation)
    await arrived(company, person)
    topics = (Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED)
    for topic in topics:
        await produce(installation, topic, f"{company.id}/{person}", b"\xff\xfe is no text")
    await control(installation, "POST", f"/employees/{person}/rename", last_name="Dahinter")
    await exact(company)

    await logs.said("mapper", "dead letter", "find out who writes to the topic")
    await logs.said("writer", "dead letter", "find out who writes to the topic")
    found = await letters(installation, person)
    assert {(each.letter.topic, each.letter.reason) for each in found} == {(topic, "not-json") for topic in topics}
    assert f"{company.id}/{person}  mapper: not-json" in await installation.cli("dead-letters", "list")

    # no retry makes an event of it: it comes back, once for each time, and is in nobody's way
    assert await installation.cli("dead-letters", "retry", *(each.id for each in found)) == "2 sent again\n"
    await drained(installation)
    again = await letters(installation, person)
    assert [each.letter.reason for each in again] == ["not-json"] * 2
    assert not {each.id for each in again} & {each.id for each in found}


async def test_wrong_schema(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    """Written by a newer version than the one that reads it; the upgrade of the reader is the cure."""
    before = await hire(installation)
    await arrived(company, before)
    await arrived(other, before)
    async with older_mapper(installation):
        person = await hire(installation)
        await control(installation, "POST", f"/employees/{before}/rename", last_name="Nebenan")

        async def lettered() -> bool:
            return len(await letters(installation, person)) == 2

        await until("the event of the newcomer is a dead letter, once for each company", lettered)
        found = await letters(installation, person)
        assert {(each.letter.reason, each.letter.fields) for each in found} == {("wrong-schema", "kind")}
        assert {"upgrade" in each.letter.what_to_do for each in found} == {True}
        assert (await status_of(installation, company)).balance >= 1
    await installation.cli("dead-letters", "retry", *(each.id for each in found))
    await arrived(company, person)
    await arrived(other, person)
    assert await letters(installation, person) == []


async def test_unknown_connection(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    """As after MongoDB was restored from a backup that is older than the connection."""
    async with database_of(installation) as database:
        stored = await database["connections"].find_one_and_delete({"_id": other.id})
        assert stored
        person = await hire(installation)
        await arrived(company, person)
        async with store_of(installation) as store:
            snapshot = (await store.snapshots.read(company.id, [EmployeeId(person)]))[EmployeeId(person)]
        record = snapshot.model_copy(update={"connection_id": other.id}).record()
        await produce(installation, record.topic, f"{other.id}/{person}", record.value or b"")

        await logs.said("mapper", "dead letter", "restore it from a backup")
        await control(installation, "POST", f"/employees/{person}/rename", last_name="Daneben")
        await exact(company)
        assert f"{other.id}/{person}  mapper: unknown-connection" in await installation.cli("dead-letters", "list")
        found = await letters(installation, person)  # a poll that was at work on the connection has sent its own, too
        assert {each.letter.reason for each in found} == {"unknown-connection"}

        # paused, so that nothing but the retry can bring the newcomer
        await database["connections"].insert_one({**stored, "state": "paused"})
        await installation.cli("dead-letters", "retry", *(each.id for each in found))
        await arrived(other, person)
        assert await letters(installation, person) == []
        await database["connections"].update_one({"_id": other.id}, {"$set": {"state": "active"}})


# ------------------------------------------------------------ people


async def test_missing_mapping(
    installation: Installation, company: Company, other: Company, logs: Logs, tmp_path: Path
) -> None:
    file = tmp_path / "mapping.json"
    async with store_of(installation) as store:
        file.write_text(await mappings.export(store, company.id))
    async with database_of(installation) as database:
        await database["mappings"].delete_many({"connection_id": other.id})
    person = await hire(installation)
    await arrived(company, person)

    async def rejected() -> bool:
        return (await status_of(installation, other)).outcomes.get("rejected") == 1

    await until("the newcomer is rejected", rejected)
    assert (await status_of(installation, other)).mapping_version == 0
    listed, checked = await asyncio.gather(
        installation.cli("people", "list", other.id), installation.command("connections", "check", other.id)
    )
    assert f"{person}  rejected  no mapping is published for this connection" in listed
    assert (checked.code, "import one with `mapping import`" in checked.output) == (1, True)

    await installation.cli("mapping", "import", other.id, str(file))
    await arrived(other, person)


async def test_an_employee_without_an_email(installation: Installation, company: Company, logs: Logs) -> None:
    person = await hire(installation, status="onboarding")
    await control(installation, "PATCH", f"/employees/{person}", email="", status="active")
    colleague = await hire(installation)
    await arrived(company, colleague)

    async def rejected() -> bool:
        return (await status_of(installation, company)).outcomes.get("rejected") == 1

    await until("the newcomer is rejected", rejected)
    listed, shown = await asyncio.gather(
        installation.cli("people", "list", company.id), installation.cli("people", "show", company.id, person)
    )
    reason = "the attribute email holds no e-mail address: enter one in Personio"
    assert f"{person}  rejected  email: {reason}" in listed
    assert f"rejected: {reason}" in shown

    await control(installation, "PATCH", f"/employees/{person}", email="late@nordlicht.example")
    await arrived(company, person)


async def test_two_employees_with_one_email(installation: Installation, company: Company, logs: Logs) -> None:
    """Personio tells the two apart by a blank."""
    first = await hire(installation, email="same@nordlicht.example")
    await arrived(company, first)
    second = await hire(installation, email="same@nordlicht.example ")
    colleague = await hire(installation)
    await arrived(company, colleague)

    async def rejected() -> bool:
        return (await status_of(installation, company)).outcomes.get("rejected") == 1

    await until("the second is rejected", rejected)
    listed, shown = await asyncio.gather(
        installation.cli("people", "list", company.id), installation.cli("people", "show", company.id, second)
    )
    assert f"{second}  rejected  userName: account " in listed
    assert "belongs to somebody else: give one of the two another in Personio" in listed
    assert "belongs to somebody else: give one of the two another in Personio" in shown

    # the other one's address is changed; who was rejected for it follows without a change of their own
    await control(installation, "PATCH", f"/employees/{first}", email="first@nordlicht.example")
    await arrived(company, second)


# ------------------------------------------------------------ credentials


async def test_wrong_personio_secret(installation: Installation, company: Company, other: Company, logs: Logs) -> None:
    async with store_of(installation) as store:
        await store.connections.set_credentials(other.id, personio_secret=SecretStr(WRONG))
    await logs.said("poller", "a poll failed", "Personio refuses the client_id and client_secret")
    person = await hire(installation)
    await arrived(company, person)
    status, checked = await asyncio.gather(
        installation.command("status"), installation.command("connections", "check", other.id)
    )
    assert (status.code, "deposit them with `connections secrets ID" in status.output) == (1, True)
    assert (checked.code, "Personio: Personio refuses" in checked.output) == (1, True)

    await installation.cli("connections", "secrets", other.id, secrets={"PERSONIO_CLIENT_SECRET": PERSONIO_SECRET})
    await arrived(other, person)


async def test_wrong_declaree_key(installation: Installation, company: Company, logs: Logs) -> None:
    """Nobody waits for others: the company with the wrong key has more people in a partition than a batch holds."""
    wrong = await founded(installation, "westufer", key=WRONG)
    person = await hire(installation)

    async def waiting() -> bool:
        status = await status_of(installation, wrong)
        return status.waiting >= ACTIVE and status.waiting == status.balance

    await until("all of the company with the wrong key wait", waiting)
    await arrived(company, person)
    await exact(company)
    assert (await status_of(installation, wrong)).accounts == 0
    await logs.said("writer", "declaree does not work for this connection", "Declaree refuses the key (401)")
    listed, checked = await asyncio.gather(
        installation.cli("people", "list", wrong.id), installation.command("connections", "check", wrong.id)
    )
    assert f"{person}  waiting  Declaree refuses the key (401): deposit the right one" in listed
    assert (checked.code, "Declaree: Declaree refuses the key" in checked.output) == (1, True)

    await installation.cli("connections", "secrets", wrong.id, secrets={"DECLAREE_KEY": DECLAREE_KEY})
    await well(installation, wrong)
    async with store_of(installation) as store:
        await store.connections.set_state(wrong.id, ConnectionState.PAUSED)


# ------------------------------------------------------------ servers

# of a server that goes away the driver leaves sockets behind, which then are collected within the test itself
leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def stopped(installation: Installation) -> None:
    await asyncio.gather(*(installation.processes[service].stop() for service in SERVICES))


async def started_while_it_is_away(installation: Installation, logs: Logs, server: str, *words: str) -> None:
    """All three live, are not ready, say for what they wait, and work once it is there."""
    processes = [installation.processes[service] for service in SERVICES]
    for process in processes:
        process.launch()
    for service in SERVICES:
        await logs.said(service, f"waiting for {server}", *words)
        assert await health(installation, service) == (200, 503)


async def ready(installation: Installation) -> None:
    await asyncio.gather(*(installation.processes[service].wait_until_ready() for service in SERVICES))


async def test_kafka_down_at_start(installation: Installation, company: Company, logs: Logs) -> None:
    await stopped(installation)
    await installation.kafka.stop()
    person = await hire(installation)
    await started_while_it_is_away(installation, logs, "Kafka", "is it running, and is KAFKA_BOOTSTRAP_SERVERS right?")
    asked = await installation.command("init")
    assert (asked.code, "is KAFKA_BOOTSTRAP_SERVERS right?" in asked.errors) == (75, True)
    await installation.kafka.start()
    await ready(installation)
    await arrived(company, person)


@asynccontextmanager
async def many_on_their_way(installation: Installation, company: Company) -> AsyncIterator[None]:
    """Within it, some of many newcomers have an account and others do not."""
    found = before = len(await accounts(company))
    await delayed(company, seconds=0.1)
    try:
        await control(installation, "POST", "/employees", count=MANY)

        async def begun() -> bool:
            nonlocal found
            found = len(await accounts(company))
            return before < found

        await until("the first of them have an account", begun)
        assert found < before + MANY
        yield
    finally:
        await delayed(company, seconds=0)


async def test_kafka_down_during_a_run(
    installation: Installation, company: Company, other: Company, logs: Logs
) -> None:
    said = ("a batch is tried again", "Kafka did not acknowledge")
    async with restarted_when_they_end(installation):
        for _ in range(ATTEMPTS):
            async with many_on_their_way(installation, company):
                await installation.kafka.kill()
            try:
                await logs.said("writer", *said, seconds=15)
                break
            except AssertionError:  # it was about to commit, or between two batches: then it just waits
                await installation.kafka.start()
                await well(installation, company, other)
        else:
            pytest.fail("the writer has not said that Kafka is away")
        await hire(installation)
        await logs.said("poller", "a poll failed", "Kafka did not acknowledge")

        async def told() -> bool:
            status = await status_of(installation, company)
            return status.balance > 0 and status.last_run is not None and "Kafka did" in str(status.last_run.error)

        await until("the status tells of it", told)
        await installation.kafka.start()
        await well(installation, company)


@pytest.mark.timeout(300)
async def test_kafka_down_for_longer_than_the_request_timeout(
    installation: Installation, company: Company, other: Company, logs: Logs
) -> None:
    """A producer that has given up a batch can never publish again: its process ends, and another goes on.

    It gives up when the last that it hears of a partition is that nobody leads it, so all have to publish when Kafka goes.
    """
    dead = ("the process ends, to be started again", "the producer is dead")

    async def somebody_has_died() -> bool:
        return any(logs.says(service, *dead) for service in SERVICES)

    await control(installation, "POST", "/employees", count=MANY)
    for _ in range(ATTEMPTS):
        async with everybody_publishes(installation, company, other):
            await installation.kafka.stop()
        try:
            await until("somebody's producer has died", somebody_has_died, 20)
            break
        except AssertionError:  # all of them were at something else: they have to go on as if nothing had been
            await installation.kafka.start()
            await well(installation, company, other)
    else:
        pytest.fail("nobody's producer has died")
    ended = next(service for service in SERVICES if logs.says(service, *dead))
    assert await installation.processes[ended].wait(40) == 1

    async with restarted_when_they_end(installation):
        await installation.kafka.start()
        await well(installation, company, other)
        # each of the three publishes once more: who could not do so has ended by now, and was started again
        await arrived(company, await hire(installation))
        await ready(installation)


@leaves_sockets
async def test_mongodb_down_at_start(installation: Installation, company: Company, logs: Logs) -> None:
    await stopped(installation)
    await installation.mongo.stop()
    person = await hire(installation)
    await started_while_it_is_away(installation, logs, "MongoDB", "is it running, and is MONGODB_URL right?")
    asked = await installation.command("status")
    assert (asked.code, "is MONGODB_URL right?" in asked.errors) == (75, True)
    await installation.mongo.start()
    await ready(installation)
    await arrived(company, person)


@leaves_sockets
async def test_mongodb_down_during_a_run(installation: Installation, company: Company, logs: Logs) -> None:
    pids = [installation.processes[service].pid for service in SERVICES]
    async with many_on_their_way(installation, company):
        await installation.mongo.kill()
    await logs.said("poller", "the schedule cannot be read now", "MongoDB does not answer")
    await logs.said("writer", "a batch is tried again", "MongoDB does not answer")
    assert [await health(installation, service) for service in SERVICES] == [(200, 503)] * 3
    await installation.mongo.start()
    await well(installation, company)
    assert [installation.processes[service].pid for service in SERVICES] == pids
