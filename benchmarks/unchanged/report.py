"""The table of one large company without changes, and the targets. Pure: arithmetic and text."""

from dataclasses import dataclass

from benchmarks.report import MAX_GROWTH_MIB

MAX_REQUESTS, MAX_DOCUMENTS = 3, 200
"""Targets of an incremental poll: requests to Personio, with the one for a token, and documents that MongoDB reads."""
MAX_CPU_RATIO = 1.5
"""Target: CPU time of the poller in a full scan, divided by that of a bare loop that fetches and decodes the same pages."""


@dataclass(frozen=True, slots=True)
class Incremental:
    """One incremental poll of a new process."""

    requests: int
    """Requests to Personio."""
    documents: int
    """Documents that MongoDB has read."""
    commands: int
    """Commands to MongoDB."""
    cpu_seconds: float
    """CPU seconds of the poller."""
    growth_mib: float
    """The poller's peak memory above its level before the poll, in MiB."""


@dataclass(frozen=True, slots=True)
class FullScan:
    """Full scans, each of a new process, and the bare loops between them. The CPU times are medians."""

    cpu_seconds: float
    """CPU seconds of the poller."""
    bare_cpu_seconds: float
    """CPU seconds of the bare loop."""
    mongo_cpu_seconds: float
    """CPU seconds of MongoDB."""
    growth_mib: float
    """The largest growth of the poller's peak memory above its level before the poll, in MiB."""

    @property
    def cpu_ratio(self) -> float:
        """CPU time of the poller, divided by that of the bare loop."""
        return self.cpu_seconds / self.bare_cpu_seconds


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The polls of one company without changes."""

    people: int
    """Employees of the company."""
    incremental: Incremental
    """An incremental poll."""
    full: FullScan
    """A full scan."""


def find_unchanged_misses(measured: Unchanged) -> list[str]:
    """Returns one line for each target that is missed."""
    incremental, full = measured.incremental, measured.full
    misses = []
    if incremental.requests > MAX_REQUESTS:
        misses.append(
            f"an incremental poll sends {incremental.requests} requests to Personio, not at most {MAX_REQUESTS}"
        )
    if incremental.documents > MAX_DOCUMENTS:
        misses.append(f"an incremental poll reads {incremental.documents} documents, not at most {MAX_DOCUMENTS}")
    if full.cpu_ratio > MAX_CPU_RATIO:
        misses.append(f"a full scan takes {full.cpu_ratio:.2f} of the bare loop's CPU, not at most {MAX_CPU_RATIO}")
    for name, growth in (("an incremental poll", incremental.growth_mib), ("a full scan", full.growth_mib)):
        if growth >= MAX_GROWTH_MIB:
            misses.append(f"the poller grows by {growth:.0f} MiB in {name}, not by less than {MAX_GROWTH_MIB:.0f}")
    return misses


def format_unchanged(measured: Unchanged) -> str:
    """Returns a table in Markdown."""
    incremental, full = measured.incremental, measured.full
    rows = (
        ("incremental poll: requests to Personio", f"≤ {MAX_REQUESTS}", f"{incremental.requests}"),
        ("incremental poll: documents that MongoDB reads", f"≤ {MAX_DOCUMENTS}", f"{incremental.documents}"),
        ("incremental poll: commands to MongoDB", "", f"{incremental.commands}"),
        ("incremental poll: CPU of the poller, ms", "", f"{1000 * incremental.cpu_seconds:.0f}"),
        ("incremental poll: memory above readiness, MiB", f"< {MAX_GROWTH_MIB:.0f}", f"{incremental.growth_mib:.0f}"),
        ("full scan: CPU of the poller / of the bare loop", f"≤ {MAX_CPU_RATIO}", f"{full.cpu_ratio:.2f}"),
        ("full scan: CPU of the poller, s", "", f"{full.cpu_seconds:.1f}"),
        ("full scan: CPU of MongoDB, s", "", f"{full.mongo_cpu_seconds:.1f}"),
        ("full scan: memory above readiness, MiB", f"< {MAX_GROWTH_MIB:.0f}", f"{full.growth_mib:.0f}"),
    )
    lines = [f"| one company of {measured.people:,} unchanged people | target | result |", "|---|---:|---:|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
