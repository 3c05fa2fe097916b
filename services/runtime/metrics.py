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
            "Records taken from Kafka, by what became of them (handled, dead_letter). Rising dead letters: see `dead-letters list`.",
            ["source", "result"],
            registry=registry,
        )
        self.batches = Counter(
            "sync_batches_total",
            "Batches by result (done, dropped after a rebalance, retried after a transient error, failed). Failed: read the log.",
            ["source", "result"],
            registry=registry,
        )
        self.published = Counter(
            "sync_published_total", "Records acknowledged by Kafka, by topic.", ["topic"], registry=registry
        )
        self.lag = Gauge(
            "sync_lag_records",
            "Records not yet handled, by source topic. Growing for long: add replicas.",
            ["source"],
            registry=registry,
        )
        self.outcomes = Counter(
            "sync_outcomes_total",
            "How changes were settled. Rising `rejected`: see `people show`.",
            ["outcome"],
            registry=registry,
        )
        self.waiting = Counter(
            "sync_waiting_total",
            "Changes left waiting, by cause. Rising: the target is down or refuses the key.",
            ["cause"],
            registry=registry,
        )
        self.freshness = Histogram(
            "sync_freshness_seconds",
            "From the detection of a change to the account being right.",
            buckets=FRESHNESS_BUCKETS,
            registry=registry,
        )
        self.requests = Counter(
            "sync_target_requests_total",
            "Requests to Declaree, by what was asked and what came back.",
            ["call", "answer"],
            registry=registry,
        )
        self.runs = Counter(
            "sync_runs_total", "Polls of Personio, by result. Failed ones: see `status`.", ["result"], registry=registry
        )
        self.changes = Counter("sync_changes_total", "Changes found in Personio, by kind.", ["kind"], registry=registry)
