"""Which fields are read in the schemas of a server: those of SCIM 2.0, SCIM 1.1 and the vendor's page, and hostile ones."""

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.declaree.schemas import ENTERPRISE_SCHEMA, GROUP_SCHEMA, PUBLISHED
from services.clients.declaree.discovery import list_schemas
from services.clients.declaree.schema_fields import MAX_CANDIDATES, parse_fields
from services.contracts.fields import (
    MAX_ALL_VALUES,
    MAX_FIELD_VALUES,
    MAX_FIELDS,
    MAX_PATH,
    MAX_TEXT,
    FieldType,
    TargetField,
)
from services.contracts.targets import ENTERPRISE, MANAGER, find_misuse
from tests.unit.clients.declaree_stage import open_client, open_stage
from tests.unit.clients.transports import ScriptedTransport, build_reply
from tests.unit.contracts.strategies import repeatable

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
SANDBOX = {"Resources": [schema.to_document() for schema in PUBLISHED]}
"""The schemas of the sandbox."""


def read(*attributes: Any, urn: Any = OWN, resource_types: Any = None) -> tuple[TargetField, ...]:
    """Returns the fields of a schema with these attributes."""
    schemas = list_schemas({"Resources": [{"id": urn, "attributes": list(attributes)}]})
    return parse_fields(schemas, resource_types or {})


def read_one(**attribute: Any) -> TargetField:
    """Returns the field of an attribute of the extension."""
    (field,) = read({"name": "x", "type": "string"} | attribute)
    return field


def list_paths(*attributes: Any, urn: Any = OWN) -> list[str]:
    """Returns the paths of the fields, without the URN of the extension."""
    return [field.path.removeprefix(f"{OWN}:") for field in read(*attributes, urn=urn)]


# ------------------------------------------------------------ well-formed schemas


@pytest.mark.parametrize("dialect", ["rfc", "page", "page_strict"])
async def test_sandbox_lists_its_fields_in_every_dialect(dialect: str) -> None:
    """The vendor documents the fields of the enterprise extension and the locale."""
    async with open_stage(dialect=dialect) as stage:
        fields = {field.path for field in await stage.client.list_fields()}

    assert fields >= {f"{ENTERPRISE}:{attribute.name}" for attribute in ENTERPRISE_SCHEMA.attributes[:-1]}
    assert fields >= {"locale", "name.givenName", 'phoneNumbers[type eq "mobile"].value', MANAGER}
    assert fields >= {f"{OWN}:travelPolicy", f"{OWN}:fixedProject"}


async def test_server_without_schemas_lists_no_fields() -> None:
    """It is asked in both places, and not for its resource types."""
    transport = ScriptedTransport(build_reply(404), build_reply(404))

    async with open_client(transport) as client:
        fields = await client.list_fields()

    assert fields == ()
    assert len(transport.requests) == 2


