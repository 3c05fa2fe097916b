"""Evaluates one rule of a mapping: computes the value of one target field."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.contracts.mappings import MANAGER, Rule
from services.contracts.values import Value
from services.mapping.sources import Attributes, CompiledSource, compile_expression, compile_source
from services.mapping.transforms import Function, UnfitValueError, compile_transform, is_empty, remove_empty


class RejectedError(Exception):
    """The employee's data does not fit the mapping."""

    def __init__(self, reason: str, field: str) -> None:
        """``reason`` contains no value. ``field`` names the target or the attribute that the reason is about."""
        super().__init__(reason)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the evaluation of a rule. The value is personal data: it is shown to the person that asks, never stored."""

    name: str
    """``condition``, the kind of the source, or the kind of a transform."""
    value: Value
    """The value after the step."""


NoteStep: TypeAlias = Callable[[Step], None]
"""Receives each step of an evaluation."""


MAX_CHEAP_TRANSFORMS = 3
"""Number of transforms up to which the time of a rule without expressions and patterns need not be watched."""
COSTLY_TRANSFORMS = frozenset({"extract", "matching"})
"""Transforms with a time that depends on a pattern that people write."""
Watch: TypeAlias = Callable[[str], None]
"""Is called with the target after each costly step. Raises ``RejectedError`` if the time is over."""


def _is_costly(rule: Rule) -> bool:
    """Whether the time of the rule has to be watched."""
    is_computed = rule.when is not None or rule.source.kind in {"attributes", "expression"}
    has_pattern = any(transform.kind in COSTLY_TRANSFORMS for transform in rule.transforms)
    return is_computed or has_pattern or len(rule.transforms) > MAX_CHEAP_TRANSFORMS


def _is_finite(value: Value) -> bool:
    """Whether each number can be written as JSON."""
    entries = value if isinstance(value, tuple) else (value,)
    return all(math.isfinite(entry) for entry in entries if isinstance(entry, float))


class CompiledRule:
    """A rule that is compiled once and evaluated for many employees."""

    def __init__(self, rule: Rule) -> None:
        """Compiles the condition, the source and the transforms of ``rule``."""
        self.target = rule.target
        self.is_manager = rule.target == MANAGER
        self.is_costly = _is_costly(rule)
        self._rule = rule
        self._source = compile_source(rule.source)
        self._condition = compile_expression(rule.when.expression) if rule.when else None
        self._transforms: tuple[Function, ...] = tuple(compile_transform(transform) for transform in rule.transforms)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Keys of the attributes that source and condition read, each once."""
        read = self._source.attributes + (self._condition.attributes if self._condition else ())
        return tuple(dict.fromkeys(read))

    def evaluate(
        self, attributes: Attributes, note: NoteStep | None = None, watch: Watch | None = None
    ) -> tuple[bool, Value]:
        """Returns whether the field is written, and its value; None clears the field. Raises ``RejectedError``.

        An attribute that is not in ``attributes`` is unknown, so its field stays as it is. No transform applies. ``note``
        receives each step; None if the steps are not needed. ``watch`` ends an evaluation that takes too long; None for no limit.
        """
        if self._condition is not None:
            settled = self._check_condition(self._condition, attributes, note)
            if settled is not None:
                return settled
        for key in self._source.attributes:
            if key not in attributes:
                return self._leave_unknown(key)
        try:
            value = self._compute(attributes, watch) if note is None else self._note_steps(attributes, note)
        except UnfitValueError as error:
            raise self._reject(error) from None
        return self._finish(value)

    def evaluate_cheap(self, attributes: Attributes) -> tuple[bool, Value]:
        """Does what ``evaluate`` does, for a rule that is not costly: most rules, and the shortest way for them."""
        source = self._source
        for key in source.attributes:
            if key not in attributes:
                return self._leave_unknown(key)
        try:
            value = source.read(attributes)
            for transform in self._transforms:
                value = transform(value)
        except UnfitValueError as error:
            raise self._reject(error) from None
        return (True, value) if type(value) is str and value else self._finish(value)

    def _finish(self, value: Value) -> tuple[bool, Value]:
        """Returns what ``evaluate`` returns for a value after all steps."""
        if isinstance(value, float | tuple) and not _is_finite(value):
            raise self._reject(UnfitValueError("is not a finite number"))
        if not is_empty(value):
            return True, remove_empty(value) if isinstance(value, tuple) else value
        return self._settle_missing(self._rule.on_missing, f"{self.target} has no value: enter one in Personio")

    def _compute(self, attributes: Attributes, watch: Watch | None) -> Value:
        """Returns the value of source and transforms."""
        value = self._source.read(attributes)
        for transform in self._transforms:
            if watch is not None:
                watch(self.target)
            value = transform(value)
        if watch is not None:
            watch(self.target)
        return value

    def _note_steps(self, attributes: Attributes, note: NoteStep) -> Value:
        """Returns the value of source and transforms, and notes each step."""
        value = self._source.read(attributes)
        note(Step(self._rule.source.kind, value))
        for transform, function in zip(self._rule.transforms, self._transforms, strict=True):
            value = function(value)
            note(Step(transform.kind, value))
        return value

    def _check_condition(
        self, condition: CompiledSource, attributes: Attributes, note: NoteStep | None
    ) -> tuple[bool, Value] | None:
        """Returns what ``evaluate`` returns if the rule does not apply; None if it applies."""
        unknown = next((key for key in condition.attributes if key not in attributes), None)
        if unknown is not None:
            return self._leave_unknown(unknown)
        try:
            fits = condition.read(attributes)
        except UnfitValueError as error:
            raise self._reject(error) from None
        if note is not None:
            note(Step("condition", fits))
        if fits is True or self._rule.when is None:
            return None
        problem = f"the condition of the rule for {self.target} does not fit: correct the employee in Personio"
        return self._settle_missing(self._rule.when.otherwise, problem)

    def _leave_unknown(self, key: str) -> tuple[bool, Value]:
        """Leaves the field of an employee with an unknown attribute, unless the rule rejects those without a value."""
        if self._rule.on_missing == "reject":
            reason = f"the attribute {key} for {self.target} is unknown"
            raise RejectedError(f"{reason}: release it for the credential in Personio, or change the rule", self.target)
        return False, None

    def _reject(self, error: UnfitValueError) -> RejectedError:
        reason = f"the value for {self.target} {error}: correct it in Personio, or change the rule"
        return RejectedError(reason, self.target)

    def _settle_missing(self, treatment: str, problem: str) -> tuple[bool, Value]:
        if treatment == "reject":
            raise RejectedError(f"{problem}, or change the rule", self.target)
        return treatment == "clear", None
