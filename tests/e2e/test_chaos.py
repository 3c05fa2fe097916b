"""First synchronisations while every service is killed at random points."""

import os
import random
import time
from pathlib import Path

import pytest

from sandbox.installation import SERVICES
from tests.e2e.chaos import play
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import make_settings

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo]

FEW = 300
"""Number of employees in the test suite."""
MIN_ROUNDS, MAX_ROUNDS = 10, int(os.environ.get("CHAOS_ROUNDS", "20"))
MINUTES = 25
"""Time after which no further round starts once there were ``MIN_ROUNDS``."""


@pytest.mark.timeout(360)
async def test_services_killed_at_random_lose_and_duplicate_nothing(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """A first synchronisation ends with exact accounts, and every service was killed during it."""
    result = await play(tmp_path, 1, make_settings(kafka, mongo), FEW)

    assert set(result.killed) == set(SERVICES)


@pytest.mark.chaos
@pytest.mark.timeout(2400)
async def test_many_rounds_of_chaos(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> None:
    """Every round ends with exact accounts.

    The test runs at least 10 rounds, and up to 20 within 25 minutes. CHAOS_ROUNDS replaces the maximum of 20. The seeds
    are random and printed, so that a failed round can be repeated.
    """
    began = time.monotonic()
    dice = random.SystemRandom()
    for number in range(MAX_ROUNDS):
        if number >= MIN_ROUNDS and time.monotonic() - began > MINUTES * 60:
            break
        seed = dice.randrange(1_000_000)
        print(f"\nround {number + 1} starts with seed {seed}", flush=True)
        print(await play(tmp_path / str(number), seed, make_settings(kafka, mongo)), flush=True)
