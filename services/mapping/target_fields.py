"""Merges what a server lists about its fields with the documented fields, and compares it with an earlier list. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from services.contracts.fields import (
    MAX_FIELD_CHANGES,
    MAX_FIELDS,
    FieldCatalogue,
    FieldChange,
    FieldChangeKind,
    FieldOrigin,
    FieldType,
    TargetField,
)
from services.contracts.ids import ConnectionId
from services.contracts.targets import identify_field
from services.mapping.documented_fields import DOCUMENTED_FIELDS, find_labels


def build_field_catalogue(
    connection: ConnectionId, listed: Sequence[TargetField], before: FieldCatalogue | None, now: datetime
) -> FieldCatalogue:
    """Returns the catalogue after a server has answered with these fields.

    ``listed`` is empty if the server lists none. A server that has listed its fields before then keeps them: it says nothing
    about its fields, so none of them has vanished. ``before`` is the stored catalogue; None before the first one.
    """
    if not listed and before is not None and before.is_listed:
        return before.model_copy(
            update={"fields": merge_fields([one for one in before.fields if one.is_listed]), "asked_at": now}
        )
    return FieldCatalogue(
        connection_id=connection,
        fields=merge_fields(listed),
        listed_at=now if listed else None,
        asked_at=now,
        changes=note_field_changes(before, listed, now),
    )


def merge_fields(listed: Sequence[TargetField]) -> tuple[TargetField, ...]:
    """Returns the documented fields, as the server lists them where it does, and then its further fields.

    A field has the labels of the documentation, and the path, the values and the access of the server. A required field is one
    that either of them requires. The first of several fields with the same path counts.
    """
    by_field = {identify_field(field.path): field for field in reversed(listed)}
    documented = [_merge(field, by_field.pop(identify_field(field.path), None)) for field in DOCUMENTED_FIELDS]
    further = [_label(field) for field in listed if by_field.pop(identify_field(field.path), None) is not None]
    return tuple([*documented, *further][:MAX_FIELDS])


def _merge(documented: TargetField, listed: TargetField | None) -> TargetField:
    if listed is None:
        return documented
    is_known = listed.type is not FieldType.UNKNOWN
    return listed.model_copy(
        update={
            "label_en": documented.label_en,
            "label_de": documented.label_de,
            # a server may list the id of a manager as a string
            "type": listed.type if is_known and documented.type is FieldType.TEXT else documented.type,
            "is_required": listed.is_required or documented.is_required,
            "origin": FieldOrigin.BOTH,
        }
    )


def _label(listed: TargetField) -> TargetField:
    """Returns a listed field, with the labels of the documentation if its name is documented."""
    english, german = find_labels(listed.path) or (listed.label_en, listed.label_de)
    return listed.model_copy(update={"label_en": english, "label_de": german, "origin": FieldOrigin.LISTED})


def note_field_changes(
    before: FieldCatalogue | None, listed: Sequence[TargetField], now: datetime
) -> tuple[FieldChange, ...]:
    """Returns the changes to keep with the catalogue, newest first; none before the server has listed its fields.

    A field has one entry, which its next change replaces. Labels, allowed values and the order may change freely.
    """
    if before is None or not before.is_listed:
        return ()
    kept = {identify_field(change.path): change for change in before.changes}
    found = {identify_field(change.path): change for change in _find_changes(before, listed, now)}
    changes = [*found.values(), *(change for field, change in kept.items() if field not in found)]
    return tuple(changes[:MAX_FIELD_CHANGES])


def _find_changes(before: FieldCatalogue, listed: Sequence[TargetField], now: datetime) -> Iterator[FieldChange]:
    known = {identify_field(field.path): field for field in before.fields if field.is_listed}
    current = {identify_field(field.path): field for field in merge_fields(listed) if field.is_listed}
    for name, field in known.items():
        if name not in current:
            yield _note(field, FieldChangeKind.VANISHED, now)
    for name, field in current.items():
        earlier = known.get(name)
        if earlier is None:
            yield _note(field, FieldChangeKind.APPEARED, now)
        elif earlier.is_writable is not field.is_writable:
            yield _note(field, FieldChangeKind.WRITABLE if field.is_writable else FieldChangeKind.READ_ONLY, now)
        elif describe_type(earlier) != describe_type(field):
            yield _note(field, FieldChangeKind.TYPE_CHANGED, now, describe_type(earlier))


def _note(field: TargetField, kind: FieldChangeKind, now: datetime, type_before: str | None = None) -> FieldChange:
    return FieldChange(path=field.path, kind=kind, at=now, type=describe_type(field), type_before=type_before)


def describe_type(field: TargetField) -> str:
    """Returns the type of a field in words, such as "text" or "list of text"."""
    return f"list of {field.type.value}" if field.is_multi_valued else field.type.value
