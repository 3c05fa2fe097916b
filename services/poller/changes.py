"""Change detection: pure. The truth is the comparison of contents, not the vendor's time stamps."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.contracts.events import Attribute, Kind, text_of
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot, to_json

VOLATILE = frozenset({"last_modified_at"})
"""Attributes that change with every change, and so say nothing of what has changed."""
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
"""As JSON, which tells 1 from true, as Python does not."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An employee as Personio shows them now."""

    employee_id: EmployeeId
    attributes: Mapping[str, Attribute]
    modified_at: datetime | None


def content_hash(attributes: Mapping[str, Attribute]) -> str:
    """Of keys and values alone: a renamed or translated label is no change of the employee."""
    content = {key: attribute.value for key, attribute in attributes.items() if key not in VOLATILE}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def detect(connection: ConnectionId, previous: Snapshot | None, seen: Seen, now: datetime) -> Snapshot | None:
    """The snapshot to store, or None where nothing has changed.

    An attribute that is absent now keeps its old value: it is no longer released, which does not mean that it was
    cleared. Of one that is there, the parts that it no longer has are cleared.
    """
    before = previous.attributes if previous else {}
    attributes = {**before, **_lost_parts(before, seen.attributes), **seen.attributes}
    digest = content_hash(attributes)
    if previous is not None and previous.content_hash == digest:
        return None
    return Snapshot(
        connection_id=connection,
        employee_id=seen.employee_id,
        revision=max((previous.revision if previous else 0) + 1, int(now.timestamp() * 1000)),
        emitted_revision=previous.emitted_revision if previous else 0,
        kind=Kind.CREATED if previous is None else Kind.CHANGED,
        changed=tuple(sorted(key for key in attributes if key not in VOLATILE and _differs(before, attributes, key))),
        content_hash=digest,
        attributes_json=to_json(attributes),
        status=text_of(attributes, "status"),
        detected_at=now,
        source_modified_at=seen.modified_at,
    )


def _lost_parts(before: Mapping[str, Attribute], seen: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """``dynamic_9.name`` once that attribute is empty: Personio sends no parts of nothing."""
    absent = before.keys() - seen.keys()
    there = {key.partition(".")[0] for key in seen} if absent else set()
    return {
        key: before[key].model_copy(update={"value": None})
        for key in absent
        if "." in key and key.partition(".")[0] in there
    }


def _differs(before: Mapping[str, Attribute], after: Mapping[str, Attribute], key: str) -> bool:
    return key not in before or _canonical(before[key].value) != _canonical(after[key].value)
