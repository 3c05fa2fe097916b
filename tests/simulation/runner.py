"""Runs many schedules, and tells what was found."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation.faults import Fault
from tests.simulation.plan import Options
from tests.simulation.schedule import Report, run_schedule, shrink_decisions

CHUNK = 20
"""Number of schedules after which a process collects garbage and reports."""


@dataclass
class Summary:
    """The result of a run."""

    schedules: int = 0
    """Number of schedules."""
    steps: int = 0
    """Number of steps of all event loops."""
    fired: Counter[Fault] = field(default_factory=Counter)
    """How often each fault has struck."""
    failures: list[Report] = field(default_factory=list)
    """The schedules that have failed."""

    def add(self, report: Report) -> None:
        """Takes the report of one schedule into the summary."""
        self.schedules += 1
        self.steps += report.steps
        self.fired += report.fired
        if report.failure is not None:
            self.failures.append(report)

    def find_missing_faults(self) -> list[Fault]:
        """Returns the faults that never struck: the run has proved nothing about them."""
        return [fault for fault in Fault if not self.fired[fault]]


def run_many(seeds: range, options: Options, processes: int, *, stops_early: bool = False) -> Summary:
    """Runs the schedules of all seeds. With ``stops_early``, ends after the first failure."""
    summary = Summary()
    size = 1 if stops_early else CHUNK
    chunks = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    for reports in _run_chunks(chunks, options, processes):
        for report in reports:
            summary.add(report)
        if stops_early and summary.failures:
            break
    return summary


def _run_chunks(chunks: list[range], options: Options, processes: int) -> Iterator[list[Report]]:
    if processes == 1:
        yield from (_run_chunk(chunk, options) for chunk in chunks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(_run_chunk, chunks, [options] * len(chunks))
        finally:
            pool.shutdown(cancel_futures=True)


def _run_chunk(seeds: Iterable[int], options: Options) -> list[Report]:
    # the collector would run thousands of times: it costs a fifth of the time
    gc.disable()
    try:
        return [run_schedule(seed, options) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()


def tell_failure(report: Report, options: Options) -> str:
    """Returns what is wrong, a history of it that is as simple as possible, and how to reproduce it."""
    decisions = shrink_decisions(report.seed, options)
    simple = report if decisions is None else run_schedule(report.seed, options, decisions, tells=True)
    shown = simple if simple.failure is not None else report
    return "\n".join(
        (
            f"Seed {report.seed}: {report.failure}",
            f"Simplified to: {shown.failure}",
            shown.history,
            f"Reproduce it with: SEED={report.seed} make simulate{options.describe()}",
        )
    )
