"""What was measured, and how it is put on paper. Pure: arithmetic and text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.processes import Usage

SKIPPED = 1_000
"""Answers before the rate is taken: the first ones stand for start-up."""
AT_LEAST_OF_SLOWEST, AT_LEAST_OF_MAPPING, AT_MOST_MIB = 0.5, 0.8, 100.0


@dataclass(frozen=True, slots=True)
class Import:
    """``seconds`` from the first request to Personio until every account is right, managers included."""

    employees: int
    accounts: int
    seconds: float
    polled_seconds: float
    """Until the poller had sent the last change."""
    requests: int
    """To Declaree."""
    usage: Mapping[str, Usage]
    poller_growth_mib: float
    """The poller's highest memory above its level at readiness."""

    @property
    def rate(self) -> float:
        return self.employees / self.seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """``items`` people, or records about one person each."""

    name: str
    items: int
    seconds: float
    usage: Mapping[str, Usage] = field(default_factory=dict)
    requests: int = 0

    @property
    def rate(self) -> float:
        return self.items / self.seconds

    def and_again(self, other: "Stage") -> "Stage":
        """The same work done at two times: a machine whose speed drifts is not caught at its best or worst."""
        items, seconds = self.items + other.items, self.seconds + other.seconds
        return replace(self, items=items, seconds=seconds, requests=self.requests + other.requests)


@dataclass(frozen=True, slots=True)
class Round:
    """One installation's figures. ``fetch``, ``map`` and ``write`` are the bare loops."""

    whole: Import
    fetch: Stage
    parse: Stage
    map: Stage
    mapper: Stage
    write: Stage

    @property
    def slowest(self) -> Stage:
        return min((self.fetch, self.map, self.write), key=lambda stage: stage.rate)

    @property
    def of_slowest(self) -> float:
        return self.whole.rate / self.slowest.rate

    @property
    def of_mapping(self) -> float:
        return self.mapper.rate / self.map.rate

    @property
    def summary(self) -> str:
        return f"{self.whole.rate:.0f} employees/s, {self.of_slowest:.2f} of the slowest bare stage"


def steady(times_ms: Sequence[int], skipped: int = SKIPPED) -> tuple[int, float]:
    """How many answers came after the first ones, and in how many seconds, from the times of all."""
    ordered = sorted(times_ms)
    first = ordered[min(skipped, len(ordered) // 2)]
    later = sum(time > first for time in ordered)
    return later, (ordered[-1] - first) / 1000


def misses(rounds: Sequence[Round]) -> list[str]:
    """What the project holds itself to and the medians do not reach."""
    found = []
    if (got := median(each.of_slowest for each in rounds)) < AT_LEAST_OF_SLOWEST:
        found.append(f"the first import reaches {got:.2f} of the slowest bare stage, not {AT_LEAST_OF_SLOWEST}")
    if (got := median(each.of_mapping for each in rounds)) < AT_LEAST_OF_MAPPING:
        found.append(f"the mapper alone reaches {got:.2f} of its bare loop, not {AT_LEAST_OF_MAPPING}")
    if (got := median(each.whole.poller_growth_mib for each in rounds)) >= AT_MOST_MIB:
        found.append(f"the poller grows by {got:.0f} MiB, not by less than {AT_MOST_MIB:.0f}")
    return found


def table(rounds: Sequence[Round]) -> str:
    """Markdown: medians of the rounds, with the lowest and the highest of the ratios."""
    return "\n".join([*_rates(rounds), "", *_ratios(rounds), "", *_processes(rounds)])


def _rates(rounds: Sequence[Round]) -> list[str]:
    stages: tuple[tuple[str, Callable[[Round], Stage]], ...] = (
        ("bare", lambda each: each.fetch),
        ("ours", lambda each: each.parse),
        ("bare", lambda each: each.map),
        ("ours", lambda each: each.mapper),
        ("bare", lambda each: each.write),
    )
    lines = ["| what | | items | seconds | items/s |", "|---|---|---:|---:|---:|"]
    for kind, stage in stages:
        found = [stage(each) for each in rounds]
        items, seconds = median(each.items for each in found), median(each.seconds for each in found)
        rate = median(each.rate for each in found)
        lines.append(f"| {found[0].name} | {kind} | {items:.0f} | {seconds:.1f} | {rate:.0f} |")
    imports = [each.whole for each in rounds]
    employees, seconds = median(each.employees for each in imports), median(each.seconds for each in imports)
    rate = median(each.rate for each in imports)
    lines.append(f"| **the first import, whole** | ours | {employees:.0f} | {seconds:.1f} | **{rate:.0f}** |")
    return lines


def _ratios(rounds: Sequence[Round]) -> list[str]:
    lines = ["| ratio | wanted | median | lowest | highest |", "|---|---:|---:|---:|---:|"]
    ratios: tuple[tuple[str, str, Callable[[Round], float], str], ...] = (
        (f"first import / slowest bare stage ({rounds[0].slowest.name})", "≥ 0.5", lambda each: each.of_slowest, ".2f"),
        ("mapper alone / its bare loop", "≥ 0.8", lambda each: each.of_mapping, ".2f"),
        ("poller's peak memory above readiness, MiB", "< 100", lambda each: each.whole.poller_growth_mib, ".0f"),
    )
    for name, wanted, value, form in ratios:
        found = [value(each) for each in rounds]
        figures = (median(found), min(found), max(found))
        lines.append(f"| {name} | {wanted} | " + " | ".join(f"{figure:{form}}" for figure in figures) + " |")
    return lines


def _processes(rounds: Sequence[Round]) -> list[str]:
    lines = ["| process, during the import | CPU seconds | CPU ms an employee | peak MiB |", "|---|---:|---:|---:|"]
    for name in rounds[0].whole.usage:
        used = [each.whole.usage[name] for each in rounds]
        cpu, peak = median(each.cpu_seconds for each in used), median(each.peak_mib for each in used)
        share = median(1000 * each.whole.usage[name].cpu_seconds / each.whole.employees for each in rounds)
        lines.append(f"| {name} | {cpu:.1f} | {share:.2f} | {peak:.0f} |")
    return lines
