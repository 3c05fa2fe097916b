"""The session's servers, as every other test gets them."""

import socket

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pytest_socket import SocketConnectBlockedError

from sandbox.stack.mongo import connect
from tests.stack import KafkaServers, MongoServers


@pytest.mark.kafka
async def test_the_session_s_kafka_takes_a_record(kafka: KafkaServers, topic_prefix: str) -> None:
    topic = f"{topic_prefix}greetings"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        written = await producer.send_and_wait(topic, b"hello", partition=2)
    assert written.offset == 0
    assert written.partition == 2


@pytest.mark.mongo
async def test_the_session_s_mongodb_takes_a_transaction(mongo: MongoServers, database: str) -> None:
    async with connect(mongo.url) as client:
        people = client[database]["people"]
        async with client.start_session() as session, await session.start_transaction():
            await people.insert_one({"_id": 1}, session=session)
            await people.insert_one({"_id": 2}, session=session)
        assert await people.count_documents({}) == 2


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_connection_beyond_this_machine_is_refused() -> None:
    with socket.socket() as anywhere, pytest.raises(SocketConnectBlockedError):
        anywhere.connect(("192.0.2.1", 443))
