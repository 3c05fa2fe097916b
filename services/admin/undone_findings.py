"""Judges the employees of one connection with a change that is not done, and those without the account that they should have. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.admin.findings import Finding
from services.admin.status import Status
from services.contracts.outcomes import WaitingCause
from services.store.undone import UndoneGroup

ACCESS = frozenset(
    {
        WaitingCause.KEY_REFUSED,
        WaitingCause.FORBIDDEN,
        WaitingCause.WRITES_FORBIDDEN,
        WaitingCause.WRONG_ADDRESS,
        WaitingCause.UNUSABLE_ACCESS,
        WaitingCause.UNREADABLE_SECRET,
    }
)
"""Causes that an administrator has to remove: a problem at once."""
OWN_PACE = frozenset(
    {WaitingCause.BACKLOG, WaitingCause.MANAGER_PENDING, WaitingCause.TAKEN_OVER, WaitingCause.ADDRESS_EXCHANGE}
)
"""Causes of usual work, which takes its time in a first import."""
LONG, LONG_PAUSE, LONG_WORK = timedelta(hours=1), timedelta(days=1), timedelta(days=1)
"""How long changes wait before that is a problem: for most causes, for a paused connection, and for causes of usual work."""


def judge_undone(status: Status, now: datetime) -> Iterator[Finding]:
    """Yields a finding for each group of employees, those with the worst consequences first."""
    groups = sorted(status.undone, key=lambda group: (not group.is_access, group.state != "waiting", -group.people))
    for group in groups:
        if group.state == "waiting":
            yield from _judge_waiting(group, status, now)
        else:
            yield _judge_settled(group, status)
    if status.decisions:
        yield Finding(
            "decisions",
            hint=f"{status.decisions} accounts existed before the product came, and wait for a decision: see "
            f"`links list {status.connection} --names`",
        )
    if status.absent:
        yield Finding(
            "absent employees",
            hint=f"Personio no longer lists {count_people(status.absent)} with an enabled account: see "
            f"`people list {status.connection}`",
        )
    if status.findings:
        yield Finding(
            "verification",
            hint=f"{status.findings} findings of the last one need an administrator: see `verify {status.connection} --last`",
        )
    unexplained = count_unexplained(status)
    if unexplained > 0:
        yield Finding(
            "accounts",
            hint=f"{count_people(unexplained)} with the status active have no enabled account, and nothing tells why: "
            f"`verify {status.connection}` compares them with Declaree",
        )


def count_unexplained(status: Status) -> int:
    """Returns the number of active employees without an enabled account that neither waits, nor has another known reason.

    It can be too low: an employee out of scope need not be an active one.
    """
    missing = status.active - status.accounts
    known = status.balance + sum(group.people for group in status.undone) + status.decisions
    return missing - known - status.outcomes.get("out_of_scope", 0) - status.unreadable


def _judge_waiting(group: UndoneGroup, status: Status, now: datetime) -> Iterator[Finding]:
    if group.cause is None or group.cause is WaitingCause.DISABLING_HELD:  # another finding tells of the held ones
        return
    text = f"{count_people(group.people)}: {group.cause.text.replace(' ID', f' {status.connection}')}"
    waited = timedelta() if group.since is None else now - group.since
    longest = LONG_PAUSE if group.cause is WaitingCause.PAUSED else LONG_WORK if group.cause in OWN_PACE else LONG
    if group.cause in ACCESS or waited > longest:
        yield Finding("waiting changes", text, since=group.since)
    elif group.cause in OWN_PACE:
        yield Finding("waiting changes", note=text, since=group.since)
    else:
        yield Finding("waiting changes", hint=text, since=group.since)


def _judge_settled(group: UndoneGroup, status: Status) -> Finding:
    field = f"{group.field}: " if group.field else ""
    most = "" if group.alike == group.people else f", most often ({group.alike:,})"
    reason = f"{count_people(group.people)}{most}: {field}{group.reason or 'no reason is recorded'}"
    see = f"`people list {status.connection}` names them"
    if group.is_access:
        problem = f"accounts cannot be enabled or disabled. {reason}. {see}"
        return Finding("access", problem, since=group.since)
    subject = "rejected changes" if group.state == "rejected" else "accounts without refused fields"
    return Finding(subject, hint=f"{reason}. {see}", since=group.since)


def count_people(people: int) -> str:
    """Returns a number of employees in words."""
    return "1 employee" if people == 1 else f"{people:,} employees"
