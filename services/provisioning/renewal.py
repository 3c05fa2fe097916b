"""Builds a refused write again on what the server shows now.

A write may repeat content that it does not change: a PUT repeats the whole account, other forms repeat the value around a field.
It may also name the manager by external id. If that content has changed since it was read, the server may refuse the write because
of it, although the field to write is right.
"""

from dataclasses import dataclass, replace

from services.contracts.ids import AccountId
from services.contracts.mappings import MANAGER
from services.provisioning import bodies, paths
from services.provisioning.calls import Found, PatchAccount, ReadAccount, ReplaceAccount, Resource, Steps
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, DesiredState
from services.provisioning.server import CONFLICTS, Way, get_kind
from services.provisioning.states import NOT_STORED, Work, get_external_id

ABOUT_THE_REQUEST = frozenset({"invalidPath", "invalidFilter", "404", "501"})
"""Kinds of codes that content does not change: of the form, or of the method."""
ABOUT_THE_TARGET = frozenset({"noTarget", "400", "422", "500", "not found"})
"""Kinds of codes with which a server may answer an operation on an entry of a list that no longer exists."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a refused write is built on the second time."""

    live: Resource
    """The account as the server shows it now."""
    wanted: tuple[str, ...]
    """SCIM paths of the fields to write: those of the first write, and the manager if the write names it."""
    is_different: bool
    """Whether the write differs from the refused one. If not, the content that it repeats is not the cause."""


def renew(
    work: Work,
    way: Way,
    live: Resource,
    call: PatchAccount | ReplaceAccount,
    sent: DesiredState,
    wanted: tuple[str, ...],
    code: str,
    *,
    is_read: bool,
) -> Steps[Renewal | None]:
    """Reads again what a refused write was built on: the account, and the external id of the manager's account.

    ``sent`` are the fields that the write has sent, and ``code`` says why the server did not store them. ``is_read`` tells
    whether ``live`` was read after the write. Returns None if no content can be the cause, or if the account is not shown.
    """
    names_manager = _names_manager(work, way, call, sent)
    if not _can_be_outdated(work, way, live, sent, code, names_manager=names_manager):
        return None
    if not is_read:
        shown = yield from _read_shown(live.id)
        if shown is None:
            return None
        live = shown
    if names_manager:
        yield from _resolve_manager(work)
        wanted = tuple(dict.fromkeys((*wanted, MANAGER)))
    difference = work.find_remaining(live).select(wanted)
    again = bodies.build_update(way, live, difference, work.memory)
    return Renewal(live, wanted, is_different=replace(again, version=None) != replace(call, version=None))


def _can_be_outdated(
    work: Work, way: Way, live: Resource, sent: DesiredState, code: str, *, names_manager: bool
) -> bool:
    """Whether the server may have refused a write for content that is not to be changed, or for a former external id."""
    if code == NOT_STORED:
        return names_manager and MANAGER in work.find_remaining(live).select(sent.paths).paths
    kind = get_kind(code)
    if kind in ABOUT_THE_REQUEST:
        return False
    if names_manager:
        return True
    if kind in CONFLICTS:  # the account was read again before, so that the content of the write was not outdated
        return False
    is_about_entries = kind in ABOUT_THE_TARGET or not bodies.names_entries(way)
    return is_about_entries and bodies.is_built_on_account(way, sent)


def _names_manager(work: Work, way: Way, call: PatchAccount | ReplaceAccount, sent: DesiredState) -> bool:
    """Whether a write names the wanted manager by external id: as a field to write, or in the account that a PUT repeats."""
    skipped = work.goal.skipped | work.trail.refused.keys()
    if work.goal.desired.get(MANAGER) is None or MANAGER in skipped:
        return False
    if isinstance(call, ReplaceAccount) and paths.read(call.body, MANAGER_BY_EXTERNAL_ID) is not None:
        return True
    return MANAGER in sent.paths and bodies.names_by_external_id(way, work.memory)


def _resolve_manager(work: Work) -> Steps[None]:
    """Notes the external id that the manager's account shows. An account that is not shown leaves the known one."""
    manager = yield from _read_shown(AccountId(str(work.goal.desired.get(MANAGER))))
    if manager is not None:
        work.trail.manager_external_id = get_external_id(manager) or None


def _read_shown(account: AccountId) -> Steps[Resource | None]:
    """Returns an account as the server shows it now; None if it does not, which proves nothing here."""
    answer = yield ReadAccount(account)
    found = answer.resources if isinstance(answer, Found) else ()
    return next((resource for resource in found if resource.id == account), None)
