"""Evaluates one rule of a mapping: computes the value of one target field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.contracts.mappings import AttributeSource, Rule
from services.contracts.values import Value
from services.mapping.transforms import Function, UnfitValueError, compile_transform, is_empty, remove_empty


class RejectedError(Exception):
    """The employee's data does not fit the mapping."""

    def __init__(self, reason: str, field: str) -> None:
        """``reason`` contains no value. ``field`` names the target or the attribute that the reason is about."""
        super().__init__(reason)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class FieldProvenance:
    """Where the value of one field comes from."""

    target: str
    """SCIM path of the field."""
    attribute: str | None
    """Key of the attribute; None for a constant."""
    transforms: tuple[str, ...]
    """Kinds of the transforms, in their order."""


class CompiledRule:
    """A rule that is compiled once and evaluated for many employees."""

    def __init__(self, rule: Rule) -> None:
        """Compiles the source and the transforms of ``rule``."""
        self.target = rule.target
        self._rule = rule
        self._attribute = rule.source.attribute if isinstance(rule.source, AttributeSource) else None
        self._read = _compile_source(rule)
        self._transforms: tuple[Function, ...] = tuple(compile_transform(transform) for transform in rule.transforms)

    @property
    def provenance(self) -> FieldProvenance:
        """Attribute and transforms of the field."""
        kinds = tuple(transform.kind for transform in self._rule.transforms)
        return FieldProvenance(self.target, self._attribute, kinds)

    def evaluate(self, attributes: Mapping[str, Value]) -> tuple[bool, Value]:
        """Returns whether the field is written, and its value; None clears the field. Raises ``RejectedError``.

        An attribute that is not in ``attributes`` is unknown, so its field stays as it is. No transform applies.
        """
        if self._attribute is not None and self._attribute not in attributes:
            if self._rule.on_missing == "reject":
                reason = f"the attribute {self._attribute} for {self.target} is unknown"
                raise RejectedError(
                    f"{reason}: release it for the credential in Personio, or change the rule", self.target
                )
            return False, None
        value = self._read(attributes)
        try:
            for transform in self._transforms:
                value = transform(value)
        except UnfitValueError as error:
            reason = f"the value for {self.target} {error}: correct it in Personio, or change the rule"
            raise RejectedError(reason, self.target) from None
        if not is_empty(value):
            return True, remove_empty(value) if isinstance(value, tuple) else value
        if self._rule.on_missing == "reject":
            raise RejectedError(f"{self.target} has no value: enter one in Personio, or change the rule", self.target)
        return self._rule.on_missing == "clear", None


def _compile_source(rule: Rule) -> Callable[[Mapping[str, Value]], Value]:
    source = rule.source
    if isinstance(source, AttributeSource):
        key = source.attribute
        return lambda attributes: attributes[key]
    constant = source.value
    return lambda _: constant
