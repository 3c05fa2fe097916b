"""Which fields of an account depend on an attribute. Pure."""

from services.contracts.employees import HIRE_DATE, LAST_DAYS, STATUS, get_parent
from services.contracts.mappings import MappingDocument
from services.mapping.expressions.translation import find_attributes
from services.mapping.sources import find_rule_attributes

USER_NAME = "userName"
"""The field that the attribute of the user name fills."""
ACTIVE = "active"
"""The field that the life cycle decides about."""


def find_reading_fields(mapping: MappingDocument, attribute: str) -> tuple[str, ...]:
    """Returns the Declaree fields that an attribute decides about, or a part of it, in the order of the rules."""
    dates = mapping.employment
    sources = [(USER_NAME, mapping.user_name_attribute), (ACTIVE, STATUS)]
    sources += [(ACTIVE, HIRE_DATE)] if dates.days_before_start is not None else []
    sources += [(ACTIVE, key) for key in LAST_DAYS] if dates.disable_after_last_day else []
    sources += [(ACTIVE, key) for key in find_attributes(mapping.scope.only or "")]
    sources += [
        (rule.target, key) for rule in (*mapping.rules, *mapping.withdrawn) for key in find_rule_attributes(rule)
    ]
    return tuple(dict.fromkeys(field for field, key in sources if attribute in {key, get_parent(key)}))
