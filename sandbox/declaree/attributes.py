"""Definitions of attributes, schemas and resource types (RFC 7643, section 7)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
SCHEMA_URN = CORE + "Schema"
RESOURCE_TYPE_URN = CORE + "ResourceType"


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """Definition of one attribute."""

    name: str
    """Name as RFC 7643 spells it."""
    type: Literal["string", "boolean", "reference", "complex"] = "string"
    """Data type of a value."""
    multi_valued: bool = False
    """Whether the attribute holds a list of values."""
    required: bool = False
    """Whether a resource without a value is rejected."""
    mutability: Literal["readWrite", "readOnly", "immutable"] = "readWrite"
    """Whether clients can write the attribute."""
    uniqueness: Literal["none", "server"] = "none"
    """``server`` if two resources cannot share a value."""
    case_exact: bool = False
    """Whether upper case and lower case letters differ in comparisons."""
    canonical_values: tuple[str, ...] = ()
    """Suggested values; empty if the schema suggests nothing."""
    closed: bool = False
    """Whether values other than the canonical ones are rejected, as for a drop-down list."""
    reference_types: tuple[str, ...] = ()
    """Resource types that a reference can name."""
    sub_attributes: tuple["Attribute", ...] = ()
    """Parts of a complex attribute."""
    description: str = ""
    """Description, as a user of Declaree reads it; it names the field in Declaree's form."""

    @cached_property
    def by_name(self) -> dict[str, "Attribute"]:
        """Sub-attributes by case-folded name. Attribute names are case-insensitive (RFC 7643, section 2.1)."""
        return {sub.name.casefold(): sub for sub in self.sub_attributes}

    def to_document(self) -> dict[str, Any]:
        """Returns the definition as the schema endpoint publishes it."""
        document: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "mutability": self.mutability,
            "returned": "default",
        }
        if self.type in {"string", "reference"}:
            document |= {"caseExact": self.case_exact, "uniqueness": self.uniqueness}
        if self.canonical_values:
            document["canonicalValues"] = list(self.canonical_values)
        if self.reference_types:
            document["referenceTypes"] = list(self.reference_types)
        if self.sub_attributes:
            document["subAttributes"] = [sub.to_document() for sub in self.sub_attributes]
        return document


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """Definition of one schema."""

    urn: str
    """Identifier of the schema."""
    name: str
    """Display name."""
    description: str
    """Description, as a user of Declaree reads it."""
    attributes: tuple[Attribute, ...]
    """Attributes in the order in which they are published."""

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        """Attributes by case-folded name."""
        return {attribute.name.casefold(): attribute for attribute in self.attributes}

    def to_document(self) -> dict[str, Any]:
        """Returns the definition as the schema endpoint publishes it."""
        return {
            "schemas": [SCHEMA_URN],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.to_document() for attribute in self.attributes],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """Definition of one resource type: users or groups."""

    name: str
    """Name, such as ``User``."""
    endpoint: str
    """Path below the base address, such as ``/Users``."""
    schema: Schema
    """The core schema."""
    extensions: tuple[Schema, ...] = ()
    """Extensions of the core schema."""

    @cached_property
    def by_name(self) -> dict[str, Attribute]:
        """Core attributes and the common ``externalId`` (RFC 7643, section 3.1), by case-folded name."""
        return {EXTERNAL_ID.name.casefold(): EXTERNAL_ID} | self.schema.by_name

    @cached_property
    def by_urn(self) -> dict[str, Schema]:
        """Extensions by case-folded identifier."""
        return {schema.urn.casefold(): schema for schema in self.extensions}

    def to_document(self) -> dict[str, Any]:
        """Returns the definition as the resource type endpoint publishes it."""
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
"""Identifier that the client chooses. Every resource type has this attribute."""
