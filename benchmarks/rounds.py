"""One round: a new installation, the first import, then every stage alone on the same servers."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks import fetching, first_import, half_filled, mapping, replaying, verifying
from benchmarks.installing import install, open_store
from benchmarks.report import Import, Round
from sandbox.installation import SERVICES, Installation


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a round."""

    active: int
    """Active employees; the sandbox adds some others."""
    copies: int
    """How often the stages of the mapper read every record of the import."""
    seed: int = 1
    """Random seed of the company."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Callbacks that report the progress of a round."""

    start_stage: Callable[[str], None]
    """Receives the name of each stage at its start."""
    count_accounts: Callable[[int], None]
    """Receives the number of accounts while the import runs."""


async def play_all(plan: Plan, number: int) -> list[Round]:
    """Runs that number of rounds with a progress bar on standard error; returns their measurements.

    Raises ``StackError`` if a requirement is missing or a stage fails.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    rounds: list[Round] = []
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for index in range(1, number + 1):
            line = bar.add_task(f"round {index}", total=plan.active)
            rounds.append(await _play(plan, _make_steps(bar, line, index)))
            bar.update(line, description=f"round {index}: {rounds[-1].summary}", completed=plan.active)
    return rounds


def _make_steps(bar: Progress, line: TaskID, number: int) -> Steps:
    return Steps(
        start_stage=lambda text: bar.update(line, description=f"round {number}: {text}"),
        count_accounts=lambda count: bar.update(line, completed=count),
    )


async def _play(plan: Plan, steps: Steps) -> Round:
    """Runs one round and returns its measurements; raises ``StackError`` if a requirement is missing or a stage fails."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        steps.start_stage("first import into a half-filled Declaree")
        half = await half_filled.run(folder / "half-filled", plan.active, plan.seed, steps.count_accounts)
        steps.start_stage("starting Kafka, MongoDB, sandboxes and services")
        async with install(folder / "data", plan.active, plan.seed) as installation:
            return await _measure(installation, folder, plan, steps, half)


async def _measure(installation: Installation, folder: Path, plan: Plan, steps: Steps, half: Import) -> Round:
    with open_store(installation) as store:
        steps.start_stage("first import")
        whole = await first_import.run(installation, store, plan.active, steps.count_accounts)
        steps.start_stage("verification of all accounts")
        (summary,) = await store.connections.list_all()
        verification = await verifying.run(installation, store, summary.id)
    for service in SERVICES:
        await installation.processes[service].stop()
    steps.start_stage("the import's requests to Declaree")
    write = await replaying.run(installation, folder / "replay", whole.employees)
    steps.start_stage("fetch and decode")
    fetch, parse = await fetching.run(installation)
    steps.start_stage("consume, decode, encode, produce")
    mapped = await mapping.run(installation, folder / "mapper", plan.copies)
    steps.start_stage("the import's requests to Declaree, second run")
    write = write.combine(await replaying.run(installation, folder / "replay again", whole.employees))
    return Round(
        whole=whole,
        fetch=fetch,
        parse=parse,
        map=mapped.bare,
        mapper=mapped.mapper,
        write=write,
        verification=verification,
        half_filled=half,
    )
