"""Tools of the end-to-end tests: installations, access to both sides, and conditions to wait for."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from sandbox.installation import SERVICES, Installation
from services.admin import status
from services.contracts.ids import ConnectionId
from services.contracts.topics import Topic
from services.runtime.clock import SystemClock
from services.store.database import Store
from tests.support.http import open_http
from tests.support.servers import KafkaServers, MongoServers

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
"""The SCIM schema that has the manager of an account."""

QUICK = {
    "POLL_INTERVAL_SECONDS": "2",
    "POLL_FULL_SCAN_SECONDS": "5",
    "POLL_TASKS_EVERY_SECONDS": "0.2",
    "POLL_LEASE_SECONDS": "4",
    "POLL_PERSONIO_PER_MINUTE": "60000",
    "POLL_PERSONIO_LOGINS_PER_MINUTE": "60000",
    "KAFKA_SESSION_TIMEOUT_MS": "3000",
    "KAFKA_PARTITIONS": "6",
    "WRITER_RETRY_SECONDS": "0.5",
    "WRITER_LATE_WRITE_SECONDS": "5",
}
"""Settings with short intervals and timeouts."""


def make_settings(kafka: KafkaServers, mongo: MongoServers) -> dict[str, str]:
    """Returns the settings of an installation on these servers, with its own topics and database."""
    name = f"e2e-{secrets.token_hex(4)}"
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": f"{name}-",
        "MONGODB_URL": mongo.url,
        "MONGODB_DATABASE": name,
    }


class Sides(Protocol):
    """Addresses of both systems of an installation or of the compose containers."""

    @property
    def personio(self) -> str:
        """The sandbox Personio, with its control API."""
        ...

    @property
    def declaree(self) -> str:
        """The sandbox Declaree, with its control API."""
        ...

    @property
    def scim(self) -> str:
        """The SCIM server that the writer writes to."""
        ...


def make_installation(
    folder: Path,
    *,
    active: int,
    seed: int,
    services: tuple[str, ...] = SERVICES,
    settings: Mapping[str, str] | None = None,
    service_settings: Mapping[str, str] | None = None,
    declaree_options: tuple[str, ...] = (),
    scim_url: str | None = None,
    starts_connection: bool = True,
) -> Installation:
    """Returns an installation in ``folder``. Its sandbox Personio has no rate limit, because the tests read it often."""
    return Installation(
        folder / "data",
        active=active,
        seed=seed,
        services=services,
        settings={**QUICK, **(settings or {})},
        service_settings=service_settings,
        personio_options=("--no-rate-limit",),
        declaree_options=declaree_options,
        scim_url=scim_url,
        starts_connection=starts_connection,
    )


async def wait_until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Waits until the condition is true; raises ``AssertionError`` with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.2)


@asynccontextmanager
async def open_store(installation: Installation) -> AsyncIterator[Store]:
    """Opens the store on the database of an installation."""
    environment = installation.environment
    database = environment.get("MONGODB_DATABASE", "personio_declaree")
    store = Store.connect(
        SecretStr(environment["MONGODB_URL"]), database, [SecretStr(environment["ENCRYPTION_KEYS"])], timeout_ms=10_000
    )
    try:
        yield store
    finally:
        store.close()


async def get_connection_id(installation: Installation) -> ConnectionId:
    """Returns the id of the first connection, which the installation adds at its first start."""
    async with open_store(installation) as store:
        return (await store.connections.list_all())[0].id


async def list_accounts(sides: Sides, key: str = "demo-key") -> list[dict[str, Any]]:
    """Returns all accounts of the SCIM server that the writer writes to."""
    accounts: list[dict[str, Any]] = []
    async with open_http(headers={"Authorization": f"Bearer {key}"}) as client:
        while True:
            url = f"{sides.scim}/Users?startIndex={len(accounts) + 1}&count=100"
            page = (await client.get(url)).json()
            accounts += page.get("Resources", [])
            if len(accounts) >= page["totalResults"]:
                return accounts


async def list_employees(sides: Sides) -> dict[str, dict[str, Any]]:
    """Returns the attributes of all employees of the sandbox Personio, by employee id."""
    employees: dict[str, dict[str, Any]] = {}
    async with open_http(base_url=sides.personio) as client:
        answer = await client.post("/v1/auth", json={"client_id": "demo-client", "client_secret": "demo-secret"})
        headers = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
        while True:
            url = f"/v1/company/employees?limit=100&offset={len(employees)}"
            page = (await client.get(url, headers=headers)).json()
            for item in page["data"]:
                attributes = {key: value["value"] for key, value in item["attributes"].items()}
                employees[str(attributes["id"])] = attributes
            if len(employees) >= page["metadata"]["total_elements"]:
                return employees


async def find_differences(sides: Sides, *, prefix: str = "", strangers: Container[str] = ()) -> list[str]:
    """Returns one line for each difference between the employees and their accounts; an empty list if all are exact.

    Compares names, e-mail, manager and the enabled state. Also finds second accounts of one employee, and accounts
    without an employee. ``prefix`` is the prefix of the external ids; ``strangers`` are the accounts to leave out.
    """
    employees, accounts = await list_employees(sides), await list_accounts(sides)
    by_employee: dict[str, list[dict[str, Any]]] = {}
    for account in accounts:
        if account["id"] not in strangers:
            by_employee.setdefault(account.get("externalId", "none").removeprefix(prefix), []).append(account)
    differences = [f"{len(group)} accounts for {key}" for key, group in by_employee.items() if len(group) > 1]
    differences += [f"account without an employee: {key}" for key in by_employee.keys() - employees.keys()]
    for key, employee in employees.items():
        if employee["status"] == "active":
            differences += _compare(key, employees, by_employee)
        elif employee["status"] == "inactive" and any(account["active"] for account in by_employee.get(key, [])):
            differences.append(f"{key} has left and is enabled")
    return differences


def _compare(key: str, employees: dict[str, dict[str, Any]], accounts: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Returns the differences of one active employee; ``accounts`` are grouped by employee id."""
    if key not in accounts:
        return [f"{key} has no account"]
    employee, account = employees[key], accounts[key][0]
    supervisor = employee["supervisor"]
    chief = str(supervisor["attributes"]["id"]["value"]) if supervisor else None
    manager = accounts[chief][0]["id"] if chief in accounts and employees[chief]["status"] == "active" else None
    live_manager = account.get(ENTERPRISE, {}).get("manager", {}).get("value")
    expected = {
        "givenName": employee["first_name"].strip(),
        "familyName": employee["last_name"].strip(),
        "userName": employee["email"].strip(),
        "active": True,
    }
    live = {**account["name"], **account}
    differences = [f"{key}: {name}" for name, value in expected.items() if live.get(name) != value]
    return [*differences, f"{key}: manager"] if manager is not None and live_manager != manager else differences


