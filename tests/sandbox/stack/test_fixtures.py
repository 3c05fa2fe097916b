"""The Kafka and MongoDB of the test session, as the fixtures pass them to tests."""

import socket

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pytest_socket import SocketConnectBlockedError

from sandbox.stack.mongo import connect
from tests.support.servers import KafkaServers, MongoServers


@pytest.mark.kafka
async def test_session_kafka_accepts_a_record(kafka: KafkaServers, topic_prefix: str) -> None:
    """Tests can write records to the Kafka of the session."""
    topic = f"{topic_prefix}greetings"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        await admin.close()

    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        metadata = await producer.send_and_wait(topic, b"hello", partition=2)

    assert metadata.offset == 0
    assert metadata.partition == 2


@pytest.mark.mongo
async def test_session_mongodb_commits_a_transaction(mongo: MongoServers, database: str) -> None:
    """The MongoDB of the session is a replica set, because transactions require one."""
    async with connect(mongo.url) as client:
        people = client[database]["people"]
        async with client.start_session() as session, await session.start_transaction():
            await people.insert_one({"_id": 1}, session=session)
            await people.insert_one({"_id": 2}, session=session)

        assert await people.count_documents({}) == 2


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_connection_to_another_machine_is_blocked() -> None:
    """No test can depend on the network or reach a real system."""
    with socket.socket() as client, pytest.raises(SocketConnectBlockedError):
        client.connect(("192.0.2.1", 443))
