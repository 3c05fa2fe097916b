"""Finds out what a confirmed write has changed: from the answer, or by reading the account."""

from dataclasses import replace
from typing import Any

from services.contracts.mappings import MANAGER
from services.provisioning import bodies, paths
from services.provisioning.calls import Body, Resource, Steps
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, DesiredState
from services.provisioning.ownership import ask_ownership
from services.provisioning.reading import read_account
from services.provisioning.recognition import fold_text, has_our_mark
from services.provisioning.server import Way
from services.provisioning.states import Work

STORED_DIFFERENTLY = "stored differently"
"""Code of a text field that the server stored with another text than the one that was sent."""


class AccountGoneError(Exception):
    """The account disappeared between a lookup and a write: the lookup starts over."""


def take_written(work: Work, way: Way, live: Resource, answer: Resource | None, sent: DesiredState) -> Steps[Resource]:
    """Returns the account after a confirmed write, and notes what the way has stored."""
    work.trail.note_written(sent.paths)
    changes = work.list_changes(live.body, sent)
    after = yield from _confirm(work, way, live, answer, sent)
    for path, value in work.find_remaining(after).select(sent.paths).fields:
        shown = paths.read(after.body, path)
        if _is_respelled(shown, value):
            work.trail.adapted.add(path)
        elif isinstance(shown, str) and isinstance(value, str) and shown != paths.read(live.body, path):
            work.trail.refused[path] = STORED_DIFFERENTLY
    missing = work.find_remaining(after).select(sent.paths).paths
    stored = tuple(change for change in changes if change.path not in missing)
    work.memory.learn_way(way, stored)
    if any(change.path == MANAGER for change in stored) and paths.read(after.body, MANAGER_BY_EXTERNAL_ID) is not None:
        work.memory.manager_by_external_id = True
    return after


def _is_respelled(shown: Any, value: Any) -> bool:
    """Whether a text is stored in the server's own spelling: with other case, spaces, or composed characters."""
    return isinstance(shown, str) and isinstance(value, str) and fold_text(shown) == fold_text(value)


def read_again(live: Resource) -> Steps[Resource]:
    """Reads the account after a write without a usable answer. Raises ``AccountGoneError`` if it no longer exists."""
    again = yield from read_account(live.id)
    if again is None:
        raise AccountGoneError
    return again


def _confirm(work: Work, way: Way, live: Resource, answer: Resource | None, sent: DesiredState) -> Steps[Resource]:
    """Returns the account after a confirmed write: from the answer, or read back if the answer does not show the change.

    A change that was confirmed before in this way is trusted, but the end of access must be seen.
    """
    if answer is not None and answer.id != live.id:
        moved = yield from _find_moved(work, answer)
        return moved or (yield from read_again(live))
    if answer is not None and paths.read(answer.body, "userName") is not None:
        if not sent.find_difference(answer.body, is_spelling_sent=True).fields:
            return replace(answer, body=_complete(live.body, answer.body, sent))
    elif ("active", False) not in sent.fields and work.memory.is_proven(way, work.list_changes(live.body, sent)):
        body = live.body
        for path, value in bodies.name_fields(way, sent, work.memory).fields:
            body = paths.write(body, path, value)
        has_unknown_version = live.is_assumed or (live.version is not None and work.memory.uses_etags)
        return replace(live, body=body, version=None, is_assumed=has_unknown_version)
    return (yield from read_again(live))


def _find_moved(work: Work, answer: Resource) -> Steps[Resource | None]:
    """Returns the account under its new id, if the answer to a write shows that the server has changed the id.

    Returns None if the id leads to an account of another employee: such an answer is ignored.
    """
    moved = yield from read_account(answer.id)
    if moved is None or not has_our_mark(work.goal, moved):
        return None
    ownership = yield from ask_ownership(moved)
    return moved if ownership.owner in {"none", "self"} else None


def _complete(live: Body, answer: Body, sent: DesiredState) -> Body:
    """Returns the answer with the attributes that it does not show: a later PUT must not lose them."""
    body = live | answer
    for path, value in sent.fields:
        body = paths.write(body, path, None) if value is None else body
    return body
