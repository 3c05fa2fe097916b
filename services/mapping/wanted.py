"""The wanted attributes of a connection: what its mapping reads, and the minimum. Nothing else is stored or sent."""

from collections.abc import Collection, Mapping

from services.contracts.employees import REQUIRED_ATTRIBUTES, get_parent
from services.contracts.mappings import AttributeSource, MappingDocument
from services.contracts.values import Value


def find_wanted_attributes(mapping: MappingDocument | None) -> frozenset[str]:
    """Returns the keys that the rules, the user name and the life cycle read, with the minimum.

    Keys of parts are dotted. None is a connection without a mapping, which wants the minimum.
    """
    if mapping is None:
        return frozenset(REQUIRED_ATTRIBUTES)
    sources = (rule.source for rule in mapping.rules)
    read = {source.attribute for source in sources if isinstance(source, AttributeSource)}
    return frozenset({*REQUIRED_ATTRIBUTES, mapping.user_name_attribute, *read})


def select_wanted(wanted: Collection[str], sent: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the wanted attributes among those that Personio has sent.

    Personio sends an empty nested attribute without its parts, or without some of them. A missing part is then empty.
    """
    parents = {get_parent(key) for key in sent}
    return {key: sent.get(key) for key in sorted(wanted) if key in sent or ("." in key and get_parent(key) in parents)}
