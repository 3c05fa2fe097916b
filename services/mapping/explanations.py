"""Explains where each value of an account comes from, with the same evaluation as the engine.

An explanation contains personal data: it is shown to the person that asks for it, and never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.contracts.mappings import MANAGER, MappingDocument
from services.contracts.values import Value
from services.mapping.engine import build_manager_reference, read_user_name
from services.mapping.readers import USER_NAME
from services.mapping.rules import CompiledRule, RejectedError, Step


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """How one field of an account gets its value."""

    target: str
    """SCIM path of the field."""
    rule: int | None
    """Number of the rule in the document, from 1; None for a withdrawn rule, and for the user name, which has a rule of its own."""
    attributes: Mapping[str, Value]
    """The attributes that the rule reads, with the employee's values. One that is unknown is not there."""
    unknown: tuple[str, ...]
    """Keys of the attributes that the rule reads and that are unknown."""
    steps: tuple[Step, ...]
    """The steps that were taken, in their order."""
    is_written: bool
    """Whether the field is written; otherwise it stays as it is in Declaree."""
    value: Value
    """The value that is written; None clears the field."""
    is_withdrawn: bool = False
    """Whether the rule is withdrawn: the field is cleared where it still has the value that the last step gives."""
    problem: str | None = None
    """Why the employee is rejected because of this field; None if they are not."""


def explain_fields(mapping: MappingDocument, attributes: Mapping[str, Value]) -> tuple[FieldExplanation, ...]:
    """Returns the explanation of each field for the attributes of an employee, in the order of the rules."""
    rules = (
        _explain_rule(CompiledRule(rule), number, attributes) for number, rule in enumerate(mapping.rules, start=1)
    )
    withdrawn = (_explain_withdrawn(CompiledRule(rule), attributes) for rule in mapping.withdrawn)
    return (_explain_user_name(mapping, attributes), *rules, *withdrawn)


def _explain_user_name(mapping: MappingDocument, attributes: Mapping[str, Value]) -> FieldExplanation:
    key = mapping.user_name_attribute
    known = {key: attributes[key]} if key in attributes else {}
    unknown = () if known else (key,)
    value: Value = None
    steps: tuple[Step, ...] = ()
    problem = None
    try:
        value = read_user_name(attributes, key)
        steps = (Step("address", value),)
    except RejectedError as error:
        problem = error.reason
    return FieldExplanation(
        USER_NAME, None, known, unknown, steps, is_written=problem is None, value=value, problem=problem
    )


def _explain_withdrawn(rule: CompiledRule, attributes: Mapping[str, Value]) -> FieldExplanation:
    explanation = _explain_rule(rule, None, attributes)
    value = explanation.value if explanation.is_written else None
    return replace(explanation, is_written=False, value=value, is_withdrawn=True, problem=None)


def _explain_rule(rule: CompiledRule, number: int | None, attributes: Mapping[str, Value]) -> FieldExplanation:
    known = {key: attributes[key] for key in rule.attributes if key in attributes}
    unknown = tuple(key for key in rule.attributes if key not in attributes)
    steps: list[Step] = []
    problem = None
    try:
        is_written, value = rule.evaluate(attributes, steps.append)
        if is_written and rule.target == MANAGER:
            build_manager_reference(value)
    except RejectedError as error:
        is_written, value, problem = False, None, error.reason
    return FieldExplanation(
        rule.target, number, known, unknown, tuple(steps), is_written=is_written, value=value, problem=problem
    )
