"""Writes the difference between the desired and the live account, with as few requests as the server needs.

A field that the server refuses in every way does not hold other fields back. What the server does not accept together is
written in parts: first the identity of the account, then each field alone.
"""

from dataclasses import replace

from services.contracts.outcomes import WaitingCause
from services.provisioning import bodies, paths
from services.provisioning.attempts import FAILED, Attempt, write_fields
from services.provisioning.calls import Lost, Resource, Steps, Written
from services.provisioning.confirmation import read_again
from services.provisioning.conflicts import AddressExchangeError
from services.provisioning.desired import ADDRESSES, IDENTITY, OPTIONAL, DesiredState
from services.provisioning.server import Failure
from services.provisioning.states import NOT_STORED, EndedError, Inconclusive, Work


def update(work: Work, live: Resource) -> Steps[Resource]:
    """Writes what the account does not have yet, and returns it as confirmed. Raises ``EndedError``, ``AccountGoneError``."""
    try:
        return (yield from _write_parts(work, live))
    except AddressExchangeError:
        yield from _step_aside(work, live)
        raise EndedError(Inconclusive(WaitingCause.ADDRESS_EXCHANGE)) from None


def _write_parts(work: Work, live: Resource) -> Steps[Resource]:
    """Writes what can be written together, then what failed in smaller parts, and notes the refused fields."""
    attempted: set[tuple[str, ...]] = set()
    failures: list[Failure] = []
    for split in (_group_by_way, _group_identity, _split):
        if not work.find_remaining(live).fields:
            break
        for group in split(work, live):
            wanted = work.find_remaining(live).select(group).paths
            if not wanted or wanted in attempted:
                continue
            attempted.add(wanted)
            attempt = yield from write_fields(work, live, wanted)
            failures.extend(attempt.failures)
            if attempt.code is not None and attempt.code.isdigit() and len(wanted) > 1 and not work.trail.written:
                yield from _test_account(work, attempt)
            if attempt.code is not None and len(wanted) == 1:
                _note_refused(work, wanted[0], live, attempt)
            live = attempt.live
    missing = work.find_difference(live.body, is_spelling_sent=True).paths
    work.memory.learn_failures(failures, frozenset(work.goal.desired.paths).difference(missing))
    return live


def _group_by_way(work: Work, live: Resource) -> list[tuple[str, ...]]:
    changes = work.list_changes(live.body, work.find_remaining(live))
    return [tuple(change.path for change in group) for group in work.memory.group(changes)]


def _group_identity(work: Work, live: Resource) -> list[tuple[str, ...]]:
    return [work.find_remaining(live).select(IDENTITY).paths]


def _split(work: Work, live: Resource) -> list[tuple[str, ...]]:
    return [(path,) for path in work.find_remaining(live).paths]


def _note_refused(work: Work, path: str, before: Resource, attempt: Attempt) -> None:
    """Notes that the server does not store a field, and whether it ignored the value without an error."""
    if path not in work.find_remaining(attempt.live).paths:
        return
    work.trail.refused[path] = attempt.code or NOT_STORED
    is_ignored = paths.read(attempt.live.body, path) == paths.read(before.body, path)
    if attempt.code == NOT_STORED and is_ignored and path not in IDENTITY - OPTIONAL:
        work.memory.learn_ignored(path, attempt.live.id)


def _test_account(work: Work, attempt: Attempt) -> Steps[None]:
    """Tells apart a field that cannot be written, an account that cannot, and a way that no longer works.

    Needed after a status without a ``scimType``. Writes the desired ``active`` in the way that failed, and with the other
    method. Raises ``EndedError`` if the server fails each time.
    """
    access, memory, live = work.goal.desired.select({"active"}), work.memory, attempt.live
    known = [failure.way for failure in attempt.failures if memory.is_proven(failure.way, failure.changes)]
    if not access.fields or not (known or attempt.code == FAILED):
        return
    if live.is_listed:
        live = yield from read_again(live)
    ways = memory.list_ways(work.list_changes(live.body, access))
    failed = (known or ways)[0]
    others = [way for way in ways if way.is_patch is not failed.is_patch]
    is_answered = False
    for way in (failed, *others[:1]):
        work.trail.count_write()
        answer = yield bodies.build_update(way, live, access, memory)
        if isinstance(answer, Written):
            if way is not failed:
                memory.forget_way(failed)
            return
        is_answered = is_answered or not isinstance(answer, Lost)
    if not is_answered:
        raise EndedError(Inconclusive(WaitingCause.FAILING_ACCOUNT))


def _step_aside(work: Work, live: Resource) -> Steps[None]:
    """Gives the account a temporary address. The change waits until the wanted address is free."""
    goal = work.goal
    temporary = f"exchange.{goal.external_id}.{goal.user_name}"
    fields = tuple((path, temporary) for path in goal.desired.paths if path in ADDRESSES)
    aside = replace(work, goal=replace(goal, desired=DesiredState(fields), user_name=temporary))
    attempt = yield from write_fields(aside, live, tuple(path for path, _ in fields))
    if attempt.code is None:
        work.trail.temporary_name = temporary
