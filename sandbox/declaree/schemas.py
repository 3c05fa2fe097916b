"""Schemas that the sandbox publishes: users with two extensions, and groups.

The vendor documents the fields of its user form and of its Excel upload, without their SCIM paths. The paths follow RFC
7643 where it defines an attribute of the same meaning. All other fields are in Declaree's own extension.
"""

from sandbox.declaree.attributes import CORE, RESOURCE_TYPE_URN, SCHEMA_URN, Attribute, ResourceType, Schema

ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DECLAREE_URN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
SERVICE_PROVIDER_CONFIG_URN = CORE + "ServiceProviderConfig"

PRIMARY = Attribute(name="primary", type="boolean")
TYPE = Attribute(name="type")
REFERENCE = Attribute(name="$ref", type="reference", reference_types=("User",))

USER_SCHEMA = Schema(
    urn=CORE + "User",
    name="User",
    description="User account",
    attributes=(
        Attribute(name="userName", required=True, uniqueness="server", description="Username: the e-mail address"),
        Attribute(
            name="name",
            type="complex",
            required=True,
            sub_attributes=(
                Attribute(name="givenName", required=True, description="First name"),
                Attribute(name="familyName", required=True, description="Last name"),
                Attribute(name="middleName", description="Lastname prefix, where it is not kept in the extension"),
                Attribute(name="formatted"),
            ),
        ),
        Attribute(name="displayName"),
        Attribute(name="title"),
        Attribute(name="preferredLanguage", description="Language"),
        Attribute(name="locale"),
        Attribute(name="active", type="boolean", description="Enabled"),
        Attribute(
            name="emails",
            type="complex",
            multi_valued=True,
            required=True,
            description="Email",
            sub_attributes=(
                Attribute(name="value", required=True, uniqueness="server"),
                Attribute(name="type", canonical_values=("work", "home", "other")),
                PRIMARY,
            ),
        ),
        Attribute(
            name="phoneNumbers",
            type="complex",
            multi_valued=True,
            sub_attributes=(
                Attribute(name="value"),
                Attribute(name="type", canonical_values=("work", "home", "mobile", "fax", "pager", "other")),
                PRIMARY,
            ),
        ),
        Attribute(
            name="roles",
            type="complex",
            multi_valued=True,
            description="Roles",
            sub_attributes=(Attribute(name="value"), Attribute(name="display"), TYPE, PRIMARY),
        ),
        Attribute(
            name="groups",
            type="complex",
            multi_valued=True,
            mutability="readOnly",
            sub_attributes=(
                Attribute(name="value", mutability="readOnly"),
                Attribute(name="$ref", type="reference", reference_types=("Group",), mutability="readOnly"),
                Attribute(name="display", mutability="readOnly"),
            ),
        ),
    ),
)

ENTERPRISE_SCHEMA = Schema(
    urn=ENTERPRISE_URN,
    name="EnterpriseUser",
    description="Enterprise user",
    attributes=(
        Attribute(name="employeeNumber", description="Code (2)"),
        Attribute(name="costCenter", description="Project, renamed Cost Center"),
        Attribute(name="organization"),
        Attribute(name="division"),
        Attribute(name="department"),
        Attribute(
            name="manager",
            type="complex",
            description="Submits to",
            sub_attributes=(Attribute(name="value", case_exact=True), REFERENCE),
        ),
    ),
)

DECLAREE_SCHEMA = Schema(
    urn=DECLAREE_URN,
    name="DeclareeUser",
    description="Declaree user",
    attributes=(
        Attribute(name="initials", description="Initials"),
        Attribute(name="lastNamePrefix", description="Lastname prefix"),
        Attribute(name="code", description="Code"),
        Attribute(name="accountNumber", description="Accountno."),
        Attribute(name="approvesTo", description="Approves to: id or e-mail of a user"),
        Attribute(name="assistants", multi_valued=True, description="Assistants email"),
        Attribute(name="secretaries", multi_valued=True, description="Secretaries email"),
        Attribute(name="fixedProject", type="boolean", description="Fixed project"),
        Attribute(name="licensePlate", description="License Plate"),
        Attribute(name="expiresAt", description="Expires at: an ISO 8601 date"),
        Attribute(name="emailNotifications", type="boolean", description="E-mail notifications"),
        Attribute(name="administration", description="Administrations: name of the user's administration"),
        Attribute(name="companyCar", description="Custom user field (text)"),
        Attribute(
            name="travelPolicy",
            canonical_values=("standard", "international", "executive"),
            closed=True,
            description="Custom user field (dropdown)",
        ),
    ),
)

GROUP_SCHEMA = Schema(
    urn=CORE + "Group",
    name="Group",
    description="Group of users",
    attributes=(
        Attribute(name="displayName", required=True),
        Attribute(
            name="members",
            type="complex",
            multi_valued=True,
            sub_attributes=(
                Attribute(name="value", mutability="immutable", case_exact=True),
                Attribute(name="$ref", type="reference", reference_types=("User",), mutability="immutable"),
                Attribute(name="type", mutability="immutable", canonical_values=("User",)),
            ),
        ),
    ),
)

USER = ResourceType(name="User", endpoint="/Users", schema=USER_SCHEMA, extensions=(ENTERPRISE_SCHEMA, DECLAREE_SCHEMA))
GROUP = ResourceType(name="Group", endpoint="/Groups", schema=GROUP_SCHEMA)


def _define_supported(name: str) -> Attribute:
    return Attribute(
        name=name,
        type="complex",
        required=True,
        mutability="readOnly",
        sub_attributes=(Attribute(name="supported", type="boolean", required=True, mutability="readOnly"),),
    )


def _define_string(name: str, *, required: bool = False, multi_valued: bool = False) -> Attribute:
    return Attribute(name=name, required=required, multi_valued=multi_valued, mutability="readOnly")


_DESCRIPTIONS = Schema(
    urn=SCHEMA_URN,
    name="Schema",
    description="Schema document",
    attributes=(
        _define_string("name"),
        _define_string("description"),
        Attribute(
            name="attributes",
            type="complex",
            multi_valued=True,
            required=True,
            mutability="readOnly",
            sub_attributes=(
                _define_string("name", required=True),
                _define_string("type", required=True),
                _define_string("description"),
            ),
        ),
    ),
)
_RESOURCE_TYPES = Schema(
    urn=RESOURCE_TYPE_URN,
    name="ResourceType",
    description="Resource type document",
    attributes=(
        _define_string("name", required=True),
        _define_string("description"),
        _define_string("endpoint", required=True),
        _define_string("schema", required=True),
        Attribute(
            name="schemaExtensions",
            type="complex",
            multi_valued=True,
            mutability="readOnly",
            sub_attributes=(
                _define_string("schema", required=True),
                Attribute(name="required", type="boolean", required=True, mutability="readOnly"),
            ),
        ),
    ),
)
_SERVICE_PROVIDER_CONFIG = Schema(
    urn=SERVICE_PROVIDER_CONFIG_URN,
    name="ServiceProviderConfig",
    description="What this service can do",
    attributes=(*(_define_supported(name) for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")),),
)
PUBLISHED = (
    USER_SCHEMA,
    ENTERPRISE_SCHEMA,
    DECLAREE_SCHEMA,
    GROUP_SCHEMA,
    _DESCRIPTIONS,
    _RESOURCE_TYPES,
    _SERVICE_PROVIDER_CONFIG,
)
"""All schemas in the order in which the schema endpoint lists them."""
