"""What differs between two mappings. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from services.contracts.mappings import MappingDocument, Rule
from services.contracts.targets import identify_field


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule, or one other part of the document, that differs."""

    place: str
    """Target of the rule, or name of the part."""
    before: str | None
    """What it was, as JSON; None if it is new."""
    after: str | None
    """What it is, as JSON; None if it is gone."""


def find_differences(before: MappingDocument | None, after: MappingDocument) -> tuple[Difference, ...]:
    """Returns what differs, in the order of the later document; rules that are gone come first.

    The order of the rules makes no difference. With None for ``before``, everything is new.
    """
    earlier, later = _list_rules(before.rules if before else ()), _list_rules(after.rules)
    gone = [Difference(rule.target, _show(rule), None) for field, rule in earlier.items() if field not in later]
    changed = [
        Difference(rule.target, _show(earlier[field]) if field in earlier else None, _show(rule))
        for field, rule in later.items()
        if earlier.get(field) != rule
    ]
    return (*gone, *changed, *_compare_parts(before, after))


def find_dropped_rules(before: MappingDocument | None, after: MappingDocument) -> tuple[Rule, ...]:
    """Returns the rules of fields that ``before`` writes or withdraws and ``after`` does not mention.

    Their values stay in the accounts, unless ``after`` withdraws them. Not every account may have been compared since ``before``
    withdrew a rule.
    """
    mentioned = {identify_field(rule.target) for rule in (*after.rules, *after.withdrawn)}
    rules = (*before.rules, *before.withdrawn) if before else ()
    return tuple(rule for rule in rules if identify_field(rule.target) not in mentioned)


def _list_rules(rules: tuple[Rule, ...]) -> dict[tuple[str, ...], Rule]:
    return {identify_field(rule.target): rule for rule in rules}


def _compare_parts(before: MappingDocument | None, after: MappingDocument) -> list[Difference]:
    earlier = before.model_dump(mode="json", exclude={"rules"}) if before else {}
    later = after.model_dump(mode="json", exclude={"rules"})
    return [
        Difference(name, _show_value(earlier[name]) if name in earlier else None, _show_value(value))
        for name, value in later.items()
        if earlier.get(name) != value and (name in earlier or name != "format_version")
    ]


def _show(rule: Rule) -> str:
    """Returns a rule without its target, and without what it leaves out."""
    return _show_value(_omit_empty(rule.model_dump(mode="json", exclude={"target"})))


def _omit_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _omit_empty(part) for name, part in value.items() if part is not None and part != []}
    return [_omit_empty(entry) for entry in value] if isinstance(value, list) else value


def _show_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
