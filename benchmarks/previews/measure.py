"""Previews a draft for all employees of a connection: before its start, and after its first import."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import first_import, loops
from benchmarks.installing import install, open_store
from benchmarks.previews.report import Preview
from sandbox.installation import PERSONIO_ID, PERSONIO_SECRET, SERVICES, Installation
from sandbox.stack.errors import StackError
from services.contracts.ids import ConnectionId

SEED = 1
"""Random seed of the company."""
TIMES = 3
"""Number of times that a preview is made. The quickest counts: other programs of the machine only add to the time."""
OTHERS = 0.12
"""Number of other employees that the sandbox adds for each active one."""
BEFORE, AFTER = "before the start", "after the first import"
"""The states of the connection, as the report names them."""


async def measure_previews(people: int, report: Callable[[str], None]) -> list[Preview]:
    """Returns the measurement in each state of the connection, for about ``people`` people in Personio.

    Raises ``StackError`` if the import or a preview fails.
    """
    active = round(people / (1 + OTHERS))
    report(f"preview: starting an installation for {people:,} people")
    with tempfile.TemporaryDirectory(prefix="benchmark-preview-") as folder:
        async with install(Path(folder), active, SEED) as installation:
            with open_store(installation) as store:
                (summary,) = await store.connections.list_all()
                report("preview: before the start")
                before = await _measure(installation, summary.id, BEFORE)
                report("preview: the first import")
                await first_import.run(installation, store, active, lambda _: None)
                for service in SERVICES:
                    await installation.processes[service].stop()
                report("preview: after the first import")
                return [before, await _measure(installation, summary.id, AFTER)]


async def _measure(installation: Installation, connection: ConnectionId, name: str) -> Preview:
    processes = {"the sandbox of Personio": "personio", "the sandbox of Declaree": "declaree"}
    servers = {title: installation.processes[process].pid for title, process in processes.items()}
    servers["MongoDB"] = installation.mongo.process.pid
    environment = installation.environment
    arguments = (environment["MONGODB_URL"], environment["ENCRYPTION_KEYS"], connection)
    pages = [await _read_pages(installation)]
    previews: list[loops.LoopResult] = []
    for _ in range(TIMES):
        previews.append(await loops.run("previews.previewing", *arguments, servers=servers))
        pages.append(await _read_pages(installation))
    preview = min(previews, key=lambda result: result.seconds)
    if {loop.counts["employees"] for loop in pages} != {sum(preview.counts.values())}:
        raise StackError(f"the preview has other employees than Personio's pages: {preview.counts}")
    return Preview(
        name=name,
        results=preview.counts,
        seconds=preview.seconds,
        cpu_seconds={
            "the preview, without its further processes": preview.usage["loop"].cpu_seconds,
            **{title: preview.usage[title].cpu_seconds for title in servers},
        },
        growth_mib=preview.growth_mib,
        pages_seconds=min(loop.seconds for loop in pages),
        pages_cpu_seconds=min(loop.usage["loop"].cpu_seconds for loop in pages),
    )


async def _read_pages(installation: Installation) -> loops.LoopResult:
    return await loops.run("previews.paging", installation.personio, PERSONIO_ID, PERSONIO_SECRET, servers={})
