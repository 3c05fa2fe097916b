"""The paths of a PATCH operation (RFC 7644, section 3.5.2), resolved against the schemas."""

import re
from dataclasses import dataclass
from functools import lru_cache

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.errors import UnknownAttributeError, invalid
from sandbox.declaree.filters import Filter, parse
from sandbox.declaree.values import SET_BY_SERVER

_PATH = re.compile(r"(?P<name>[A-Za-z$][\w$-]*)(?:\[(?P<condition>.*)\])?(?:\.(?P<sub>[A-Za-z$][\w$-]*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path points at; no ``attribute``: the whole extension; no ``extension``: the core of the resource."""

    extension: Schema | None
    attribute: Attribute | None
    condition: Filter | None = None
    sub_attribute: Attribute | None = None

    @property
    def read_only(self) -> bool:
        return any(part is not None and part.mutability == "readOnly" for part in (self.attribute, self.sub_attribute))


@lru_cache(maxsize=1024)
def resolve(kind: ResourceType, path: str) -> Target:
    """Raises ``UnknownAttributeError``, or ``invalidPath``, ``invalidFilter`` and ``mutability`` as the RFC says."""
    extension, rest = _split_urn(kind, path.strip())
    if extension is not None and not rest:
        return Target(extension, None)
    match = _PATH.match(rest)
    if match is None:
        raise invalid("invalidPath", "the path cannot be read")
    name = match["name"].casefold()
    if extension is None and name in SET_BY_SERVER:
        raise invalid("mutability", f"{match['name']} is read-only")
    attribute = (extension or kind).by_name.get(name)
    if attribute is None:
        raise UnknownAttributeError(path)
    condition = parse(match["condition"]) if match["condition"] is not None else None
    if condition is not None and not attribute.multi_valued:
        raise invalid("invalidPath", f"{attribute.name} has one value only")
    return Target(extension, attribute, condition, _sub_attribute(attribute, match["sub"]))


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


def _sub_attribute(attribute: Attribute, name: str | None) -> Attribute | None:
    if name is None:
        return None
    if attribute.type != "complex":
        raise invalid("invalidPath", f"{attribute.name} has no sub-attributes")
    found = attribute.by_name.get(name.casefold())
    if found is None:
        raise UnknownAttributeError(f"{attribute.name}.{name}")
    return found
