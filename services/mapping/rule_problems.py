"""Finds what is wrong with a mapping before it is published: expressions and transforms that cannot be used, or that take too long.

Everything is found from the document alone, or with the types of the attributes. ``target_problems`` compares the targets with
the fields of Declaree.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.employees import ACTIVE, STATUS
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import ExpressionSource, MappingDocument, PublishedMapping, Rule
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.expressions.tokens import InvalidExpressionError
from services.mapping.target_problems import LIST_ATTRIBUTES
from services.mapping.time_limit import MAX_SECONDS
from services.mapping.transforms import UnfitValueError, find_transform_problem
from services.mapping.wanted import find_wanted_attributes

SAMPLE_TEXT, SAMPLE_LENGTH = "sample 4711 ", 200
"""The text of an attribute with which the time is measured, and its number of characters."""
_AT = datetime(2000, 1, 1, tzinfo=UTC)
SCOPE = "scope.only"
"""Where the condition for accounts stands in a document."""
SAMPLES: Mapping[str, Value] = {
    "standard": "sample",
    "multiline": "sample",
    "link": "https://sample.example",
    "list": "sample",
    "date": "2026-01-15T00:00:00+01:00",
    "integer": 5,
    "decimal": 5.5,
    "tags": ("sample", "other"),
}
"""A value of each type of Personio's attributes, to try an expression with."""
READING_FUNCTIONS = frozenset({"matches", "number"})
"""Functions with a result that depends on what a text contains: a sample says nothing about the types of the result."""


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One problem of one rule, or of the condition for accounts."""

    rule: int | None
    """Number of the rule in the mapping, from 1, withdrawn ones after the others; None for the condition for accounts."""
    place: str
    """Where it is: the target with ``when``, ``source`` or the number of a transform, or ``scope.only``."""
    text: str
    """What is wrong and what to write instead."""

    def describe(self) -> str:
        """Returns a sentence that names the rule."""
        return f"{self.place}: {self.text}" if self.rule is None else f"rule {self.rule} ({self.place}): {self.text}"


def find_rule_problems(mapping: MappingDocument, types: Mapping[str, str] | None = None) -> tuple[RuleProblem, ...]:
    """Returns the problems, in the order of the rules.

    ``types`` are the types of the attributes by their keys, as Personio names them. With None, expressions are not tried.
    """
    problems = [
        problem
        for number, rule in enumerate((*mapping.rules, *mapping.withdrawn), start=1)
        for problem in _check(rule, number, types)
    ]
    if mapping.scope.only and (text := find_expression_problem(mapping.scope.only, types)):
        problems.append(RuleProblem(None, SCOPE, text))
    if not problems and (text := _find_slowness(mapping)):
        problems.append(RuleProblem(None, "rules", text))
    return tuple(problems)


def _find_slowness(mapping: MappingDocument) -> str | None:
    """Returns what is wrong if the mapping takes too long for an employee with a text of usual length in each attribute."""
    sample = (SAMPLE_TEXT * SAMPLE_LENGTH)[:SAMPLE_LENGTH]
    attributes: dict[str, Value] = dict.fromkeys(find_wanted_attributes(mapping), sample)
    attributes |= {STATUS: ACTIVE, mapping.user_name_attribute: "sample@sample.example"}
    event = EmployeeChanged(
        connection_id=ConnectionId("sample"),
        employee_id=EmployeeId("1"),
        revision=1,
        detected_at=_AT,
        kind=ChangeKind.CHANGED,
        attributes=attributes,
    )
    engine = Engine(PublishedMapping(connection_id=event.connection_id, version=1, mapping=mapping, published_at=_AT))
    engine.map(event)  # the first evaluation compiles patterns that expressions compute
    began = time.thread_time()
    engine.map(event)
    if time.thread_time() - began <= MAX_SECONDS / 2:
        return None
    return f"expressions and patterns take more than {MAX_SECONDS / 2} s for each employee: simplify them, or use value tables"


def _check(rule: Rule, number: int, types: Mapping[str, str] | None) -> Iterator[RuleProblem]:
    if rule.when and (text := find_expression_problem(rule.when.expression, types)):
        yield RuleProblem(number, f"{rule.target}, when", text)
    if isinstance(rule.source, ExpressionSource) and (text := find_expression_problem(rule.source.expression, types)):
        yield RuleProblem(number, f"{rule.target}, source", text)
    for position, transform in enumerate(rule.transforms, start=1):
        if text := find_transform_problem(transform):
            yield RuleProblem(number, f"{rule.target}, transform {position}", text)


def find_expression_problem(expression: str, types: Mapping[str, str] | None = None) -> str | None:
    """Returns what is wrong with an expression; None if it can be used, as far as is known.

    It is tried with a value of the type of each attribute, if all their types are known: an operation on a text and a number
    would reject every employee.
    """
    from services.mapping.expressions.evaluation import CompiledExpression, UnfitOperationError  # noqa: PLC0415 - CEL

    try:
        compiled = CompiledExpression(expression)
    except InvalidExpressionError as error:
        return str(error)
    if compiled.functions & READING_FUNCTIONS:
        return None
    samples = {key: _find_sample(key, types or {}) for key in compiled.attributes}
    if any(sample is None for sample in samples.values()):
        return None
    try:
        compiled.evaluate(samples)
    except UnfitOperationError as error:
        return f"the result {error}"
    except UnfitValueError:
        return None  # a sample has too few entries, for example
    return None


def _find_sample(key: str, types: Mapping[str, str]) -> Value:
    """Returns a value of the type of an attribute; None if it is unknown."""
    parent, _, part = key.rpartition(".")
    if key in types and parent in LIST_ATTRIBUTES:  # Personio names the type of the elements' texts only
        return SAMPLES["tags"] if part == "name" else None
    return SAMPLES.get(types.get(key, ""))
