"""What the end-to-end tests ask of an installation: both sides compared, and conditions waited for."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from sandbox.installation import SERVICES, Installation
from services.admin import overview
from services.contracts.ids import ConnectionId
from services.contracts.topics import Topic
from services.store.database import Store
from tests.stack import KafkaServers, MongoServers

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


QUICK = {
    "POLL_INTERVAL_SECONDS": "2",
    "POLL_REQUESTS_EVERY_SECONDS": "0.2",
    "POLL_LEASE_SECONDS": "4",
    "POLL_PERSONIO_PER_MINUTE": "60000",
    "KAFKA_SESSION_TIMEOUT_MS": "3000",
    "KAFKA_PARTITIONS": "6",
    "WRITER_PROBE_SECONDS": "0.5",
}
"""Settings that make everything happen soon."""


def shared(kafka: KafkaServers, mongo: MongoServers) -> dict[str, str]:
    """Settings of an installation on the session's servers, with topics and a database of its own."""
    name = f"e2e-{secrets.token_hex(4)}"
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": f"{name}-",
        "MONGODB_URL": mongo.url,
        "MONGODB_DATABASE": name,
    }


class Sides(Protocol):
    """The addresses of both systems, of whatever runs in between: an installation, or the containers of compose."""

    @property
    def personio(self) -> str: ...

    @property
    def declaree(self) -> str:
        """The sandbox Declaree, with its control API."""
        ...

    @property
    def scim(self) -> str:
        """The SCIM server that is written to."""
        ...


def installed(
    folder: Path,
    *,
    active: int,
    seed: int,
    services: tuple[str, ...] = SERVICES,
    settings: Mapping[str, str] | None = None,
    of_services: Mapping[str, str] | None = None,
    declaree_options: tuple[str, ...] = (),
    scim_url: str | None = None,
) -> Installation:
    """The whole product in a folder of the test's own. The sandbox Personio has no limits: the tests look often."""
    return Installation(
        folder / "data",
        active=active,
        seed=seed,
        services=services,
        settings={**QUICK, **(settings or {})},
        of_services=of_services,
        personio_options=("--no-rate-limit",),
        declaree_options=declaree_options,
        scim_url=scim_url,
    )


async def until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Waits for a condition; fails with its name when it does not come."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.2)


@asynccontextmanager
async def store_of(installation: Installation) -> AsyncIterator[Store]:
    environment = installation.environment
    database = environment.get("MONGODB_DATABASE", "personio_declaree")
    store = Store.connect(
        SecretStr(environment["MONGODB_URL"]), database, [SecretStr(environment["ENCRYPTION_KEYS"])], timeout_ms=10_000
    )
    try:
        yield store
    finally:
        store.close()


async def connection_of(installation: Installation) -> ConnectionId:
    """The first one, which an installation makes by itself."""
    async with store_of(installation) as store:
        return (await store.connections.listed())[0].id


async def accounts(sides: Sides, key: str = "demo-key") -> list[dict[str, Any]]:
    """Every account in the SCIM server that is written to."""
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        while True:
            url = f"{sides.scim}/Users?startIndex={len(found) + 1}&count=100"
            page = (await client.get(url)).json()
            found += page.get("Resources", [])
            if len(found) >= page["totalResults"]:
                return found


async def employees(sides: Sides) -> dict[str, dict[str, Any]]:
    """Every employee of the sandbox Personio by id, as the vendor's API shows them."""
    found: dict[str, dict[str, Any]] = {}
    async with httpx.AsyncClient(base_url=sides.personio) as client:
        answer = await client.post("/v1/auth", json={"client_id": "demo-client", "client_secret": "demo-secret"})
        headers = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
        while True:
            url = f"/v1/company/employees?limit=100&offset={len(found)}"
            page = (await client.get(url, headers=headers)).json()
            for item in page["data"]:
                attributes = {key: value["value"] for key, value in item["attributes"].items()}
                found[str(attributes["id"])] = attributes
            if len(found) >= page["metadata"]["total_elements"]:
                return found


