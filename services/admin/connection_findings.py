"""Judges what is stored about one connection: its secrets, polls, attributes and announcements. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.admin.attribute_news import summarise_keys
from services.admin.findings import Finding
from services.admin.status import Status
from services.admin.undone_findings import count_people, judge_undone
from services.contracts.catalogues import AttributeChangeKind
from services.contracts.connections import ConnectionState
from services.contracts.runs import UNSUCCESSFUL, RunState
from services.store.connection_summaries import ConnectionSummary

OLD_SECRET = timedelta(days=365)
"""Age from which a secret is a hint. Neither vendor ends a secret on its own, so that only a person replaces it."""
PAGE_SIZE = 100
"""Number of employees on a page of Personio."""
FURTHER_REQUESTS = 2
"""Number of requests of a full scan beside those for the pages: the list of attributes, and the end of the list."""


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """What is stored about one connection, and what its findings depend on."""

    summary: ConnectionSummary
    """The connection, as far as it is readable without its secrets."""
    status: Status
    """Its status."""
    sharing: int
    """Number of connections to the same address of Personio."""
    per_minute: int
    """Maximum number of requests a minute to that address."""


def judge_stored(facts: StoredFacts, now: datetime) -> tuple[Finding, ...]:
    """Returns the findings, in the order in which an administrator should read them."""
    return (
        *_judge_readability(facts.status),
        *_judge_secrets(facts.summary, now),
        *_judge_polls(facts),
        *_judge_leavers(facts.status),
        *judge_undone(facts.status, now),
        *_judge_attributes(facts.status),
        _estimate_scan(facts),
    )


def _judge_readability(status: Status) -> Iterator[Finding]:
    for problem in status.problems:
        yield Finding("stored data", problem)
    if status.unreadable:
        yield Finding(
            "stored data",
            f"documents of {count_people(status.unreadable)} cannot be read: see `people list {status.connection}`",
        )


def _judge_secrets(summary: ConnectionSummary, now: datetime) -> Iterator[Finding]:
    secrets = {
        "Personio secret": (summary.personio_secret_at, "--personio-client-id ..."),
        "Declaree key": (summary.declaree_key_at, "--declaree"),
    }
    for name, (stored_at, option) in secrets.items():
        age = now - (stored_at or summary.created_at)
        text = f"{'stored' if stored_at else 'not older than'} {age.days} days{' ago' if stored_at else ''}"
        command = f"`connections secrets {summary.id} {option}`"
        is_old = age > OLD_SECRET
        hint = f"{text}: generate a new one, and store it with {command}"
        yield Finding(name, hint=hint) if is_old else Finding(name, note=text)


def _judge_polls(facts: StoredFacts) -> Iterator[Finding]:
    status, run = facts.status, facts.status.last_run
    if status.state is not ConnectionState.ACTIVE:
        is_started = facts.summary.is_started
        step = f"`connections {'resume' if is_started else 'start'} {status.connection}`"
        yield Finding("polls", hint=f"the connection is {'paused' if is_started else 'not started'}: see {step}")
        return
    if run is None:
        yield Finding("polls", hint="no poll has ended yet: see the log of the poller if this remains")
        return
    at = f"{run.finished_at or run.started_at:%Y-%m-%d %H:%M} UTC"
    if status.overdue_since is not None:
        yield Finding(
            "polls",
            f"the next poll is overdue, the last one ended at {at}: see whether Personio answers, and the log of the poller",
            since=status.overdue_since,
        )
    if run.state is RunState.HELD:
        named = f"{run.connection_id} {run.id}"
        decide = f"see `runs show {named} --people`, then decide with `runs release {named}` or `runs reject {named}`"
        yield Finding("last poll", f"it is held ({at}), {decide}: {run.error}")
    elif run.state in UNSUCCESSFUL:
        yield Finding("last poll", f"{run.state.value} ({at}): {run.error}", since=status.released_until)
    else:
        yield Finding("last poll", note=f"{run.state.value} ({at})")
    if run.counts.missed:
        yield Finding(
            "changes",
            hint=f"earlier polls have missed {run.counts.missed} changes, which Personio showed late: the operator can raise "
            "POLL_OVERLAP_SECONDS, or lower POLL_FULL_SCAN_SECONDS",
        )


def _judge_leavers(status: Status) -> Iterator[Finding]:
    if status.held_disablings:
        yield Finding(
            "leavers",
            f"{status.held_disablings} accounts stay enabled, because unusually many were to be disabled within an hour: "
            f"if the employees have left, use `connections release-disabling {status.connection}`, else correct the mapping "
            "or the data in Personio",
        )


def _judge_attributes(status: Status) -> Iterator[Finding]:
    """Yields a finding for each change of an attribute that the mapping reads, and one for all new attributes."""
    subject = "released attributes"
    new = [found for found in status.attributes if found.change.kind is AttributeChangeKind.NEW]
    for found in status.attributes:
        if found.is_harmful:
            yield Finding(subject, found.describe())
        elif found not in new:
            yield Finding(subject, hint=found.describe())
    if new:
        hint = f"{summarise_keys(new)}. A mapping can read them: see `mapping attributes {status.connection}`"
        yield Finding(subject, hint=hint)
    if not status.attributes:
        yield Finding(subject)


def _estimate_scan(facts: StoredFacts) -> Finding:
    """Says how long Personio's limit makes a full scan last. Only the pollers know how much of it is used at present."""
    requests = math.ceil(facts.status.employees / PAGE_SIZE) + FURTHER_REQUESTS
    seconds = math.ceil(requests * 60 / facts.per_minute)
    shared = f", which {facts.sharing} connections share" if facts.sharing > 1 else ""
    return Finding(
        "pace",
        note=f"a full scan sends {requests} requests, in {seconds} s at {facts.per_minute} a minute"
        f" (POLL_PERSONIO_PER_MINUTE){shared}",
    )
