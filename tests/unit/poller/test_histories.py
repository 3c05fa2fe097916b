"""Random histories of a company: the published events lead to its final state, after anything that happens on the way.

A history is a list of steps. One that fails is printed as the shortest list that Hypothesis finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clients.personio import v1, v1_messages
from tests.unit.contracts.strategies import repeatable
from tests.unit.poller.history_world import World

pytestmark = [
    pytest.mark.promise("P1"),
    pytest.mark.promise("P2"),
    pytest.mark.promise("P6"),
    pytest.mark.promise("P9"),
]

FEW, MANY = 150, 1_500
"""Numbers of histories of each test, in every run of the tests and in ``make test-long``."""


@dataclass(frozen=True)
class Step:
    """One thing that happens."""

    name: str
    """Name of the method of ``World``."""
    number: int = 0
    """Chooses the employee, the fault, or the place of a crash."""


PEOPLE = (
    *("hire", "hire_many", "rename", "rename_all", "hand_email_on", "leave", "leave_all", "come_back"),
    *("delete", "return_same", "return_new", "hide_attribute", "show_attributes", "move_on"),
)
"""What happens to employees."""
DAYS = ("sleep", "plan_to_leave", "delay_flips")
"""What happens on a later day, without a change on that day."""
POLLER = ("poll", "poll", "poll", "poll_all", "crash", "crash", "release", "reject", "look_up")
"""What the poller does. Some is more frequent."""
API = ("spoil_list", "spoil_list", "spoil_lookups", "end_lists_early", "change_filter", "delay_filter", "heal")
"""What the API does."""
SHOWN = (*(name for name in PEOPLE if name != "delete"), *POLLER, "spoil_lookups")
"""What leaves nothing to a full scan."""


def make_histories(names: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    """Returns histories of these steps."""
    return st.lists(st.builds(Step, st.sampled_from(names), st.integers(0, 40)), min_size=1, max_size=25)


@pytest.fixture(autouse=True, scope="module")
def _small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (v1, v1_messages):
            patch.setattr(module, "PAGE_SIZE", 3)
        yield


async def live(steps: list[Step], *, is_shown: bool) -> None:
    """Lets a history happen, and checks its end."""
    world = World()
    for step in steps:
        action = cast("Callable[[int], Awaitable[object] | None]", getattr(world, step.name))
        result = action(step.number)
        if result is not None:
            await result
    await world.settle(is_shown=is_shown)
    world.check()


@settings(repeatable, max_examples=FEW)
@given(make_histories((*PEOPLE, *DAYS, *POLLER, *API)))
def test_events_of_any_history_lead_to_its_end(steps: list[Step]) -> None:
    """No change is lost, no account of an employee is taken away, and none of a deleted one stays."""
    asyncio.run(live(steps, is_shown=False))


@settings(repeatable, max_examples=FEW)
@given(make_histories(SHOWN))
def test_incremental_polls_lose_no_change_that_is_shown(steps: list[Step]) -> None:
    """While Personio's filter by time shows every change, no full scan is needed to find one."""
    asyncio.run(live(steps, is_shown=True))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("is_shown", [False, True])
def test_events_of_thousands_of_histories_lead_to_their_end(is_shown: bool) -> None:
    """The same, for longer."""
    names = SHOWN if is_shown else (*PEOPLE, *DAYS, *POLLER, *API)

    @settings(repeatable, max_examples=MANY)
    @given(make_histories(names))
    def check(steps: list[Step]) -> None:
        asyncio.run(live(steps, is_shown=is_shown))

    check()
