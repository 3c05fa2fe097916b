"""The containers as an operator starts them, on a container engine: `make compose-test`."""

import pytest

from tests.compose.commands import run
from tests.compose.deployment import IMAGE, Deployment
from tests.compose.engine import COMPOSE_FILE, Engine, build_clean_environment
from tests.compose.steps import call_control, wait_until_synced
from tests.support.world import find_differences, list_employees, wait_until

# With the signal method, the fixtures still remove the containers after a timeout. The timeout includes the start of
# engine and containers, which happens in the first test.
pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500, method="signal")]

NEW_EMPLOYEES = 300
REPLICAS = {"poller": 1, "mapper": 3, "writer": 3}


async def count_accounts(deployment: Deployment) -> int:
    """Returns the number of accounts in the sandbox Declaree."""
    return int((await call_control(deployment.declaree, "GET", "/summary"))["total"])


def test_compose_without_passwords_names_make_env(engine: Engine) -> None:
    """Compose stops before it starts a container, and the message names the next step."""
    command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--env-file", "/dev/null", "up", "--no-build"]

    result = run(command, build_clean_environment() | engine.environment, seconds=60, expect=None)

    assert result.code != 0
    assert "SECRETS_FOLDER" in result.errors
    assert "make env" in result.errors


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize("service", REPLICAS)
def test_service_without_settings_names_all_missing_ones(engine: Engine, service: str) -> None:
    """One start lists every missing setting."""
    result = engine.docker("run", "--rm", IMAGE, "python", "-m", f"services.{service}", expect=78)
    missing = {line.split()[0] for line in result.errors.splitlines() if "is missing" in line}

    assert missing == {"ENCRYPTION_KEYS", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL"}


async def test_every_active_employee_gets_an_exact_account(synced: Deployment) -> None:
    """The containers synchronise the whole demo company."""
    active = [employee for employee in (await list_employees(synced)).values() if employee["status"] == "active"]

    assert len(active) == 250
    assert await find_differences(synced) == []
    assert "250 of 250 active employees have an account; balance 0, waiting 0" in synced.run_cli("status").output


async def test_all_replicas_are_healthy(synced: Deployment) -> None:
    """A replica is ready only if it takes part in the work."""

    async def are_all_healthy() -> bool:
        health = {
            name: [synced.inspect(container)["State"]["Health"]["Status"] for container in synced.list_containers(name)]
            for name in REPLICAS
        }
        return health == {name: ["healthy"] * count for name, count in REPLICAS.items()}

    await wait_until("all replicas are healthy", are_all_healthy, 90)


async def test_killed_mapper_and_writer_lose_and_duplicate_nothing(synced: Deployment) -> None:
    """Slow pages of Personio and late answers of Declaree make the kill fall into the middle of the work."""
    (status,) = synced.read_status()
    synced.run_cli("connections", "guard", status["connection"], "--off")  # the hires double the company
    before = await count_accounts(synced)
    victims = [synced.list_containers("mapper")[0], synced.list_containers("writer")[0]]
    slow = {"kind": "slow", "path": "/v1/company/employees", "count": 100, "seconds": 3}
    late = {"kind": "slow", "path": "/Users", "method": "POST", "count": None, "seconds": 2, "after_commit": True}
    await call_control(synced.personio, "POST", "/faults", slow)
    await call_control(synced.declaree, "POST", "/faults", late)
    await call_control(synced.personio, "POST", "/employees", {"count": NEW_EMPLOYEES})

    async def has_new_accounts() -> bool:
        return await count_accounts(synced) >= before + 10

    await wait_until("some new employees have an account", has_new_accounts, 90)
    synced.kill(*victims)
    created = await count_accounts(synced) - before

    assert 10 <= created < NEW_EMPLOYEES * 0.8, "the kill was not in the middle of the work"

    await call_control(synced.personio, "DELETE", "/faults")
    await call_control(synced.declaree, "DELETE", "/faults")
    await wait_until_synced(synced)
    for victim in victims:
        state = synced.inspect(victim)

        assert state["RestartCount"] == 1
        assert state["State"]["Running"] is True

    (status,) = synced.read_status()

    assert status["active"] == status["accounts"] > 250


async def test_second_start_changes_nothing(synced: Deployment) -> None:
    """`docker compose up` can be repeated: it keeps containers, connections and accounts."""
    running = {name: sorted(synced.list_containers(name)) for name in REPLICAS}
    summary = await call_control(synced.declaree, "GET", "/summary")

    synced.up()

    assert {name: sorted(synced.list_containers(name)) for name in REPLICAS} == running
    assert "all topics and indexes exist" in synced.compose("logs", "init").output
    assert len(synced.read_status()) == 1

    await wait_until_synced(synced)

    assert await call_control(synced.declaree, "GET", "/summary") == summary


async def test_service_has_a_read_only_system_and_is_not_root(synced: Deployment) -> None:
    """A compromised service cannot change its own code."""
    result = synced.compose("exec", "--no-TTY", "writer", "sh", "-c", "id -u; touch /app/file", expect=1)

    assert result.output.split() == ["10001"]
    assert "Read-only file system" in result.errors


async def test_stopped_services_exit_with_code_0(synced: Deployment) -> None:
    """This test stops the services, so it must be the last one."""
    containers = [container for name in REPLICAS for container in synced.list_containers(name)]
    synced.compose("stop", *REPLICAS, seconds=180)
    codes = [synced.inspect(container)["State"]["ExitCode"] for container in containers]

    assert codes == [0] * len(containers)
