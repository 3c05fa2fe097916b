"""The mapper beside a bare loop that gives the same answers."""

from dataclasses import dataclass

from benchmarks.report import Stage


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measurements of the mapper and of a bare loop that gives the same answers."""

    bare: Stage
    """The bare loop."""
    mapper: Stage
    """The mapper alone."""
    bare_bytes: float
    """Average size of an event that the bare loop reads, without key and headers."""
    mapper_bytes: float
    """Average size of an event that the mapper reads, without key and headers."""
