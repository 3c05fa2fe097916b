"""A first import with answers that get lost, fail, or come true late: no account twice, no change stuck."""

import os
from pathlib import Path

import pytest

from sandbox.installation import Installation
from tests.support.http import open_http
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    get_connection_id,
    list_accounts,
    make_installation,
    make_settings,
    open_store,
    wait_for_rest,
    wait_until,
    wait_until_exact,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo]

FAULTS = (
    {"kind": "cut", "method": "POST", "after_commit": True, "rate": 0.05, "count": None, "seed": 1},
    {"kind": "status", "method": "POST", "status": 500, "rate": 0.01, "count": None, "seed": 2},
    {"kind": "status", "method": "POST", "status": 503, "rate": 0.01, "count": None, "seed": 3},
    {
        "kind": "late",
        "method": "POST",
        "late_answer": "cut",
        "answer_after": 0.2,
        "lands_after": 3.0,
        "rate": 0.01,
        "count": None,
        "seed": 4,
    },
)
"""Of the creates, 5 % lose their answer after the write, 2 % are answered with a server error, and 1 % come true late."""
LATE_WRITE_SECONDS = "8"
"""Longer than a late create takes."""
MANY = int(os.environ.get("LOST_ANSWERS_EMPLOYEES", "10000"))
"""Number of employees in ``make chaos``."""


@pytest.mark.promise("P4")
@pytest.mark.timeout(360)
@pytest.mark.parametrize("unique", [True, False], ids=["unique user names", "shared user names"])
async def test_lost_and_late_creates_make_no_second_account(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers, unique: bool
) -> None:
    """Each employee has one account at the end, also on a server that allows two accounts with one user name."""
    await import_with_faults(tmp_path, make_settings(kafka, mongo), 200, unique=unique)


@pytest.mark.chaos
@pytest.mark.promise("P4")
@pytest.mark.timeout(1800)
async def test_many_lost_and_late_creates_make_no_second_account(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """The same with 10,000 employees; LOST_ANSWERS_EMPLOYEES replaces the number."""
    await import_with_faults(tmp_path, make_settings(kafka, mongo), MANY, unique=True)


async def import_with_faults(folder: Path, settings: dict[str, str], active: int, *, unique: bool) -> None:
    """Runs a first import with faults, and checks that every account exists once and nothing is left to do."""
    writer = {"WRITER_LATE_WRITE_SECONDS": LATE_WRITE_SECONDS}
    seconds = 60 + active * 0.08
    async with make_installation(
        folder, active=active, seed=31, settings=settings, service_settings=writer, starts_connection=False
    ) as installation:
        await order_faults(installation, unique=unique)
        connection = await get_connection_id(installation)
        await installation.run_cli("connections", "start", connection, "--yes", "--links", "none")
        await wait_for_rest(installation, seconds)
        async with open_store(installation) as store:

            async def has_no_look_left() -> bool:
                return not await store.counters.count_looks(connection)

            await wait_until("every due look was taken", has_no_look_left, seconds)
        await wait_for_rest(installation, seconds)
        await wait_until_exact(installation, seconds)
        accounts = await list_accounts(installation)

        assert len({account["externalId"] for account in accounts}) == len(accounts)
        await assert_every_fault_has_hit(installation)


async def order_faults(installation: Installation, *, unique: bool) -> None:
    """Orders the faults of the sandbox Declaree."""
    async with open_http(base_url=installation.declaree) as client:
        (await client.patch("/_control/behaviour", json={"unique_user_names": unique})).raise_for_status()
        for fault in FAULTS:
            (await client.post("/_control/faults", json=fault)).raise_for_status()


async def assert_every_fault_has_hit(installation: Installation) -> None:
    """Fails if a kind of fault has hit no request."""
    async with open_http(base_url=installation.declaree) as client:
        entries = (await client.get("/_control/journal", params={"limit": "100000"})).json()["entries"]
    hit = {str(entry["fault"]) for entry in entries if entry["fault"]}

    assert {"cut", "status", "late"} <= hit
