"""What the kernel says a process has used (Linux: /proc)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
USER_TICKS = 11
"""Where ``utime`` stands after the command in /proc/PID/stat; ``stime`` follows (proc(5), fields 14 and 15)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the process began or since another reading, memory now and at its highest."""

    cpu_seconds: float
    resident_mib: float
    peak_mib: float

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu_seconds - earlier.cpu_seconds, self.resident_mib, self.peak_mib)


def usage(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    return parsed((folder / "stat").read_text(), (folder / "status").read_text())


def parsed(stat: str, status: str) -> Usage:
    # the command stands in brackets and may hold blanks and brackets of its own
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[USER_TICKS]) + int(fields[USER_TICKS + 1])
    return Usage(ticks / TICKS, _mebibytes(status, "VmRSS"), _mebibytes(status, "VmHWM"))


def _mebibytes(status: str, name: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    return {name: usage(pid) for name, pid in pids.items()}


def since(later: Mapping[str, Usage], earlier: Mapping[str, Usage]) -> dict[str, Usage]:
    return {name: used.since(earlier[name]) for name, used in later.items()}
