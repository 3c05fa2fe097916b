"""Generates ``docs/metrics.md``: one line for each metric."""

from prometheus_client import Counter, Gauge, Histogram

from docs.generators.markdown import build_page, build_table, format_code
from services.runtime.metrics import Metrics

INTRODUCTION = """\
Every service shows these metrics at `/metrics` for Prometheus, beside `/health/live` and `/health/ready` (`HTTP_HOST`,
`HTTP_PORT`). A metric that does not concern a service stays empty there. Labels contain names of topics, outcomes and
causes, never personal data. A histogram has the usual series `…_bucket`, `…_sum` and `…_count`."""


def generate() -> str:
    """Returns the page."""
    rows = [
        _build_row(metric) for metric in vars(Metrics()).values() if isinstance(metric, Counter | Gauge | Histogram)
    ]
    return build_page(
        "Metrics", INTRODUCTION, build_table(("Metric", "Kind", "Labels", "Meaning, and what to do"), rows)
    )


def _build_row(metric: Counter | Gauge | Histogram) -> tuple[str, ...]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(map(format_code, metric._labelnames))  # noqa: SLF001 - prometheus_client has no public access to the label names
    return format_code(name), family.type, labels, family.documentation
