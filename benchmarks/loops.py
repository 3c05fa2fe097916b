"""Runs a loop as a process of its own, and measures the usage of the loop and of the servers."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.processes import Usage, read_usages, subtract_usages
from sandbox.stack.errors import StackError


@dataclass(frozen=True, slots=True)
class LoopResult:
    """The result of a loop."""

    counts: Mapping[str, int]
    """What the loop has counted, by name."""
    seconds: float
    """Duration of the loop, without the start of its process."""
    usage: Mapping[str, Usage]
    """Usage of the loop and the servers, by name; the loop's own name is ``loop``."""
    growth_mib: float
    """Peak memory of the loop above its level before it began, in MiB."""


async def run(module: str, *arguments: str, servers: Mapping[str, int]) -> LoopResult:
    """Runs a module of this package as a process and returns its result; raises ``StackError`` if it fails.

    ``servers`` are the process ids of the servers that the loop uses, by name.
    """
    before = read_usages(servers)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"benchmarks.{module}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"the loop {module} failed: {errors.decode()[-2000:]}")
    result = json.loads(output)
    own = Usage(result["cpu_seconds"], result["peak_mib"], result["peak_mib"])
    usage = {"loop": own, **subtract_usages(read_usages(servers), before)}
    return LoopResult(result["counts"], result["seconds"], usage, result["growth_mib"])
