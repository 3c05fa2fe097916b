"""Creates an account. A create without an answer is looked up, and never repeated while the server may still carry it out."""

from collections.abc import Iterator

from services.contracts.outcomes import WaitingCause
from services.provisioning import bodies, paths
from services.provisioning.attempts import FAILED, FORBIDDEN
from services.provisioning.calls import Conflict, CreateAccount, Lost, Refused, Reply, Resource, Steps, Written
from services.provisioning.conflicts import UNKNOWN_CONFLICT, find_blocker
from services.provisioning.desired import IDENTITY, OPTIONAL, DesiredState
from services.provisioning.lookup import find_again, find_by_marks
from services.provisioning.ownership import ensure_ours_by_name
from services.provisioning.reading import read_account
from services.provisioning.recognition import has_our_mark
from services.provisioning.states import EndedError, Inconclusive, Rejected, Trail, Work

NOT_SUPPORTED = Rejected("the server does not create accounts over SCIM: ask its operator to support POST")
"""The server has no way to create an account."""
MAX_FAILURES = 2
"""Number of creates answered with 500 after which the employee waits: one with all fields, and one with fewer."""


def create(work: Work) -> Steps[Resource]:
    """Returns the new account, or the existing one that a conflict led to. Raises ``EndedError``.

    A refused body is sent again with fewer fields: only those that identify the account, in the form of the RFC and in that
    of the vendor's page, then all but one. So a refused field does not leave an employee without an account.
    """
    goal = work.goal
    # A server with unique user names refuses a second account, so a create that is only suspected may be repeated. After
    # a create without an answer this is not trusted: not every server does what its schemas say.
    is_same_create = goal.suspected_since is not None and not goal.attempted_names
    is_second_refused = is_same_create and work.memory.description.unique_user_names
    if goal.is_create_outstanding or (goal.is_create_suspected and not is_second_refused):
        raise EndedError(Inconclusive(WaitingCause.UNANSWERED_CREATE))
    codes: list[str] = []
    for desired, schema in _iterate_bodies(work):
        if codes.count(FAILED) == MAX_FAILURES:
            raise EndedError(Inconclusive(WaitingCause.FAILING_ACCOUNT))
        call = CreateAccount(bodies.build_post_body(desired, work.memory, schema=schema))
        answer = yield call
        reached = yield from _take_answer(work, desired, call, answer)
        if isinstance(reached, Resource):
            work.memory.core_schema = schema
            return reached
        codes.append(reached)
    raise EndedError(
        Rejected(f"Declaree does not accept the account ({codes[0]}): correct the employee's data in Personio")
    )


def _take_answer(work: Work, sent: DesiredState, call: CreateAccount, answer: Reply) -> Steps[Resource | str]:
    """Returns the account that the create has led to, or the code with which the server refused this body."""
    match answer:
        case Written(Resource() as live):
            return (yield from _take_created(work, sent, live))
        case Lost(status=500):
            found = yield from find_by_marks(work, is_fresh=True)
            return FAILED if found is None else _note_created(work.trail, sent, found)
        case Written() | Lost():
            return (yield from _find_unanswered(work, sent))
        case Conflict():
            return (yield from _find_conflicting(work, sent, call))
        case Refused(is_forbidden=True):
            raise EndedError(FORBIDDEN)
        case Refused(status=404):
            raise EndedError(Rejected("Declaree answers a create with 404: run `connections check`"))
        case Refused():
            return answer.text
    raise EndedError(NOT_SUPPORTED)


def _iterate_bodies(work: Work) -> Iterator[tuple[DesiredState, str]]:
    """Yields the fields and the core schema of each attempt to create an account. Nearly all servers accept the first one.

    Changes that failed in every way in updates are left out. An update adds them later.
    """
    goal, memory = work.goal, work.memory
    doubted = {change.path for change in memory.doubted} - IDENTITY
    wanted = work.desired.drop(goal.skipped | doubted)
    schema = memory.core_schema or bodies.CORE
    yield wanted, schema
    identity = wanted.select(IDENTITY)
    others = [
        (identity, schema),
        (identity, bodies.PAGE_CORE if schema == bodies.CORE else bodies.CORE),
        (identity.drop(OPTIONAL), schema),
        *((wanted.drop({path}), schema) for path in wanted.paths if path not in IDENTITY),
    ]
    yield from (body for body in dict.fromkeys(others) if body != (wanted, schema))


def _take_created(work: Work, sent: DesiredState, live: Resource) -> Steps[Resource]:
    """Returns the new account as the answer shows it. Reads it if the answer does not show all that was sent.

    An answer that shows the account of another employee says nothing about the create.
    """
    is_shown = paths.read(live.body, "userName") is not None
    compared = work if sent is work.goal.desired else sent
    if is_shown and not compared.find_difference(live.body, is_spelling_sent=True).drop(work.memory.not_stored).fields:
        return _note_created(work.trail, sent, live)
    shown = yield from read_account(live.id)
    if shown is None and not is_shown:
        _note_created(work.trail, sent, live)
        raise EndedError(Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN))
    live = live if shown is None else shown  # a lookup may lag behind, then the answer counts
    if paths.read(live.body, "userName") is not None and not has_our_mark(work.goal, live):
        return (yield from _find_unanswered(work, sent))
    return _note_created(work.trail, sent, live)


def _find_unanswered(work: Work, sent: DesiredState) -> Steps[Resource]:
    """Returns the account that a create without an answer has made. Raises ``EndedError`` if no lookup shows it."""
    work.trail.note_written(sent.paths)
    live = yield from find_again(work)
    if live is None:
        raise EndedError(Inconclusive(WaitingCause.UNANSWERED_CREATE))
    return _note_created(work.trail, sent, live)


def _find_conflicting(work: Work, sent: DesiredState, call: CreateAccount) -> Steps[Resource]:
    """Returns the employee's account after a conflict: an earlier writer has created it, or a decision links it.

    Raises ``EndedError`` if an administrator has to decide first. If no lookup shows an account with the address, it may
    have become free since the conflict: the create is repeated once.
    """
    live = yield from find_again(work)
    if live is not None:
        return live
    blocker = yield from find_blocker(work, None)
    live = None if blocker is None else (yield from ensure_ours_by_name(work, blocker, is_wanted_name=True))
    if live is not None:
        work.trail.is_linked = True
        return live
    match (yield call):
        case Written(Resource() as live):
            return (yield from _take_created(work, sent, live))
        case Written() | Lost():
            return (yield from _find_unanswered(work, sent))
    raise EndedError(UNKNOWN_CONFLICT)


def _note_created(trail: Trail, sent: DesiredState, live: Resource) -> Resource:
    trail.is_created = True
    trail.owned_id = live.id
    trail.note_written(sent.paths)
    return live
