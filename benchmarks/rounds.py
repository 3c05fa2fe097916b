"""One round: an installation of its own, the import on it, then every stage alone on the same servers."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from benchmarks import fetching, first_import, mapping, replaying
from benchmarks.report import Round
from sandbox.installation import SERVICES, Installation
from services.store.database import Store

JOURNAL_SIZE = 1_000_000
WITHOUT_LIMITS = {"POLL_PERSONIO_PER_MINUTE": "100000"}
"""The sandbox has no limit that the poller would have to keep to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``active`` employees, some others come in addition; ``copies`` of every record for the stages of the mapper."""

    active: int
    copies: int
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Steps:
    """``stage`` says what begins now, ``people`` how many have arrived."""

    stage: Callable[[str], None]
    people: Callable[[int], None]


async def play(plan: Plan, steps: Steps) -> Round:
    """Raises ``StackError`` where something is missing or goes wrong."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        steps.stage("starting Kafka, MongoDB, sandboxes and services")
        installation = Installation(
            folder / "data",
            active=plan.active,
            seed=plan.seed,
            services=("mapper", "writer"),
            settings=WITHOUT_LIMITS,
            personio_options=("--no-rate-limit",),
            declaree_options=("--journal-size", str(JOURNAL_SIZE)),
        )
        async with installation:
            return await _measured(installation, folder, plan, steps)


async def _measured(installation: Installation, folder: Path, plan: Plan, steps: Steps) -> Round:
    with _store(installation) as store:
        steps.stage("first import")
        whole = await first_import.run(installation, store, plan.active, steps.people)
    for service in SERVICES:
        await installation.processes[service].stop()
    steps.stage("the import's requests to Declaree")
    write = await replaying.run(installation, folder / "replay", whole.employees)
    steps.stage("fetch and decode")
    fetch, parse = await fetching.run(installation)
    steps.stage("consume, decode, encode, produce")
    mapped, mapper = await mapping.run(installation, folder / "mapper", plan.copies)
    steps.stage("the import's requests to Declaree once more")
    write = write.and_again(await replaying.run(installation, folder / "replay again", whole.employees))
    return Round(whole=whole, fetch=fetch, parse=parse, map=mapped, mapper=mapper, write=write)


@contextmanager
def _store(installation: Installation) -> Iterator[Store]:
    environment = installation.environment
    keys = [SecretStr(environment["ENCRYPTION_KEYS"])]
    store = Store.connect(SecretStr(environment["MONGODB_URL"]), "personio_declaree", keys)
    try:
        yield store
    finally:
        store.close()
