"""Documents and records that cannot be understood, one after the other in a running system with two companies.

Each concerns its owner alone and is reported there. The other company's next change arrives, no process ends, and repairing the
document is enough.
"""

import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from sandbox.installation import SERVICES, Installation
from services.admin.people import find_people_needing_attention
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.topics import Topic
from tests.e2e.troubles import (
    Company,
    Logs,
    add_company,
    get_status,
    list_letters,
    open_database,
    produce,
    wait_for_account,
    wait_until_synced,
)
from tests.support.http import open_http
from tests.support.world import (
    call_control,
    get_connection_id,
    list_accounts,
    make_installation,
    open_store,
    wait_until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

SETTINGS = {"POLL_INTERVAL_SECONDS": "1", "KAFKA_PARTITIONS": "2", "KAFKA_SESSION_TIMEOUT_MS": "6000"}
"""Settings with few partitions: both companies share each of them."""


USUAL_HIRES = 5
"""Hires without a damaged document, of which the slowest shows how long one takes usually."""
PATIENCE_SECONDS = 5.0
"""How much longer a hire may take beside a damaged document: less than the pause after repeated failures. A poll begins each second."""


@dataclass(frozen=True, slots=True)
class Neighbour(Company):
    """The company that must notice nothing."""

    usual_seconds: float = 0.0
    """Seconds that one of its hires takes at most, while no document is damaged."""

    async def wait_for_hire(self, employee: str) -> None:
        """Waits for the account of an employee that was hired just now: it comes in its usual time."""
        took = await measure_hire(self, employee)

        assert took <= self.usual_seconds + PATIENCE_SECONDS


async def measure_hire(company: Company, employee: str) -> float:
    """Returns the seconds until the employee has an account."""
    began = time.monotonic()
    await wait_for_account(company, employee)
    return time.monotonic() - began


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The installation of all tests."""
    folder = tmp_path_factory.mktemp("damage")
    async with make_installation(folder, active=10, seed=29, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
async def damaged(installation: Installation) -> Company:
    """The company with the damaged document."""
    return Company(await get_connection_id(installation), installation.personio, installation.declaree)


@pytest.fixture(scope="module")
async def other(installation: Installation, damaged: Company) -> Neighbour:
    """The company that must notice nothing."""
    company = await add_company(installation, "suedwind")
    await wait_until_synced(installation, damaged, company)
    usual = max([await measure_hire(company, await hire(installation)) for _ in range(USUAL_HIRES)])
    return Neighbour(company.id, company.personio, company.declaree, usual)


@pytest.fixture
async def logs(installation: Installation, damaged: Company, other: Neighbour) -> AsyncIterator[Logs]:
    """The logs of one test, before and after which all accounts are exact, and no process has ended."""
    await wait_until_synced(installation, damaged, other)
    before = {service: installation.processes[service].pid for service in SERVICES}

    yield Logs(installation)

    await wait_until_synced(installation, damaged, other)
    assert all(installation.processes[service].is_running for service in SERVICES)
    assert {service: installation.processes[service].pid for service in SERVICES} == before


async def hire(installation: Installation) -> str:
    """Adds an employee of both companies; returns the employee id."""
    return str((await call_control(installation, "POST", "/employees"))["id"])


async def rename(installation: Installation, employee: str, name: str) -> None:
    """Renames an employee of both companies."""
    await call_control(installation, "POST", f"/employees/{employee}/rename", last_name=name)


async def wait_for_name(company: Company, employee: str, name: str) -> None:
    """Waits until the employee's account has this last name."""

    async def has_name() -> bool:
        accounts = {account.get("externalId"): account for account in await list_accounts(company)}
        return employee in accounts and accounts[employee]["name"]["familyName"] == name

    await wait_until(f"the account of {employee} has the name {name}", has_name)


async def wait_for_reason(installation: Installation, company: Company, state: str, text: str) -> None:
    """Waits until `people list` has an employee in this state with this text as a part of the reason."""
    async with open_store(installation) as store:

        async def is_listed() -> bool:
            people = [person async for person in find_people_needing_attention(store, company.id)]
            return any(person.state == state and text in person.reason for person in people)

        await wait_until(f"an employee is {state}: {text}", is_listed)


async def wait_for_problem(installation: Installation, company: Company, text: str) -> None:
    """Waits until `status` has this text for the company, as a problem or as the error of the last poll."""

    async def is_shown() -> bool:
        status = await get_status(installation, company)
        return text in "".join([*status.problems, (status.last_run and status.last_run.error) or ""])

    await wait_until(f"the status shows {text!r}", is_shown)


async def change_document(
    installation: Installation, collection: str, key: str, change: dict[str, Any]
) -> dict[str, Any]:
    """Changes a document without the product's store; returns what it was."""
    async with open_database(installation) as database:
        document = await database[collection].find_one_and_update({"_id": key}, change)
    assert document is not None
    return document


async def set_fields(installation: Installation, collection: str, key: str, fields: dict[str, Any]) -> None:
    """Sets fields of a document, as an administrator repairs it."""
    await change_document(installation, collection, key, {"$set": fields})


# ------------------------------------------------------------ employees


async def test_ledger_entry_with_an_unknown_outcome(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs
) -> None:
    """Its employee waits with the reason. The stored outcome is read again as soon as it is repaired."""
    person = await hire(installation)
    await wait_for_account(damaged, person)
    await other.wait_for_hire(person)
    await wait_until_synced(installation, damaged, other)
    key = f"{damaged.id}/{person}"
    entry = await change_document(installation, "ledger", key, {"$set": {"decided.outcome": "from-the-future"}})

    await rename(installation, person, "Neuland")
    colleague = await hire(installation)

    await wait_for_name(other, person, "Neuland")
    await other.wait_for_hire(colleague)
    await wait_for_account(damaged, colleague)
    await wait_for_reason(installation, damaged, "waiting", "the employee's ledger entry cannot be read")
    await logs.wait_for("writer", "ledger entry has invalid fields: decided")

    await set_fields(installation, "ledger", key, {"decided.outcome": entry["decided"]["outcome"]})
    await wait_for_name(damaged, person, "Neuland")


async def test_snapshot_with_a_missing_field(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs
) -> None:
    """Its employee is listed with the field. The next poll after the repair transfers the change."""
    person = await hire(installation)
    await wait_for_account(damaged, person)
    await wait_until_synced(installation, damaged, other)
    key = f"{damaged.id}/{person}"
    snapshot = await change_document(installation, "snapshots", key, {"$unset": {"content_hash": True}})

    await rename(installation, person, "Weitweg")
    colleague = await hire(installation)

    await wait_for_name(other, person, "Weitweg")
    await wait_for_account(damaged, colleague)
    await wait_for_reason(
        installation, damaged, "unreadable", f"Snapshot {key} has invalid fields (content_hash): upgrade"
    )
    assert (await get_status(installation, damaged)).unreadable == 1
    await logs.wait_for("poller", "a document cannot be read", "(content_hash): upgrade all services")

    await set_fields(installation, "snapshots", key, {"content_hash": snapshot["content_hash"]})
    await wait_for_name(damaged, person, "Weitweg")
    assert (await get_status(installation, damaged)).unreadable == 0


async def test_damaged_claim(installation: Installation, damaged: Company, other: Neighbour, logs: Logs) -> None:
    """The employee that asks for the account waits with the reason, until the claim is repaired."""
    person = await hire(installation)
    await wait_for_account(damaged, person)
    await wait_until_synced(installation, damaged, other)
    async with open_database(installation) as database:
        claim = await database["claims"].find_one_and_update(
            {"owner": f"{damaged.id}/{person}", "claimed": {"$regex": '"account"'}}, {"$set": {"owner": "?"}}
        )
        await database["ledger"].delete_one({"_id": f"{damaged.id}/{person}"})
    assert claim is not None

    await rename(installation, person, "Ausland")

    await wait_for_name(other, person, "Ausland")
    await wait_for_reason(installation, damaged, "waiting", "a document about the account cannot be read")
    await logs.wait_for("writer", "a document cannot be read", "has no valid owner")

    await set_fields(installation, "claims", claim["_id"], {"owner": claim["owner"]})
    await wait_for_name(damaged, person, "Ausland")


# ------------------------------------------------------------ companies


@pytest.mark.parametrize("field", ["mapping.format_version", "mapping.rules"])
@pytest.mark.promise("P10")
async def test_mapping_of_a_newer_version(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs, field: str
) -> None:
    """The polls of its company fail, with what to do. The next one after the repair transfers the change."""
    key = f"{damaged.id}/1"
    mapping = await change_document(installation, "mappings", key, {"$set": {field: 2}})

    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_for_problem(installation, damaged, f"the stored PublishedMapping {key} has invalid fields ({field})")
    await logs.wait_for("poller", "poll failed", f"({field})")
    assert await list_letters(installation, person) == []

    name = field.partition(".")[2]
    await set_fields(installation, "mappings", key, {field: mapping["mapping"][name]})
    await wait_for_account(damaged, person)


def seal(installation: Installation, content: object) -> str:
    """Returns a token of the right key with other content, as another version may have written."""
    key = installation.environment["ENCRYPTION_KEYS"]
    assert len(base64.urlsafe_b64decode(key)) == 32
    return Fernet(key).encrypt(json.dumps(content).encode()).decode()


@pytest.mark.parametrize("form", ["gAAAü", "without its fields", "of another format"])
async def test_secret_of_another_form(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs, form: str
) -> None:
    """The polls and the changes of its company stop, with what to do. The restored secret is enough."""
    token: object = {"gAAAü": "gAAAü", "of another format": {"v": 2}}.get(form) or seal(installation, {"v": 2})
    stored = await change_document(installation, "connections", damaged.id, {"$set": {"declaree.key": token}})

    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_for_problem(installation, damaged, f"the secret {damaged.id}/declaree.key")
    await wait_for_problem(installation, damaged, f"`connections secrets {damaged.id} --declaree`")
    await logs.wait_for("poller", "poll failed", f"the secret {damaged.id}/declaree.key")

    await set_fields(installation, "connections", damaged.id, {"declaree.key": stored["declaree"]["key"]})
    await wait_for_account(damaged, person)


async def test_connection_with_an_invalid_field(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs
) -> None:
    """The status names the field. The repaired connection is polled again."""
    stored = await change_document(installation, "connections", damaged.id, {"$set": {"state": "dreaming"}})

    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_for_problem(installation, damaged, f"the stored Connection {damaged.id} has invalid fields (state)")

    await set_fields(installation, "connections", damaged.id, {"state": stored["state"]})
    await wait_for_account(damaged, person)


@pytest.mark.parametrize("collection", ["runs", "tasks", "links", "verifications", "work_ranges", "leases"])
async def test_other_document(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs, collection: str
) -> None:
    """A document of any other collection that has nothing but its ids stops no company."""
    now = datetime.now(UTC)
    content: dict[str, Any] = {"connection_id": damaged.id, "state": "open", "started": now, "open": True}
    keys = {
        "leases": f"connection/{damaged.id}",
        "work_ranges": f"{Topic.ACCOUNTS_REQUESTED.value}/0",
        "verifications": damaged.id,
    }
    async with open_database(installation) as database:
        await database[collection].replace_one({"_id": keys.get(collection, "x")}, content, upsert=True)
        await database[collection].insert_one({"_id": "y", "state": "open"})

    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_for_account(damaged, person)
    await get_status(installation, damaged)
    async with open_database(installation) as database:
        await database[collection].delete_many({"_id": {"$in": ["x", "y", damaged.id]}})


# ------------------------------------------------------------ records and answers


@pytest.mark.parametrize(("field", "value"), [("intent", "teleport"), ("schema_version", 2)])
async def test_request_of_a_newer_kind(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs, field: str, value: object
) -> None:
    """That record alone becomes a dead letter, which names the field."""
    request = {
        "schema_version": 1, "connection_id": damaged.id, "employee_id": "4711", "revision": 1, "mapping_version": 1,
        "detected_at": "2026-03-09T08:30:00Z", "intent": "ignore", field: value,
    }  # fmt: skip

    await produce(installation, Topic.ACCOUNTS_REQUESTED, f"{damaged.id}/4711", json.dumps(request).encode())
    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_for_account(damaged, person)
    await logs.wait_for("writer", "record became a dead letter", "upgrade this service")
    letter = (await list_letters(installation, "4711"))[-1].letter
    assert letter.reason == "wrong-schema"
    assert letter.fields == field


@pytest.mark.parametrize("size", [2_000, 9_000_000])
async def test_account_id_of_any_size(
    installation: Installation, damaged: Company, other: Neighbour, logs: Logs, size: int
) -> None:
    """An id above 1 KB is refused. A look finds the account, and nothing of the id is stored."""
    fault = {"kind": "large_id", "method": "POST", "path": "/Users", "after_commit": True, "id_bytes": size}
    async with open_http(base_url=damaged.declaree) as client:
        (await client.post("/_control/faults", json=fault)).raise_for_status()

    person = await hire(installation)

    await other.wait_for_hire(person)
    await wait_until_synced(installation, damaged, other)
    async with open_store(installation) as store:
        entry = await store.ledger.get(PersonKey(damaged.id, EmployeeId(person)))
    assert entry is not None
    assert len(entry.account_id or "") < 100
