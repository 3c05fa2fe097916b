"""Findings: what a check or a judgement tells about one subject, and how urgent it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    """What was checked."""
    problem: str | None = None
    """What is wrong and what to do; None if nothing is wrong."""
    hint: str | None = None
    """What works otherwise than the administrator may expect; None if nothing does."""
    note: str | None = None
    """What was found and is right; None if there is nothing to tell."""
    since: datetime | None = None
    """Since when it is so; None if that is unknown or does not matter."""


class Level(StrEnum):
    """How urgent something is."""

    PROBLEM = "problem"
    """Something does not work, or an account keeps access that it should not have."""
    HINT = "hint"
    """It works, and something waits for a person."""
    WELL = "well"
    """Nothing is to be done."""


RANKS = {level: rank for rank, level in enumerate(Level)}
"""The most urgent level has the lowest rank."""


def find_level(findings: Iterable[Finding]) -> Level:
    """Returns the level of the most urgent finding."""
    return min(map(get_level, findings), key=RANKS.__getitem__, default=Level.WELL)


def get_level(finding: Finding) -> Level:
    """Returns how urgent a finding is."""
    if finding.problem is not None:
        return Level.PROBLEM
    return Level.WELL if finding.hint is None else Level.HINT
