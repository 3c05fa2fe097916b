"""Finds the values of employees that are not in the value tables of a mapping. Pure."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from services.contracts.mappings import MappingDocument, Rule
from services.contracts.transforms import ValueTable
from services.contracts.values import Value
from services.mapping.functions.tables import compile_membership
from services.mapping.functions.values import UnfitValueError, check_size, remove_empty, write_text
from services.mapping.rules import CompiledRule, RejectedError, Step, Watch
from services.mapping.sources import Attributes
from services.mapping.time_limit import TimeLimit


class UnmatchedValue(NamedTuple):
    """A value that is not in a value table. It can be personal data: show it only on request."""

    target: str
    """Target of the rule with the table."""
    value: str
    """The value, as a key of the table would be written."""


class TableCheck:
    """The rules of a mapping that have value tables."""

    def __init__(self, mapping: MappingDocument, processor_time: Callable[[], float] = time.thread_time) -> None:
        """Compiles these rules. ``processor_time`` returns the seconds that the processor has worked for the thread."""
        self._processor_time = processor_time
        self._rules = [_TableRule(rule) for rule in mapping.rules if _has_table(rule)]
        self._is_costly = any(rule.is_costly for rule in self._rules)

    def find(self, attributes: Attributes) -> frozenset[UnmatchedValue]:
        """Returns the values of an employee that are not in the tables that they are looked up in.

        If the rules take too long for an employee, these are the values that were found in time.
        """
        if not self._rules:
            return frozenset()
        watch = TimeLimit(self._processor_time).check if self._is_costly else None
        return frozenset(value for rule in self._rules for value in rule.find(attributes, watch))


def _has_table(rule: Rule) -> bool:
    return any(isinstance(transform, ValueTable) for transform in rule.transforms)


class _TableRule:
    """A rule with value tables."""

    def __init__(self, rule: Rule) -> None:
        self._target = rule.target
        self._rule = CompiledRule(rule)
        self.is_costly = self._rule.is_costly
        self._tables = [
            compile_membership(transform) if isinstance(transform, ValueTable) else None
            for transform in rule.transforms
        ]

    def find(self, attributes: Attributes, watch: Watch | None) -> Iterator[UnmatchedValue]:
        """Yields the values that are not in the tables. A step after one that rejects the employee is not reached."""
        steps: list[Step] = []

        def note(step: Step) -> None:
            steps.append(step)
            if watch is not None:
                watch(self._target)

        with suppress(RejectedError):
            self._rule.evaluate(attributes, note)
        inputs = [step.value for step in steps if step.name != "condition"]
        for has_entry, value in zip(self._tables, inputs, strict=False):
            if has_entry is not None:
                yield from (UnmatchedValue(self._target, text) for text in _list_texts(value) if not has_entry(text))


def _list_texts(value: Value) -> list[str]:
    """Returns the values that a table looks up; none if they are too large, with which the rule rejects the employee."""
    try:
        return [
            write_text(entry) for entry in check_size(remove_empty(value if isinstance(value, tuple) else (value,)))
        ]
    except UnfitValueError:
        return []