async def read_journal(sides: Sides) -> list[dict[str, Any]]:
    """Returns the requests that the sandbox Declaree has received, oldest first."""
    async with open_http(base_url=sides.declaree) as client:
        answer = (await client.get("/_control/journal", params={"limit": "100000"})).json()
        entries: list[dict[str, Any]] = answer["entries"] if isinstance(answer, dict) else answer
        return entries


async def clear_journal(sides: Sides) -> None:
    """Deletes the entries of the sandbox Declaree's journal."""
    async with open_http(base_url=sides.declaree) as client:
        (await client.delete("/_control/journal")).raise_for_status()


async def call_control(sides: Sides, method: str, path: str, **body: Any) -> Any:
    """Sends a request to the control API of the sandbox Personio; returns the decoded answer, None if it is empty."""
    async with open_http(base_url=sides.personio) as client:
        answer = await client.request(method, f"/_control{path}", content=json.dumps(body))
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def wait_for_rest(installation: Installation, seconds: float = 60) -> None:
    """Waits until all active employees have an account, no change is open or waiting, and all offsets are committed."""
    last: list[status.Status] = []

    try:
        async with open_store(installation) as store:

            async def is_settled() -> bool:
                last[:] = await status.get_status(store, now=SystemClock().now())
                return all(
                    entry.active and entry.accounts >= entry.active and not entry.balance and not entry.waiting
                    for entry in last
                )

            await wait_until("balance 0 and an account for every active employee", is_settled, seconds)
    except AssertionError as error:
        counts = [(entry.active, entry.accounts, entry.balance, entry.waiting, entry.outcomes) for entry in last]
        causes = await _count_causes(installation)
        raise AssertionError(
            f"{error}: active, accounts, balance, waiting, outcomes are {counts}, causes {causes}"
        ) from None
    await wait_until_committed(installation, seconds)


async def _count_causes(installation: Installation) -> dict[str, int]:
    async with open_store(installation) as store:
        return {cause.value: number for cause, number in (await store.counters.count_waiting_by_cause()).items()}


async def wait_until_committed(installation: Installation, seconds: float = 60) -> None:
    """Waits until mapper and writer have committed every record of their topics."""
    environment = installation.environment
    servers, prefix = environment["KAFKA_BOOTSTRAP_SERVERS"], environment.get("KAFKA_TOPIC_PREFIX", "")
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    consumer = AIOKafkaConsumer(
        prefix + Topic.EMPLOYEES_CHANGED.value, prefix + Topic.ACCOUNTS_REQUESTED.value, bootstrap_servers=servers
    )

    async def has_committed(group: str, topic: Topic) -> bool:
        partitions = [partition for partition in consumer.assignment() if partition.topic == prefix + topic.value]
        ends = {partition: end for partition, end in (await consumer.end_offsets(partitions)).items() if end}
        offsets = await admin.list_consumer_group_offsets(prefix + group)
        return all(partition in offsets and offsets[partition].offset >= end for partition, end in ends.items())

    async def have_both_committed() -> bool:
        # the mapper first: its commit proves that its requests are in the writer's topic
        return await has_committed("mapper", Topic.EMPLOYEES_CHANGED) and await has_committed(
            "writer", Topic.ACCOUNTS_REQUESTED
        )

    await admin.start()
    await consumer.start()
    try:
        await wait_until("mapper and writer have committed every record", have_both_committed, seconds)
    finally:
        await consumer.stop()
        await admin.close()


async def wait_until_exact(sides: Sides, seconds: float = 60) -> None:
    """Waits until every account is exact; raises ``AssertionError`` with the first differences after ``seconds``."""
    last: list[str] = []

    async def is_exact() -> bool:
        last[:] = await find_differences(sides)
        return not last

    try:
        await wait_until("both sides agree", is_exact, seconds)
    except AssertionError:
        raise AssertionError(f"{len(last)} differences: {last[:8]}") from None
