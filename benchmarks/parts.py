"""What can be measured, by the name of its option."""

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.full_events.measure import measure_full_events
from benchmarks.full_events.report import find_full_event_misses, format_full_events
from benchmarks.idle.measure import measure_idle
from benchmarks.idle.report import find_idle_misses, format_idle
from benchmarks.large_mappings import find_slow_rates, format_rates, measure_rates
from benchmarks.memory.measure import measure_memory
from benchmarks.memory.report import find_growing_services, format_growths
from benchmarks.previews.measure import measure_previews
from benchmarks.previews.report import find_slow_previews, format_previews
from benchmarks.queries.measure import Sizes as QuerySizes
from benchmarks.queries.measure import measure_queries
from benchmarks.queries.report import find_slow_queries, format_readings
from benchmarks.report import find_misses, format_report
from benchmarks.rounds import Plan, play_all
from benchmarks.unchanged.measure import measure_unchanged
from benchmarks.unchanged.report import find_unchanged_misses, format_unchanged


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    employees: int = 10_000
    """Active employees of an import, except where the memory is measured."""
    rounds: int = 3
    """Rounds of imports and bare loops."""
    copies: int = 2
    """How often the mapper and its bare loops read every record."""
    companies: int = 50
    """Number of idle companies."""
    polls: int = 5
    """Polls of each idle company."""
    people: Sequence[int] = (1_000, 10_000)
    """Active employees of each import that measures the memory."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a part has measured."""

    report: str
    """Tables in Markdown."""
    misses: Sequence[str]
    """One line for each missed target."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that can be measured alone."""

    meaning: str
    """What is measured, as the help of the option."""
    measure: Callable[[Sizes], Coroutine[Any, Any, Result]]
    """Measures it; raises ``StackError`` if something fails."""
    is_default: bool = True
    """Whether it is measured without any option."""


async def _measure_import(sizes: Sizes) -> Result:
    rounds = await play_all(Plan(active=sizes.employees, copies=sizes.copies), sizes.rounds)
    return Result(format_report(rounds), find_misses(rounds))


async def _measure_full_events(sizes: Sizes) -> Result:
    measured = await measure_full_events(sizes.employees, sizes.copies, _print_progress)
    return Result(format_full_events(measured), find_full_event_misses(measured))


async def _measure_idle(sizes: Sizes) -> Result:
    idle = await measure_idle(sizes.companies, sizes.polls, _print_progress)
    return Result(format_idle(idle), find_idle_misses(idle))


async def _measure_unchanged(sizes: Sizes) -> Result:
    measured = await measure_unchanged(sizes.employees, _print_progress)
    return Result(format_unchanged(measured), find_unchanged_misses(measured))


async def _measure_memory(sizes: Sizes) -> Result:
    growths = await measure_memory(sizes.people, _print_progress)
    return Result(format_growths(growths), find_growing_services(growths))


async def _measure_large_mappings(_: Sizes) -> Result:
    rates = measure_rates()
    return Result(format_rates(rates), find_slow_rates(rates))


async def _measure_previews(sizes: Sizes) -> Result:
    previews = await measure_previews(sizes.employees, _print_progress)
    return Result(format_previews(previews), find_slow_previews(previews))


async def _measure_queries(_: Sizes) -> Result:
    tables = await measure_queries(QuerySizes(), _print_progress)
    misses = [miss for size, readings in tables.items() for miss in find_slow_queries(size, readings)]
    return Result("\n\n".join(format_readings(size, readings) for size, readings in tables.items()), misses)


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr)


PARTS: Mapping[str, Part] = {
    "import": Part("first imports, and each stage beside its bare loop", _measure_import),
    "mapper-full": Part("the mapper beside a bare loop on events with all attributes", _measure_full_events),
    "idle": Part("polls of companies without changes", _measure_idle),
    "unchanged": Part("polls of one large company without changes", _measure_unchanged, is_default=False),
    "preview": Part("previews of a mapping for all employees, beside the pages of Personio", _measure_previews),
    "memory": Part("memory of the services in first imports of several sizes", _measure_memory),
    "large-mappings": Part("mappings of 100 rules beside a bare loop", _measure_large_mappings),
    "queries": Part("all queries at 100,000 people: some minutes", _measure_queries, is_default=False),
}
"""All parts by the name of their option, in the order of the report."""
