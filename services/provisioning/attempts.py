"""Writes some fields of an account with one request: tries one way after another until a lookup shows the change."""

from dataclasses import dataclass, replace

from services.contracts.mappings import MANAGER
from services.contracts.outcomes import WaitingCause
from services.provisioning import bodies, paths
from services.provisioning.calls import (
    Conflict,
    Lost,
    Missing,
    Outdated,
    Pause,
    Refused,
    Reply,
    Resource,
    Steps,
    Unsupported,
    Write,
    Written,
)
from services.provisioning.confirmation import read_again, take_written
from services.provisioning.conflicts import find_blocker, resolve_conflict
from services.provisioning.desired import ADDRESSES, OPTIONAL, DesiredState
from services.provisioning.renewal import renew
from services.provisioning.server import CONFLICTS, Failure, Way, get_kind
from services.provisioning.states import NOT_STORED, EndedError, Inconclusive, Rejected, Work

MAX_ATTEMPTS = 4
"""Number of writes in one way (lost answer, 409, 412) before the change waits."""
FAILED = "500"
"""Code of a write that the server answered with its own error."""
HIDDEN = "404, not found"
"""Code of a write that the SCIM server itself answered with 404, although it shows the account."""
ABOUT_THE_FORM = frozenset(
    {"invalidPath", "noTarget", "invalidSyntax", "invalidFilter", "mutability", "404", "501", "not found"}
)
"""Codes that may concern the form of a request instead of its values (RFC 7644, section 3.12)."""
FORBIDDEN = Rejected(
    "Declaree forbids the write (403): give the key's user the right to write accounts", is_forbidden=True
)
"""The server forbids a write."""
NOT_CHANGEABLE = Rejected(
    "the server does not change accounts over SCIM: ask its operator to support PATCH or PUT of RFC 7644"
)
"""The server routes no method that changes an account."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of writing some fields."""

    live: Resource
    """The account after the last write, as far as it is known."""
    code: str | None = None
    """The server's code of the last refusal; None if every field is stored."""
    failures: tuple[Failure, ...] = ()
    """Ways that did not make all changes."""
    is_renewed: bool = False
    """Whether a refused write was compared with what the server shows now."""


def write_fields(work: Work, live: Resource, wanted: tuple[str, ...]) -> Steps[Attempt]:
    """Writes these fields, in one way after another until the account shows them."""
    memory, code = work.memory, None
    changes = work.list_changes(live.body, work.find_remaining(live).select(wanted))
    failures: list[Failure] = []
    ways = memory.list_ways(changes)
    concerns_values = False
    hidden: set[bool] = set()
    is_renewed = False
    for way in ways[:1] if memory.doubted.issuperset(changes) else ways:
        if way in memory.unusable or (concerns_values and not memory.is_proven(way, changes)) or way.is_patch in hidden:
            continue
        sent = work.list_changes(live.body, work.find_remaining(live).select(wanted)) if failures else changes
        attempt = yield from _write_in_way(work, way, live, wanted, is_renewed=is_renewed)
        live, code, is_renewed = attempt.live, attempt.code, attempt.is_renewed
        if not work.find_remaining(live).select(wanted).fields:
            return Attempt(live, None, tuple(failures))
        failures.append(Failure(way, sent, code or NOT_STORED))
        if _is_final(failures[-1]):
            break
        if code == HIDDEN:
            hidden.add(way.is_patch)
            if len(hidden) > 1 or memory.is_proven(way, sent):
                raise EndedError(_judge_hidden(work, live))
        # a way that has made these changes before is refused for its values: only access is worth the other ways
        is_form_known = get_kind(code or "") not in ABOUT_THE_FORM and memory.is_proven(way, sent)
        concerns_values = wanted != ("active",) and (concerns_values or is_form_known)
    else:
        if len(changes) == 1 and not concerns_values:
            memory.doubted.update(changes)
    if not memory.list_ways(changes):
        raise EndedError(NOT_CHANGEABLE)
    if wanted == (MANAGER,) and code == NOT_STORED and not memory.manager_by_external_id:
        # the server ignores the account id of the manager without an error, so the external id is tried
        memory.manager_by_external_id = True
        attempt = yield from write_fields(work, live, wanted)
        memory.manager_by_external_id = attempt.code is None
        return attempt
    return Attempt(live, _select_code(failures), tuple(failures))


def _judge_hidden(work: Work, live: Resource) -> Rejected | Inconclusive:
    """Returns the result for an account that the server shows, and does not let the key change."""
    if work.trail.is_created or work.goal.is_recently_created:
        return Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)
    return Rejected(
        f"account {live.id} cannot be changed, Declaree shows it and answers each change with 404: "
        "give the key's user the right to change it, such as in its organisation"
    )


def _select_code(failures: list[Failure]) -> str:
    """Returns the code that says most: that of the first way with a form that the server understood."""
    codes = [failure.code for failure in failures]
    return next((code for code in codes if get_kind(code) not in ABOUT_THE_FORM), codes[0] if codes else NOT_STORED)


