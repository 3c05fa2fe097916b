"""Every metric of the product: its name, its labels, what it means and what to do about it."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.version import VERSION

FRESHNESS_BUCKETS = (10, 60, 600, 3600, 86_400)
"""Upper bounds of the freshness from the detection, in seconds. Each costs a series for every connection and replica."""
SOURCE_FRESHNESS_BUCKETS = (300, 1200, 3600, 14_400, 86_400)
"""Upper bounds of the freshness from Personio's stamp, in seconds: 20 minutes are a poll interval of 15 and the writing."""


class Metrics:
    """The metrics of one process. Labels hold names of topics, outcomes and causes, and connection ids; never personal data.

    The help texts are printed in ``docs/metrics.md``.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """The metrics for Prometheus."""

        # ------------------------------------------------------------ the process
        self.build = self._make_gauge(
            "sync_build_info",
            "Always 1. The label is the version of the process. Several of them for long: an upgrade is not finished.",
            "version",
        )
        self.build.labels(VERSION).set(1)

        # ------------------------------------------------------------ Kafka
        self.records = self._make_counter(
            "sync_records_total",
            "Records read from Kafka, by result: `handled`, or `dead_letter` for a record that cannot be read or leads to an "
            "oversized event. If `dead_letter` rises: run `dead-letters list`.",
            "source",
            "result",
        )
        self.batches = self._make_counter(
            "sync_batches_total",
            "Batches read from Kafka, by result: `done`; `dropped` because the partitions moved to another replica; "
            "`retried` because MongoDB or Kafka was unavailable; `failed` after an unexpected error. If `retried` rises: "
            "check the servers. If `failed` rises: read the log.",
            "source",
            "result",
        )
        self.published = self._make_counter(
            "sync_published_total",
            "Records that Kafka has acknowledged. If it stays the same while `sync_changes_total` rises: Kafka is "
            "unavailable, see `/health/ready`.",
            "topic",
        )
        self.lag = self._make_gauge(
            "sync_lag_records",
            "Records in the partitions of this replica that are not settled yet. Updated after each commit, at least four times "
            "in KAFKA_SESSION_TIMEOUT_MS. If it keeps growing: add replicas, up to the number of partitions.",
            "source",
        )

        # ------------------------------------------------------------ changes
        self.outcomes = self._make_counter(
            "sync_outcomes_total",
            "Settled changes, by outcome. If `rejected` rises: data has to be corrected, see `status` and `people show`.",
            "outcome",
        )
        self.waiting = self._make_counter(
            "sync_waiting_total",
            "Changes that began to wait, by cause, such as `server-unavailable`, `key-refused` or `unexpected`. `backlog` and "
            "`manager-pending` are usual in a first import. If `disabling-held` rises: unusually many accounts were to be "
            "disabled, and an administrator has to decide, see `status`. If another cause rises: run `connections check`. The "
            "changes are resent automatically when the cause ends.",
            "cause",
        )
        self.balance = self._make_gauge(
            "sync_balance_people",
            "Employees of all connections with a newest change that is not settled: 0 at rest. The poller reads it every 15 s; "
            "`NaN` if MongoDB does not answer, and in the other services. Each replica has the same number: use the maximum. "
            "If it does not fall: see `status`, `sync_waiting_people` and `sync_lag_records`.",
        )
        self.balance.set(math.nan)
        self.waiting_people = self._make_gauge(
            "sync_waiting_people",
            "Employees of all connections with a waiting change, by cause, as `sync_waiting_total` has it. Only in the poller, "
            "which reads it every 15 s. Each replica has the same numbers: use the maximum. If it stays above 0: run "
            "`connections check` and `people list`. `disabling-held` stays until an administrator has decided.",
            "cause",
        )
        self.findings = self._make_gauge(
            "sync_connection_findings",
            "What needs a person, by connection id and level, as `status` judges it: `problem` or `hint`. Only in the poller, "
            "which judges all connections every 60 s; empty if MongoDB does not answer. Each replica has the same numbers: use "
            "the maximum. `status ID` tells what it is.",
            "connection",
            "level",
        )
        self.overdue_polls = self._make_gauge(
            "sync_overdue_polls",
            "Active connections with a poll that is late by more than a tenth of POLL_INTERVAL_SECONDS. Only in the poller, "
            "as `sync_balance_people`. If it stays above 0: add replicas of the poller, or see its log.",
        )
        self.overdue_polls.set(math.nan)
        self.freshness = self._make_histogram(
            "sync_freshness_seconds",
            "Seconds from the detection of a change until its account is right, by connection id. A change counts once, when its "
            "account is first written; a replay, a resend of an old change or a new mapping does not count. Time in which a change "
            "waits or its poll is held counts. If it grows: changes wait, or the writer is too slow; a first import takes its time. Each "
            "connection has 9 series in each writer, until that writer has had no change of it for a day.",
            FRESHNESS_BUCKETS,
            "connection",
        )
        self.source_freshness = self._make_histogram(
            "sync_source_freshness_seconds",
            "Seconds from Personio's own stamp of a change (`last_modified_at`) until its account is right, by connection id. "
            "Of the changes that `sync_freshness_seconds` counts, those with a stamp that is newer than that of the employee's "
            "previous change, not later than the detection, and at most a week before it. If it grows and "
            "`sync_freshness_seconds` does not: polls are late, or Personio reports changes late. It has as many series.",
            SOURCE_FRESHNESS_BUCKETS,
            "connection",
        )

        # ------------------------------------------------------------ the vendors
        self.requests = self._make_counter(
            "sync_target_requests_total",
            "Requests to Declaree, by call (`read-account`, `find-accounts`, `list-accounts`, `create-account`, "
            "`patch-account`, `replace-account`) and answer: `found`; `page` of a list; `written`; `conflict` because another "
            "account has the same unique value, or the account cannot change now; `outdated` because the account has changed "
            "since it was read; `missing` because the account does not exist; `unsupported` because Declaree does not know "
            "the method, the filter or the list; `refused` because Declaree does not accept the values; `lost` without a "
            "usable answer. If `lost` rises: the connection to Declaree is bad, and the "
            "accounts are looked up again. If `refused` rises: correct the mapping or the data, see `people list`.",
            "call",
            "answer",
        )
        self.runs = self._make_counter(
            "sync_runs_total",
            "Polls of Personio, by result: `succeeded`, `incomplete`, `held` or `failed`. If one of the last three rises: "
            "`status` shows the reason. If none rises for longer than POLL_INTERVAL_SECONDS: see `/health/ready` of the poller.",
            "result",
        )
        self.changes = self._make_counter(
            "sync_changes_total",
            "Changes that polls have released, by kind: `created` for a new employee, `changed` for any other change. Each of "
            "them has to be settled: compare with `sync_outcomes_total`, which also counts the changes of `runs release` and "
            "`poll --employee`.",
            "kind",
        )

    def _make_counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Returns a number that only grows."""
        return Counter(name, meaning, labels, registry=self.registry)

    def _make_gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """Returns a number that grows and falls."""
        return Gauge(name, meaning, labels, registry=self.registry)

    def _make_histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Returns the distribution of a duration."""
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)
