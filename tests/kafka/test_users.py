"""The product's users on a real Kafka with SCRAM and an authorizer: each may do what its topics require, nothing else."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from pydantic import SecretStr

from sandbox.stack.kafka import Kafka
from sandbox.stack.ports import LOOPBACK, reserve_port
from services.contracts.topics import Topic
from services.errors import ConfigurationError
from services.runtime.kafka import users
from services.runtime.kafka.client import build_client_options, make_producer
from services.runtime.kafka.inspection import InspectionDeniedError, inspect_group, inspect_topics
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.rights import SERVICES, USERS, Operation, Resource, Right, list_rights
from services.runtime.kafka.topics import create_topics
from services.runtime.kafka.users import ensure_users
from services.runtime.settings import KafkaSettings
from tests.kafka.group import make_settings
from tests.support.servers import KafkaServers

pytestmark = pytest.mark.kafka

PASSWORDS = {user: SecretStr(f"password of {user}") for user in USERS}
LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


class KafkaWithUsers(Kafka):
    """A node with a second listener, which requires a user. On the first listener, everything is allowed."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.users_port = reserve_port()

    def _write_properties(self) -> Path:
        path = super()._write_properties()
        listener = f"listeners=USERS://{LOOPBACK}:{self.users_port},PLAINTEXT"
        lines = (
            path.read_text(encoding="utf-8").replace("listeners=PLAINTEXT", listener),
            "listener.security.protocol.map=USERS:SASL_PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listener.name.users.sasl.enabled.mechanisms=SCRAM-SHA-512",
            f"listener.name.users.scram-sha-512.sasl.jaas.config={LOGIN_MODULE} required;",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS",
        )
        path.write_text("\n".join(lines), encoding="utf-8")
        return path


class Secured(NamedTuple):
    """A prepared node, with users, rights and topics."""

    node: KafkaWithUsers
    settings: KafkaSettings
    """Settings of the administrator."""

    def log_in(self, user: str, password: str | None = None) -> KafkaSettings:
        """Returns the settings of a user."""
        return self.settings.model_copy(
            update={
                "kafka_bootstrap_servers": f"{LOOPBACK}:{self.node.users_port}",
                "kafka_security_protocol": "SASL_PLAINTEXT",
                "kafka_sasl_username": user,
                "kafka_sasl_password": SecretStr(password) if password else PASSWORDS[user],
            }
        )


@pytest.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    """The node."""
    folder = tmp_path_factory.mktemp("kafka-with-users")
    async with KafkaWithUsers(folder) as node:
        settings = make_settings(node.bootstrap_servers, "company-", kafka_partitions=1)
        await ensure_users(settings, PASSWORDS)
        await create_topics(settings)
        yield Secured(node, settings)
    shutil.rmtree(folder)


async def can_write(settings: KafkaSettings, topic: str) -> bool:
    """Returns whether the user may publish to the topic, with the producer of the services."""
    async with make_producer(settings, "test") as producer:
        try:
            await producer.send_and_wait(topic, b"{}", key=b"c1/7")
        except TopicAuthorizationFailedError:
            return False
        return True


async def can_read(settings: KafkaSettings, topic: str) -> bool:
    """Returns whether the user may read the topic. A consumer would wait for the right without an end."""
    client = AIOKafkaClient(**build_client_options(settings))
    try:
        await client.bootstrap()
        request = FetchRequest(10, 1, 1_000, 0, [(topic, [(0, 0, 1_000)])])
        answer = await client.send(client.get_random_node(), request)
    finally:
        await client.close()
    codes = [partition[1] for _, partitions in answer.topics for partition in partitions]
    assert set(codes) <= {0, TopicAuthorizationFailedError.errno}
    return codes == [0]


async def can_join(settings: KafkaSettings, group: str) -> bool:
    """Returns whether the user may take part in the group. Kafka checks the right before it looks for the group."""
    client = AIOKafkaClient(**build_client_options(settings))
    try:
        await client.bootstrap()
        answer = await client.send(client.get_random_node(), HeartbeatRequest(group, 1, "unknown"))
    finally:
        await client.close()
    code: int = answer.to_object()["error_code"]
    assert code != 0
    return bool(code != GroupAuthorizationFailedError.errno)


async def can_log_in(settings: KafkaSettings) -> bool:
    """Returns whether Kafka accepts the user and password."""
    client = AIOKafkaClient(**build_client_options(settings))
    try:
        await client.bootstrap()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True


def test_rights_follow_from_the_roles_of_the_topics() -> None:
    """The mapper cannot write outcomes: the roles of the topics are the only source of rights."""
    rights = list_rights(make_settings("localhost:9092", "company-"))
    outcomes = "company-declaree.accounts.outcomes.v1"

    assert Right("writer", Resource.TOPIC, outcomes, Operation.WRITE) in rights
    assert {right.user for right in rights if right.name == outcomes} & {"poller", "mapper"} == set()
    assert {right.user for right in rights} == set(USERS)
    assert {(right.user, right.name) for right in rights if right.resource is Resource.GROUP} == {
        ("mapper", "company-mapper"),
        ("writer", "company-writer"),
        ("cli", "company-mapper"),
        ("cli", "company-writer"),
    }


