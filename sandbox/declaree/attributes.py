"""What the documents of RFC 7643, section 7 say about an attribute, a schema and a resource type."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
SCHEMA_URN = CORE + "Schema"
RESOURCE_TYPE_URN = CORE + "ResourceType"


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """One attribute; ``closed`` means that the canonical values are the only ones taken (a drop-down list)."""

    name: str
    type: Literal["string", "boolean", "reference", "complex"] = "string"
    multi_valued: bool = False
    required: bool = False
    mutability: Literal["readWrite", "readOnly", "immutable"] = "readWrite"
    uniqueness: Literal["none", "server"] = "none"
    case_exact: bool = False
    canonical_values: tuple[str, ...] = ()
    closed: bool = False
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple["Attribute", ...] = ()
    description: str = ""

    @cached_property
    def by_name(self) -> dict[str, "Attribute"]:
        """Sub-attributes by folded name: attribute names are case-insensitive (RFC 7643, section 2.1)."""
        return {sub.name.casefold(): sub for sub in self.sub_attributes}

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "mutability": self.mutability,
            "returned": "default",
        }
        if self.type in {"string", "reference"}:
            found |= {"caseExact": self.case_exact, "uniqueness": self.uniqueness}
        if self.canonical_values:
            found["canonicalValues"] = list(self.canonical_values)
        if self.reference_types:
            found["referenceTypes"] = list(self.reference_types)
        if self.sub_attributes:
            found["subAttributes"] = [sub.document() for sub in self.sub_attributes]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    urn: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        return {attribute.name.casefold(): attribute for attribute in self.attributes}

    def document(self) -> dict[str, Any]:
        return {
            "schemas": [SCHEMA_URN],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.document() for attribute in self.attributes],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    name: str
    endpoint: str
    schema: Schema
    extensions: tuple[Schema, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        """The core attributes, with the common ``externalId`` (RFC 7643, section 3.1), by folded name."""
        return {EXTERNAL_ID.name.casefold(): EXTERNAL_ID} | self.schema.by_name

    @cached_property
    def by_urn(self) -> dict[str, Schema]:
        return {schema.urn.casefold(): schema for schema in self.extensions}

    def document(self) -> dict[str, Any]:
        return {
            "schemas": [RESOURCE_TYPE_URN],
            "id": self.name,
            "name": self.name,
            "endpoint": self.endpoint,
            "description": self.schema.description,
            "schema": self.schema.urn,
            "schemaExtensions": [{"schema": schema.urn, "required": False} for schema in self.extensions],
        }


EXTERNAL_ID = Attribute(name="externalId", case_exact=True)