def _is_final(failure: Failure) -> bool:
    """Whether further ways are not worth a request: after a conflict, or if the server need not keep the dropped fields."""
    is_dropped = failure.code == NOT_STORED and all(change.path in OPTIONAL for change in failure.changes)
    return failure.code in CONFLICTS or is_dropped


def _write_in_way(work: Work, way: Way, live: Resource, wanted: tuple[str, ...], *, is_renewed: bool) -> Steps[Attempt]:
    """Writes these fields in one way, again after a lost answer, a changed version or a busy account.

    A refused write that has repeated content is built again, once for these fields, if the server shows other content now.
    ``is_renewed`` tells whether that was done before.
    """
    is_partial = live.is_listed or live.is_assumed
    if is_partial and bodies.is_built_on_account(way, work.find_remaining(live).select(wanted)):
        # the write must not lose what a list does not show, or what others have changed since the version is unknown
        live = yield from read_again(live)
    has_condition_failed = False
    for number in range(MAX_ATTEMPTS):
        difference = work.find_remaining(live).select(wanted)
        if not difference.fields:
            return Attempt(live, is_renewed=is_renewed)
        call = bodies.build_update(way, live, difference, work.memory)
        work.trail.count_write()
        answer = yield call
        if isinstance(answer, Written):
            if has_condition_failed and call.version is None:
                work.memory.uses_etags = False
            live = yield from take_written(work, way, live, answer.resource, difference)
            missing = work.find_remaining(live).select(difference.paths).fields
            attempt = Attempt(live, NOT_STORED if missing else None)
        else:
            has_condition_failed = has_condition_failed or isinstance(answer, Outdated)
            again = yield from _prepare_retry(work, way, live, answer, difference, number)
            if again is not None:
                live = again
                continue
            attempt = yield from _take_refusal(work, way, live, call, difference, answer)
        if attempt.code is None or is_renewed:
            return replace(attempt, is_renewed=is_renewed)
        is_read = not isinstance(answer, Refused)
        renewal = yield from renew(work, way, attempt.live, call, difference, wanted, attempt.code, is_read=is_read)
        if renewal is None:
            return attempt
        is_renewed = True
        if not renewal.is_different:
            return Attempt(renewal.live, attempt.code, is_renewed=True)
        live, wanted = renewal.live, renewal.wanted
    raise EndedError(Inconclusive())


def _prepare_retry(
    work: Work, way: Way, live: Resource, answer: Reply, sent: DesiredState, number: int
) -> Steps[Resource | None]:
    """Returns the account to write again in the same way; None if the answer is a refusal.

    ``number`` is the number of earlier writes in this way.
    """
    match answer:
        case Outdated():
            return (yield from _refresh(live, is_repeated=number > 0))
        case Lost(status) if status != 500:
            work.trail.note_written(sent.paths)
        case Conflict() if ADDRESSES & frozenset(sent.paths):
            blocker = yield from find_blocker(work, live)
            if blocker is not None or number > 0:
                yield from resolve_conflict(work, blocker)
                return live
        case Conflict() if number == 0:
            pass  # the account may be busy
        case Lost() if number == 0 and work.memory.is_proven(way, work.list_changes(live.body, sent)):
            pass  # the form of the request is right, so the error may be temporary
        case _:
            return None
    return (yield from _wait_for_account(live, number))


def _wait_for_account(live: Resource, number: int) -> Steps[Resource]:
    """Waits and reads the account again: a write may still be on its way."""
    yield Pause(number)
    return (yield from read_again(live))


def _take_refusal(
    work: Work, way: Way, live: Resource, call: Write, sent: DesiredState, answer: object
) -> Steps[Attempt]:
    """Returns the server's code, and notes a method that the server does not support."""
    match answer:
        case Refused(is_forbidden=True):
            raise EndedError(FORBIDDEN)
        case Refused():
            return Attempt(live, answer.text)
        case Conflict(status):
            return Attempt(live, str(status))
        case Lost():
            live = yield from read_again(live)
            missing = work.find_remaining(live).select(sent.paths).paths
            work.trail.note_written(tuple(path for path in sent.paths if path not in missing))
            return Attempt(live, FAILED)
        case Missing(is_certain=True):
            # the account exists: it may be one that the key may not change, which says nothing about other accounts
            return Attempt((yield from read_again(live)), HIDDEN)
        case Missing():
            live = yield from read_again(live)
            work.memory.reject_method(way)  # the account exists, so the method is not routed
            return Attempt(live, "404")
        case Unsupported():
            if not bodies.has_additions(call):
                work.memory.reject_method(way)
            return Attempt(live, "501")
    raise TypeError(f"{type(answer).__name__} does not answer a write")


def _refresh(live: Resource, *, is_repeated: bool) -> Steps[Resource]:
    """Reads the account after a failed condition.

    If the condition failed again although nothing has changed, the server's versions do not work: the account is returned
    without its version, so that the next write has no condition.
    """
    again = yield from read_again(live)
    is_same = paths.drop_meta(again.body) == paths.drop_meta(live.body)
    return replace(again, version=None) if is_repeated and is_same else again
