"""The rules of precedence and settlement, explored: no interleaving within the bounds ends wrong, and each rule is needed."""

from typing import Any

import pytest

from tests.unit.provisioning.explorer import DISABLED, Bounds, Explorer

NARROW: dict[str, Any] = {"topic": 4, "moves": 0, "crashes": 0, "lost": 0, "outages": 0}


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P9")
@pytest.mark.parametrize("contents", [("a", "b", "a"), ("a", DISABLED, "a"), ("a", DISABLED)], ids="-".join)
@pytest.mark.parametrize(
    ("faults", "minimum"),
    [
        ({"moves": 1, "lost": 1}, 20_000),
        ({"crashes": 1, "lost": 1}, 5_000),
        ({"crashes": 1, "lost": 1, "outages": 1}, 10_000),
        ({"moves": 1, "crashes": 1}, 10_000),
    ],
    ids=["moved, lost", "crashed, lost", "crashed, lost, outage", "moved, crashed"],
)
def test_interleavings_within_bounds_end_right(contents: tuple[str, ...], faults: dict[str, Any], minimum: int) -> None:
    """Changes, crashes, moved partitions, lost and late answers, outages: any order of them leads to the newest content."""
    states, history = Explorer(Bounds(contents=contents, **(NARROW | faults))).run()

    assert history == []
    assert states > minimum, "the bounds are too narrow to explore anything"


@pytest.mark.promise("P4")
@pytest.mark.parametrize("faults", [{"moves": 1, "lost": 1}, {"crashes": 1, "lost": 1, "outages": 1}])
def test_server_without_unique_names_has_one_account(faults: dict[str, Any]) -> None:
    """A create without an answer is not repeated while the server may still carry it out."""
    bounds = Bounds(contents=("a", "b"), has_unique_names=False, **(NARROW | faults))

    states, history = Explorer(bounds).run()

    assert history == []
    assert states > 5_000, "the bounds are too narrow to explore anything"


@pytest.mark.parametrize(
    "broken",
    [
        Bounds(**(NARROW | {"moves": 1, "crashes": 1}), late_writes=True),
        Bounds(**(NARROW | {"lost": 1}), forget_doubt=True),
        Bounds(contents=("a",), **(NARROW | {"lost": 1}), forget_doubt=True, has_unique_names=False),
        Bounds(**(NARROW | {"lost": 1, "crashes": 1}), trust_redelivery=True),
        Bounds(**(NARROW | {"moves": 1}), unconditional_ledger=True),
    ],
    ids=[
        "late writes",
        "unanswered update forgotten",
        "unanswered create forgotten",
        "redelivered record trusted",
        "ledger written without condition",
    ],
)
def test_interleavings_without_a_rule_end_wrong(broken: Bounds) -> None:
    """Each rule is needed: without it, the explorer finds a history that ends wrong."""
    _, history = Explorer(broken).run()

    assert history, "the rule that was broken guards nothing"
