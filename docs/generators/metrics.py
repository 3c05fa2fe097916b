"""Generates ``docs/metrics.md``: one line for each metric."""

from prometheus_client import Counter, Gauge, Histogram

from docs.generators.markdown import build_page, build_table, format_code
from services.runtime.metrics import Metrics

INTRODUCTION = """\
Every service serves these metrics for Prometheus at the path `/metrics` of its `HTTP_HOST` and `HTTP_PORT`. The paths
`/health/live` and `/health/ready` are at the same address. A metric that a service does not use stays empty there. Labels
contain names of topics, outcomes and causes, and connection ids; never personal data. A histogram has the series `…_bucket`,
`…_sum` and `…_count`. [alerts.yml](alerts.yml) has rules for alerts on these metrics."""


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
