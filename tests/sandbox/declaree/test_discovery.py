"""The three discovery endpoints, each of which may be missing."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import CORE, DECLAREE, ENTERPRISE, Stage, refusal

SWITCHES = {"ServiceProviderConfig": "service_provider_config", "Schemas": "schemas", "ResourceTypes": "resource_types"}
OF_PART_3 = {
    "initials", "lastNamePrefix", "code", "accountNumber", "approvesTo", "assistants", "secretaries", "fixedProject",
    "licensePlate", "expiresAt", "emailNotifications", "administration", "companyCar", "travelPolicy",
}  # fmt: skip


async def test_what_the_server_can_do_follows_its_behaviour(stage: Stage) -> None:
    config = await stage.get("/ServiceProviderConfig")
    flags = {
        name: value["supported"] for name, value in config.items() if isinstance(value, dict) and "supported" in value
    }
    assert flags == {
        "patch": True, "bulk": False, "filter": True, "changePassword": False, "sort": False, "etag": False,
    }  # fmt: skip
    assert (config["filter"]["maxResults"], config["authenticationSchemes"][0]["type"]) == (100, "oauthbearertoken")
    stage.behave(patch=False, versions=True, max_page_size=7)
    changed = await stage.get("/ServiceProviderConfig")
    assert (changed["patch"]["supported"], changed["etag"]["supported"]) == (False, True)
    assert changed["filter"]["maxResults"] == 7


async def test_the_resource_types_name_their_extensions(stage: Stage) -> None:
    user, group = (await stage.get("/ResourceTypes"))["Resources"]
    assert (user["endpoint"], user["schema"]) == ("/Users", CORE)
    assert [each["schema"] for each in user["schemaExtensions"]] == [ENTERPRISE, DECLAREE]
    assert group["endpoint"] == "/Groups"
    assert await stage.get("/ResourceTypes/User") == user


async def test_the_schemas_describe_every_field_that_can_be_mapped(stage: Stage) -> None:
    listed = await stage.get("/Schemas")
    assert listed["totalResults"] == listed["itemsPerPage"] == len(listed["Resources"])
    by_urn: dict[str, dict[str, Any]] = {each["id"]: each for each in listed["Resources"]}
    attributes = {
        urn: {each["name"]: each for each in by_urn[urn]["attributes"]} for urn in (CORE, ENTERPRISE, DECLAREE)
    }
    assert attributes[DECLAREE].keys() == OF_PART_3
    assert attributes[DECLAREE]["travelPolicy"]["canonicalValues"] == ["standard", "international", "executive"]
    assert attributes[DECLAREE]["assistants"]["multiValued"] is True
    assert attributes[ENTERPRISE]["manager"]["type"] == "complex"
    assert {name for name, each in attributes[CORE].items() if each["required"]} == {"userName", "name", "emails"}
    assert attributes[CORE]["userName"]["uniqueness"] == "server"
    assert attributes[CORE]["groups"]["mutability"] == "readOnly"


@pytest.mark.parametrize("urn", [CORE, ENTERPRISE, DECLAREE, DECLAREE.upper()])
async def test_a_single_schema_is_found_by_its_urn(stage: Stage, urn: str) -> None:
    found = await stage.get(f"/Schemas/{urn}")
    assert found["id"].lower() == urn.lower()
    assert found["meta"]["location"] == f"http://declaree.test/SCIM/v2/Schemas/{found['id']}"


@pytest.mark.parametrize("name", SWITCHES)
async def test_each_of_them_may_be_missing(stage: Stage, name: str) -> None:
    stage.behave(**{SWITCHES[name]: False})
    statuses = {each: (await stage.scim("GET", f"/{each}")).status_code for each in SWITCHES}
    assert statuses == {each: 404 if each == name else 200 for each in SWITCHES}


@pytest.mark.parametrize("path", ["/Schemas/urn:other", "/ResourceTypes/Car", "/ServiceProviderConfig/x"])
async def test_what_is_not_there_is_404(stage: Stage, path: str) -> None:
    assert refusal(await stage.scim("GET", path)) == (404, None)


@pytest.mark.parametrize("name", SWITCHES)
async def test_they_cannot_be_filtered(stage: Stage, name: str) -> None:
    assert refusal(await stage.scim("GET", f"/{name}?filter=id%20pr")) == (403, None)
