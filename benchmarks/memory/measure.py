"""Runs a first import of each size, each with a new installation, and measures the memory of the services."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import first_import
from benchmarks.installing import install, open_store
from benchmarks.memory.report import Growth
from sandbox.installation import SERVICES

SEED = 1
"""Random seed of the companies."""


async def measure_memory(sizes: Sequence[int], report: Callable[[str], None]) -> list[Growth]:
    """Returns the growth for each number of active employees. Raises ``StackError`` if an import fails."""
    return [await _measure_import(active, report) for active in sorted(sizes)]


async def _measure_import(active: int, report: Callable[[str], None]) -> Growth:
    report(f"memory: starting an installation for {active:,} people")
    with tempfile.TemporaryDirectory(prefix="benchmark-memory-") as folder:
        async with install(Path(folder), active, SEED) as installation:
            with open_store(installation) as store:
                report(f"memory: importing {active:,} people")
                result = await first_import.run(installation, store, active, lambda _: None)
    peaks = {service: result.usage[service].peak_mib for service in SERVICES}
    return Growth(people=active, growth_mib=result.growth_mib, peak_mib=peaks)
