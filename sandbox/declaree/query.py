"""Search and paging (RFC 7644, section 3.4.2), within the limits that the behaviour sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry, Kind
from sandbox.declaree.documents import build_document
from sandbox.declaree.errors import ScimError, bad_request
from sandbox.declaree.filters import CaseExact, Comparison, Filter, Lookup, parse_filter, split_comparisons
from sandbox.declaree.schemas import GROUP, USER
from sandbox.declaree.values import Resource

BASIC: dict[Kind, frozenset[str]] = {
    "User": frozenset({"username", "externalid"}),
    "Group": frozenset({"displayname", "externalid"}),
}
"""Case-folded attributes that basic filters support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Parameters of a search."""

    filter: str | None = None
    """Filter expression; None selects all resources."""
    start_index: int = 1
    """Position of the first resource, from 1."""
    count: int | None = None
    """Maximum number of resources; None for the server's default."""
    attributes: tuple[str, ...] = ()
    """Attributes to return; empty for all."""
    excluded_attributes: tuple[str, ...] = ()
    """Attributes to omit."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page of a search."""

    entries: list[Entry]
    """Entries on the page."""
    total: int
    """Number of matches on all pages."""
    start_index: int
    """Position of the first entry, from 1."""


def find(kind: Kind, query: Query, directory: Directory, behaviour: Behaviour, now: datetime) -> SearchResult:
    """Returns a page of matches. Raises ``ScimError`` of type ``invalidFilter`` for an unsupported filter."""
    candidates = _select_candidates(kind, query.filter, directory, behaviour)
    lag = max(behaviour.search_lag_seconds, behaviour.read_lag_seconds)
    if lag:
        candidates = [entry for entry in candidates if is_visible(entry, lag, now)]
    if behaviour.repeat_first:
        candidates = [*candidates[:1], *candidates]
    start = 1 if behaviour.ignore_start_index else max(query.start_index, 1)
    count = behaviour.max_page_size if query.count is None else max(query.count, 0)
    page = list(islice(candidates, start - 1, start - 1 + min(count, behaviour.max_page_size)))
    return SearchResult(page, len(candidates), start)


def is_visible(entry: Entry, lag_seconds: float, now: datetime) -> bool:
    """Returns whether the entry is old enough to be read."""
    return datetime.fromisoformat(entry.created) <= now - timedelta(seconds=lag_seconds)


def _select_candidates(kind: Kind, text: str | None, directory: Directory, behaviour: Behaviour) -> Sequence[Entry]:
    entries = directory.get_entries(kind)
    if text is None or behaviour.filters == "ignored":
        return _EntryView(entries)
    if behaviour.filters == "not_implemented":
        raise ScimError(501, "filters are not supported")
    if behaviour.filters == "none":
        raise bad_request("invalidFilter", "filters are not supported")
    parsed = parse_filter(text)
    indexed = _read_indexed_comparisons(kind, parsed, behaviour)
    if indexed is not None:
        return _look_up_all(kind, indexed, directory)
    if behaviour.filters == "basic":
        raise bad_request("invalidFilter", "only userName eq and externalId eq, joined by and, are supported")
    return _filter_entries(kind, parsed, entries.values(), directory, behaviour)


class _EntryView(Sequence[Entry]):
    """All entries, oldest first. A view avoids a copy of ten thousand entries for a page of a hundred."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Any:
        return iter(self._entries.values())

    def __getitem__(self, index: Any) -> Any:
        return list(self._entries.values())[index]


def _read_indexed_comparisons(kind: Kind, parsed: Filter, behaviour: Behaviour) -> list[Comparison] | None:
    """Returns the comparisons if all of them are answered by an index; otherwise None."""
    parts = split_comparisons(parsed)
    if parts is None or not all(_is_indexed(kind, part) for part in parts):
        return None
    if not behaviour.external_id_filter and any(part.attribute.casefold() == "externalid" for part in parts):
        raise bad_request("invalidFilter", "externalId cannot be filtered")
    return parts


def _is_indexed(kind: Kind, part: Comparison) -> bool:
    name = part.attribute.casefold()
    return part.operator == "eq" and isinstance(part.value, str) and name in BASIC[kind]


def _look_up_all(kind: Kind, parts: list[Comparison], directory: Directory) -> list[Entry]:
    results = [_look_up(kind, part, directory) for part in parts]
    first, *others = results
    return [entry for entry in first if all(entry in other for other in others)]


def _look_up(kind: Kind, part: Comparison, directory: Directory) -> list[Entry]:
    match part.attribute.casefold():
        case "externalid":
            return directory.find_by_external_id(kind, part.value)
        case "username":
            return directory.find_users_by_name(part.value)
        case _:
            name = part.value.casefold()
            return [group for group in directory.groups.values() if group.resource["displayName"].casefold() == name]


def _filter_entries(
    kind: Kind, parsed: Filter, entries: Iterable[Entry], directory: Directory, behaviour: Behaviour
) -> list[Entry]:
    resource_type = USER if kind == "User" else GROUP
    matches: list[Entry] = []
    for entry in entries:
        document = build_document(entry, "", directory, behaviour)
        if parsed.matches(_make_lookup(resource_type, document)):
            matches.append(entry)
    return matches


def _make_lookup(kind: ResourceType, document: Resource) -> Lookup:
    def lookup(path: str) -> list[Any]:
        schema, holder, rest = _find_holder(kind, document, path)
        name, _, sub = rest.casefold().partition(".")
        attribute = schema.by_name.get(name)
        if name == "id" and not sub:
            return [CaseExact(document["id"])]
        if name == "meta" and sub:
            return [document["meta"].get(_find_spelling(document["meta"], sub))]
        if attribute is None:
            raise bad_request("invalidFilter", "the filter names an unknown attribute")
        return _read_values(attribute, holder.get(attribute.name), sub)

    return lookup


def _find_holder(kind: ResourceType, document: Resource, path: str) -> tuple[Schema | ResourceType, Resource, str]:
    folded = path.casefold()
    for urn, schema in kind.by_urn.items():
        if folded.startswith(urn + ":"):
            return schema, document.get(schema.urn, {}), path[len(urn) + 1 :]
    core = kind.schema.urn.casefold() + ":"
    return kind, document, path[len(core) :] if folded.startswith(core) else path


def _find_spelling(value: Resource, sub: str) -> str:
    return next((name for name in value if name.casefold() == sub), sub)


def _read_values(attribute: Attribute, value: Any, sub: str) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    if sub:
        inner = attribute.by_name.get(sub)
        if inner is None:
            raise bad_request("invalidFilter", "the filter names an unknown attribute")
        items = [item.get(inner.name) for item in items if item is not None]
        attribute = inner
    if attribute.case_exact:
        return [CaseExact(item) if isinstance(item, str) else item for item in items]
    return items