async def differences(sides: Sides) -> list[str]:
    """What is not exactly right: names, e-mail, supervisor and enabled, of everybody; duplicates; strangers."""
    people, found = await employees(sides), await accounts(sides)
    by_employee: dict[str, list[dict[str, Any]]] = {}
    for account in found:
        by_employee.setdefault(account.get("externalId", "none"), []).append(account)
    wrong = [f"{len(group)} accounts for {key}" for key, group in by_employee.items() if len(group) > 1]
    wrong += [f"account of nobody: {key}" for key in by_employee.keys() - people.keys()]
    for key, person in people.items():
        if person["status"] == "active":
            wrong += _wrong(key, person, people, by_employee)
        elif person["status"] == "inactive" and any(account["active"] for account in by_employee.get(key, [])):
            wrong.append(f"{key} has left and is enabled")
    return wrong


def _wrong(
    key: str, person: dict[str, Any], people: dict[str, dict[str, Any]], accounts: dict[str, list[dict[str, Any]]]
) -> list[str]:
    if key not in accounts:
        return [f"{key} has no account"]
    account = accounts[key][0]
    supervisor = person["supervisor"]
    chief = str(supervisor["attributes"]["id"]["value"]) if supervisor else None
    manager = accounts[chief][0]["id"] if chief in accounts and people[chief]["status"] == "active" else None
    held = account.get(ENTERPRISE, {}).get("manager", {}).get("value")
    expected = {
        "givenName": person["first_name"].strip(),
        "familyName": person["last_name"].strip(),
        "userName": person["email"].strip(),
        "active": True,
    }
    shown = {**account["name"], **account}
    wrong = [f"{key}: {name}" for name, value in expected.items() if shown.get(name) != value]
    return [*wrong, f"{key}: manager"] if manager is not None and held != manager else wrong


async def journal(sides: Sides) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=sides.declaree) as client:
        answer = (await client.get("/_control/journal", params={"limit": "100000"})).json()
        found: list[dict[str, Any]] = answer["entries"] if isinstance(answer, dict) else answer
        return found


async def forget_journal(sides: Sides) -> None:
    async with httpx.AsyncClient(base_url=sides.declaree) as client:
        (await client.delete("/_control/journal")).raise_for_status()


async def control(sides: Sides, method: str, path: str, **body: Any) -> Any:
    """The control API of the sandbox Personio."""
    async with httpx.AsyncClient(base_url=sides.personio) as client:
        answer = await client.request(method, f"/_control{path}", content=json.dumps(body))
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def at_rest(installation: Installation, seconds: float = 60) -> None:
    """Everybody active has an account, nothing is on its way, and every record is committed."""
    last: list[overview.Status] = []

    try:
        async with store_of(installation) as store:

            async def settled() -> bool:
                last[:] = await overview.status(store)
                return all(
                    each.active and each.accounts >= each.active and not each.balance and not each.waiting
                    for each in last
                )

            await until("balance 0 and an account for everybody active", settled, seconds)
    except AssertionError as error:
        counts = [(each.active, each.accounts, each.balance, each.waiting, each.outcomes) for each in last]
        raise AssertionError(f"{error}: active, accounts, balance, waiting, outcomes are {counts}") from None
    await drained(installation, seconds)


async def drained(installation: Installation, seconds: float = 60) -> None:
    """Mapper and writer have committed everything: what was sent is done, whatever came of it."""
    environment = installation.environment
    servers, prefix = environment["KAFKA_BOOTSTRAP_SERVERS"], environment.get("KAFKA_TOPIC_PREFIX", "")
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    consumer = AIOKafkaConsumer(
        prefix + Topic.EMPLOYEES_CHANGED.value, prefix + Topic.ACCOUNTS_REQUESTED.value, bootstrap_servers=servers
    )

    async def committed(group: str, topic: Topic) -> bool:
        places = [place for place in consumer.assignment() if place.topic == prefix + topic.value]
        ends = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
        offsets = await admin.list_consumer_group_offsets(prefix + group)
        return all(place in offsets and offsets[place].offset >= end for place, end in ends.items())

    async def both() -> bool:
        # in this order: what the mapper has committed stands in the writer's topic
        return await committed("mapper", Topic.EMPLOYEES_CHANGED) and await committed(
            "writer", Topic.ACCOUNTS_REQUESTED
        )

    await admin.start()
    await consumer.start()
    try:
        await until("everything is committed", both, seconds)
    finally:
        await consumer.stop()
        await admin.close()


async def exact(sides: Sides, seconds: float = 60) -> None:
    """Both sides agree in everything that is mapped."""
    last: list[str] = []

    async def agrees() -> bool:
        last[:] = await differences(sides)
        return not last

    try:
        await until("both sides agree", agrees, seconds)
    except AssertionError:
        raise AssertionError(f"{len(last)} differences: {last[:8]}") from None
