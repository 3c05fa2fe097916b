"""The shape of an organisation: who reports to whom, as a tree over positions 0 … n-1 with the head at 0."""

import random
from dataclasses import dataclass

SMALLEST_SPAN, LARGEST_SPAN = 4, 12


@dataclass(frozen=True, slots=True)
class Position:
    """``branch`` numbers the direct reports of the head; ``unit`` numbers the group in a branch; None above them."""

    supervisor: int | None
    depth: int
    branch: int | None
    unit: int | None
    leads: bool


def spans(rng: random.Random, people: int) -> list[int]:
    """How many report to each leader, in order; all between 4 and 12 as soon as the number of people allows it."""
    chosen: list[int] = []
    left = people - 1
    while left > 0:
        chosen.append(min(rng.randint(SMALLEST_SPAN, LARGEST_SPAN), left))
        left -= chosen[-1]
    if len(chosen) > 1 and chosen[-1] < SMALLEST_SPAN:
        _spread(chosen, chosen.pop())
    return chosen


def _spread(chosen: list[int], surplus: int) -> None:
    for index in reversed(range(len(chosen))):
        taken = min(LARGEST_SPAN - chosen[index], surplus)
        chosen[index] += taken
        surplus -= taken
    if surplus:
        donor = max(range(len(chosen)), key=lambda index: chosen[index])
        missing = SMALLEST_SPAN - surplus
        chosen[donor] -= missing
        chosen.append(SMALLEST_SPAN)


def positions(rng: random.Random, people: int) -> list[Position]:
    """Level by level: a supervisor always stands before those who report to them."""
    widths = spans(rng, people)
    placed = [Position(None, 0, None, None, leads=True)]
    for leader, width in enumerate(widths):
        for report in range(width):
            placed.append(_below(placed, leader, report, leads=len(placed) < len(widths)))
    return placed


def _below(placed: list[Position], leader: int, report: int, *, leads: bool) -> Position:
    above = placed[leader]
    branch = report if above.depth == 0 else above.branch
    unit = above.unit if above.depth > 1 else (len(placed) if leads and above.depth == 1 else None)
    return Position(leader, above.depth + 1, branch, unit, leads)
