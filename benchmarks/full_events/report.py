"""The table of the mapper beside full events, and the target. Pure: arithmetic and text."""

from dataclasses import dataclass

from benchmarks.comparison import Comparison

MIN_RATIO = 1.3
"""Target: rate of the mapper alone, divided by that of the bare loop on full events."""


@dataclass(frozen=True, slots=True)
class FullEvents:
    """The measurement of the mapper and of a bare loop that reads full events."""

    compared: Comparison
    """The rates, and the sizes of the events."""
    released: int
    """Attributes that the credential may read, and so those of a full event."""
    mapped: int
    """Attributes that the mapping reads, and so those of an event of the poller."""

    @property
    def ratio(self) -> float:
        """Rate of the mapper alone, divided by that of the bare loop on full events."""
        return self.compared.mapper.rate / self.compared.bare.rate


def find_full_event_misses(measured: FullEvents) -> list[str]:
    """Returns one line if the target is missed."""
    if measured.ratio < MIN_RATIO:
        return [f"the mapper reaches {measured.ratio:.2f} of a bare loop on full events, not {MIN_RATIO}"]
    return []


def format_full_events(measured: FullEvents) -> str:
    """Returns tables in Markdown."""
    compared = measured.compared
    rows = (
        ("bare", compared.bare, measured.released, compared.bare_bytes),
        ("ours", compared.mapper, measured.mapped, compared.mapper_bytes),
    )
    lines = ["| what | | attributes of an event | bytes of an event | records/s |", "|---|---|---:|---:|---:|"]
    for kind, stage, attributes, size in rows:
        lines.append(f"| {stage.name} | {kind} | {attributes} | {size:.0f} | {stage.rate:.0f} |")
    lines += ["", "| ratio | target | result |", "|---|---:|---:|"]
    lines.append(f"| mapper alone / bare loop on full events | ≥ {MIN_RATIO} | {measured.ratio:.2f} |")
    return "\n".join(lines)
