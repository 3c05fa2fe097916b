"""Erased means erased: after `people forget` and `connections remove`, neither MongoDB nor Kafka holds the data."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from bson import json_util
from motor.motor_asyncio import AsyncIOMotorClient

from sandbox.installation import Installation
from services.contracts.topics import PEOPLE
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    call_control,
    get_connection_id,
    list_accounts,
    make_installation,
    make_settings,
    wait_until,
    wait_until_exact,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.kafka,
    pytest.mark.mongo,
    pytest.mark.timeout(480),
    pytest.mark.promise("P11"),
]

FORCED_COMPACTION = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "0",
    "file.delete.delay.ms": "0",
}
"""Settings of topics that Kafka compacts within seconds. `init` keeps them, and adds its own."""
COMPACTION = {"KAFKA_MIN_COMPACTION_DAYS": "0", "KAFKA_MAX_COMPACTION_DAYS": "0.00001", "KAFKA_PARTITIONS": "1"}
"""Lags of the compaction of about one second."""
LAST_NAME, EMAIL = "Unvergesslich-Zeisig", "zeisig.unvergesslich@nordlicht.example"


@dataclass(frozen=True, slots=True)
class Company:
    """A company with a person to forget."""

    installation: Installation
    """The installation."""
    connection: str
    """Id of its connection."""
    person: str
    """Personio's id of the person."""
    colleague: str
    """Personio's id of another person."""

    async def read_mongodb(self) -> str:
        """Returns all documents of the database as text."""
        environment = self.installation.environment
        client = AsyncIOMotorClient[dict[str, Any]](environment["MONGODB_URL"])
        database = client[environment["MONGODB_DATABASE"]]
        names = await database.list_collection_names()
        documents = {name: await database[name].find().to_list(None) for name in names}
        client.close()
        return json.dumps(documents, default=json_util.default, ensure_ascii=False)

    async def read_kafka(self) -> str:
        """Returns the values of all records of the topics of people as text, each after its key if it has a value."""
        environment = self.installation.environment
        consumer = AIOKafkaConsumer(
            bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="earliest"
        )
        partitions = [TopicPartition(environment["KAFKA_TOPIC_PREFIX"] + topic.value, 0) for topic in PEOPLE]
        consumer.assign(partitions)
        await consumer.start()
        texts: list[str] = []
        try:
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    texts += [f"{record.key!r} {record.value!r}" for record in records if record.value is not None]
        finally:
            await consumer.stop()
        return "\n".join(texts)

    async def wait_for_compaction(self, texts: tuple[str, ...]) -> None:
        """Waits until no record of the topics contains one of the texts.

        Kafka compacts a segment only after a later record has begun a new one, so that a colleague changes in between.
        """
        changes = 0

        async def is_gone() -> bool:
            nonlocal changes
            changes += 1
            if self.connection not in texts:
                await call_control(
                    self.installation, "POST", f"/employees/{self.colleague}/rename", last_name=f"Amsel-{changes}"
                )
            else:
                await self.publish_filler(changes)
            stored = await self.read_kafka()
            return not any(text in stored for text in texts)

        await wait_until(f"Kafka holds nothing with {texts}", is_gone, 90)

    async def publish_filler(self, number: int) -> None:
        """Publishes a tombstone of another program to each topic."""
        environment = self.installation.environment
        async with AIOKafkaProducer(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            for topic in PEOPLE:
                name = environment["KAFKA_TOPIC_PREFIX"] + topic.value
                await producer.send_and_wait(name, None, key=b"filler/%d" % number)


async def create_topics(settings: dict[str, str]) -> None:
    """Creates the topics of people as an earlier version has left them, except for the settings of this test."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"])
    await admin.start()
    names = [settings["KAFKA_TOPIC_PREFIX"] + topic.value for topic in PEOPLE]
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=FORCED_COMPACTION) for name in names])
    await admin.close()


def has_account(company: Company, *, active: bool) -> Callable[[], Awaitable[bool]]:
    """Returns a condition: the person has an account in this state."""

    async def check() -> bool:
        accounts = await list_accounts(company.installation)
        return [account["active"] for account in accounts if account.get("externalId") == company.person] == [active]

    return check


@pytest.fixture
async def company(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> AsyncIterator[Company]:
    """A company with the account of the person in Declaree."""
    settings = make_settings(kafka, mongo) | COMPACTION
    await create_topics(settings)
    async with make_installation(tmp_path, active=5, seed=21, settings=settings) as installation:
        person, colleague = [
            str((await call_control(installation, "POST", "/employees", **values))["id"])
            for values in ({"last_name": LAST_NAME, "email": EMAIL}, {"last_name": "Amsel"})
        ]
        company = Company(installation, await get_connection_id(installation), person, colleague)
        await wait_until("the person has an account", has_account(company, active=True))
        await wait_until_exact(installation)
        yield company


async def test_forgotten_person_leaves_no_value_anywhere(company: Company) -> None:
    """The account stays, disabled. Neither a poll nor a resync or a replay brings the data back."""
    cli, ids = company.installation.run_cli, (company.connection, company.person)
    await call_control(company.installation, "POST", f"/employees/{company.person}/terminate")
    await wait_until("the account is disabled", has_account(company, active=False))
    await company.installation.run_cli("people", "forget", *ids, "--yes", expect=1)
    await call_control(company.installation, "DELETE", f"/employees/{company.person}")
    await cli("poll", company.connection)
    before = await company.read_mongodb(), await company.read_kafka()

    shown = json.loads(await cli("people", "forget", *ids, "--dry-run", "--json"))
    await cli("people", "forget", *ids, "--yes")
    erased = await company.read_mongodb()
    await company.wait_for_compaction((LAST_NAME, EMAIL, f"{company.connection}/{company.person}"))
    for command in (("poll",), ("resync",), ("replay", "--all", "--connection")):
        await cli(*command, company.connection)
    after = await company.read_mongodb(), await company.read_kafka()

    assert shown["account_state"] == "disabled"
    assert shown["obstacles"] == []
    assert all(LAST_NAME in text and EMAIL in text for text in before)
    assert not any(text in erased for text in (LAST_NAME, EMAIL, f"{company.connection}/{company.person}"))
    assert not any(text in stored for stored in after for text in (LAST_NAME, EMAIL))
    assert await has_account(company, active=False)()


async def test_removed_connection_leaves_nothing_behind(company: Company) -> None:
    """No document names the connection, and Kafka erases the records of all its people. The accounts stay."""
    accounts = await list_accounts(company.installation)

    await company.installation.run_cli("connections", "remove", company.connection, "--yes")
    erased = await company.read_mongodb()
    await company.wait_for_compaction((LAST_NAME, EMAIL, company.connection))

    assert not any(text in erased for text in (LAST_NAME, EMAIL, company.connection))
    assert len(await list_accounts(company.installation)) == len(accounts)
