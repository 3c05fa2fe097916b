"""Every metric of the product, in one place: what it means and what to do about it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

FRESHNESS_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)


class Metrics:
    """One registry a process; labels hold ids, names of outcomes and causes, never anything of a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.records = Counter(
            "sync_records_total",
            "Records taken from Kafka, by what became of them: `handled`, or `dead_letter` if they could not be "
            "read. Rising dead letters: see `dead-letters list`.",
            ["source", "result"],
            registry=registry,
        )
        self.batches = Counter(
            "sync_batches_total",
            "Batches taken from Kafka: `done`, `dropped` since their partitions moved to another replica, "
            "`retried` while MongoDB or Kafka was away, `failed` for a cause that nobody expected. Rising "
            "`retried`: look after the servers. `failed`: read the log.",
            ["source", "result"],
            registry=registry,
        )
        self.published = Counter(
            "sync_published_total",
            "Records that Kafka has acknowledged. Standing still while changes are found: Kafka is away, see "
            "`/health/ready`.",
            ["topic"],
            registry=registry,
        )
        self.lag = Gauge(
            "sync_lag_records",
            "Records of the partitions of this replica that wait to be handled, as of the last question to "
            "`/health/ready`. Growing for long: add replicas, as many as there are partitions at most.",
            ["source"],
            registry=registry,
        )
        self.outcomes = Counter(
            "sync_outcomes_total",
            "How changes were settled. Rising `rejected`: people whose data somebody has to correct, see "
            "`status` and `people show`.",
            ["outcome"],
            registry=registry,
        )
        self.waiting = Counter(
            "sync_waiting_total",
            "Changes left waiting, by the kind of error that is the cause. Rising: Declaree is down, or refuses "
            "the key (`connections check`); they are sent again by themselves once it is well.",
            ["cause"],
            registry=registry,
        )
        self.freshness = Histogram(
            "sync_freshness_seconds",
            "Time from the detection of a change to the account being right. Growing: the writer is the "
            "bottleneck, or people wait.",
            buckets=FRESHNESS_BUCKETS,
            registry=registry,
        )
        self.requests = Counter(
            "sync_target_requests_total",
            "Requests to Declaree, by what was asked and what came back. Rising `Lost`: answers to writes get "
            "lost on the way, and accounts are looked up again; `Refused`: Declaree does not take what the "
            "mapping makes.",
            ["call", "answer"],
            registry=registry,
        )
        self.runs = Counter(
            "sync_runs_total",
            "Polls of Personio: `succeeded` or `failed`. Failed ones: `status` says why. Standing still for "
            "longer than the interval: see `/health/ready` of the poller.",
            ["result"],
            registry=registry,
        )
        self.changes = Counter(
            "sync_changes_total",
            "Changes found in Personio: `created` people and `changed` ones. Every one of them is to be settled: compare "
            "with `sync_outcomes_total`.",
            ["kind"],
            registry=registry,
        )