async def test_resource_types_are_optional() -> None:
    """A server without them has the fields of its schemas."""
    transport = ScriptedTransport(build_reply(200, SANDBOX), build_reply(404))

    async with open_client(transport) as client:
        fields = await client.list_fields()

    assert "title" in {field.path for field in fields}


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        pytest.param({"type": "string"}, {"type": FieldType.TEXT}, id="string"),
        pytest.param({"type": "Boolean"}, {"type": FieldType.BOOLEAN}, id="boolean in another case"),
        pytest.param({"type": "decimal"}, {"type": FieldType.DECIMAL}, id="decimal"),
        pytest.param({"type": "integer"}, {"type": FieldType.INTEGER}, id="integer"),
        pytest.param({"type": "dateTime"}, {"type": FieldType.DATE}, id="date"),
        pytest.param({"type": "reference"}, {"type": FieldType.REFERENCE}, id="reference"),
        pytest.param({"type": "money"}, {"type": FieldType.UNKNOWN}, id="unknown type"),
        pytest.param({"type": None}, {"type": FieldType.TEXT}, id="no type"),
        pytest.param({"required": True}, {"is_required": True}, id="required"),
        pytest.param({"REQUIRED": "True"}, {"is_required": True}, id="required as a text"),
        pytest.param({"required": 1}, {"is_required": False}, id="required as a number"),
        pytest.param({"multiValued": True}, {"is_multi_valued": True}, id="list"),
        pytest.param({"mutability": "readOnly"}, {"is_writable": False}, id="read-only"),
        pytest.param({"mutability": "immutable"}, {"is_writable": True}, id="immutable"),
        pytest.param({"readOnly": True}, {"is_writable": False}, id="read-only in SCIM 1.1"),
        pytest.param({"canonicalValues": ["a", "b", "a"]}, {"values": ("a", "b")}, id="values"),
        pytest.param({"canonicalValues": ["a", 1]}, {"values": ()}, id="values of several types"),
        pytest.param({"canonicalValues": ["a", ""]}, {"values": ()}, id="an empty value"),
        pytest.param({"canonicalValues": ["a", "\x1b[2J"]}, {"values": ()}, id="a control character"),
        pytest.param({"canonicalValues": ["x" * (MAX_TEXT + 1)]}, {"values": ()}, id="a long value"),
        pytest.param(
            {"canonicalValues": [str(n) for n in range(MAX_FIELD_VALUES + 1)]}, {"values": ()}, id="too many values"
        ),
        pytest.param({"canonicalValues": {"a": 1}}, {"values": ()}, id="an object"),
        pytest.param(
            {"description": "Car  of the\tyear"}, {"label_en": "X"}, id="control character in the description"
        ),
        pytest.param({"description": "Car  of the year"}, {"label_en": "Car of the year"}, id="description"),
        pytest.param({"description": "The car."}, {"label_en": "X"}, id="sentence"),
        pytest.param({"description": "x" * 61}, {"label_en": "X"}, id="long description"),
        pytest.param({"name": "licensePlate_no2"}, {"label_en": "License plate no2"}, id="name as label"),
    ],
)
def test_property_of_an_attribute_is_read(attribute: dict[str, Any], expected: dict[str, Any]) -> None:
    """RFC 7643, section 7. A property that cannot be read counts as missing."""
    field = read_one(**attribute)

    assert {name: getattr(field, name) for name in expected} == expected


def test_parts_of_a_complex_attribute_are_fields() -> None:
    """The whole attribute is an object, which no rule can write."""
    name = {
        "name": "name",
        "type": "complex",
        "required": True,
        "subAttributes": [{"name": "givenName", "required": True}, {"name": "formatted"}, {"name": "$ref"}],
    }

    fields = read(name, urn=CORE)

    assert [(field.path, field.is_required) for field in fields] == [
        ("name.givenName", True),
        ("name.formatted", False),
    ]


def test_part_of_an_optional_attribute_is_not_required() -> None:
    """The account needs the part only together with the attribute."""
    (field,) = read({"name": "a", "type": "complex", "subAttributes": [{"name": "b", "required": True}]})

    assert not field.is_required


def test_part_of_a_read_only_attribute_is_not_writable() -> None:
    """RFC 7643, section 7: the parts have their own mutability, and many servers state only that of the whole."""
    (field,) = read({"name": "a", "type": "complex", "mutability": "readOnly", "subAttributes": [{"name": "b"}]})

    assert not field.is_writable


def test_entries_of_a_list_are_fields_by_their_type() -> None:
    """A rule names an entry by its type."""
    phones = {
        "name": "phoneNumbers",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [
            {"name": "value", "required": True},
            {"name": "display"},
            {"name": "primary", "type": "boolean"},
            {"name": "type", "canonicalValues": ["work", "mobile"]},
        ],
    }

    fields = read(phones, urn=CORE)

    assert [field.path for field in fields] == [
        'phoneNumbers[type eq "work"].value',
        'phoneNumbers[type eq "mobile"].value',
    ]
    assert [field.label_en for field in fields] == ["Phone numbers (work)", "Phone numbers (mobile)"]
    assert not any(field.is_required or field.is_multi_valued for field in fields)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("PhoneNumbers", [f'PhoneNumbers[type eq "{kind}"].value' for kind in ("mobile", "work", "home", "other")]),
        ("emails", [f'emails[type eq "{kind}"].value' for kind in ("home", "other")]),
        ("ims", []),
    ],
)
def test_list_without_types_has_the_usual_ones(name: str, paths: list[str]) -> None:
    """RFC 7643, section 4.1.2, names them for some attributes. Entries of another list cannot be named."""
    assert list_paths({"name": name, "type": "complex", "multiValued": True}, urn=CORE) == paths


