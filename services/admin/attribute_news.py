"""Changes of the visible attributes, judged against the published mapping."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.admin.shortening import join_first
from services.contracts.catalogues import AttributeChange, AttributeChangeKind
from services.contracts.employees import HIRE_DATE, LAST_DAYS
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.mapping.readers import ACTIVE, find_reading_fields
from services.store.database import Store

NEWS_LIFETIME = timedelta(days=30)
"""Time after which a change that harms nothing is no longer shown."""
EMPLOYMENT_DATES = (HIRE_DATE, *LAST_DAYS)
"""Attributes with dates of an employment. Without one of them, the other dates and the status decide about access."""
MAX_SHOWN = 5
"""Number of keys that one line shows."""


@dataclass(frozen=True, slots=True)
class AttributeNews:
    """A change that concerns the mapping, or that a mapping can use."""

    change: AttributeChange
    """The change."""
    fields: tuple[str, ...]
    """The Declaree fields that the attribute fills; empty for an attribute that the mapping does not read."""

    @property
    def is_harmful(self) -> bool:
        """Whether fields no longer follow Personio."""
        return self.change.kind is AttributeChangeKind.VANISHED

    def describe(self) -> str:
        """Returns a sentence for a change of an attribute that the mapping reads, with the next step."""
        key, day, fields = self.change.key, f"{self.change.at:%Y-%m-%d}", ", ".join(self.fields)
        match self.change.kind:
            case AttributeChangeKind.VANISHED:
                is_date = key in EMPLOYMENT_DATES and self.fields == (ACTIVE,)
                effect = (
                    "Access begins and ends by the other dates and the status"
                    if is_date
                    else f"In Declaree, {fields} stays as it is"
                )
                return (
                    f"Personio no longer releases {key} (seen on {day}), and the mapping reads it. {effect}: "
                    "release the attribute for the credential again, or change the mapping"
                )
            case AttributeChangeKind.TYPE_CHANGED:
                return (
                    f"the type of {key} changed from {self.change.type_before} to {self.change.type} ({day}): "
                    f"compare {fields} of some employees with `people show ID EMPLOYEE`"
                )
            case AttributeChangeKind.RETURNED:
                return f"Personio releases {key} again since {day}: {fields} follows Personio again"
            case AttributeChangeKind.NEW:
                return f"{key} is new ({day}): a mapping can read it"


def judge_changes(
    changes: Iterable[AttributeChange], mapping: PublishedMapping | None, now: datetime
) -> tuple[AttributeNews, ...]:
    """Returns the changes that an administrator should know, newest first.

    A vanished attribute is shown as long as the mapping reads it. Any other change is shown for some time, until a mapping is
    published after it.
    """
    judged = [
        AttributeNews(change, find_reading_fields(mapping.mapping, change.key) if mapping else ()) for change in changes
    ]
    known_at = mapping.published_at if mapping is not None else None
    return tuple(
        found
        for found in judged
        if (found.is_harmful and found.fields)
        or (
            not found.is_harmful
            and bool(found.fields) is not (found.change.kind is AttributeChangeKind.NEW)
            and found.change.at > now - NEWS_LIFETIME
            and (known_at is None or found.change.at > known_at)
        )
    )


async def find_changes(
    store: Store, connections: Sequence[ConnectionId], now: datetime
) -> dict[ConnectionId, tuple[AttributeNews, ...]]:
    """Returns the changes that an administrator should know, for those connections that have any. Sends one or two queries."""
    changes = await store.catalogues.find_changes(connections)
    if not changes:
        return {}
    mappings = await store.mappings.get_all_published(changes)
    readable = {one: found for one, found in mappings.items() if isinstance(found, PublishedMapping)}
    judged = {one: judge_changes(found, readable.get(one), now) for one, found in changes.items()}
    return {connection: found for connection, found in judged.items() if found}


def summarise_keys(changes: Iterable[AttributeNews]) -> str:
    """Returns the keys of the changes by kind, on one line."""
    by_kind: dict[AttributeChangeKind, list[str]] = {}
    for found in changes:
        by_kind.setdefault(found.change.kind, []).append(found.change.key)
    return "; ".join(f"{kind.value.replace('_', ' ')}: {join_first(keys, MAX_SHOWN)}" for kind, keys in by_kind.items())
