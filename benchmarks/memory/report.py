"""The table of the services' memory, and the targets. Pure: arithmetic and text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import MAX_GROWTH_MIB

FULL_BUFFERS = 10_000
"""People of the company with which others are compared. It fills pages, batches and lanes, so that a larger company
needs little more than that in buffers."""

MAX_RATIO = 1.3
"""Target: growth with the largest company, divided by the growth with ``FULL_BUFFERS`` people, without the allowance."""

ALLOWANCE_MIB = 20.0
"""Part of the growth in MiB that is not compared: an allowance, because the peaks of two equal imports differ."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The memory of the services in the first import of one company."""

    people: int
    """Active employees of the company."""
    growth_mib: Mapping[str, float]
    """Peak memory above the level at readiness in MiB, by service."""
    peak_mib: Mapping[str, float]
    """Peak memory in MiB, by service."""


def find_growing_services(growths: Sequence[Growth]) -> list[str]:
    """Returns one line for each service that misses a target.

    No service may grow by ``MAX_GROWTH_MIB`` or more with any company. With the largest company, it may grow by ``MAX_RATIO``
    times its growth with ``FULL_BUFFERS`` people, and ``ALLOWANCE_MIB``. Without a larger company only the first target counts.
    """
    misses = []
    for entry in growths:
        for service, growth in entry.growth_mib.items():
            if growth >= MAX_GROWTH_MIB:
                misses.append(
                    f"{entry.people:,} people: the {service} grows by {growth:.0f} MiB, not by less than {MAX_GROWTH_MIB:.0f}"
                )
    full = next((entry for entry in growths if entry.people >= FULL_BUFFERS), None)
    if full is None:
        return misses
    largest = growths[-1]
    for service, growth in largest.growth_mib.items():
        limit = MAX_RATIO * full.growth_mib[service] + ALLOWANCE_MIB
        if growth > limit:
            misses.append(
                f"{largest.people:,} people: the {service} grows by {growth:.0f} MiB, not by at most {limit:.0f} MiB, "
                f"which {full.people:,} people allow"
            )
    return misses


def format_growths(growths: Sequence[Growth]) -> str:
    """Returns a table in Markdown, with a column for each size."""
    lines = [
        "| memory above readiness, MiB (peak, MiB) | " + " | ".join(f"{one.people:,} people" for one in growths) + " |"
    ]
    lines.append("|---|" + "---:|" * len(growths))
    for service in growths[0].growth_mib:
        cells = (f"{one.growth_mib[service]:.0f} ({one.peak_mib[service]:.0f})" for one in growths)
        lines.append(f"| {service} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
