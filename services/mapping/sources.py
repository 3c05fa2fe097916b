"""Where the value of a field comes from: an attribute, several of them, a constant, or an expression. Compiled once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

from services.contracts.mappings import (
    AttributeSource,
    AttributesSource,
    ConstantSource,
    ExpressionSource,
    Rule,
    Source,
)
from services.contracts.values import Scalar, Value
from services.mapping.expressions.tokens import InvalidExpressionError
from services.mapping.expressions.translation import find_attributes
from services.mapping.functions.values import check_size
from services.mapping.transforms import UnfitValueError, is_empty, remove_empty

Attributes: TypeAlias = Mapping[str, Value]
"""The values of an employee by the key of their attribute. An attribute that is not there is unknown."""


@dataclass(frozen=True, slots=True)
class CompiledSource:
    """A source, compiled."""

    attributes: tuple[str, ...]
    """Keys of the attributes that it reads."""
    read: Callable[[Attributes], Value]
    """Returns the value for an employee, if all these attributes are known. Raises ``UnfitValueError``."""

    def find_unknown(self, attributes: Attributes) -> str | None:
        """Returns the key of the first attribute that is unknown for an employee; None if all are known."""
        return next((key for key in self.attributes if key not in attributes), None)


def find_source_attributes(source: Source) -> tuple[str, ...]:
    """Returns the keys of the attributes that a source reads, in the order of the source."""
    match source:
        case AttributeSource(attribute=key, largest_by=None):
            return (key,)
        case AttributeSource(attribute=key, largest_by=str(neighbour)):
            return (key, neighbour)
        case AttributesSource(attributes=keys):
            return keys
        case ExpressionSource(expression=expression):
            return find_attributes(expression)
    return ()


def find_rule_attributes(rule: Rule) -> tuple[str, ...]:
    """Returns the keys of the attributes that source and condition of a rule read."""
    return find_source_attributes(rule.source) + (find_attributes(rule.when.expression) if rule.when else ())


def compile_source(source: Source) -> CompiledSource:
    """Returns the compiled source. An expression that cannot be used has no value for any employee: it rejects them."""
    keys = find_source_attributes(source)
    match source:
        case AttributeSource(attribute=key, largest_by=str(neighbour)):
            return CompiledSource(keys, lambda attributes: _find_largest(attributes[key], attributes[neighbour]))
        case AttributeSource(attribute=key):
            return CompiledSource(keys, itemgetter(key))
        case AttributesSource():
            return CompiledSource(keys, lambda attributes: _list_values(attributes[key] for key in keys))
        case ConstantSource(value=constant):
            return CompiledSource(keys, lambda _: constant)
        case ExpressionSource(expression=expression):
            return compile_expression(expression)


def compile_expression(expression: str) -> CompiledSource:
    """Returns an expression as a source. One that cannot be used raises ``UnfitValueError`` for each employee."""
    from services.mapping.expressions.evaluation import CompiledExpression  # noqa: PLC0415 - CEL

    try:
        compiled = CompiledExpression(expression)
    except InvalidExpressionError as error:
        problem = f"comes from an expression that cannot be used: {error}"

        def refuse(_: Attributes) -> Value:
            raise UnfitValueError(problem)

        return CompiledSource((), refuse)
    return CompiledSource(compiled.attributes, compiled.evaluate)


def _list_entries(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _list_values(values: Iterable[Value]) -> Value:
    return check_size(remove_empty(entry for value in values for entry in _list_entries(value)))


def _find_largest(value: Value, numbers: Value) -> Value:
    """Returns the entry with the largest number in the list beside it. An entry without a number counts as the smallest."""
    entries = _list_entries(value)
    sizes = (None,) * len(entries) if is_empty(numbers) else _list_entries(numbers)
    if len(entries) != len(sizes):
        raise UnfitValueError("has another number of entries than the list that says which one is the largest")
    filled = [
        (size if isinstance(size, int | float) else float("-inf"), entry)
        for entry, size in zip(entries, sizes, strict=True)
        if entry is not None and entry != ""
    ]
    return max(filled, key=lambda pair: pair[0])[1] if filled else None