@pytest.mark.parametrize(
    "schema",
    [
        {
            "id": ENTERPRISE,
            "attributes": [{"name": "manager", "type": "complex", "subAttributes": [{"name": "value"}]}],
        },
        {"id": ENTERPRISE.upper(), "attributes": [{"name": "MANAGER", "subAttributes": [{"name": "managerId"}]}]},
        {"id": CORE, "attributes": [{"name": ENTERPRISE, "subAttributes": [{"name": "manager", "type": "complex"}]}]},
    ],
    ids=["RFC", "vendor's page", "extension as an attribute"],
)
def test_manager_has_the_one_path_that_a_rule_may_write(schema: dict[str, Any]) -> None:
    """The writer finds out whether the server wants the account id or the external id of the manager."""
    (field,) = parse_fields([schema], {})

    assert field.path == MANAGER
    assert field.type is FieldType.REFERENCE


def test_schemas_of_scim_1_are_read() -> None:
    """Its attributes name their schema, and a user has one schema for all of them."""
    old = {
        "id": "urn:scim:schemas:core:1.0:User",
        "schema": "urn:scim:schemas:core:1.0",
        "attributes": [
            {"name": "title", "type": "string", "schema": "urn:scim:schemas:core:1.0", "readOnly": False},
            {"name": "department", "type": "string", "schema": "urn:scim:schemas:extension:enterprise:1.0"},
        ],
    }

    fields = parse_fields(list_schemas({"Resources": [old]}), {})

    assert [field.path for field in fields] == ["title", "urn:scim:schemas:extension:enterprise:1.0:department"]


def test_attribute_named_by_its_whole_path_is_read() -> None:
    """Some servers list the attributes of an extension this way among those of the user."""
    assert [field.path for field in read({"name": f"{OWN}:code"}, urn=CORE)] == [f"{OWN}:code"]


@pytest.mark.parametrize(("required", "is_required"), [(True, True), (False, False), (None, False)])
def test_optional_extension_requires_nothing(required: bool | None, is_required: bool) -> None:
    """RFC 7643, section 6: a user may lack the extension."""
    types = {
        "Resources": [
            {"endpoint": "/Users", "schema": CORE, "schemaExtensions": [{"schema": OWN.upper(), "required": required}]}
        ]
    }

    (field,) = read({"name": "code", "required": True}, resource_types=types)

    assert field.is_required is is_required


def test_extension_of_another_resource_has_no_fields() -> None:
    """A schema of both belongs to users."""
    device = {
        "endpoint": "/Devices",
        "schema": "urn:x:2.0:Device",
        "schemaExtensions": [{"schema": OWN}, {"schema": ENTERPRISE}],
    }
    user = {"endpoint": "/Users/", "schema": CORE, "schemaExtensions": [{"schema": ENTERPRISE}]}
    types = {"Resources": [device, user]}

    assert read({"name": "code"}, resource_types=types) == ()
    assert len(read({"name": "costCenter"}, urn=ENTERPRISE, resource_types=types)) == 1


# ------------------------------------------------------------ what is never offered


@pytest.mark.parametrize("urn", [CORE, ENTERPRISE, OWN, CORE.upper()])
def test_protected_attributes_are_never_offered(urn: str) -> None:
    """A server lists them among all others. The writer decides about identity, life cycle and rights."""
    protected = ["active", "entitlements", "externalId", "groups", "id", "meta", "password", "ROLES", "schemas"]
    protected += ["userName", "X509certificates", "emails"]
    parts = [{"name": "value"}, {"name": "type", "canonicalValues": ["work", "admin"]}]
    forms: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "complex", "subAttributes": parts},
        {"type": "string", "multiValued": True},
    ]

    assert read(*({"name": name} | form for name in protected for form in forms), urn=urn) == ()


@pytest.mark.parametrize(
    "attribute",
    [
        pytest.param({"name": f"{OWN}:{OWN}:code"}, id="doubled URN"),
        pytest.param({"name": f"{OWN}:roles:value"}, id="protected attribute in the URN"),
        pytest.param({"name": "User", "subAttributes": [{"name": "roles"}]}, id="protected part"),
        pytest.param({"name": f"{OWN}:roles", "subAttributes": [{"name": "value"}]}, id="protected extension"),
        pytest.param({"name": "naïve"}, id="not ASCII"),
        pytest.param({"name": "t\u0131tle"}, id="a letter that folds to ASCII"),
        pytest.param({"name": "a b"}, id="space"),
        pytest.param({"name": ""}, id="empty name"),
        pytest.param({"name": None}, id="no name"),
        pytest.param({"name": ["x"]}, id="name of another type"),
        pytest.param({"name": "x" * (MAX_PATH + 1)}, id="long name"),
        pytest.param({"name": "x" * (MAX_PATH - 20)}, id="long path"),
        pytest.param({"name": "photo", "type": "binary"}, id="binary"),
        pytest.param({"name": "x", "type": "complex"}, id="complex without parts"),
        pytest.param(
            {"name": "x", "subAttributes": [{"name": "y", "type": "complex", "subAttributes": [{"name": "z"}]}]},
            id="three levels",
        ),
        pytest.param("title", id="text"),
        pytest.param([{"name": "title"}], id="list"),
        pytest.param(None, id="null"),
    ],
)
def test_unusable_attribute_is_left_out(attribute: Any) -> None:
    """It concerns no other attribute."""
    assert list_paths(attribute, {"name": "code"}) == ["code"]


