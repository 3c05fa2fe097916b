"""One round of chaos: a first synchronisation during which services are killed at random, and the check of its result."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.installation import SERVICES, Installation
from tests.support.http import open_http
from tests.support.world import make_installation, wait_for_rest, wait_until, wait_until_exact

FAULTS = (
    {"kind": "cut", "method": "POST", "after_commit": True, "rate": 0.02, "count": None},
    {"kind": "cut", "method": "PATCH", "after_commit": True, "rate": 0.02, "count": None},
    {"kind": "status", "status": 503, "rate": 0.01, "count": None},
    {"kind": "status", "status": 429, "rate": 0.005, "count": 3},
)
"""Faults of the sandbox Declaree: answers that are lost after the write, and an overloaded server.

Few requests are refused with 429: each refusal lowers the pace, so that a round with refusals at random takes minutes.
"""


@dataclass
class Round:
    """The result of a round."""

    seed: int
    """Random seed of the company, the faults and the kills."""
    active: int
    """Number of active employees."""
    killed: Counter[str] = field(default_factory=Counter)
    """Kills between the first and the last write to Declaree, by service."""
    seconds: float = 0.0
    """Time from the start of the round until every account was exact."""

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.killed.items()))
        return f"seed {self.seed}: {self.active} employees, killed {kills}, exact after {self.seconds:.0f} s"


@dataclass
class _Kills:
    """The planned kills."""

    at: list[tuple[int, str]]
    """Number of writes that Declaree has received before the kill, and the name of the process."""

    def take_due(self, writes: int) -> list[str]:
        """Removes and returns the processes to kill after ``writes`` writes."""
        due = [name for number, name in self.at if number <= writes]
        self.at = [(number, name) for number, name in self.at if number > writes]
        return due


async def play(folder: Path, seed: int, servers: Mapping[str, str], active: int = 1000) -> Round:
    """Runs one round and returns its result; raises ``AssertionError`` if an account is not exact at the end.

    The round's data stays in the folder. ``servers`` are the settings that name Kafka and MongoDB.
    """
    dice = random.Random(seed)
    result = Round(seed, active)
    began = time.monotonic()
    async with make_installation(folder, active=active, seed=seed, services=(), settings=servers) as installation:
        replicas = await _start(installation, twice=bool(seed % 2))
        await _order_faults(installation, seed)
        kills = _Kills(
            [
                (dice.randrange(1, active * 4 // 5), name)  # early, so that writes are left after the kill
                for service in SERVICES
                for name in dice.choices(replicas[service], k=dice.randint(1, 3))
            ]
        )
        await _kill_services(installation, kills, result, active)
        async with open_http(base_url=installation.declaree) as client:
            (await client.delete("/_control/faults")).raise_for_status()
        await wait_for_rest(installation, 150)
        await wait_until_exact(installation, 60)
    result.seconds = time.monotonic() - began
    return result


async def _start(installation: Installation, *, twice: bool) -> dict[str, list[str]]:
    """Starts every service, mapper and writer with two replicas if ``twice``; returns the process names by service."""
    names: dict[str, list[str]] = {}
    for service in ("mapper", "writer", "poller"):
        replicas = (0, 2) if twice and service != "poller" else (0,)
        processes = [await installation.start_service(service, replica=replica) for replica in replicas]
        names[service] = [process.name for process in processes]
    return names


async def _order_faults(installation: Installation, seed: int) -> None:
    async with open_http(base_url=installation.declaree) as client:
        for fault in FAULTS:
            (await client.post("/_control/faults", json={**fault, "seed": seed})).raise_for_status()


async def _kill_services(installation: Installation, kills: _Kills, result: Round, active: int) -> None:
    """Makes each kill when it is due and restarts the process at once, until no kill is left."""
    async with open_http(base_url=installation.declaree) as client:

        async def are_kills_done() -> bool:
            requests = (await client.get("/_control/counters")).json()["requests"]
            writes = sum(sum(requests.get(method, {}).values()) for method in ("POST", "PATCH", "PUT"))
            for name in kills.take_due(writes):
                process = installation.processes[name]
                await process.kill()
                process.launch()
                result.killed[name.partition("-")[0]] += 1
            return not kills.at

        await wait_until("enough writes for the last kill", are_kills_done, 120)
        enabled = (await client.get("/_control/summary")).json()["active"]
        assert 0 < enabled < active, "the kills were not between the first and the last write"
    await asyncio.sleep(0)
