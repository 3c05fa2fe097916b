"""Shortens lists in messages, so that a message stays readable however many things it is about."""

from collections.abc import Sequence


def join_first(texts: Sequence[str], maximum: int, separator: str = ", ") -> str:
    """Returns at most ``maximum`` texts, joined, and how many more there are."""
    more = len(texts) - maximum
    return separator.join([*texts[:maximum], *([f"and {more} more"] if more > 0 else [])])
