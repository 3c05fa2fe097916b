"""Which fields of an account depend on an attribute. Pure."""

from services.contracts.employees import get_parent
from services.contracts.mappings import AttributeSource, MappingDocument

USER_NAME = "userName"
"""The field that the attribute of the user name fills."""


def find_reading_fields(mapping: MappingDocument, attribute: str) -> tuple[str, ...]:
    """Returns the Declaree fields that an attribute fills, or a part of it, in the order of the rules."""
    sources = [(USER_NAME, mapping.user_name_attribute)]
    sources += [
        (rule.target, rule.source.attribute) for rule in mapping.rules if isinstance(rule.source, AttributeSource)
    ]
    return tuple(field for field, key in sources if attribute in {key, get_parent(key)})
