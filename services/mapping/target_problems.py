"""Compares the targets of a mapping with the field catalogue. Pure.

A problem is stated only if it is certain. A source or a transform that this module does not know may have any result, so that
nothing is said about the values behind it.
"""

import contextlib
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.contracts.catalogues import SourceCatalogue
from services.contracts.employees import get_parent
from services.contracts.fields import FieldCatalogue, FieldType, TargetField
from services.contracts.mappings import AttributeSource, AttributesSource, ConstantSource, MappingDocument, Rule
from services.contracts.targets import MANAGER, identify_field
from services.contracts.transforms import ValueTable
from services.contracts.values import Scalar, Value
from services.mapping.transforms import Function, UnfitValueError, compile_transform, is_empty, remove_empty

MAX_SUGGESTIONS = 20
"""Maximum number of unknown targets for which a similar field is looked for: this compares every field with the target."""
MAX_SHOWN_VALUES = 10
"""Maximum number of allowed values that a text names."""
MAX_SHOWN_LENGTH = 60
"""Maximum number of characters of a value in a text."""
SIMILARITY = 0.75
"""Similarity from which a field is suggested, between 0 and 1."""

KNOWN_TRANSFORMS = frozenset(
    {
        *("date_format", "default", "extract", "iban", "language_tag", "lower", "matching", "number_format", "phone"),
        *("title", "to_number", "transliterate", "trim", "upper", "value_table"),
    }
)
"""Transforms with a known result: a list stays a list. Nothing is said about the result of any other transform."""
LIST_TYPES = frozenset({"tags"})
"""Types of Personio's attributes with a list as value."""
LIST_ATTRIBUTES = frozenset({"absence_entitlement", "cost_centers"})
"""Attributes of Personio with several elements, so that each of their parts is a list."""


class TargetProblemKind(StrEnum):
    """What is wrong with the target of a rule."""

    UNKNOWN = "unknown"
    """Neither the server nor the documentation has the field. It may exist nevertheless."""
    READ_ONLY = "read_only"
    """The server lists the field as read-only."""
    VALUE = "value"
    """A value of the rule is not among the allowed ones."""
    TYPE = "type"
    """A value of the rule has another type than the field."""
    LIST = "list"
    """The rule has several values and the field one, or the other way round."""


@dataclass(frozen=True, slots=True)
class TargetProblem:
    """One problem of one rule."""

    rule: int
    """Number of the rule in the mapping, from 1."""
    target: str
    """Target of the rule."""
    kind: TargetProblemKind
    """What is wrong."""
    text: str
    """What is wrong and what to write instead, as a sentence about the target."""

    def describe(self) -> str:
        """Returns a sentence that names the rule."""
        return f"rule {self.rule} ({self.target}): {self.text}"


def find_target_problems(
    mapping: MappingDocument, catalogue: FieldCatalogue, sources: SourceCatalogue | None = None
) -> tuple[TargetProblem, ...]:
    """Returns the problems of the targets, in the order of the rules.

    ``sources`` says which attributes have several values; with None, only those are known that have several in every company.
    """
    fields = {identify_field(field.path): field for field in catalogue.fields}
    types = {attribute.key: attribute.type for attribute in sources.attributes} if sources is not None else {}
    names = _list_names(catalogue.fields)
    problems: list[TargetProblem] = []
    unknown = 0
    for number, rule in enumerate(mapping.rules, start=1):
        field = fields.get(identify_field(rule.target))
        if field is None:
            unknown += 1
            text = _describe_unknown(rule.target, catalogue, names if unknown <= MAX_SUGGESTIONS else {})
            found = [(TargetProblemKind.UNKNOWN, text)]
        else:
            found = list(_check_rule(rule, field, types))
        problems += [TargetProblem(number, rule.target, kind, text) for kind, text in found]
    return tuple(problems)


def _check_rule(rule: Rule, field: TargetField, types: Mapping[str, str]) -> Iterator[tuple[TargetProblemKind, str]]:
    if not field.is_writable:
        yield TargetProblemKind.READ_ONLY, "the server lists it as read-only: remove the rule"
        return
    if rule.target == MANAGER:
        return  # the writer replaces the value by the id of an account
    values = _list_values(rule)
    if not field.is_multi_valued and _is_list(rule, types):
        source = rule.source.attribute if isinstance(rule.source, AttributeSource) else "the source"
        step = "add the transform `first` or `join`, or `largest_by` for the attribute, or read another attribute"
        yield TargetProblemKind.LIST, f"{source} has several values, and the field has one: {step}"
    if not field.is_multi_valued and any(isinstance(value, tuple) for value in values):
        yield TargetProblemKind.LIST, "the rule writes a list, and the field has one value: write a single value"
    is_single = isinstance(rule.source, ConstantSource) and not all(isinstance(value, tuple) for value in values)
    if field.is_multi_valued and is_single:
        yield TargetProblemKind.LIST, "the rule writes a single value, and the field is a list: write it in brackets"
    entries = _list_entries(values)
    unfit = [entry for entry in entries if not _fits(entry, field.type)]
    if unfit:
        name, form = _FORMS[field.type]
        yield TargetProblemKind.TYPE, f"the rule writes values that are not {name} ({_show(unfit)}): write {form}"
    allowed = frozenset(map(str.lower, field.values))
    other = [entry for entry in entries if isinstance(entry, str) and allowed and entry.lower() not in allowed]
    if other:
        text = (
            f"the rule writes values that the server does not list ({_show(other)}): write one of {_show(field.values)}"
        )
        yield TargetProblemKind.VALUE, text