@pytest.mark.parametrize("user", USERS)
async def test_user_has_the_rights_of_its_topics_only(secured: Secured, user: str) -> None:
    """Every topic and group is tried, with and without a right to it."""
    settings = secured.log_in(user)
    topics = [secured.settings.topic(topic) for topic in Topic]
    written = {Right(user, Resource.TOPIC, name, Operation.WRITE) for name in topics if await can_write(settings, name)}
    read = {Right(user, Resource.TOPIC, name, Operation.READ) for name in topics if await can_read(settings, name)}
    joined = {
        Right(user, Resource.GROUP, group, Operation.READ)
        for group in map(secured.settings.group, SERVICES)
        if await can_join(settings, group)
    }

    rights = {right for right in list_rights(secured.settings) if right.user == user}
    assert written | read | joined == {
        right for right in rights if right.operation in {Operation.READ, Operation.WRITE}
    }
    assert written


async def test_commands_may_look_at_topics_and_groups(secured: Secured) -> None:
    """The command `doctor` reads the settings of the topics, and the members and offsets of the groups."""
    settings = secured.log_in("cli")

    topics = await inspect_topics(settings)
    groups = [
        await inspect_group(settings, "mapper", Topic.EMPLOYEES_CHANGED),
        await inspect_group(settings, "writer", Topic.ACCOUNTS_REQUESTED),
    ]

    assert {topic.name for topic in topics if topic.partitions} == {settings.topic(topic) for topic in Topic}
    assert [group.members for group in groups] == [0, 0]


async def test_other_users_may_not_look_at_groups(secured: Secured) -> None:
    """The error says what to do."""
    with pytest.raises(InspectionDeniedError, match="users kafka"):
        await inspect_group(secured.log_in("poller"), "writer", Topic.ACCOUNTS_REQUESTED)


@pytest.mark.parametrize("user", SERVICES)
async def test_service_cannot_give_itself_rights(secured: Secured, user: str) -> None:
    """Only the administrator creates topics and users."""
    other = secured.log_in(user).model_copy(update={"kafka_topic_prefix": "own-"})

    with pytest.raises(ConfigurationError, match="has all rights"):
        await ensure_users(secured.log_in(user), PASSWORDS)
    with pytest.raises(ConfigurationError, match="right to create topics"):
        await create_topics(other)


async def test_client_without_a_valid_password_is_refused(secured: Secured) -> None:
    """On the listener of the services, neither a connection without SASL nor a guessed password works."""
    anonymous = secured.log_in("mapper").model_copy(update={"kafka_security_protocol": "PLAINTEXT"})

    assert await can_log_in(secured.log_in("mapper"))
    assert not await can_log_in(anonymous)
    assert not await can_log_in(secured.log_in("mapper", "password of writer"))
    assert not await can_log_in(secured.log_in("stranger", "password of stranger"))


async def test_new_password_replaces_the_old_one(secured: Secured) -> None:
    """After a leak, the operator writes a new file and repeats the command."""
    await ensure_users(secured.settings, PASSWORDS | {"cli": SecretStr("a new password")})

    assert not await can_log_in(secured.log_in("cli"))
    assert await can_log_in(secured.log_in("cli", "a new password"))

    await ensure_users(secured.settings, PASSWORDS)

    assert await can_log_in(secured.log_in("cli"))


async def test_repetition_corrects_the_rights(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right of an older version is removed, and a missing one comes back. The rights of other users stay."""
    foreign = Right("reporting", Resource.TOPIC, "company-reports", Operation.READ)
    stale = Right("mapper", Resource.TOPIC, "company-declaree.accounts.outcomes.v1", Operation.WRITE)
    rights = list_rights(secured.settings)
    taken = next(right for right in rights if right.user == "writer")
    with monkeypatch.context() as patch:
        patch.setattr(users, "list_rights", lambda _: {*rights, stale, foreign} - {taken})
        changed = await ensure_users(secured.settings, PASSWORDS | {"reporting": SecretStr("its password")})

    assert changed[-1] == f"removed the right of writer on {taken.name}"
    assert len(changed) == 3

    corrected = await ensure_users(secured.settings, PASSWORDS)

    assert corrected == (
        f"created the right of writer on {taken.name}",
        f"removed the right of mapper on {stale.name}",
    )
    assert await ensure_users(secured.settings, PASSWORDS) == ()


async def test_kafka_without_an_authorizer_is_named(kafka: KafkaServers, topic_prefix: str) -> None:
    """On such a server, passwords would protect nothing."""
    with pytest.raises(ConfigurationError, match=r"SecurityDisabled.*has an authorizer"):
        await ensure_users(make_settings(kafka.bootstrap_servers, topic_prefix), {})


async def test_missing_kafka_is_a_transient_error() -> None:
    """The command waits until Kafka answers."""
    with pytest.raises(KafkaUnavailableError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await ensure_users(make_settings(f"{LOOPBACK}:{reserve_port()}", "", kafka_request_timeout_ms=1000), PASSWORDS)
