"""`doctor` on real servers: its texts, its exit code, and that it works while parts are down."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceCatalogue
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.runtime.clock import SystemClock
from services.store.database import Store
from tests.component.cli.conftest import Serve, add_connection, store_run
from tests.support.command_line import KEY, SECRET, Cli, Transcript
from tests.support.keys import make_key

pytestmark = [pytest.mark.mongo, pytest.mark.kafka]

REPLACEMENTS = {
    r"\bversion \d+\.\d+\.\d+\b": "version VERSION",
    r"\bt[0-9a-f]{6}-": "",
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d UTC": "TIME",
    r"\b\d{4}-\d\d-\d\d\b": "DAY",
    r"\b\d{2,3} s (behind|ahead of)": r"SECONDS s \1",
    r"\bn[0-9a-f]{16}\b": "RUN",
}


@pytest.fixture
def store(kafka_store: Store) -> Store:
    """The store that the commands use."""
    return kafka_store


@pytest.fixture
def personio() -> State:
    """A company's Personio."""
    return State.generate(employees=1, credential=Credential("papi-1", SECRET))


@pytest.fixture
async def connection(kafka_cli: Cli, store: Store, serve: Serve, personio: State) -> ConnectionId:
    """A connection between two sandboxes that was started, with a poll that has just ended."""
    urls = {
        "personio": serve(create_personio(personio)),
        "declaree": serve(create_declaree(Declaree(api_key=KEY))) + BASE_PATH,
    }
    options = (f"--{name}-url={url}" for name, url in urls.items())
    added = await asyncio.to_thread(add_connection, kafka_cli, *options)
    now = SystemClock().now()
    await store.connections.start(added, now=now)
    await store.schedule.set_next_poll(added, now + timedelta(hours=1))
    await store_run(store, added, now=now, state=RunState.SUCCEEDED)
    return added


async def store_trouble(store: Store, connection: ConnectionId, now: datetime) -> None:
    """Stores a held run, an overdue poll, and changed attributes, one of which the default mapping reads."""
    changes = tuple(
        AttributeChange(key=key, label=key, kind=kind, at=now, type="standard")
        for key, kind in {"supervisor": AttributeChangeKind.VANISHED, "team": AttributeChangeKind.NEW}.items()
    )
    await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=(), changes=changes))
    await store.schedule.set_next_poll(connection, now - timedelta(hours=1))
    await store_run(store, connection, now=now, state=RunState.HELD, error="12 people left at once.")


async def test_texts_of_doctor(
    kafka_cli: Cli, store: Store, services: None, connection: ConnectionId, personio: State
) -> None:
    """A finding has the next step. The exit code is 1 if there is a problem."""
    doctor = Transcript(kafka_cli, REPLACEMENTS)

    async def record(situation: str, *arguments: str, **environment: str) -> None:
        await asyncio.to_thread(doctor.record, situation, "doctor", *arguments, **environment)

    await record("Nothing to do.")
    personio.behaviour = Behaviour(
        deprecation="@1798758000", sunset="Wed, 30 Jun 2032 23:59:59 GMT", date_offset_seconds=-30
    )
    await record("An announced end, and a clock that is behind.", connection)
    await store_trouble(store, connection, SystemClock().now())
    await asyncio.to_thread(kafka_cli, "connections", "secrets", connection, "--declaree", DECLAREE_KEY="wrong")
    await record("Problems of a connection.", connection)
    await record("An unknown connection.", "c-unknown")
    await record("Kafka does not answer.", connection, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    await record("MongoDB does not answer.", MONGODB_URL="mongodb://127.0.0.1:9", MONGODB_TIMEOUT_MS="200")

    doctor.compare("doctor")


async def test_doctor_without_services_names_each(kafka_cli: Cli) -> None:
    """Nothing has to be connected, and the exit code is 1."""
    result = await asyncio.to_thread(kafka_cli, "doctor", "--json")

    report = json.loads(result.output)
    problems = {finding["subject"] for finding in report["deployment"] if finding["problem"]}
    assert result.exit_code == 1
    assert problems == {"poller", "mapper", "writer"}
    assert report["connections"] == []


async def test_doctor_prints_neither_secrets_nor_people(
    kafka_cli: Cli, services: None, connection: ConnectionId, personio: State
) -> None:
    """The report can be attached to a ticket."""
    result = await asyncio.to_thread(kafka_cli, "doctor", connection, "--json")

    employees = personio.company.list_employees()
    names = [str(employee.values[key]) for employee in employees for key in ("first_name", "last_name", "email")]
    assert result.exit_code == 0
    assert [text for text in (SECRET, KEY, *names) if text in result.output] == []


async def test_doctor_with_another_encryption_key_names_the_connection(
    kafka_cli: Cli, services: None, connection: ConnectionId
) -> None:
    """Its systems are not asked, and everything else is examined."""
    result = await asyncio.to_thread(kafka_cli, "doctor", "--json", ENCRYPTION_KEYS=make_key())

    report = json.loads(result.output)
    overall = {finding["subject"]: finding["problem"] for finding in report["deployment"]}
    (found,) = report["connections"]
    subjects = [finding["subject"] for finding in found["findings"]]
    assert result.exit_code == 1
    assert connection in overall["connections"]
    assert "Personio" not in subjects
    assert {"stored data", "last poll", "Personio secret"} <= set(subjects)
