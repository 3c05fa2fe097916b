"""CPU time and memory of processes, from the kernel (Linux: /proc)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
"""Ticks of the kernel's CPU clock per second."""

USER_TICKS = 11
"""Index of ``utime`` among the fields after the command in /proc/PID/stat; ``stime`` follows (proc(5), 14 and 15)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time and memory of one process."""

    cpu_seconds: float
    """CPU seconds since the start of the process, or since an earlier reading."""
    resident_mib: float
    """Resident memory at the reading, in MiB."""
    peak_mib: float
    """Highest resident memory since the start of the process, in MiB."""

    def subtract(self, earlier: "Usage") -> "Usage":
        """Returns this usage with the CPU time since the earlier reading."""
        return Usage(self.cpu_seconds - earlier.cpu_seconds, self.resident_mib, self.peak_mib)


def read_usage(pid: int) -> Usage:
    """Returns the usage of a running process; raises ``FileNotFoundError`` if it has ended."""
    folder = Path(f"/proc/{pid}")
    return parse_usage((folder / "stat").read_text(), (folder / "status").read_text())


def parse_usage(stat: str, status: str) -> Usage:
    """Returns the usage in the texts of /proc/PID/stat and /proc/PID/status."""
    # the command is in brackets and may contain spaces and brackets, so the fields start after the last bracket
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[USER_TICKS]) + int(fields[USER_TICKS + 1])
    return Usage(ticks / TICKS, _parse_mebibytes(status, "VmRSS"), _parse_mebibytes(status, "VmHWM"))


def _parse_mebibytes(status: str, name: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def read_usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Returns the usage of each process, by the names in ``pids``."""
    return {name: read_usage(pid) for name, pid in pids.items()}


def subtract_usages(later: Mapping[str, Usage], earlier: Mapping[str, Usage]) -> dict[str, Usage]:
    """Returns the later usages, each with the CPU time since the earlier one of the same name."""
    return {name: usage.subtract(earlier[name]) for name, usage in later.items()}
