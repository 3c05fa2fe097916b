"""One round of chaos: a first synchronisation in which services are killed at random, and what must be true after it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from sandbox.installation import SERVICES, Installation
from tests.e2e.world import at_rest, exact, installed, until

FAULTS = (
    {"kind": "cut", "method": "POST", "after_commit": True, "rate": 0.02, "count": None},
    {"kind": "cut", "method": "PATCH", "after_commit": True, "rate": 0.02, "count": None},
    {"kind": "status", "status": 503, "rate": 0.01, "count": None},
    {"kind": "status", "status": 429, "rate": 0.005, "count": None},
)
"""Answers lost after the write, and a server that is overloaded now and then."""


@dataclass
class Round:
    """``killed`` counts the kills of each service between the first and the last write to Declaree."""

    seed: int
    active: int
    killed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.killed.items()))
        return f"seed {self.seed}: {self.active} employees, killed {kills}, exact after {self.seconds:.0f} s"


@dataclass
class _Kills:
    """When who is killed, by the number of writes that Declaree has seen."""

    at: list[tuple[int, str]]

    def due(self, writes: int) -> list[str]:
        found = [name for number, name in self.at if number <= writes]
        self.at = [(number, name) for number, name in self.at if number > writes]
        return found


async def play(folder: Path, seed: int, servers: Mapping[str, str], active: int = 1000) -> Round:
    """Raises ``AssertionError`` for anything that is not exactly right in the end; the round's data stays in the folder.

    ``servers`` are the settings that name Kafka and MongoDB.
    """
    dice = random.Random(seed)
    done = Round(seed, active)
    began = time.monotonic()
    async with installed(folder, active=active, seed=seed, services=(), settings=servers) as installation:
        replicas = await _start(installation, twice=bool(seed % 2))
        await _order_faults(installation, seed)
        kills = _Kills(
            [
                (dice.randrange(1, active * 4 // 5), name)  # early enough that somebody is left when it is noticed
                for service in SERVICES
                for name in dice.choices(replicas[service], k=dice.randint(1, 3))
            ]
        )
        await _kill_along(installation, kills, done, active)
        async with httpx.AsyncClient(base_url=installation.declaree) as client:
            (await client.delete("/_control/faults")).raise_for_status()
        await at_rest(installation, 150)
        await exact(installation, 60)
    done.seconds = time.monotonic() - began
    return done


async def _start(installation: Installation, *, twice: bool) -> dict[str, list[str]]:
    """Every service, mapper and writer twice in some rounds; gives the names of each service's processes."""
    names: dict[str, list[str]] = {}
    for service in ("mapper", "writer", "poller"):
        replicas = (0, 2) if twice and service != "poller" else (0,)
        started = [await installation.start_service(service, replica=replica) for replica in replicas]
        names[service] = [process.name for process in started]
    return names


async def _order_faults(installation: Installation, seed: int) -> None:
    async with httpx.AsyncClient(base_url=installation.declaree) as client:
        for fault in FAULTS:
            (await client.post("/_control/faults", json={**fault, "seed": seed})).raise_for_status()


async def _kill_along(installation: Installation, kills: _Kills, done: Round, active: int) -> None:
    """Kills who is due, and starts them again at once, until nobody is left to be killed."""
    async with httpx.AsyncClient(base_url=installation.declaree) as client:

        async def all_killed() -> bool:
            requests = (await client.get("/_control/counters")).json()["requests"]
            writes = sum(sum(requests.get(method, {}).values()) for method in ("POST", "PATCH", "PUT"))
            for name in kills.due(writes):
                process = installation.processes[name]
                await process.kill()
                process.launch()
                done.killed[name.partition("-")[0]] += 1
            return not kills.at

        await until("enough was written for the last kill", all_killed, 120)
        enabled = (await client.get("/_control/summary")).json()["active"]
        assert 0 < enabled < active, "the kills were to fall between the first write and the last"
    await asyncio.sleep(0)
