"""Compares the attributes that a credential can read with those of the last scan."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceCatalogue
from services.contracts.employees import AttributeDefinition

MAX_CHANGES = 100
"""Maximum number of changes that a catalogue keeps: the newest ones."""


def note_changes(
    catalogue: SourceCatalogue, definitions: Sequence[AttributeDefinition], now: datetime
) -> tuple[AttributeChange, ...]:
    """Returns the changes to keep with the catalogue, newest first.

    An attribute has one entry, which its next change replaces: a list of Personio that is incomplete from time to time fills
    nothing. Labels and options may change freely.
    """
    kept = {change.key: change for change in catalogue.changes}
    found = {change.key: change for change in _find_changes(catalogue, kept, definitions, now)}
    changes = [*found.values(), *(change for key, change in kept.items() if key not in found)]
    return tuple(changes[:MAX_CHANGES])


def _find_changes(
    catalogue: SourceCatalogue,
    kept: dict[str, AttributeChange],
    definitions: Sequence[AttributeDefinition],
    now: datetime,
) -> Iterator[AttributeChange]:
    before = {entry.key: entry for entry in catalogue.attributes}
    visible = {definition.key: definition for definition in definitions}
    for key, entry in before.items():
        if key not in visible:
            yield AttributeChange(
                key=key, label=entry.label, kind=AttributeChangeKind.VANISHED, at=now, type=entry.type
            )
    for key, definition in visible.items():
        last = kept.get(key)
        known_type = before[key].type if key in before else None
        if last is not None and last.kind is AttributeChangeKind.VANISHED:
            known_type = last.type
        kind = _classify(definition, known_type, is_shown=key in before)
        if kind is not None:
            type_before = known_type if kind is AttributeChangeKind.TYPE_CHANGED else None
            yield AttributeChange(
                key=key, label=definition.label, kind=kind, at=now, type=definition.type, type_before=type_before
            )


def _classify(definition: AttributeDefinition, known_type: str | None, *, is_shown: bool) -> AttributeChangeKind | None:
    """Returns what has changed; None if nothing has. ``is_shown`` says whether the last scan has seen the attribute."""
    if known_type is None:
        return AttributeChangeKind.NEW
    if known_type != definition.type:
        return AttributeChangeKind.TYPE_CHANGED
    return None if is_shown else AttributeChangeKind.RETURNED
