"""Finding and paging (RFC 7644, section 3.4.2), with the limits that this Declaree sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry, Kind
from sandbox.declaree.documents import document
from sandbox.declaree.errors import invalid
from sandbox.declaree.filters import CaseExact, Comparison, Filter, Lookup, comparisons, parse
from sandbox.declaree.schemas import GROUP, USER
from sandbox.declaree.values import Resource

BASIC: dict[Kind, frozenset[str]] = {
    "User": frozenset({"username", "externalid"}),
    "Group": frozenset({"displayname", "externalid"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    filter: str | None = None
    start_index: int = 1
    count: int | None = None
    attributes: tuple[str, ...] = ()
    excluded_attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    entries: list[Entry]
    total: int
    start_index: int


def find(kind: Kind, query: Query, directory: Directory, behaviour: Behaviour, now: datetime) -> Found:
    """Raises ``invalidFilter`` for a filter that this Declaree does not understand."""
    candidates = _candidates(kind, query.filter, directory, behaviour)
    if behaviour.search_lag_seconds:
        seen = now - timedelta(seconds=behaviour.search_lag_seconds)
        candidates = [found for found in candidates if datetime.fromisoformat(found.created) <= seen]
    start = 1 if behaviour.ignore_start_index else max(query.start_index, 1)
    wanted = behaviour.max_page_size if query.count is None else max(query.count, 0)
    page = list(islice(candidates, start - 1, start - 1 + min(wanted, behaviour.max_page_size)))
    return Found(page, len(candidates), start)


def _candidates(kind: Kind, text: str | None, directory: Directory, behaviour: Behaviour) -> Sequence[Entry]:
    everything = directory.of(kind)
    if text is None:
        return _View(everything)
    parsed = parse(text)
    simple = _simple(kind, parsed, behaviour)
    if simple is not None:
        return _looked_up(kind, simple, directory)
    if behaviour.filters == "basic":
        raise invalid("invalidFilter", "only userName eq and externalId eq, joined by and, are supported")
    return _matching(kind, parsed, everything.values(), directory, behaviour)


class _View(Sequence[Entry]):
    """All entries in the order they came, without a copy of ten thousand for a page of a hundred."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Any:
        return iter(self._entries.values())

    def __getitem__(self, index: Any) -> Any:
        return list(self._entries.values())[index]


def _simple(kind: Kind, parsed: Filter, behaviour: Behaviour) -> list[Comparison] | None:
    """The comparisons, when all of them are on identifying attributes and answered by an index."""
    parts = comparisons(parsed)
    if parts is None or not all(_is_simple(kind, part) for part in parts):
        return None
    if not behaviour.external_id_filter and any(part.attribute.casefold() == "externalid" for part in parts):
        raise invalid("invalidFilter", "externalId cannot be filtered")
    return parts


def _is_simple(kind: Kind, part: Comparison) -> bool:
    name = part.attribute.casefold()
    return part.operator == "eq" and isinstance(part.value, str) and name in BASIC[kind]


def _looked_up(kind: Kind, parts: list[Comparison], directory: Directory) -> list[Entry]:
    results = [_lookup(kind, part, directory) for part in parts]
    first, *others = results
    return [entry for entry in first if all(entry in other for other in others)]


def _lookup(kind: Kind, part: Comparison, directory: Directory) -> list[Entry]:
    match part.attribute.casefold():
        case "externalid":
            return directory.by_external_id(kind, part.value)
        case "username":
            found = directory.user_by_name(part.value)
            return [found] if found is not None else []
        case _:
            name = part.value.casefold()
            return [group for group in directory.groups.values() if group.resource["displayName"].casefold() == name]


def _matching(
    kind: Kind, parsed: Filter, entries: Iterable[Entry], directory: Directory, behaviour: Behaviour
) -> list[Entry]:
    resource_type = USER if kind == "User" else GROUP
    found: list[Entry] = []
    for entry in entries:
        whole = document(entry, "", directory, behaviour)
        if parsed.matches(_resource_lookup(resource_type, whole)):
            found.append(entry)
    return found


def _resource_lookup(kind: ResourceType, whole: Resource) -> Lookup:
    def lookup(path: str) -> list[Any]:
        schema, holder, rest = _holder(kind, whole, path)
        name, _, sub = rest.casefold().partition(".")
        attribute = schema.by_name.get(name)
        if name == "id" and not sub:
            return [CaseExact(whole["id"])]
        if name == "meta" and sub:
            return [whole["meta"].get(_spelled(whole["meta"], sub))]
        if attribute is None:
            raise invalid("invalidFilter", "the filter names an unknown attribute")
        return _values(attribute, holder.get(attribute.name), sub)

    return lookup


def _holder(kind: ResourceType, whole: Resource, path: str) -> tuple[Schema | ResourceType, Resource, str]:
    folded = path.casefold()
    for urn, schema in kind.by_urn.items():
        if folded.startswith(urn + ":"):
            return schema, whole.get(schema.urn, {}), path[len(urn) + 1 :]
    core = kind.schema.urn.casefold() + ":"
    return kind, whole, path[len(core) :] if folded.startswith(core) else path


def _spelled(value: Resource, sub: str) -> str:
    return next((name for name in value if name.casefold() == sub), sub)


def _values(attribute: Attribute, value: Any, sub: str) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    if sub:
        inner = attribute.by_name.get(sub)
        if inner is None:
            raise invalid("invalidFilter", "the filter names an unknown attribute")
        items = [item.get(inner.name) for item in items if item is not None]
        attribute = inner
    if attribute.case_exact:
        return [CaseExact(item) if isinstance(item, str) else item for item in items]
    return items
