"""Runs the loops that are processes of their own, and says what they and the servers beside them used."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.processes import Usage, since, usages
from sandbox.stack.errors import StackError


@dataclass(frozen=True, slots=True)
class Outcome:
    counts: Mapping[str, int]
    seconds: float
    usage: Mapping[str, Usage]


async def run(module: str, *arguments: str, beside: Mapping[str, int]) -> Outcome:
    """``beside`` are the servers that the loop keeps busy, by name. Raises ``StackError`` when it fails."""
    before = usages(beside)
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
    said = json.loads(output)
    own = Usage(said["cpu_seconds"], said["peak_mib"], said["peak_mib"])
    return Outcome(said["counts"], said["seconds"], {"loop": own, **since(usages(beside), before)})
