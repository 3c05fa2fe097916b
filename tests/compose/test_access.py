"""Only the containers' own users reach Kafka, MongoDB and the metrics: `make compose-test`."""

import json
import re
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.contracts.topics import Topic
from tests.compose.commands import run
from tests.compose.deployment import Deployment
from tests.compose.engine import ROOT, build_clean_environment
from tests.compose.steps import wait_until_synced
from tests.support.world import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500, method="signal")]

SERVICES = ("poller", "mapper", "writer")

# Publishes an empty record with the settings of the container that it runs in.
PUBLISH = """
import asyncio, sys
from aiokafka.errors import KafkaError
from services.contracts.topics import Topic
from services.runtime.kafka.client import make_producer
from services.runtime.environment import load
from services.runtime.settings import KafkaSettings

async def main():
    settings = load(KafkaSettings)
    async with make_producer(settings, "test") as producer:
        await producer.send_and_wait(settings.topic(Topic(sys.argv[1])), b"", key=b"c1/7")

try:
    asyncio.run(main())
except KafkaError as error:
    sys.exit(type(error).__name__)
"""

# Inserts a document with the settings of the container that it runs in.
INSERT = """
import sys
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from services.runtime.environment import load
from services.runtime.settings import MongoSettings

settings = load(MongoSettings)
with MongoClient(settings.mongodb_url.get_secret_value()) as client:
    try:
        client[sys.argv[1] or settings.mongodb_database]["probes"].insert_one({})
    except OperationFailure as error:
        sys.exit(f"code {error.code}")
"""


def run_in(deployment: Deployment, service: str, program: str, argument: str) -> str:
    """Runs a program in a container of the service. Returns its last error line; empty if it succeeded."""
    result = deployment.compose("exec", "--no-TTY", service, "python", "-c", program, argument, seconds=60, expect=None)
    return result.errors.strip().splitlines()[-1] if result.code else ""


def find_addresses(deployment: Deployment) -> dict[str, list[str]]:
    """Returns all addresses of the containers of each service, in all networks."""
    return {
        service: [
            network["IPAddress"]
            for container in deployment.list_containers(service)
            for network in deployment.inspect(container)["NetworkSettings"]["Networks"].values()
        ]
        for service in ("kafka", "mongo", *SERVICES)
    }


def try_from_outside(deployment: Deployment, secrets: dict[str, str]) -> dict[str, list[str]]:
    """Returns what an unprivileged process of this machine reaches and gets."""
    argument = json.dumps([find_addresses(deployment), str(deployment.secrets), secrets])
    command = [sys.executable, str(ROOT / "tests" / "compose" / "outsider.py"), argument]
    found: dict[str, Any] = json.loads(run(command, build_clean_environment(), seconds=120).output)
    return found


async def wait_until_healthy(deployment: Deployment) -> None:
    """Returns once all containers of the services are healthy. Their health check sends the token."""

    async def are_healthy() -> bool:
        containers = [container for service in SERVICES for container in deployment.list_containers(service)]
        return {deployment.inspect(container)["State"]["Health"]["Status"] for container in containers} == {"healthy"}

    await wait_until("the services are healthy", are_healthy, 120)


async def test_process_of_the_machine_gets_nothing(deployment: Deployment) -> None:
    """It reaches the addresses of the containers through the bridge, and is refused by each server."""
    await wait_until_healthy(deployment)

    found = try_from_outside(deployment, {})

    assert found["reached"] == ["kafka", "mongo", *SERVICES]
    assert found["got"] == []


async def test_same_process_with_the_secrets_gets_in(deployment: Deployment) -> None:
    """Otherwise the test above would also pass if its attempts failed for another reason."""
    await wait_until_healthy(deployment)
    mongodb = urlsplit((deployment.secrets / "mongodb_admin").read_text(encoding="utf-8"))
    secrets = {
        "kafka": (deployment.secrets / "kafka_cli").read_text(encoding="utf-8"),
        "mongodb": f"{mongodb.username}:{mongodb.password}@",
        "http": (deployment.secrets / "http_token").read_text(encoding="utf-8"),
    }

    found = try_from_outside(deployment, secrets)

    assert found["got"] == [
        "http /health/live",
        "http /health/ready",
        "http /metrics",
        "kafka as the commands on port 9092",
        "mongodb configures",
        "mongodb lists databases",
        "mongodb lists users",
        "mongodb reads",
        "mongodb writes",
    ]


@pytest.mark.parametrize("service", SERVICES)
async def test_service_publishes_to_no_topic_of_others(deployment: Deployment, service: str) -> None:
    """The mapper cannot write outcomes, and a compromised service cannot send changes as the poller does."""
    others = {
        "poller": [Topic.ACCOUNTS_REQUESTED, Topic.ACCOUNT_OUTCOMES, Topic.DEAD_LETTERS],
        "mapper": [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNT_OUTCOMES],
        "writer": [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED],
    }[service]

    answers = {topic: run_in(deployment, service, PUBLISH, topic) for topic in others}

    assert answers == dict.fromkeys(others, "TopicAuthorizationFailedError")


async def test_mapper_cannot_write_to_mongodb(deployment: Deployment) -> None:
    """The mapper decides what an account needs, and takes neither mappings nor accounts in hand."""
    assert run_in(deployment, "mapper", INSERT, "") == "code 13"
    assert run_in(deployment, "writer", INSERT, "another_database") == "code 13"
    assert run_in(deployment, "writer", INSERT, "") == ""


async def test_commands_have_the_rights_that_they_need(synced: Deployment) -> None:
    """Replay and dead letters read and write topics as the user of the commands."""
    assert re.fullmatch(r"\d+ read, \d+ published\n", synced.run_cli("replay").output)
    assert synced.run_cli("dead-letters", "list").output
    assert synced.run_cli("dead-letters", "retry").output

    await wait_until_synced(synced)


async def test_environment_of_the_containers_has_no_secret(deployment: Deployment) -> None:
    """`docker inspect` and error reports show environments and arguments."""
    secrets = [file.read_text(encoding="utf-8") for file in deployment.secrets.iterdir()]
    passwords = [secret.rpartition("@")[0].rpartition(":")[2] or secret for secret in secrets]
    for service in ("kafka", "mongo", *SERVICES):
        for container in deployment.list_containers(service):
            description = json.dumps(deployment.inspect(container)) + deployment.compose("top", service).output

            assert [password for password in passwords if password in description] == []


async def test_containers_have_their_bounds(deployment: Deployment) -> None:
    """The engine enforces the limits of docker-compose.yml."""
    for service in ("kafka", "mongo", *SERVICES):
        limits = deployment.inspect(deployment.list_containers(service)[0])["HostConfig"]

        assert limits["Memory"] > 0
        assert limits["PidsLimit"] > 0
        assert limits["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
