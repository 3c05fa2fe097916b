"""The measurements, and their report as Markdown. Pure: arithmetic and text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.processes import Usage

SKIPPED = 1_000
"""Answers that are not part of a rate, because a stage is slower while it starts."""

MIN_RATIO_TO_LOOPS = 0.12
"""Target: rate of the first import, divided by that of the three bare loops one after another."""

MIN_RATIO_OF_MAPPER = 0.8
"""Target: rate of the mapper alone, divided by that of its bare loop."""

MAX_REQUESTS = 1.2
"""Target: requests to Declaree for each account of the first import."""

MAX_REQUESTS_PER_PAGE = 1.1
"""Target: requests to Declaree during a verification, for each page of the list."""

MAX_GROWTH_MIB = 100.0
"""Target: the poller's peak memory above its level at readiness, in MiB."""


@dataclass(frozen=True, slots=True)
class Import:
    """The measurement of a first import."""

    employees: int
    """Employees in the company, active or not."""
    accounts: int
    """Active employees; each gets an account."""
    seconds: float
    """Time from the first request to Personio until every account and its manager is right."""
    polled_seconds: float
    """Time from the first request to Personio until the poller had published the last change."""
    requests: int
    """Requests to Declaree."""
    usage: Mapping[str, Usage]
    """Usage of all processes during the import, by name."""
    growth_mib: Mapping[str, float]
    """Peak memory of the services above their level at readiness in MiB, by name."""

    @property
    def rate(self) -> float:
        """Employees per second."""
        return self.employees / self.seconds

    @property
    def requests_per_account(self) -> float:
        """Requests to Declaree for each account."""
        return self.requests / self.accounts


@dataclass(frozen=True, slots=True)
class Verification:
    """The measurement of a verification of all accounts, all of which are right."""

    accounts: int
    """Listed accounts."""
    seconds: float
    """Time from the task to the report."""
    pages: int
    """Pages of the list."""
    requests: int
    """Requests to Declaree."""
    poller_growth_mib: float
    """The poller's peak memory above its level at readiness, in MiB."""
    cpu_seconds: float
    """CPU seconds of the poller."""

    @property
    def requests_per_page(self) -> float:
        """Requests to Declaree for each page of the list."""
        return self.requests / self.pages


@dataclass(frozen=True, slots=True)
class Stage:
    """The measurement of one stage, by the product or by a bare loop."""

    name: str
    """The stage's name in the report."""
    items: int
    """Employees, or records of one employee each."""
    seconds: float
    """Duration of the work."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """Usage of the processes, by name."""
    requests: int = 0
    """Requests to Declaree."""

    @property
    def rate(self) -> float:
        """Items per second."""
        return self.items / self.seconds

    def combine(self, other: "Stage") -> "Stage":
        """Returns the sum of two measurements of the same work.

        The speed of a virtual machine drifts, so a measurement at two times is closer to the machine's average.
        """
        items, seconds = self.items + other.items, self.seconds + other.seconds
        return replace(self, items=items, seconds=seconds, requests=self.requests + other.requests)


@dataclass(frozen=True, slots=True)
class Round:
    """The measurements on one installation."""

    whole: Import
    """The first import."""
    fetch: Stage
    """The bare loop that fetches and decodes employees."""
    parse: Stage
    """The poller's client, which fetches, decodes and parses employees."""
    map: Stage
    """The bare loop that does the mapper's work."""
    mapper: Stage
    """The mapper alone."""
    write: Stage
    """The bare loop that sends the import's requests to Declaree."""
    verification: Verification
    """The verification of all accounts after the import."""
    half_filled: Import
    """The first import into a Declaree with an account for every second active employee."""

    @property
    def loops_rate(self) -> float:
        """Employees per second of the three bare loops one after another."""
        return 1 / sum(1 / stage.rate for stage in (self.fetch, self.map, self.write))

    @property
    def ratio_to_loops(self) -> float:
        """Rate of the first import, divided by that of the three bare loops one after another."""
        return self.whole.rate / self.loops_rate

    @property
    def ratio_of_mapper(self) -> float:
        """Rate of the mapper alone, divided by that of its bare loop."""
        return self.mapper.rate / self.map.rate

    @property
    def summary(self) -> str:
        """The result in one line."""
        return f"{self.whole.rate:.0f} employees/s, {self.ratio_to_loops:.2f} of the bare loops"


