"""Compares an employee in Personio with the snapshot. Pure: it compares the content, not Personio's timestamps."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from services.contracts.employees import Attribute, Employee, string_value
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId
from services.contracts.snapshots import Snapshot, attributes_to_json

VOLATILE = frozenset({"last_modified_at"})
"""Attributes excluded from the content hash because every edit changes them."""
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
"""Encodes values for comparison. JSON distinguishes 1 from true, Python's equality does not."""


def hash_content(attributes: Mapping[str, Attribute]) -> str:
    """Returns a hash of keys and values. A renamed or translated label is not a change of the employee."""
    content = {key: attribute.value for key, attribute in attributes.items() if key not in VOLATILE}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def detect_change(
    connection: ConnectionId, previous: Snapshot | None, employee: Employee, now: datetime
) -> Snapshot | None:
    """Returns the snapshot to store; None if nothing has changed.

    An attribute that is absent now keeps its old value: it is no longer visible, which does not mean that it is empty.
    Sub-attributes that a visible attribute no longer has are cleared.
    """
    before = previous.attributes if previous else {}
    attributes = {**before, **_clear_sub_attributes(before, employee.attributes), **employee.attributes}
    digest = hash_content(attributes)
    if previous is not None and previous.content_hash == digest:
        return None
    return Snapshot(
        connection_id=connection,
        employee_id=employee.id,
        revision=max((previous.revision if previous else 0) + 1, int(now.timestamp() * 1000)),
        emitted_revision=previous.emitted_revision if previous else 0,
        kind=ChangeKind.CREATED if previous is None else ChangeKind.CHANGED,
        changed=tuple(sorted(key for key in attributes if key not in VOLATILE and _differs(before, attributes, key))),
        content_hash=digest,
        attributes_json=attributes_to_json(attributes),
        status=string_value(attributes, "status"),
        detected_at=now,
        source_modified_at=employee.modified_at,
    )


def _clear_sub_attributes(before: Mapping[str, Attribute], now: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Returns sub-attributes (such as ``dynamic_9.name``) to clear because their parent is empty.

    Personio omits them in that case.
    """
    absent = before.keys() - now.keys()
    visible_parents = {key.partition(".")[0] for key in now} if absent else set()
    return {
        key: before[key].model_copy(update={"value": None})
        for key in absent
        if "." in key and key.partition(".")[0] in visible_parents
    }


def _differs(before: Mapping[str, Attribute], after: Mapping[str, Attribute], key: str) -> bool:
    return key not in before or _canonical(before[key].value) != _canonical(after[key].value)
