"""The table of idle companies, and the targets. Pure: arithmetic and text."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_COMMANDS = 6
"""Target: commands to MongoDB for one poll without changes, rounded."""

INTERVAL_SECONDS, COMPANIES = 900, 3_000
"""The default interval of polls, and the companies that one poller polls within it."""

MAX_POLLER_MS = 150.0
"""Target: CPU milliseconds of the poller for one poll without changes. With ``COMPANIES`` companies it then uses at most half
of a core, and the rest is for changes and tasks."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened during some seconds."""

    seconds: float
    """Duration."""
    cpu_seconds: Mapping[str, float]
    """CPU seconds, by process."""
    commands: int
    """Commands to MongoDB."""
    polls: int
    """Polls that have ended."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The measurement of companies without changes."""

    people: int
    """Employees of each company."""
    companies: int
    """Number of companies."""
    rest: Window
    """The installation with these companies, none of which is due."""
    busy: Window
    """The same installation with polls."""

    def get_cpu_ms(self, process: str) -> float:
        """Returns the CPU milliseconds of a process for one poll, without those at rest."""
        return 1000 * self._subtract_rest(self.busy.cpu_seconds[process], self.rest.cpu_seconds[process])

    @property
    def commands(self) -> float:
        """Commands to MongoDB for one poll, without those at rest."""
        return self._subtract_rest(self.busy.commands, self.rest.commands)

    def _subtract_rest(self, busy: float, rest: float) -> float:
        return (busy - rest * self.busy.seconds / self.rest.seconds) / self.busy.polls


def find_idle_misses(idle: Idle) -> list[str]:
    """Returns one line for each target that is missed."""
    misses = []
    if round(idle.commands) > MAX_COMMANDS:
        misses.append(f"an idle poll sends {idle.commands:.1f} commands to MongoDB, not at most {MAX_COMMANDS}")
    if (got := idle.get_cpu_ms("poller")) > MAX_POLLER_MS:
        misses.append(f"an idle poll takes {got:.0f} ms of the poller's CPU, not at most {MAX_POLLER_MS:.0f}")
    return misses


def format_idle(idle: Idle) -> str:
    """Returns a table in Markdown."""
    what = f"one poll of {idle.people} unchanged people ({idle.companies} companies)"
    load = f"{COMPANIES:,} companies every {INTERVAL_SECONDS} s"
    lines = [f"| {what} | target | result | at rest, a second | {load} |", "|---|---:|---:|---:|---:|"]
    for process in idle.busy.cpu_seconds:
        target = f"≤ {MAX_POLLER_MS:.0f}" if process == "poller" else ""
        at_rest = 1000 * idle.rest.cpu_seconds[process] / idle.rest.seconds
        cost = idle.get_cpu_ms(process)
        share = f"{cost * COMPANIES / INTERVAL_SECONDS / 10:.0f} % of a core"
        lines.append(f"| CPU of {process}, ms | {target} | {cost:.1f} | {at_rest:.1f} | {share} |")
    at_rest, a_second = idle.rest.commands / idle.rest.seconds, idle.commands * COMPANIES / INTERVAL_SECONDS
    lines.append(
        f"| commands to MongoDB | ≤ {MAX_COMMANDS} | {idle.commands:.1f} | {at_rest:.1f} | {a_second:.0f} a second |"
    )
    return "\n".join(lines)
