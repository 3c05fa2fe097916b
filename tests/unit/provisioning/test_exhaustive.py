"""The rules of precedence and settlement, explored: no interleaving within the bounds ends wrong, and each rule is needed."""

import pytest

from tests.unit.provisioning.explorer import DISABLED, Bounds, Explorer


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.parametrize("contents", [("a", "b", "a"), ("a", DISABLED, "a"), ("a", DISABLED)], ids="-".join)
def test_interleavings_within_bounds_end_right(contents: tuple[str, ...]) -> None:
    """Changes, crashes, moved partitions, lost answers and outages in any order lead to the newest content."""
    states, history = Explorer(Bounds(contents=contents, topic=4, moves=1)).run()

    assert history == []
    assert states > 100_000, "the bounds are too narrow to explore anything"


@pytest.mark.parametrize(
    "broken",
    [
        Bounds(topic=4, moves=1, late_writes=True),
        Bounds(topic=4, moves=1, keep_applied=True),
        Bounds(topic=4, moves=1, contents=("a", DISABLED), forget_attempted=True),
        Bounds(topic=4, moves=1, unconditional_ledger=True),
    ],
    ids=[
        "late writes",
        "applied kept while waiting",
        "attempted create forgotten",
        "ledger written without condition",
    ],
)
def test_interleavings_without_a_rule_end_wrong(broken: Bounds) -> None:
    """Each rule is needed: without it, the explorer finds a history that ends wrong."""
    _, history = Explorer(broken).run()

    assert history, "the rule that was broken guards nothing"
