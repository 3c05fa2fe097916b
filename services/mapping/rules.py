"""Evaluates one rule of a mapping: computes the value of one target field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.contracts.mappings import Rule
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


class _Unknown:
    """The value of a source that reads an unknown attribute."""


class CompiledRule:
    """A rule that is compiled once and evaluated for many employees."""

    def __init__(self, rule: Rule) -> None:
        """Compiles the condition, the source and the transforms of ``rule``."""
        self.target = rule.target
        self._rule = rule
        self._source = compile_source(rule.source)
        self._condition = compile_expression(rule.when.expression) if rule.when else None
        self._transforms: tuple[Function, ...] = tuple(compile_transform(transform) for transform in rule.transforms)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Keys of the attributes that source and condition read, each once."""
        read = self._source.attributes + (self._condition.attributes if self._condition else ())
        return tuple(dict.fromkeys(read))

    def evaluate(self, attributes: Attributes, note: NoteStep | None = None) -> tuple[bool, Value]:
        """Returns whether the field is written, and its value; None clears the field. Raises ``RejectedError``.

        An attribute that is not in ``attributes`` is unknown, so its field stays as it is. No transform applies. ``note``
        receives each step; None if the steps are not needed.
        """
        if self._condition is not None and self._rule.when is not None:
            fits = self._read(self._condition, attributes, "condition", note)
            if isinstance(fits, _Unknown):
                return False, None
            if fits is not True:
                problem = f"the condition of the rule for {self.target} does not fit"
                return self._settle_missing(self._rule.when.otherwise, f"{problem}: correct the employee in Personio")
        value = self._read(self._source, attributes, self._rule.source.kind, note)
        if isinstance(value, _Unknown):
            return False, None
        value = self._transform(value, note)
        if not is_empty(value):
            return True, remove_empty(value) if isinstance(value, tuple) else value
        return self._settle_missing(self._rule.on_missing, f"{self.target} has no value: enter one in Personio")

    def _read(
        self, source: CompiledSource, attributes: Attributes, name: str, note: NoteStep | None
    ) -> Value | _Unknown:
        unknown = source.find_unknown(attributes)
        if unknown is not None:
            if self._rule.on_missing == "reject":
                reason = f"the attribute {unknown} for {self.target} is unknown"
                raise RejectedError(
                    f"{reason}: release it for the credential in Personio, or change the rule", self.target
                )
            return _Unknown()
        try:
            value = source.read(attributes)
        except UnfitValueError as error:
            raise self._reject(error) from None
        if note is not None:
            note(Step(name, value))
        return value

    def _transform(self, value: Value, note: NoteStep | None) -> Value:
        try:
            for number, transform in enumerate(self._transforms):
                value = transform(value)
                if note is not None:
                    note(Step(self._rule.transforms[number].kind, value))
        except UnfitValueError as error:
            raise self._reject(error) from None
        return value

    def _reject(self, error: UnfitValueError) -> RejectedError:
        reason = f"the value for {self.target} {error}: correct it in Personio, or change the rule"
        return RejectedError(reason, self.target)

    def _settle_missing(self, treatment: str, problem: str) -> tuple[bool, Value]:
        if treatment == "reject":
            raise RejectedError(f"{problem}, or change the rule", self.target)
        return treatment == "clear", None
