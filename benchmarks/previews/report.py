"""The table of the previews, and the target. Pure: arithmetic and text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_EXTRA_SECONDS = 10.0
"""Target for 10,000 people: time of a preview above that of its Personio pages, in seconds, on a machine with ``USUAL_PAGES_SECONDS``."""
USUAL_PAGES_SECONDS = 1.1
"""Duration of the bare loop for 10,000 people on the machine of the target. A slower machine needs longer for both."""
MAX_EXTRA = MAX_EXTRA_SECONDS / USUAL_PAGES_SECONDS
"""Target: time of a preview above that of its pages, in times of its pages."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The quickest of several previews of all employees, and of the bare loops before and after each."""

    name: str
    """The state of the connection."""
    results: Mapping[str, int]
    """Number of employees by result."""
    seconds: float
    """Duration of the preview."""
    cpu_seconds: Mapping[str, float]
    """CPU seconds of the previewing process, without its further processes, and of the servers, by name."""
    growth_mib: float
    """Peak memory of the previewing process above its level before the preview, in MiB."""
    pages_seconds: float
    """Duration of the quickest bare loop, which fetches and decodes the same pages of Personio."""
    pages_cpu_seconds: float
    """CPU seconds of the bare loop with the fewest."""

    @property
    def employees(self) -> int:
        """Number of employees."""
        return sum(self.results.values())

    @property
    def extra_seconds(self) -> float:
        """Time above that of the pages, in seconds."""
        return self.seconds - self.pages_seconds

    @property
    def extra(self) -> float:
        """Time above that of the pages, in times of the pages."""
        return self.extra_seconds / self.pages_seconds


def find_slow_previews(previews: Sequence[Preview]) -> list[str]:
    """Returns one line for each preview that misses the target."""
    return [
        f"the preview of {preview.employees:,} people {preview.name} takes {preview.extra:.1f} times its pages longer than them, "
        f"not at most {MAX_EXTRA:.1f}"
        for preview in previews
        if preview.extra > MAX_EXTRA
    ]


def format_previews(previews: Sequence[Preview]) -> str:
    """Returns a table in Markdown, and the results below it."""
    names = " | ".join(preview.name for preview in previews)
    servers = list(dict.fromkeys(name for preview in previews for name in preview.cpu_seconds))
    rows: list[tuple[str, str, list[float], str]] = [
        (
            "preview above its pages, in times of its pages",
            f"≤ {MAX_EXTRA:.1f}",
            [preview.extra for preview in previews],
            ".1f",
        ),
        ("preview above its pages, s", "", [preview.extra_seconds for preview in previews], ".1f"),
        ("preview, s", "", [preview.seconds for preview in previews], ".1f"),
        ("its pages, s", "", [preview.pages_seconds for preview in previews], ".1f"),
        *(
            (f"CPU of {name}, s", "", [preview.cpu_seconds.get(name, 0.0) for preview in previews], ".1f")
            for name in servers
        ),
        ("CPU of the loop that reads the pages, s", "", [preview.pages_cpu_seconds for preview in previews], ".1f"),
        ("peak memory above readiness, MiB", "", [preview.growth_mib for preview in previews], ".0f"),
    ]
    lines = [
        f"| preview of {previews[0].employees:,} people | target | {names} |",
        "|---|---:|" + "---:|" * len(previews),
    ]
    for name, target, values, form in rows:
        lines.append(f"| {name} | {target} | {' | '.join(f'{value:{form}}' for value in values)} |")
    lines += ["", *(f"- {preview.name}: {_format_results(preview.results)}" for preview in previews)]
    return "\n".join(lines)


def _format_results(results: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {result}" for result, number in results.items())
