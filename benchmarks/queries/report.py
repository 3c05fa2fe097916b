"""The table of the queries, and the targets that they have."""

from collections.abc import Sequence

from benchmarks.queries.measuring import Reading

MAX_MILLISECONDS = 200.0
"""Target: duration of one command."""
MAX_DOCUMENTS = 1_000
"""Target: number of documents that a query examines. Reading everything by page has no such target."""


def find_slow_queries(size: str, readings: Sequence[Reading]) -> list[str]:
    """Returns one line for each query that misses a target."""
    misses = []
    for reading in readings:
        if reading.slowest_ms > MAX_MILLISECONDS:
            misses.append(f"{size}: {reading.name} takes {reading.slowest_ms:.0f} ms, not {MAX_MILLISECONDS:.0f}")
        if reading.documents > MAX_DOCUMENTS and not reading.is_paged:
            misses.append(f"{size}: {reading.name} reads {reading.documents} documents, not {MAX_DOCUMENTS}")
    return misses


def format_readings(size: str, readings: Sequence[Reading]) -> str:
    """Returns a table in Markdown."""
    lines = [f"| {size} | commands | slowest, ms | documents | keys |", "|---|---:|---:|---:|---:|"]
    for reading in readings:
        name = f"{reading.name}, by page" if reading.is_paged else reading.name
        numbers = f"{reading.commands:,} | {reading.slowest_ms:.1f} | {reading.documents:,} | {reading.keys:,}"
        lines.append(f"| {name} | {numbers} |")
    return "\n".join(lines)