# ------------------------------------------------------------ unknown targets


def _describe_unknown(target: str, catalogue: FieldCatalogue, names: Mapping[str, str]) -> str:
    similar = _find_similar(target, names)
    where, step = "the server does not list its fields", f"compare it with `mapping fields {catalogue.connection_id}`"
    if catalogue.is_listed:
        where = "the server does not list it"
    elif catalogue.asked_at is None:
        where = "the server was not yet asked for its fields"
        step = f"ask it with `connections check {catalogue.connection_id}`"
    if similar:
        step = f"write {similar} if this is meant"
    return f"unknown field, because {where} and Declaree does not document it: {step}"


def _list_names(fields: Sequence[TargetField]) -> dict[str, str]:
    """Returns the writable paths by their names without a URN, in lowercase. The first of several with one name counts."""
    names: dict[str, str] = {}
    for field in fields:
        if field.is_writable:
            names.setdefault(_shorten(field.path), field.path)
    return names


def _find_similar(target: str, names: Mapping[str, str]) -> str | None:
    """Returns the path of the field with the most similar name; None if no name is similar."""
    name = _shorten(target)
    if name in names:
        return names[name]
    below = [path for other, path in names.items() if other.startswith((f"{name}.", f"{name}["))]
    similar = difflib.get_close_matches(name, names, n=1, cutoff=SIMILARITY)
    return next(iter([*below, *(names[other] for other in similar)]), None)


def _shorten(path: str) -> str:
    extension, *name = identify_field(path)
    if not name:
        return extension[-MAX_SHOWN_LENGTH:]
    attribute, key, value, sub = name
    text = f'{attribute}[{key} eq "{value}"]' if key else attribute
    return (f"{text}.{sub}" if sub else text)[:MAX_SHOWN_LENGTH]


# ------------------------------------------------------------ values


def _is_list(rule: Rule, types: Mapping[str, str]) -> bool:
    """Whether the value of the rule is a list for certain: no transform makes one value of it."""
    if not _has_known_transforms(rule):
        return False
    if isinstance(rule.source, AttributesSource):
        return True
    if not isinstance(rule.source, AttributeSource) or rule.source.largest_by is not None:
        return False
    key = rule.source.attribute
    parent = get_parent(key)
    return (parent in LIST_ATTRIBUTES and parent != key) or types.get(key) in LIST_TYPES


def _list_values(rule: Rule) -> tuple[Value, ...]:
    """Returns values that the rule can write for certain: a constant, the entries of a value table, a default."""
    if not _has_known_transforms(rule):
        return ()
    is_constant = isinstance(rule.source, ConstantSource)
    values: list[Value] = [rule.source.value if isinstance(rule.source, ConstantSource) else None]
    for transform in rule.transforms:
        values = list(_transform(values, compile_transform(transform)))
        if isinstance(transform, ValueTable) and not is_constant:
            values += transform.table.values()
    return tuple(value for value in values if not is_empty(value))


def _transform(values: Iterable[Value], transform: Function) -> Iterator[Value]:
    """Yields the results, without those of values that do not fit: an employee with one is rejected for a reason of its own."""
    for value in values:
        with contextlib.suppress(UnfitValueError):
            yield transform(value)


def _has_known_transforms(rule: Rule) -> bool:
    return all(transform.kind in KNOWN_TRANSFORMS for transform in rule.transforms)


def _list_entries(values: Iterable[Value]) -> tuple[Scalar, ...]:
    """Returns the single values, each once, in their order."""
    entries = [entry for value in values for entry in (value if isinstance(value, tuple) else (value,))]
    return tuple({(type(entry), entry): entry for entry in remove_empty(tuple(entries))}.values())


_FORMS = {
    FieldType.TEXT: ("texts", "them in quotes"),
    FieldType.REFERENCE: ("texts", "them in quotes"),
    FieldType.BOOLEAN: ("booleans", "true or false, without quotes"),
    FieldType.INTEGER: ("integers", "numbers without a fraction and without quotes"),
    FieldType.DECIMAL: ("numbers", "numbers without quotes"),
    FieldType.DATE: ("dates", 'dates such as "2026-11-30"'),
}
"""What values of a type are called, and how they are written in a mapping. Every value fits an unknown type."""


def _fits(value: Scalar, type_: FieldType) -> bool:
    """Whether a value has the type of a field. Every value fits an unknown type."""
    match type_:
        case FieldType.TEXT | FieldType.REFERENCE:
            return isinstance(value, str)
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.INTEGER:
            is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return is_whole and not isinstance(value, bool)
        case FieldType.DECIMAL:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case FieldType.DATE:
            return isinstance(value, str) and _is_date(value)
        case FieldType.UNKNOWN:
            return True


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _show(values: Sequence[Scalar]) -> str:
    """Returns the first values as a mapping has them, and how many more there are."""
    shown = [json.dumps(value, ensure_ascii=False) for value in values[:MAX_SHOWN_VALUES]]
    shown = [text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}…" for text in shown]
    more = len(values) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])
