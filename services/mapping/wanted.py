"""The wanted attributes of a connection: what its mapping reads, and the minimum. Nothing else is stored or sent."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from services.contracts.employees import HIRE_DATE, LAST_DAYS, REQUIRED_ATTRIBUTES, get_parent
from services.contracts.mappings import MappingDocument
from services.contracts.values import Value
from services.mapping.expressions.translation import find_attributes
from services.mapping.sources import find_rule_attributes


def find_wanted_attributes(mapping: MappingDocument | None) -> frozenset[str]:
    """Returns the keys that the rules, the user name and the life cycle read, with the minimum.

    Keys of parts are dotted. None is a connection without a mapping, which wants the minimum. The life cycle reads the hire date
    if the credential shows it: an active employee may not have begun yet.
    """
    return find_needed_attributes(mapping) | {HIRE_DATE}


def find_needed_attributes(mapping: MappingDocument | None) -> frozenset[str]:
    """Returns the wanted attributes that the mapping does not work without as its author expects."""
    if mapping is None:
        return frozenset(REQUIRED_ATTRIBUTES)
    read = {key for rule in (*mapping.rules, *mapping.withdrawn) for key in find_rule_attributes(rule)}
    read |= set(find_attributes(mapping.scope.only or ""))
    dates = mapping.employment
    read |= {HIRE_DATE} if dates.days_before_start is not None else set()
    read |= set(LAST_DAYS) if dates.disable_after_last_day else set()
    return frozenset({*REQUIRED_ATTRIBUTES, mapping.user_name_attribute, *read})


def select_wanted(wanted: AbstractSet[str], sent: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the wanted attributes among those that Personio has sent, in the order of their keys.

    Personio sends an empty nested attribute without its parts, or without some of them. A missing part is then empty.
    """
    ordered = sorted(wanted)
    if wanted <= sent.keys():
        return {key: sent[key] for key in ordered}
    parents = {get_parent(key) for key in sent}
    return {key: sent.get(key) for key in ordered if key in sent or ("." in key and get_parent(key) in parents)}
