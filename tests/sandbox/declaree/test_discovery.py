"""The discovery endpoints. Each of the three can be switched off."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import CORE, DECLAREE, ENTERPRISE, DeclareeSandbox, read_error

SWITCHES = {"ServiceProviderConfig": "service_provider_config", "Schemas": "schemas", "ResourceTypes": "resource_types"}
DECLAREE_ATTRIBUTES = {
    "initials", "lastNamePrefix", "code", "accountNumber", "approvesTo", "assistants", "secretaries", "fixedProject",
    "licensePlate", "expiresAt", "emailNotifications", "administration", "companyCar", "travelPolicy",
}  # fmt: skip


async def test_service_provider_config_follows_the_behaviour(sandbox: DeclareeSandbox) -> None:
    """The published capabilities match what the endpoint does."""
    config = await sandbox.get("/ServiceProviderConfig")
    flags = {
        name: value["supported"] for name, value in config.items() if isinstance(value, dict) and "supported" in value
    }

    assert flags == {
        "patch": True, "bulk": False, "filter": True, "changePassword": False, "sort": False, "etag": False,
    }  # fmt: skip
    assert config["filter"]["maxResults"] == 100
    assert config["authenticationSchemes"][0]["type"] == "oauthbearertoken"

    sandbox.change_behaviour(patch=False, versions=True, max_page_size=7)
    changed = await sandbox.get("/ServiceProviderConfig")

    assert changed["patch"]["supported"] is False
    assert changed["etag"]["supported"] is True
    assert changed["filter"]["maxResults"] == 7


async def test_resource_types_name_their_extensions(sandbox: DeclareeSandbox) -> None:
    """A client learns from the resource types which extension schemas to read."""
    user, group = (await sandbox.get("/ResourceTypes"))["Resources"]

    assert user["endpoint"] == "/Users"
    assert user["schema"] == CORE
    assert [extension["schema"] for extension in user["schemaExtensions"]] == [ENTERPRISE, DECLAREE]
    assert group["endpoint"] == "/Groups"
    assert await sandbox.get("/ResourceTypes/User") == user


async def test_schemas_describe_every_attribute_for_mappings(sandbox: DeclareeSandbox) -> None:
    """A mapping can use every field of Declaree's user form, so the schemas describe all of them."""
    answer = await sandbox.get("/Schemas")

    assert answer["totalResults"] == answer["itemsPerPage"] == len(answer["Resources"])

    by_urn: dict[str, dict[str, Any]] = {schema["id"]: schema for schema in answer["Resources"]}
    attributes = {
        urn: {attribute["name"]: attribute for attribute in by_urn[urn]["attributes"]}
        for urn in (CORE, ENTERPRISE, DECLAREE)
    }

    assert attributes[DECLAREE].keys() == DECLAREE_ATTRIBUTES
    assert attributes[DECLAREE]["travelPolicy"]["canonicalValues"] == ["standard", "international", "executive"]
    assert attributes[DECLAREE]["assistants"]["multiValued"] is True
    assert attributes[ENTERPRISE]["manager"]["type"] == "complex"
    assert {name for name, attribute in attributes[CORE].items() if attribute["required"]} == {
        "userName",
        "name",
        "emails",
    }
    assert attributes[CORE]["userName"]["uniqueness"] == "server"
    assert attributes[CORE]["groups"]["mutability"] == "readOnly"


@pytest.mark.parametrize("urn", [CORE, ENTERPRISE, DECLAREE, DECLAREE.upper()])
async def test_single_schema_is_returned_by_its_urn(sandbox: DeclareeSandbox, urn: str) -> None:
    """Schema identifiers are compared without regard to case."""
    schema = await sandbox.get(f"/Schemas/{urn}")

    assert schema["id"].lower() == urn.lower()
    assert schema["meta"]["location"] == f"http://declaree.test/SCIM/v2/Schemas/{schema['id']}"


@pytest.mark.parametrize("name", SWITCHES)
async def test_discovery_endpoint_switched_off_gets_404(sandbox: DeclareeSandbox, name: str) -> None:
    """Each endpoint can be switched off alone, because the vendor documents none of them."""
    sandbox.change_behaviour(**{SWITCHES[name]: False})
    statuses = {endpoint: (await sandbox.request("GET", f"/{endpoint}")).status_code for endpoint in SWITCHES}

    assert statuses == {endpoint: 404 if endpoint == name else 200 for endpoint in SWITCHES}


@pytest.mark.parametrize("path", ["/Schemas/urn:other", "/ResourceTypes/Car", "/ServiceProviderConfig/x"])
async def test_discovery_of_an_unknown_name_gets_404(sandbox: DeclareeSandbox, path: str) -> None:
    """Unknown schemas and resource types get a SCIM error."""
    assert read_error(await sandbox.request("GET", path)) == (404, None)


@pytest.mark.parametrize("name", SWITCHES)
async def test_discovery_with_a_filter_gets_403(sandbox: DeclareeSandbox, name: str) -> None:
    """RFC 7644, section 4 forbids filters on the discovery endpoints."""
    assert read_error(await sandbox.request("GET", f"/{name}?filter=id%20pr")) == (403, None)
