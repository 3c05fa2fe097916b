"""Paths of PATCH operations (RFC 7644, section 3.5.2), resolved against the schemas."""

import re
from dataclasses import dataclass
from functools import lru_cache

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.errors import UnknownAttributeError, bad_request
from sandbox.declaree.filters import Filter, parse_filter
from sandbox.declaree.values import SET_BY_SERVER

_PATH = re.compile(r"(?P<name>[A-Za-z$][\w$-]*)(?:\[(?P<condition>.*)\])?(?:\.(?P<sub>[A-Za-z$][\w$-]*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PathTarget:
    """The part of a resource that a path names."""

    extension: Schema | None
    """Schema of the extension; None for a core attribute."""
    attribute: Attribute | None
    """The attribute; None for a whole extension."""
    condition: Filter | None = None
    """Filter on the values; None for all values."""
    sub_attribute: Attribute | None = None
    """The sub-attribute; None for the whole attribute."""

    @property
    def is_read_only(self) -> bool:
        """Whether clients cannot write the attribute or the sub-attribute."""
        return any(part is not None and part.mutability == "readOnly" for part in (self.attribute, self.sub_attribute))


@lru_cache(maxsize=1024)
def resolve(kind: ResourceType, path: str) -> PathTarget:
    """Returns the target of a path.

    Raises ``UnknownAttributeError``, or ``ScimError`` of type ``invalidPath``, ``invalidFilter`` or ``mutability``.
    """
    extension, rest = _split_urn(kind, path.strip())
    if extension is not None and not rest:
        return PathTarget(extension, None)
    match = _PATH.match(rest)
    if match is None:
        raise bad_request("invalidPath", "the path cannot be read")
    name = match["name"].casefold()
    if extension is None and name in SET_BY_SERVER:
        raise bad_request("mutability", f"{match['name']} is read-only")
    attribute = (extension or kind).by_name.get(name)
    if attribute is None:
        raise UnknownAttributeError(path)
    condition = parse_filter(match["condition"]) if match["condition"] is not None else None
    if condition is not None and not attribute.multi_valued:
        raise bad_request("invalidPath", f"{attribute.name} has one value only")
    return PathTarget(extension, attribute, condition, _find_sub_attribute(attribute, match["sub"]))


def _split_urn(kind: ResourceType, path: str) -> tuple[Schema | None, str]:
    folded = path.casefold()
    if not folded.startswith("urn:"):
        return None, path
    core = kind.schema.urn.casefold()
    if folded.startswith(core + ":"):
        return None, path[len(core) + 1 :]
    for urn, schema in kind.by_urn.items():
        if folded == urn or folded.startswith(urn + ":"):
            return schema, path[len(urn) + 1 :]
    raise UnknownAttributeError(path)


def _find_sub_attribute(attribute: Attribute, name: str | None) -> Attribute | None:
    if name is None:
        return None
    if attribute.type != "complex":
        raise bad_request("invalidPath", f"{attribute.name} has no sub-attributes")
    sub_attribute = attribute.by_name.get(name.casefold())
    if sub_attribute is None:
        raise UnknownAttributeError(f"{attribute.name}.{name}")
    return sub_attribute
