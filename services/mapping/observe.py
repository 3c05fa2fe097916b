"""Compares an employee in Personio with the snapshot. Pure: it compares the content, not Personio's timestamps."""

import hashlib
import logging
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from pydantic import ValidationError
from pydantic_core import to_json

from services.contracts.employees import Employee, get_string
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId
from services.contracts.snapshots import Snapshot, SnapshotState, attributes_to_json
from services.contracts.values import Value
from services.mapping.employment import EmploymentCalendar
from services.mapping.wanted import select_wanted

logger = logging.getLogger(__name__)

REMOVED = "removed"
"""Content hash of a removed employee. It differs from every computed hash, so that a return counts as a change."""
MAX_CONTENT_LENGTH = 16 * 1024
"""Maximum length in characters of an employee's wanted attributes as JSON. Hundreds of employees are in memory at once."""


def hash_content(attributes: Mapping[str, Value]) -> str:
    """Returns a hash of keys and values."""
    return _hash_ordered(dict(sorted(attributes.items())))


def _hash_ordered(attributes: Mapping[str, Value]) -> str:
    return hashlib.sha256(to_json(attributes)).hexdigest()


def is_unchanged(
    state: SnapshotState, employee: Employee, wanted: AbstractSet[str], calendar: EmploymentCalendar
) -> bool:
    """Returns True if ``detect_change`` certainly finds no change, without the stored attributes.

    The same hash means the same attributes, so no wanted attribute is absent that was there before.
    """
    attributes = select_wanted(wanted, employee.attributes)
    if _hash_ordered(attributes) != state.content_hash:
        return False
    before = (state.phase, state.next_day)
    return calendar.find_phase(attributes, before) == before


def detect_change(
    connection: ConnectionId,
    previous: Snapshot | None,
    employee: Employee,
    now: datetime,
    wanted: AbstractSet[str],
    calendar: EmploymentCalendar,
) -> Snapshot | None:
    """Returns the snapshot to store; None if neither a wanted attribute nor the phase of the employment has changed.

    A wanted attribute that is absent now keeps its old value, because absent does not mean empty. The parts of an empty
    nested attribute are empty. A value that is too large is left out, and so unknown to readers of the event.
    """
    stored = previous.attributes if previous else {}
    before = {key: value for key, value in stored.items() if key in wanted}
    attributes, oversized = leave_out_oversized({**before, **select_wanted(wanted, employee.attributes)})
    content_hash = hash_content(attributes)
    phase, next_day = calendar.find_phase(attributes, (previous.phase, previous.next_day) if previous else None)
    if (
        previous is not None
        and _hash_previous(previous, before) == content_hash
        and (previous.oversized, previous.phase, previous.next_day) == (oversized, phase, next_day)
    ):
        return None
    return Snapshot(
        connection_id=connection,
        employee_id=employee.id,
        revision=max((previous.revision if previous else 0) + 1, int(now.timestamp() * 1000)),
        emitted_revision=previous.emitted_revision if previous else 0,
        kind=ChangeKind.CREATED if previous is None else ChangeKind.CHANGED,
        changed=tuple(sorted(key for key in {*before, *attributes} if _differs(before, attributes, key))),
        oversized=oversized,
        content_hash=content_hash,
        attributes_json=attributes_to_json(attributes),
        phase=phase,
        next_day=next_day,
        status=get_string(attributes, "status"),
        detected_at=now,
        source_modified_at=employee.modified_at,
    )


def leave_out_oversized(attributes: Mapping[str, Value]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Returns the attributes without the largest ones if all are too long together, and the keys of those left out."""
    kept = dict(attributes)
    if len(_to_text(kept)) <= MAX_CONTENT_LENGTH:
        return kept, ()
    lengths = {key: len(_to_text({key: value})) for key, value in kept.items()}
    total = sum(lengths.values())
    for key in sorted(lengths, key=lambda key: (-lengths[key], key)):
        if total <= MAX_CONTENT_LENGTH:
            break
        del kept[key]
        total -= lengths[key]
    return kept, tuple(sorted(attributes.keys() - kept.keys()))


def trim(snapshot: Snapshot, stored: Collection[str]) -> Snapshot | None:
    """Returns the snapshot with only the ``stored`` attributes and the same revision; None if it has no others.

    Attributes that cannot be read stay as they are.
    """
    try:
        attributes = snapshot.attributes
    except ValidationError:
        logger.warning("the stored attributes of an employee cannot be read", extra={"person": str(snapshot.person)})
        return None
    kept = {key: value for key, value in attributes.items() if key in stored}
    oversized = tuple(key for key in snapshot.oversized if key in stored)
    if len(kept) == len(attributes) and oversized == snapshot.oversized:
        return None
    return Snapshot.model_validate(
        {
            **snapshot.model_dump(),
            "oversized": oversized,
            "content_hash": REMOVED if snapshot.content_hash == REMOVED else hash_content(kept),
            "attributes_json": attributes_to_json(kept),
        }
    )


def _hash_previous(previous: Snapshot, before: Mapping[str, Value]) -> str:
    """Returns the hash of what was known before about the wanted attributes."""
    is_whole = previous.content_hash == REMOVED or len(before) == len(previous.attributes)
    return previous.content_hash if is_whole else hash_content(before)


def _to_text(value: Value | Mapping[str, Value]) -> str:
    """Returns JSON for comparison. It distinguishes 1 from true, Python's equality does not."""
    return to_json(value).decode()


def _differs(before: Mapping[str, Value], after: Mapping[str, Value], key: str) -> bool:
    return (key in before) != (key in after) or _to_text(before.get(key)) != _to_text(after.get(key))