def count_steady(times_ms: Sequence[int], skipped: int = SKIPPED) -> tuple[int, float]:
    """Returns the number of answers after the first ones, and the seconds between those and the last answer.

    ``times_ms`` are the times of all answers, ``skipped`` is the number of the first ones. Of few answers, the later half
    counts.
    """
    ordered = sorted(times_ms)
    first = ordered[min(skipped, len(ordered) // 2)]
    later = sum(time > first for time in ordered)
    return later, (ordered[-1] - first) / 1000


def find_misses(rounds: Sequence[Round]) -> list[str]:
    """Returns one line for each target that the median of the rounds misses."""
    misses = []
    if (got := median(entry.ratio_to_loops for entry in rounds)) < MIN_RATIO_TO_LOOPS:
        misses.append(f"the first import reaches {got:.2f} of the bare loops, not {MIN_RATIO_TO_LOOPS}")
    if (got := median(entry.ratio_of_mapper for entry in rounds)) < MIN_RATIO_OF_MAPPER:
        misses.append(f"the mapper alone reaches {got:.2f} of its bare loop, not {MIN_RATIO_OF_MAPPER}")
    if (got := median(entry.whole.growth_mib["poller"] for entry in rounds)) >= MAX_GROWTH_MIB:
        misses.append(f"the poller grows by {got:.0f} MiB, not by less than {MAX_GROWTH_MIB:.0f}")
    if (got := median(entry.whole.requests_per_account for entry in rounds)) > MAX_REQUESTS:
        misses.append(f"the first import sends {got:.2f} requests for each account, not at most {MAX_REQUESTS}")
    if (got := median(entry.half_filled.requests_per_account for entry in rounds)) > MAX_REQUESTS:
        misses.append(f"an import into a half-filled Declaree sends {got:.2f} requests, not at most {MAX_REQUESTS}")
    if (got := median(entry.verification.requests_per_page for entry in rounds)) > MAX_REQUESTS_PER_PAGE:
        misses.append(f"a verification sends {got:.2f} requests for each page, not at most {MAX_REQUESTS_PER_PAGE}")
    if (got := median(entry.verification.poller_growth_mib for entry in rounds)) >= MAX_GROWTH_MIB:
        misses.append(f"the poller grows by {got:.0f} MiB in a verification, not by less than {MAX_GROWTH_MIB:.0f}")
    return misses


def format_report(rounds: Sequence[Round]) -> str:
    """Returns Markdown tables with the medians of the rounds, and with the lowest and highest ratio."""
    return "\n".join([*_format_rates(rounds), "", *_format_ratios(rounds), "", *_format_processes(rounds)])


def _format_rates(rounds: Sequence[Round]) -> list[str]:
    columns: tuple[tuple[str, Callable[[Round], Stage]], ...] = (
        ("bare", lambda entry: entry.fetch),
        ("ours", lambda entry: entry.parse),
        ("bare", lambda entry: entry.map),
        ("ours", lambda entry: entry.mapper),
        ("bare", lambda entry: entry.write),
    )
    lines = ["| what | | items | seconds | items/s |", "|---|---|---:|---:|---:|"]
    for kind, get_stage in columns:
        stages = [get_stage(entry) for entry in rounds]
        items, seconds = median(stage.items for stage in stages), median(stage.seconds for stage in stages)
        rate = median(stage.rate for stage in stages)
        lines.append(f"| {stages[0].name} | {kind} | {items:.0f} | {seconds:.1f} | {rate:.0f} |")
    imports = [entry.whole for entry in rounds]
    employees, seconds = median(entry.employees for entry in imports), median(entry.seconds for entry in imports)
    rate = median(entry.rate for entry in imports)
    lines.append(f"| **the first import, whole** | ours | {employees:.0f} | {seconds:.1f} | **{rate:.0f}** |")
    verifications = [entry.verification for entry in rounds]
    accounts, seconds = median(one.accounts for one in verifications), median(one.seconds for one in verifications)
    rate = median(one.accounts / one.seconds for one in verifications)
    lines.append(f"| verification of all accounts | ours | {accounts:.0f} | {seconds:.1f} | {rate:.0f} |")
    return lines


def _format_ratios(rounds: Sequence[Round]) -> list[str]:
    lines = ["| ratio | target | median | lowest | highest |", "|---|---:|---:|---:|---:|"]
    ratios: tuple[tuple[str, str, Callable[[Round], float], str], ...] = (
        ("first import / the bare loops one after another", "≥ 0.12", lambda entry: entry.ratio_to_loops, ".2f"),
        ("mapper alone / its bare loop", "≥ 0.8", lambda entry: entry.ratio_of_mapper, ".2f"),
        ("poller's peak memory above readiness, MiB", "< 100", lambda entry: entry.whole.growth_mib["poller"], ".0f"),
        ("requests to Declaree for each account", "≤ 1.2", lambda entry: entry.whole.requests_per_account, ".2f"),
        (
            "half-filled Declaree: requests for each account",
            "≤ 1.2",
            lambda entry: entry.half_filled.requests_per_account,
            ".2f",
        ),
        ("verification: requests for each page", "≤ 1.1", lambda entry: entry.verification.requests_per_page, ".2f"),
        (
            "verification: poller's peak memory above readiness, MiB",
            "< 100",
            lambda entry: entry.verification.poller_growth_mib,
            ".0f",
        ),
    )
    for name, target, get_ratio, form in ratios:
        values = [get_ratio(entry) for entry in rounds]
        figures = (median(values), min(values), max(values))
        lines.append(f"| {name} | {target} | " + " | ".join(f"{figure:{form}}" for figure in figures) + " |")
    return lines


def _format_processes(rounds: Sequence[Round]) -> list[str]:
    lines = ["| process, during the import | CPU seconds | CPU ms an employee | peak MiB |", "|---|---:|---:|---:|"]
    for name in rounds[0].whole.usage:
        usages = [entry.whole.usage[name] for entry in rounds]
        cpu, peak = median(usage.cpu_seconds for usage in usages), median(usage.peak_mib for usage in usages)
        share = median(1000 * entry.whole.usage[name].cpu_seconds / entry.whole.employees for entry in rounds)
        lines.append(f"| {name} | {cpu:.1f} | {share:.2f} | {peak:.0f} |")
    return lines
