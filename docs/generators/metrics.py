"""``docs/metrics.md``: one line a metric."""

from prometheus_client import Counter, Gauge, Histogram

from docs.generators.markdown import code, page, table
from services.runtime.metrics import Metrics

INTRODUCTION = """\
Every service shows these at `/metrics` for Prometheus, beside `/health/live` and `/health/ready` (`HTTP_HOST`,
`HTTP_PORT`). One that a service has no part in stays empty there. Labels hold names of topics, outcomes and causes,
never anything of a person. A histogram has the usual series: `…_bucket`, `…_sum`, `…_count`."""


def text() -> str:
    rows = [_row(metric) for metric in vars(Metrics()).values() if isinstance(metric, Counter | Gauge | Histogram)]
    return page("Metrics", INTRODUCTION, table(("Metric", "Kind", "Labels", "What it means, and what to do"), rows))


def _row(metric: Counter | Gauge | Histogram) -> tuple[str, ...]:
    (described,) = metric.describe()
    name = f"{described.name}_total" if described.type == "counter" else described.name
    labels = ", ".join(map(code, metric._labelnames))  # noqa: SLF001 - there is no public way to ask for them
    return code(name), described.type, labels, described.documentation
