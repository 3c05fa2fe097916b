"""Shape of the organisation: a tree of positions 0 … n-1 in which every position except 0 has a supervisor."""

import random
from dataclasses import dataclass

SMALLEST_SPAN, LARGEST_SPAN = 4, 12
"""Minimum and maximum number of direct reports of a leader."""


@dataclass(frozen=True, slots=True)
class Position:
    """Position in the tree."""

    supervisor: int | None
    """Index of the supervisor's position; None for the head of the company."""
    depth: int
    """Number of leaders above the position."""
    branch: int | None
    """Number of the branch, which is the department; None for the head of the company."""
    group: int | None
    """Number of the group within a branch, which is the team; None above the groups."""
    leads: bool
    """Whether other positions report to this one."""


def draw_spans(rng: random.Random, positions: int) -> list[int]:
    """Returns the number of direct reports of each leader, in order.

    All are between 4 and 12 if the number of positions allows it.
    """
    spans: list[int] = []
    remaining = positions - 1
    while remaining > 0:
        spans.append(min(rng.randint(SMALLEST_SPAN, LARGEST_SPAN), remaining))
        remaining -= spans[-1]
    if len(spans) > 1 and spans[-1] < SMALLEST_SPAN:
        _spread(spans, spans.pop())
    return spans


def _spread(spans: list[int], surplus: int) -> None:
    """Spreads surplus reports over the leaders, from the last one. Adds a leader if the surplus does not fit."""
    for index in reversed(range(len(spans))):
        added = min(LARGEST_SPAN - spans[index], surplus)
        spans[index] += added
        surplus -= added
    if surplus:
        donor = max(range(len(spans)), key=lambda index: spans[index])
        missing = SMALLEST_SPAN - surplus
        spans[donor] -= missing
        spans.append(SMALLEST_SPAN)


def build_positions(rng: random.Random, size: int) -> list[Position]:
    """Returns the positions level by level, so that a supervisor always stands before the reports."""
    spans = draw_spans(rng, size)
    chart = [Position(None, 0, None, None, leads=True)]
    for leader, span in enumerate(spans):
        for report in range(span):
            chart.append(_create_report(chart, leader, report, leads=len(chart) < len(spans)))
    return chart


def _create_report(chart: list[Position], leader: int, report: int, *, leads: bool) -> Position:
    above = chart[leader]
    branch = report if above.depth == 0 else above.branch
    group = above.group if above.depth > 1 else (len(chart) if leads and above.depth == 1 else None)
    return Position(leader, above.depth + 1, branch, group, leads)