@pytest.mark.parametrize(
    "urn", [None, 7, "", "User", "urn:x", CORE + ":", f"{OWN}:{OWN}", "urn:x:\u00fc:User", "u" * 400]
)
def test_schema_without_a_usable_urn_has_no_fields(urn: Any) -> None:
    """Its attributes cannot be named."""
    assert [field for field in read({"name": "a"}, urn=urn) if find_misuse(field.path)] == []


def test_groups_have_no_fields() -> None:
    """They are another resource."""
    assert parse_fields(list_schemas({"Resources": [GROUP_SCHEMA.to_document()]}), {}) == ()


# ------------------------------------------------------------ bounds


def test_number_of_fields_is_bounded() -> None:
    """The first ones count, so that the catalogue of a huge schema is stable."""
    paths = list_paths(*({"name": f"a{number}"} for number in range(MAX_FIELDS + 100)))

    assert paths == [f"a{number}" for number in range(MAX_FIELDS)]


def test_number_of_attributes_looked_at_is_bounded() -> None:
    """Those that are left out count, too."""
    unusable = [{"name": "roles"}] * MAX_CANDIDATES

    assert list_paths(*unusable, {"name": "code"}) == []


def test_number_of_all_values_is_bounded() -> None:
    """Fields beyond it have no list of values."""
    values = [str(number) for number in range(MAX_FIELD_VALUES)]

    fields = read(*({"name": f"a{number}", "canonicalValues": values} for number in range(60)))

    assert sum(len(field.values) for field in fields) == MAX_ALL_VALUES
    assert len(fields) == 60


def test_hostile_schemas_take_no_time() -> None:
    """The check of a connection and the console must not stand still."""
    many = [{f"m{number}": "x" for number in range(2_000)} | {"name": "a"}] * 20_000
    wide = {"name": "a", "type": "complex", "subAttributes": [{"name": f"b{number}"} for number in range(20_000)]}
    kinds = {"name": "type", "canonicalValues": [f"t{number}" for number in range(200)]}
    deep = {
        "name": "c",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [kinds, *({"name": f"v{n}"} for n in range(900))],
    }
    urns = [{"id": ("urn:x" * 60)[:MAX_PATH], "attributes": many}, {"id": OWN, "attributes": [wide, deep] * 200}]

    schemas = list_schemas({"Resources": urns * 50})
    began = time.process_time()
    fields = parse_fields(schemas, {"Resources": [{"schemaExtensions": urns}] * 500})

    assert len(fields) <= MAX_FIELDS
    assert time.process_time() - began < 5


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["roles", CORE, OWN, "complex", "type"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "id", "x"]), inner),
    max_leaves=6,
)


def list_places(document: Any) -> list[tuple[Any, Any]]:
    """Returns every container in a JSON value with each key or position in it."""
    members = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    return [place for key, value in members for place in ((document, key), *list_places(value))]


@repeatable
@given(st.data())
def test_mutated_schemas_offer_only_what_a_rule_may_write(data: st.DataObject) -> None:
    """Any part of an answer may be anything. Every field can be stored, and be the target of a rule."""
    document: dict[str, Any] = copy.deepcopy(SANDBOX)
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(list_places(document)))
        container[key] = data.draw(_JSON)
    types = {"Resources": data.draw(_JSON)}

    fields = parse_fields(list_schemas(document), types)

    assert [field.path for field in fields if field.path != MANAGER and find_misuse(field.path)] == []
    assert [TargetField.model_validate_json(json.dumps(field.model_dump(mode="json"))) for field in fields] == list(
        fields
    )
