"""The apply rule, explored: no interleaving within the bounds ends wrong, and each rule is needed."""

import pytest

from tests.unit.provisioning.explorer import DISABLED, Bounds, Explorer


@pytest.mark.parametrize("contents", [("a", "b", "a"), ("a", DISABLED, "a"), ("a", DISABLED)], ids="-".join)
def test_no_interleaving_of_changes_crashes_moves_lost_answers_and_outages_ends_wrong(
    contents: tuple[str, ...],
) -> None:
    states, history = Explorer(Bounds(contents=contents, topic=4, moves=1)).run()
    assert history == []
    assert states > 100_000, "the bounds must leave something to explore"


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
        "a create that may have happened forgotten",
        "ledger races unseen",
    ],
)
def test_without_any_one_of_the_rules_a_history_goes_wrong(broken: Bounds) -> None:
    _, history = Explorer(broken).run()
    assert history, "the rule that was broken guards nothing"
