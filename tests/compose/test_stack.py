"""The stack as an operator starts it, on a container engine: `make compose-test`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.compose.commands import run
from tests.compose.engine import COMPOSE_FILE, Engine, clean_environment
from tests.compose.stack import IMAGE, Stack
from tests.e2e.world import differences, employees, exact, until

# the signal method lets the fixtures take everything down; the first test bears the start of engine and stack
pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500, method="signal")]

HIRED = 300
REPLICAS = {"poller": 1, "mapper": 3, "writer": 3}


async def at_rest(stack: Stack) -> None:
    async def settled() -> bool:
        return all(not each["balance"] and not each["waiting"] for each in await asyncio.to_thread(stack.status))

    await exact(stack, 180)
    await until("nothing is on its way", settled, 60)


async def ask(sandbox: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """A sandbox's control API."""
    async with httpx.AsyncClient(base_url=sandbox) as client:
        answer = await client.request(method, f"/_control{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


async def accounts_in(stack: Stack) -> int:
    return int((await ask(stack.declaree, "GET", "/summary"))["total"])


@pytest.fixture
async def settled(stack: Stack) -> Stack:
    """The stack with everybody in place. The sandbox Personio has no limits: the tests look often."""
    await ask(stack.personio, "PATCH", "/behaviour", {"rate_limits": False})
    await at_rest(stack)
    return stack


def test_compose_names_a_secret_that_is_missing(engine: Engine) -> None:
    command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--env-file", "/dev/null", "up", "--no-build"]
    said = run(command, clean_environment() | engine.environment, seconds=60, expect=None)
    assert said.code != 0
    assert "ENCRYPTION_KEYS" in said.errors
    assert "make env" in said.errors


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("service", REPLICAS)
def test_a_service_without_settings_names_what_is_missing(engine: Engine, service: str) -> None:
    said = engine.docker("run", "--rm", IMAGE, "python", "-m", f"services.{service}", expect=78)
    missing = {line.split()[0] for line in said.errors.splitlines() if "is missing" in line}
    assert missing == {"ENCRYPTION_KEYS", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL"}


async def test_every_active_employee_of_the_demo_company_gets_an_exact_account(settled: Stack) -> None:
    active = [person for person in (await employees(settled)).values() if person["status"] == "active"]
    assert len(active) == 250
    assert await differences(settled) == []
    said = settled.cli("status").output
    assert "250 of 250 active employees have an account; balance 0, waiting 0" in said


async def test_replicas_are_healthy_and_share_the_work(settled: Stack) -> None:
    async def all_healthy() -> bool:
        states = {name: [settled.inspect(each)["State"] for each in settled.containers(name)] for name in REPLICAS}
        return {name: [state["Health"]["Status"] for state in each] for name, each in states.items()} == {
            name: ["healthy"] * count for name, count in REPLICAS.items()
        }

    await until("all replicas are healthy", all_healthy, 90)


async def test_a_mapper_and_a_writer_killed_in_the_middle_lose_nobody_and_make_no_second_account(
    settled: Stack,
) -> None:
    """Pages of Personio come slowly, so that much is still to be mapped when the mapper dies; answers of Declaree come
    late, after the account was made, so that the writer dies without knowing of some.
    """
    before = await accounts_in(settled)
    victims = [settled.containers("mapper")[0], settled.containers("writer")[0]]
    slow = {"kind": "slow", "path": "/v1/company/employees", "count": 100, "seconds": 3}
    late = {"kind": "slow", "path": "/Users", "method": "POST", "count": None, "seconds": 2, "after_commit": True}
    await ask(settled.personio, "POST", "/faults", slow)
    await ask(settled.declaree, "POST", "/faults", late)
    await ask(settled.personio, "POST", "/employees", {"count": HIRED})

    async def some_have_arrived() -> bool:
        return await accounts_in(settled) >= before + 10

    await until("some newcomers have arrived", some_have_arrived, 90)
    settled.kill(*victims)
    arrived = await accounts_in(settled) - before
    assert 10 <= arrived < HIRED * 0.8, "it was not in the middle"

    await ask(settled.personio, "DELETE", "/faults")
    await ask(settled.declaree, "DELETE", "/faults")
    await at_rest(settled)
    for victim in victims:
        state = settled.inspect(victim)
        assert (state["RestartCount"], state["State"]["Running"]) == (1, True)
    (status,) = settled.status()
    assert status["active"] == status["accounts"] > 250


async def test_a_second_start_changes_nothing(settled: Stack) -> None:
    running = {name: sorted(settled.containers(name)) for name in REPLICAS}
    summary = await ask(settled.declaree, "GET", "/summary")
    settled.up()
    assert {name: sorted(settled.containers(name)) for name in REPLICAS} == running
    assert "Everything was there already." in settled.compose("logs", "init").output
    assert len(settled.status()) == 1
    await at_rest(settled)
    assert await ask(settled.declaree, "GET", "/summary") == summary


async def test_a_service_can_write_to_no_file_and_is_not_root(settled: Stack) -> None:
    said = settled.compose("exec", "--no-TTY", "writer", "sh", "-c", "id -u; touch /app/file", expect=1)
    assert said.output.split() == ["10001"]
    assert "Read-only file system" in said.errors


async def test_services_that_are_stopped_end_in_order(settled: Stack) -> None:
    """Last of all, since nothing runs any more."""
    containers = [each for name in REPLICAS for each in settled.containers(name)]
    settled.compose("stop", *REPLICAS, seconds=180)
    assert [settled.inspect(each)["State"]["ExitCode"] for each in containers] == [0] * len(containers)
